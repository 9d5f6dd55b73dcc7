"""What a count of events in a number of runs can show about their true share: exact binomial bounds.

Not here: which events. Invariant: each bound holds with at least 95 % confidence, whatever the share is (Clopper and
Pearson, Biometrika 26, 1934).
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import Final

_RISK: Final = 0.05
_STEPS: Final = 60


def lower(events: int, runs: int) -> float:
    """The share is at least this."""
    return 0.0 if events == 0 else _root(lambda share: 1 - _at_most(events - 1, runs, share))


def upper(events: int, runs: int) -> float:
    """The share is at most this."""
    return 1.0 if events >= runs else 1.0 - _root(lambda rest: _at_most(events, runs, 1 - rest))


def runs_to_show(most: float) -> int:
    """How many runs without an event show that the share is below `most`."""
    runs = 1
    while (1 - most) ** runs > _RISK:
        runs += 1
    return runs


def _at_most(events: int, runs: int, share: float) -> float:
    return sum(comb(runs, count) * share**count * (1 - share) ** (runs - count) for count in range(events + 1))


def _root(chance: Callable[[float], float]) -> float:
    """Where a rising chance reaches the risk, by halving."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle) < _RISK else (low, middle)
    return low
