"""Swap: under "the vendor behaves like the reference" the two answers to one request are exchangeable (N1).

Here: a yes or no of each answer (McNemar's test, sequentially), and a payoff that is odd under the exchange. Not here:
amounts (size.py). Invariant: the payoff has mean at most the tolerance under the null, whatever the traffic.
"""

from __future__ import annotations

from proxy.drift.detector import NOTHING, Detector, Latch, Said
from proxy.drift.effect import Effect, of_cells, of_mean
from proxy.drift.mixture import SIGNED, Lines, Mixture, SignedMixture, Totals, at_payoff, signed_lines
from proxy.drift.moved import Sides
from proxy.drift.recovery import PayoffRecovery, bad_payoff
from proxy.drift.rows import Series, Value

_PAYOFFS = (0.0, 1.0, -1.0, 0.0)
"""Of neither, vendor only, reference only, both."""


class SignedDetector(Detector):
    """Bets on a payoff in [-1, 1], both ways: the first half of the components on more, the second on less."""

    __slots__ = ("_lines",)

    def __init__(self, series: Series) -> None:
        if not 0.0 <= series.tolerance < 1.0:
            raise ValueError(f"{series.name}: tolerance {series.tolerance}; a mean payoff is in 0 <= tolerance < 1")
        super().__init__(series)
        self._lines: Lines = signed_lines(series.tolerance)

    def fresh(self) -> Mixture:
        """Ten components."""
        return SignedMixture()

    def fold(self, value: Value, w: float, at_s: float, number: int) -> Said:
        """Take the value of one pair; one that is not as rows.py has it counts nowhere."""
        raise NotImplementedError

    def bet(self, payoff: float, w: float, at_s: float, number: int, after: Totals) -> Said:
        """Bet on one payoff; `after` are the totals with it."""
        latch = self.latch
        if latch is None:
            factors = [base + slope * payoff for base, slope in self._lines]
            self.mixture.step(factors, w, (at_s, number, self.totals))
            self.totals = after
            return self.judged(at_s)
        return self.well(latch, payoff, after)

    def well(self, latch: Latch, payoff: float, after: Totals) -> Said:
        """After an alarm: bet on recovery."""
        assert isinstance(latch.recovery, PayoffRecovery)
        latch.recovery.step(payoff)
        self.totals = after
        return self.judged_recovery(latch)

    def direction(self) -> int:
        """By the half the leading component is in."""
        return 1 if self.mixture.leading() < len(SIGNED) else -1

    def recovery(self, bad: float, direction: int) -> PayoffRecovery:
        """Bets on a smaller payoff."""
        return PayoffRecovery(bad, direction)

    def bad(self, estimate: float) -> float:
        """Half the estimated payoff, at least the tolerance."""
        return bad_payoff(self.series.tolerance, estimate)


class SwapDetector(SignedDetector):
    """Totals: values, vendor only, reference only, both."""

    __slots__ = ("_factors",)

    EMPTY = (0, 0, 0, 0)

    def __init__(self, series: Series) -> None:
        super().__init__(series)
        self._factors = tuple(at_payoff(self._lines, payoff) for payoff in _PAYOFFS)

    def fold(self, value: Value, w: float, at_s: float, number: int) -> Said:
        """Take the value of one pair."""
        if not isinstance(value, int) or not 0 <= value <= 3:
            return NOTHING
        n, vendor, reference, both = totals = self.totals
        after = (n + 1, vendor + (value == 1), reference + (value == 2), both + (value == 3))
        latch = self.latch
        if latch is not None:
            return self.well(latch, _PAYOFFS[value], after)
        self.mixture.step(self._factors[value], w, (at_s, number, totals))
        self.totals = after
        return self.judged(at_s)

    def estimate(self, totals: Totals) -> float:
        """The mean payoff."""
        n, vendor, reference, _ = totals
        return (vendor - reference) / n if n else 0.0

    def effect(self, totals: Totals) -> Effect:
        """The mean payoff, with bounds."""
        return of_cells(*totals[:3])

    def sides(self, totals: Totals) -> Sides:
        """Sums of each side's own feature."""
        n, vendor, reference, both = totals
        return n, vendor + both, vendor + both, reference + both, reference + both


class SignDetector(SignedDetector):
    """Totals: values, sum and sum of squares of the payoff, non-zero payoffs."""

    __slots__ = ()

    EMPTY = (0, 0.0, 0.0, 0)

    def fold(self, value: Value, w: float, at_s: float, number: int) -> Said:
        """Take the value of one pair."""
        if not isinstance(value, (int, float)) or not -1.0 <= value <= 1.0:
            return NOTHING
        n, total, squares, nonzero = self.totals
        after = (n + 1, total + value, squares + value * value, nonzero + (value != 0))
        return self.bet(value, w, at_s, number, after)

    def estimate(self, totals: Totals) -> float:
        """The mean payoff."""
        return totals[1] / totals[0] if totals[0] else 0.0

    def effect(self, totals: Totals) -> Effect:
        """The mean payoff, with bounds."""
        return of_mean(*totals)
