"""What all series share: from bets to alarm, and from alarm to recovery.

Not here: how a value becomes a bet (one file for each kind) and what alarms mean together (states.py, watch.py).
Invariants: an alarm is latched: the evidence and the change point stay as they were until the series has recovered or
starts anew; the state is builtins only and comes back to the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log
from typing import Any, ClassVar, Final, Literal, TypeAlias

from proxy.drift.effect import Effect
from proxy.drift.mixture import Mark, Mixture, Totals
from proxy.drift.moved import Sides, only_reference_moved
from proxy.drift.recovery import PayoffRecovery, RateRecovery
from proxy.drift.rows import Series, Terms

Said: TypeAlias = Literal[0, 1, 2, 3]
"""What a value did to a series: nothing, its standing CHANGED, it ALARMED, it RECOVERED."""
NOTHING: Final = 0
CHANGED: Final = 1
ALARMED: Final = 2
RECOVERED: Final = 3

_FOR_BLAME: Final = 50
"""Values since the change point from which on it can be told which side moved."""
_LEAST: Final = 1e-12
"""The least evidence shown: a logarithm of 0 could not be."""


@dataclass(slots=True)
class Latch:
    """An alarm that lasts. `suspect`: it speaks against the reference; `settled`: which side moved is known."""

    at_s: float
    direction: int
    mark: Mark
    bad: float
    recovery: PayoffRecovery | RateRecovery = field(repr=False)
    suspect: bool = False
    settled: bool = False
    recovering: bool = False


class Detector:
    """One series. `totals` begin with the number of values; the rest is the kind's."""

    __slots__ = ("_limit", "_recover", "_warm", "_warning", "latch", "mixture", "series", "totals", "warned")

    EMPTY: ClassVar[Totals] = (0,)
    PAIRED: ClassVar[bool] = True
    """Whether its values come from pairs (else from the vendor's answers alone)."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self.mixture = self.fresh()
        self.totals: Totals = self.EMPTY
        self.latch: Latch | None = None
        self.warned = False

    def bind(self, series: Series, terms: Terms) -> None:
        """Take the terms under which evidence is judged; the evidence stays."""
        self.series = series
        components = len(self.mixture.m)
        self._limit = components * terms.budget * terms.families / (series.weight or 1.0)
        # Like the alarm's, the threshold of a warning is shared: all series together warn as often as one would alone.
        self._warm = components * terms.warn_at / (series.weight or 1.0)
        self._warning, self._recover = terms.warn_at, terms.recover_at
        self.warned = self.latch is None and self.mixture.heat >= self._warm

    # What a kind says about itself.

    def fresh(self) -> Mixture:
        """A mixture without evidence."""
        raise NotImplementedError

    def direction(self) -> int:
        """Of the leading component: 1 the vendor has more, -1 less."""
        return 1

    def estimate(self, totals: Totals) -> float:
        """The mean payoff, or the rate, over these totals."""
        raise NotImplementedError

    def effect(self, totals: Totals) -> Effect:
        """What is shown of these totals."""
        raise NotImplementedError

    def sides(self, totals: Totals) -> Sides | None:
        """What each side did by itself; None where that is not known."""
        return None

    def recovery(self, bad: float, direction: int) -> PayoffRecovery | RateRecovery:
        """A detector of the end of an alarm."""
        raise NotImplementedError

    def bad(self, estimate: float) -> float:
        """From where on the series is still degraded."""
        raise NotImplementedError

    @property
    def tolerance(self) -> float:
        """What is no drift."""
        return self.series.tolerance

    # From bets to alarm and back.

    def judged(self, at_s: float) -> Said:
        """After a bet on the null of no drift."""
        mixture = self.mixture
        if mixture.evidence >= self._limit:
            self._latch(at_s)
            return ALARMED
        if (mixture.heat >= self._warm) is not self.warned:
            self.warned = not self.warned
            return CHANGED
        return NOTHING

    def judged_recovery(self, latch: Latch) -> Said:
        """After a bet on the null of no recovery."""
        mixture = latch.recovery.mixture
        components = len(mixture.m)
        if mixture.evidence >= components * self._recover:
            return RECOVERED
        if not latch.settled and self.totals[0] - latch.mark[2][0] >= _FOR_BLAME:
            self._settle(latch)
            if latch.suspect:
                return CHANGED
        well = mixture.heat >= components * (1.0 if latch.recovering else self._warning)
        if well is not latch.recovering:
            latch.recovering = well
            return CHANGED
        return NOTHING

    def _latch(self, at_s: float) -> None:
        mark = self.mixture.marks[self.mixture.leading()]
        direction = self.direction()
        bad = self.bad(direction * self.estimate(self.since(mark)))
        self.latch = latch = Latch(at_s, direction, mark, bad, self.recovery(bad, direction))
        self.warned = False
        if self.sides(self.totals) is None:
            latch.settled = True
        elif self.totals[0] - mark[2][0] >= _FOR_BLAME:
            self._settle(latch)

    def _settle(self, latch: Latch) -> None:
        latch.settled = True
        before, since = self.sides(latch.mark[2]), self.sides(self.since(latch.mark))
        if before and since and only_reference_moved(before, since):
            latch.suspect = True

    def restart(self) -> None:
        """Recovered: evidence and counts from 0. What was learned from the past (a scale, an offset) stays."""
        self.mixture = self.fresh()
        self.totals, self.latch, self.warned = self.EMPTY, None, False

    # What is seen from outside.

    def since(self, mark: Mark) -> Totals:
        """The totals from a place on."""
        return tuple([now - then for now, then in zip(self.totals, mark[2] or self.EMPTY, strict=True)])

    def changepoint(self) -> Mark | None:
        """Where the change began; None while there is neither an alarm nor a warning."""
        if self.latch is not None:
            return self.latch.mark
        return self.mixture.marks[self.mixture.leading()] if self.warned else None

    @property
    def log_evidence(self) -> float:
        """Of the mixture M; frozen while an alarm lasts."""
        return log(max(self.mixture.evidence / len(self.mixture.m), _LEAST))

    @property
    def log_cusum(self) -> float:
        """Of the mixture C."""
        return log(max(self.mixture.heat / len(self.mixture.c), _LEAST))

    @property
    def log_threshold(self) -> float:
        """Of the budget over the series' share of it."""
        return log(self._limit / len(self.mixture.m))

    def log_recovery(self, latch: Latch) -> tuple[float, float]:
        """Evidence and threshold of the recovery from an alarm."""
        mixture = latch.recovery.mixture
        return log(max(mixture.evidence / len(mixture.m), _LEAST)), log(self._recover)

    def learned(self) -> dict[str, Any]:
        """State of the kind's own, beyond evidence and counts."""
        return {}

    def relearn(self, learned: dict[str, Any]) -> None:
        """Take back what `learned` gave."""

    def state(self) -> dict[str, Any]:
        """As builtins."""
        state: dict[str, Any] = {
            "totals": list(self.totals),
            "mixture": self.mixture.state(),
            "learned": self.learned(),
        }
        latch = self.latch
        if latch is not None:
            at_s, number, totals = latch.mark
            state["latch"] = {
                "at_s": latch.at_s,
                "direction": latch.direction,
                "mark": [at_s, number, list(totals)],
                "bad": latch.bad,
                "recovery": latch.recovery.mixture.state(),
                "flags": [int(latch.suspect), int(latch.settled), int(latch.recovering)],
            }
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave; `bind` follows."""
        self.relearn(state["learned"])
        self.mixture.restore(state["mixture"])
        self.totals = tuple(state["totals"])
        kept = state.get("latch")
        if kept is not None:
            at_s, number, totals = kept["mark"]
            recovery = self.recovery(kept["bad"], kept["direction"])
            recovery.mixture.restore(kept["recovery"])
            flags = [bool(flag) for flag in kept["flags"]]
            mark = (at_s, number, tuple(totals))
            self.latch = Latch(kept["at_s"], kept["direction"], mark, kept["bad"], recovery, *flags)
