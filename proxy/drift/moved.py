"""Which side moved at a change point: the vendor, the reference, or the traffic under both.

Not here: when it is asked (detector.py) and what follows (watch.py). Invariant: a pure function of sums.
"""

from __future__ import annotations

from math import sqrt
from typing import Final, TypeAlias

Sides: TypeAlias = tuple[float, float, float, float, float]
"""Values, then sum and sum of squares of the vendor's own feature, then of the reference's."""

_ENOUGH: Final = 50
_MOVED: Final = 3.0
_STOOD: Final = 2.0
"""Standard errors."""


def only_reference_moved(before: Sides, since: Sides) -> bool:
    """True where the reference changed clearly and the vendor did not; False where either part is short."""
    n, m = before[0], since[0]
    if n < _ENOUGH or m < _ENOUGH:
        return False
    vendor = _shift(n, before[1], before[2], m, since[1], since[2])
    reference = _shift(n, before[3], before[4], m, since[3], since[4])
    return reference >= _MOVED and vendor < _STOOD


def _shift(n: float, total: float, squares: float, m: float, later: float, later_squares: float) -> float:
    """The change of a mean in its standard errors. A feature that never varied still has an error of 1 / n."""
    mean, now = total / n, later / m
    variance = max(squares / n - mean * mean, 1 / n) / n + max(later_squares / m - now * now, 1 / m) / m
    return abs(now - mean) / sqrt(variance)
