"""Whether a degraded series is well again: the same detector on the mirrored null "still at least as bad as `bad`".

Not here: when it starts and ends (detector.py). Invariant: under that null a factor has mean at most 1; the clock is
one a value, so that threshold 1e4 means at least 1e4 bad values between false recoveries (S12).
"""

from __future__ import annotations

from math import sqrt
from typing import Final

from proxy.drift.mixture import NO_MARK, SIGNED, Mixture, at_payoff, rate_outcomes

_FEWER: Final = (1 / 1.25, 1 / 1.5, 1 / 2.0, 1 / 3.0, 1 / 6.0)
"""Odds of a violation, against `bad`, that a recovered series is bet to have."""
_LEAST_BAD: Final = 0.005
"""Half a point: a bound of 0 could never be told from health."""
_MOST_BAD: Final = 0.9


def bad_payoff(tolerance: float, estimate: float) -> float:
    """From which mean payoff on, in the direction of the alarm, a series is still degraded."""
    return min(max(tolerance, estimate / 2.0, _LEAST_BAD), _MOST_BAD)


def bad_rate(tolerance: float, estimate: float) -> float:
    """The same of a rate: the geometric middle, yet clear of the tolerance."""
    return min(max(sqrt(tolerance * estimate), 1.25 * tolerance), (1.0 + tolerance) / 2.0)


class PayoffRecovery:
    """Of signed payoffs. `direction` is the sign of the alarm."""

    __slots__ = ("_lines", "mixture")

    def __init__(self, bad: float, direction: int) -> None:
        self.mixture = Mixture(len(SIGNED))
        self._lines = tuple((1.0 + lam * bad, -lam * direction) for lam in SIGNED)

    def step(self, payoff: float) -> None:
        """One payoff."""
        self.mixture.step(at_payoff(self._lines, payoff), 1.0, NO_MARK)


class RateRecovery:
    """Of violations."""

    __slots__ = ("_outcomes", "mixture")

    def __init__(self, bad: float) -> None:
        self.mixture = Mixture(len(_FEWER))
        self._outcomes = rate_outcomes(bad, _FEWER)

    def run(self, violated: int, length: int) -> None:
        """`length` equal outcomes."""
        self.mixture.run(self._outcomes[violated], length, 1.0, NO_MARK, NO_MARK)
