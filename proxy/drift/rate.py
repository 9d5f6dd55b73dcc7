"""Rate: violations in the vendor's own answers against a stated tolerance (N2).

Not here: tolerances learned from the past (baseline.py). Invariant: a factor has mean at most 1 for every rate up to
the tolerance; folding costs by runs of equal outcomes, not by answers.
"""

from __future__ import annotations

from collections.abc import Iterator

from proxy.drift.detector import NOTHING, RECOVERED, Detector, Said
from proxy.drift.effect import Effect, of_rate
from proxy.drift.mixture import CONTRACT_ODDS, RATE_ODDS, Mark, Mixture, Outcome, Totals, rate_outcomes
from proxy.drift.recovery import RateRecovery, bad_rate
from proxy.drift.rows import Series


class RateDetector(Detector):
    """Totals: values, violations."""

    __slots__ = ("_outcomes",)

    EMPTY = (0, 0)
    PAIRED = False

    def __init__(self, series: Series) -> None:
        if not 0.0 < series.tolerance < 1.0:
            raise ValueError(f"{series.name}: tolerance {series.tolerance}; a violation rate is in 0 < tolerance < 1")
        super().__init__(series)
        self._outcomes: tuple[Outcome, Outcome] = rate_outcomes(series.tolerance, self._odds())

    def _odds(self) -> tuple[float, ...]:
        return CONTRACT_ODDS if self.series.group == "contract" else RATE_ODDS

    def fresh(self) -> Mixture:
        """As many components as the group has odds."""
        return Mixture(len(self._odds()))

    def fold_answers(self, outcomes: bytes, w: float, at_s: float) -> Said:
        """Take the outcomes of one row, each after w."""
        said: Said = NOTHING
        for violated, length in runs(outcomes):
            heard = self.run(violated, length, w, at_s)
            if heard == RECOVERED:
                return RECOVERED  # the rest of the row is of the time before the new start
            said = max(said, heard)
        return said

    def run(self, violated: int, length: int, w: float, at_s: float) -> Said:
        """Take `length` equal outcomes."""
        n, violations = self.totals
        latch = self.latch
        if latch is not None:
            assert isinstance(latch.recovery, RateRecovery)
            latch.recovery.run(violated, length)
            self.totals = (n + length, violations + violated * length)
            return self.judged_recovery(latch)
        done = length - 1
        first: Mark = (at_s, int(n), (n, violations))
        last: Mark = (at_s, int(n) + done, (n + done, violations + violated * done)) if done else first
        self.mixture.run(self._outcomes[violated], length, w, first, last)
        self.totals = (n + length, violations + violated * length)
        return self.judged(at_s)

    def estimate(self, totals: Totals) -> float:
        """The rate of violations."""
        return totals[1] / totals[0] if totals[0] else 0.0

    def effect(self, totals: Totals) -> Effect:
        """The rate, with bounds."""
        return of_rate(*totals)

    def recovery(self, bad: float, direction: int) -> RateRecovery:
        """Bets on fewer violations."""
        return RateRecovery(bad)

    def bad(self, estimate: float) -> float:
        """The geometric middle of tolerance and estimated rate."""
        return bad_rate(self.tolerance, estimate)


def runs(outcomes: bytes) -> Iterator[tuple[int, int]]:
    """(outcome, length) of each run of equal outcomes."""
    start, end = 0, len(outcomes)
    while start < end:
        violated = outcomes[start]
        stop = outcomes.find(b"\0" if violated else b"\1", start)
        stop = end if stop < 0 else stop
        yield 1 if violated else 0, stop - start
        start = stop
