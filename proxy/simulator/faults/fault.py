"""What a fault is: a name, what it does, which known defect it stands for, and the stage it changes.

Here: one class per stage, since each stage changes another value. Not here: the faults (one file per stage) and their
order (FAULTS in __init__.py). Invariant: a fault is pure: it takes the honest value and dice, and gives the defective
value; only transmit.py touches a socket.

The life of an answer, and where faults change it:

    request accept   ChatRequest -> ChatRequest    what the host understood, and whether it checks it
    status           -> Refusal                    an error or a redirect in place of an answer
    answer plan      Plan -> Plan                  what is said
    event stream     Sending -> Sending            the events, headers and times
    raw transport    Sending -> Sending            the bytes on the connection and its end
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import ClassVar

from proxy.simulator.faults.defects import Defect
from proxy.simulator.plan import Plan
from proxy.simulator.refusals import Refusal
from proxy.simulator.request import ChatRequest
from proxy.simulator.sending import Sending
from proxy.simulator.shapes import Shape


class Stage(StrEnum):
    """The five places at which a fault can act."""

    ACCEPT = "request accept"
    STATUS = "status"
    PLAN = "answer plan"
    EVENTS = "event stream"
    TRANSPORT = "raw transport"


@dataclass(frozen=True, slots=True)
class Number:
    """The number a fault takes (NAME:NUMBER), in words with its unit, and its default; None: drawn each time."""

    means: str
    default: float | None


@dataclass(frozen=True, slots=True)
class Occasion:
    """One request that a fault befalls: dice, the fault's number, the host's shape, and the credential that came with
    the request ("" if none).
    """

    draw: Random
    number: float | None
    shape: Shape
    credential: str = ""

    def whole(self) -> int:
        """The fault's number, where it has a default."""
        return int(self.number or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`does` is one plain part of a sentence for the table; `defect` is the known defect that it stands for."""

    stage: ClassVar[Stage]

    name: str
    does: str
    defect: Defect
    number: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptFault(Fault):
    """Changes what the host understood."""

    stage: ClassVar[Stage] = Stage.ACCEPT
    act: Callable[[ChatRequest, Occasion], ChatRequest]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFault(Fault):
    """Answers with an error, on every route under /v1 (the request is None but for chat); None: not on this one."""

    stage: ClassVar[Stage] = Stage.STATUS
    act: Callable[[ChatRequest | None, Occasion], Refusal | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFault(Fault):
    """Changes what is said."""

    stage: ClassVar[Stage] = Stage.PLAN
    act: Callable[[Plan, ChatRequest, Occasion], Plan]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsFault(Fault):
    """Changes the events, headers and times, on every route under /v1."""

    stage: ClassVar[Stage] = Stage.EVENTS
    act: Callable[[Sending, Occasion], Sending]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportFault(Fault):
    """Changes what happens on the connection, on every route under /v1."""

    stage: ClassVar[Stage] = Stage.TRANSPORT
    act: Callable[[Sending, Occasion], Sending]
