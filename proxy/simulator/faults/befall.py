"""Which of the faults that are switched on befall one request.

Here: the dice, and how the faults that strike change each stage. Not here: what a fault does. Invariant: every setting
throws once for every request, due or not, so that the start of one fault does not change when another strikes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from proxy.simulator.faults import FAULTS
from proxy.simulator.faults.fault import (
    AcceptFault,
    EventsFault,
    Fault,
    Occasion,
    PlanFault,
    StatusFault,
    TransportFault,
)
from proxy.simulator.options import FaultSetting
from proxy.simulator.plan import Plan
from proxy.simulator.refusals import Refusal
from proxy.simulator.request import ChatRequest
from proxy.simulator.sending import Sending


@dataclass(frozen=True, slots=True)
class Befalling:
    """A fault that strikes one request, and its number (None: drawn by the fault)."""

    fault: Fault
    number: float | None


def befalling(settings: Sequence[FaultSetting], elapsed_s: float, draw: Random) -> tuple[Befalling, ...]:
    """The faults that strike, in the order of FAULTS; `elapsed_s` is the time since they were set."""
    struck: dict[str, FaultSetting] = {}
    for setting in settings:
        hit = draw.random() < setting.share
        if hit and elapsed_s >= setting.start_s:
            struck[setting.name] = setting
    return tuple(Befalling(fault, _number(fault, struck[fault.name])) for fault in FAULTS if fault.name in struck)


def _number(fault: Fault, setting: FaultSetting) -> float | None:
    if setting.number is not None:
        return setting.number
    return fault.number.default if fault.number is not None else None


class Strike:
    """The faults that strike one request, applied stage by stage in the order of FAULTS."""

    def __init__(self, struck: Sequence[Befalling], occasion: Occasion) -> None:
        self._struck = [(each.fault, replace(occasion, number=each.number)) for each in struck]

    def accepted(self, request: ChatRequest) -> ChatRequest:
        """What the host understood."""
        for fault, occasion in self._struck:
            if isinstance(fault, AcceptFault):
                request = fault.act(request, occasion)
        return request

    def status(self, request: ChatRequest | None) -> Refusal | None:
        """The error in place of an answer, if any."""
        for fault, occasion in self._struck:
            if isinstance(fault, StatusFault):
                refusal = fault.act(request, occasion)
                if refusal is not None:
                    return refusal
        return None

    def plan(self, plan: Plan, request: ChatRequest) -> Plan:
        """What is said."""
        for fault, occasion in self._struck:
            if isinstance(fault, PlanFault):
                plan = fault.act(plan, request, occasion)
        return plan

    def sending(self, sending: Sending) -> Sending:
        """How it is sent."""
        for fault, occasion in self._struck:
            if isinstance(fault, EventsFault | TransportFault):
                sending = fault.act(sending, occasion)
        return sending
