"""The mixture e-detector of one series: Shiryaev-Roberts beside CUSUM, over a grid of bet sizes (drift.md section 5).

Here: the recursions M <- L (M + w) and C <- L max(C, 1), a run of equal outcomes in closed form, and the grids. Not
here: what the bets are on (swap.py, rate.py and the others) and what an alarm means (detector.py). Invariants: all
numbers are plain finite floats; the same steps give the same bits.

With E[L] <= 1 under the null, M minus the sum of w is a supermartingale: on average the w sum up to at least A before M
reaches A. w may be any number known before the outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import exp, expm1, log, log1p
from typing import Any, Final, TypeAlias

SIGNED: Final = (0.1, 0.2, 0.4, 0.7, 0.9)
"""Bet sizes on a payoff in [-1, 1]. None below 0.05: with vanishing bets M climbs like the clock itself."""
RATE_ODDS: Final = (1.5, 2.0, 3.0, 6.0, 12.0, 50.0)
CONTRACT_ODDS: Final = (10.0, 100.0, 1e3, 1e4)
"""How many times the tolerated odds a violation is bet to have."""

_CEILING: Final = 1e250
"""Where M and C stop: no factor is above 1e9, so the next product is finite too."""
_LONGEST_LOG: Final = 550.0

Totals: TypeAlias = tuple[float, ...]
Mark: TypeAlias = tuple[float, int, Totals]
"""A place in a series: time and admission number of a value, and the totals just before it."""
NO_MARK: Final[Mark] = (0.0, 0, ())
Lines: TypeAlias = tuple[tuple[float, float], ...]
"""Factors that are linear in the payoff g: base + slope * g for each component."""


class Outcome:
    """The factors of one outcome of a yes or no, made ready for runs of it."""

    __slots__ = ("factors", "logs", "ratios")

    def __init__(self, factors: Iterable[float], logs: Iterable[float], excess: Iterable[float]) -> None:
        self.factors = tuple(factors)
        self.logs = tuple(logs)
        self.ratios = tuple(factor / over for factor, over in zip(self.factors, excess, strict=True))


def rate_outcomes(p0: float, odds: Sequence[float]) -> tuple[Outcome, Outcome]:
    """(conforming, violated) of the bets that violations have `odds` times the odds of p0, 0 < p0 < 1 (N2)."""
    rises = [(r - 1.0) * p0 / (1.0 - p0 + r * p0) for r in odds]  # p1 / p0 - 1 = rise * (1 - p0) / p0
    up = [rise * (1.0 - p0) / p0 for rise in rises]
    return (
        Outcome((1.0 - rise for rise in rises), (log1p(-rise) for rise in rises), (-rise for rise in rises)),
        Outcome((1.0 + over for over in up), (log1p(over) for over in up), up),
    )


def signed_lines(tolerance: float) -> Lines:
    """Bets on a mean payoff above `tolerance`, then on one below -tolerance: 1 + lam * (+-g - tolerance) (N1, N4)."""
    sizes = [size / (1.0 + tolerance) for size in SIGNED]
    return tuple((1.0 - lam * tolerance, side * lam) for side in (1.0, -1.0) for lam in sizes)


def at_payoff(lines: Lines, payoff: float) -> tuple[float, ...]:
    """The factors at one payoff."""
    return tuple([base + slope * payoff for base, slope in lines])


class Mixture:
    """K components of equal weight. `evidence` is the sum of the M, `heat` that of the C: K times their mixtures. For
    each component `marks` keeps where its C last started from 1: its own guess of the change point.
    """

    __slots__ = ("c", "evidence", "heat", "m", "marks")

    def __init__(self, components: int) -> None:
        self.m = [0.0] * components
        self.c = [0.0] * components
        self.marks: list[Mark] = [NO_MARK] * components
        self.evidence = 0.0
        self.heat = 0.0

    def step(self, factors: Sequence[float], w: float, mark: Mark) -> None:
        """One value: its factors, the clock's advance before it, and its place."""
        cusums, marks = self.c, self.marks
        self.m = [factor * (m + w) for factor, m in zip(factors, self.m, strict=True)]
        for k, factor in enumerate(factors):
            c = cusums[k]
            if c > 1.0:
                cusums[k] = factor * c
            else:
                cusums[k] = factor
                marks[k] = mark
        self._summed()

    def run(self, outcome: Outcome, length: int, w: float, first: Mark, last: Mark) -> None:
        """`length` >= 1 values of one outcome, each after w; `first` and `last` are their places. The cost does not
        depend on the length.
        """
        cusums, marks, sums = self.c, self.marks, self.m
        for k, (factor, rate, ratio) in enumerate(zip(outcome.factors, outcome.logs, outcome.ratios, strict=True)):
            exponent = min(rate * length, _LONGEST_LOG)
            power = exp(exponent)
            sums[k] = power * sums[k] + w * ratio * expm1(exponent)
            c = cusums[k]
            if factor > 1.0:
                if c <= 1.0:
                    c, marks[k] = 1.0, first
                cusums[k] = power * c
            elif c > 1.0 and rate * (length - 1) + log(c) > 0.0:
                cusums[k] = power * c
            else:  # by the last value it had fallen to 1 and started again
                cusums[k], marks[k] = factor, last
        self._summed()

    def _summed(self) -> None:
        self.evidence = evidence = sum(self.m)
        self.heat = heat = sum(self.c)
        if evidence > _CEILING or heat > _CEILING:
            self._cap()

    def _cap(self) -> None:
        self.m = [min(m, _CEILING) for m in self.m]
        self.c = [min(c, _CEILING) for c in self.c]
        self.evidence, self.heat = sum(self.m), sum(self.c)

    def leading(self) -> int:
        """The component with the largest C."""
        return self.c.index(max(self.c))

    def state(self) -> dict[str, Any]:
        """As builtins; a place that several components share is kept once."""
        places = list(dict.fromkeys(self.marks))
        marks = [[at_s, number, list(totals)] for at_s, number, totals in places]
        return {"m": list(self.m), "c": list(self.c), "marks": marks, "place": [places.index(m) for m in self.marks]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self.m, self.c = list(state["m"]), list(state["c"])
        places: list[Mark] = [(at_s, number, tuple(totals)) for at_s, number, totals in state["marks"]]
        self.marks = [places[index] for index in state["place"]]
        self._summed()


class SignedMixture(Mixture):
    """The ten components of signed_lines. Its step is written out: a pair has some thirty series, nearly all of them
    signed, and this takes less than half the time of the loop.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(2 * len(SIGNED))

    def step(self, factors: Sequence[float], w: float, mark: Mark) -> None:
        """As of any mixture, to the bit."""
        f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 = factors
        m0, m1, m2, m3, m4, m5, m6, m7, m8, m9 = self.m
        self.m = m = [
            f0 * (m0 + w),
            f1 * (m1 + w),
            f2 * (m2 + w),
            f3 * (m3 + w),
            f4 * (m4 + w),
            f5 * (m5 + w),
            f6 * (m6 + w),
            f7 * (m7 + w),
            f8 * (m8 + w),
            f9 * (m9 + w),
        ]
        self.evidence = evidence = sum(m)
        if self._heated(factors, mark) > _CEILING or evidence > _CEILING:
            self._cap()

    def _heated(self, factors: Sequence[float], mark: Mark) -> float:  # noqa: PLR0912  (see above)
        """The step of the C; its new sum."""
        f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 = factors
        c0, c1, c2, c3, c4, c5, c6, c7, c8, c9 = self.c
        marks = self.marks
        if c0 > 1.0:
            f0 *= c0
        else:
            marks[0] = mark
        if c1 > 1.0:
            f1 *= c1
        else:
            marks[1] = mark
        if c2 > 1.0:
            f2 *= c2
        else:
            marks[2] = mark
        if c3 > 1.0:
            f3 *= c3
        else:
            marks[3] = mark
        if c4 > 1.0:
            f4 *= c4
        else:
            marks[4] = mark
        if c5 > 1.0:
            f5 *= c5
        else:
            marks[5] = mark
        if c6 > 1.0:
            f6 *= c6
        else:
            marks[6] = mark
        if c7 > 1.0:
            f7 *= c7
        else:
            marks[7] = mark
        if c8 > 1.0:
            f8 *= c8
        else:
            marks[8] = mark
        if c9 > 1.0:
            f9 *= c9
        else:
            marks[9] = mark
        self.c = c = [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9]
        self.heat = heat = sum(c)
        return heat
