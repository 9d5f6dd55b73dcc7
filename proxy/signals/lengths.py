"""How long reasoning and content are, in characters.

The size finds what shifts by a little everywhere, the tail what shifts by much in few answers. Not here: tokens.
Invariants: the content is compared only where neither side calls tools, the reasoning only in thinking mode; both sides
ended.
"""

from __future__ import annotations

from math import log1p
from typing import Final

from proxy.contract.mode import Mode
from proxy.signals.features import Read
from proxy.signals.signal import PAIR_TOLERANCE, Group, Sign, Size

TAIL: Final = 0.6
"""Of the log ratio: beyond it one text is almost twice the other."""


def _reasoning(read: Read) -> float | None:
    return len(read.reasoning or "") if read.asked.mode is Mode.THINKING and read.ended else None


def _content(read: Read) -> float | None:
    return len(read.content or "") if not read.tool_calls and read.ended else None


def _tail(ours: float | None, theirs: float | None) -> float | None:
    if ours is None or theirs is None:
        return None
    difference = log1p(ours) - log1p(theirs)
    return float((difference > TAIL) - (difference < -TAIL))


def _reasoning_tail(vendor: Read, reference: Read) -> float | None:
    return _tail(_reasoning(vendor), _reasoning(reference))


def _content_tail(vendor: Read, reference: Read) -> float | None:
    return _tail(_content(vendor), _content(reference))


REASONING_LENGTH = Size(
    name="reasoning-length",
    amount=_reasoning,
    unit="squashed log ratio",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="a reasoning effort ignored or changed",
    source="Kimi-Vendor-Verifier README",
)
REASONING_LENGTH_TAIL = Sign(
    name="reasoning-length-tail",
    payoff=_reasoning_tail,
    unit="mean sign",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="thoughts broken off or running on",
    source="Kimi-Vendor-Verifier README",
)
CONTENT_LENGTH = Size(
    name="content-length",
    amount=_content,
    unit="squashed log ratio",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="shorter or longer answers",
    source="Kimi-Vendor-Verifier README",
)
CONTENT_LENGTH_TAIL = Sign(
    name="content-length-tail",
    payoff=_content_tail,
    unit="mean sign",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="a few answers truncated or looping",
    source="Kimi-Vendor-Verifier README",
)
