"""Degenerate answers: loops, endless characters.

Not here: how that is told (repetition.py). Invariant: the limits are the same for a rate and for pairs.
"""

from __future__ import annotations

from proxy.signals.features import Read
from proxy.signals.signal import PAIR_TOLERANCE, Group, Rate, Swap


def _degenerate(read: Read) -> bool | None:
    return read.degenerate if read.whole else None


def _ended_degenerate(read: Read) -> bool | None:
    return read.degenerate if read.ended else None


DEGENERATE = Rate(
    name="degenerate",
    violated=_degenerate,
    unit="share of answers",
    group=Group.REST,
    tolerance=0.002,
    finds="one character 50 times in a row, loops, text that compresses twelvefold",
    source="vllm#42426; Kimi-K2.5#46, Kimi-K2#70",
)
DEGENERATE_PAIR = Swap(
    name="degenerate-pair",
    has=_ended_degenerate,
    unit="difference of shares",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="more of them than the reference gives",
    source="vllm#42426; Kimi-K2.5#46, Kimi-K2#70",
)
