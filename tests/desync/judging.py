"""What is a desync: the stream as it was framed, what the origin understood, and what the client and the proxy told.

Not here: sockets. Invariant: a fault is named for what anybody may read off the wire, and whatever the proxy refuses is
no fault; it may refuse anything, but not misread it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import orjson

from tests.desync.reference import Framed, Reading
from tests.wire.client import Answer

Heard: TypeAlias = Framed | int | str
"""One answer: what the origin understood (its own answer), the status of its refusal, or the code of the proxy's."""

_STREAM = re.compile(r"(?:s|p|smuggled\.)(\d+)")
_LOST = "vendor-"
"""Codes of the proxy for a vendor that did not answer."""


@dataclass(slots=True)
class Told:
    """One stream as the client heard it and as the proxy counted it. `end`: all (every answer came), closed (after an
    answer that said so), cut, late. `more`: bytes came that no request asked for.
    """

    heard: list[Heard] = field(default_factory=list)
    end: str = "all"
    more: bool = False
    sent: int = 0
    unsolicited: int = 0
    probe: Heard = ""


def understood(line: bytes) -> Framed:
    """One line of an origin."""
    return Framed(*orjson.loads(line))


def stream_of(framed: Framed) -> int | None:
    """The number of the stream that a marker belongs to."""
    found = _STREAM.search(framed.marker)
    return int(found[1]) if found else None


def heard(answer: Answer) -> Heard:
    """Whose answer it is."""
    if answer.value("x-paramwall-error-source") == b"proxy":
        return str(answer.error()["code"])
    if answer.status == 200 and answer.body.startswith(b"["):
        return understood(answer.body)
    return answer.status


def strangers(framed: Sequence[Framed], seen: Sequence[Framed]) -> list[Framed]:
    """Requests that the origin understood and the client did not frame, or not in this order."""
    found: list[Framed] = []
    place = 0
    for one in seen:
        try:
            place = framed.index(one, place) + 1
        except ValueError:
            found.append(one)
    return found


def faults(reading: Reading, told: Told, seen: Sequence[Framed], probe: Framed) -> list[str]:
    """Everything that is wrong with one stream; `seen` holds the probe as its last."""
    framed = reading.requests
    streamed = [one for one in seen if one.marker != probe.marker]
    found = [f"the origin understood a request that nobody framed: {one}" for one in strangers(framed, streamed)]
    if list(seen[len(streamed) :]) != [probe] or told.probe != probe:
        found.append(f"the request after the stream got {told.probe}; the origin saw {list(seen[len(streamed) :])}")
    echoes = [one for one in told.heard if isinstance(one, Framed)]
    lost = sum(isinstance(one, str) and one.startswith(_LOST) for one in told.heard)
    refused = sum(isinstance(one, int) for one in told.heard)
    if (echoes != streamed) if not lost else strangers(streamed, echoes):
        found.append(f"answers and requests differ: {echoes} / {streamed}")
    if not told.sent - lost <= len(streamed) + refused <= told.sent:
        found.append(f"the proxy says it sent {told.sent}; seen {len(streamed)}, refused by the origin {refused}")
    if told.unsolicited:
        found.append("the origin answered more than it was asked")
    if told.more:
        found.append("the proxy answered more than it was asked")
    found += _misplaced(framed, reading.end, told.heard)
    return [*found, f"told: {told}"] if found else []


def _misplaced(framed: Sequence[Framed], end: str, answers: Sequence[Heard]) -> list[str]:
    """Answers that are not their request's."""
    found = []
    for place, one in enumerate(answers):
        if place < len(framed):
            if isinstance(one, Framed) and one != framed[place]:
                found.append(f"answer {place} is that of {one}, not of {framed[place]}")
            elif isinstance(one, int) and one < 400:
                found.append(f"answer {place} is a {one} that no origin of ours gives")
        elif end == "whole" or place > len(framed) or not isinstance(one, str) or one.startswith(_LOST):
            found.append(f"answer {place} is {one}, and no request was framed there")
    return found
