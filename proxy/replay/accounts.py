"""Account: all that one target answered, counted by mode, and what that comes to.

Here: costs, failures, scores and the verifier's counts. Not here: the detectors (scoring.py) and the metrics
themselves (figures.py). Invariants: memory grows with the number of different counts, not of records (but for two times
a call); a call that failed is counted as failed, and elsewhere only where the verifier itself counts it.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from proxy.contract.mode import Mode
from proxy.drift.report import KeyView, SeriesView
from proxy.replay.facts import NOTHING, Counts, Facts, added, counts_of
from proxy.replay.figures import AGREEMENT, CORRECT, KVV, LAWFUL, Vector, agreement_of, figures, kvv_counts, kvv_of
from proxy.replay.prepare import Destination
from proxy.replay.records import UNSCORED
from proxy.replay.rounds import Round, Side
from proxy.replay.summary import Figure, Latency, ModeResult, Quantiles, Score, Signal, Target, Tokens
from proxy.signals import SELF_TESTS, SIGNALS
from proxy.signals.signal import Kind

_UNITS: Final = {signal.name: signal.unit for signal in (*SIGNALS, *SELF_TESTS)}


@dataclass(slots=True)
class Tally:
    """One target in one mode. `records` says how many records have which counts; `open` is the one being counted."""

    asked: int = 0
    answered: int = 0
    records: Counter[Vector] = field(default_factory=Counter)
    open: Counts = NOTHING
    finishes: Counter[str] = field(default_factory=Counter)
    scores: dict[tuple[str, str], Scored] = field(default_factory=dict)


@dataclass(slots=True)
class Scored:
    """One task by one scorer; `records` holds (correct, answered) by record."""

    records: Counter[Vector] = field(default_factory=Counter)
    open: tuple[int, int] = (0, 0)
    unparsed: int = 0
    unanswered: int = 0


@dataclass(slots=True)
class Account:
    """One target in all modes."""

    asked: int = 0
    answered: int = 0
    retried: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    first_token_s: array[float] = field(default_factory=lambda: array("d"))
    total_s: array[float] = field(default_factory=lambda: array("d"))
    prompt: int = 0
    completion: int = 0
    untold: int = 0
    modes: dict[Mode, Tally] = field(default_factory=dict)

    def add(self, round_: Round, side: Side, reference: Facts | None) -> None:
        """One call; `reference` is that of the reference's, where the two are to be compared."""
        call, tally = side.call, self.modes.setdefault(side.mode, Tally())
        self.asked += 1
        tally.asked += 1
        self.retried += len(call.former)
        if side.facts.whole:
            self.answered += 1
            tally.answered += 1
            self._add_costs(side)
        else:
            self.failed[call.reason] += 1
        tally.open = added(tally.open, counts_of(side.facts, reference))
        tally.finishes[side.facts.finish or ""] += 1
        if round_.record.scorer != UNSCORED:
            key = (round_.record.task, round_.record.scorer)
            _add_score(tally.scores.setdefault(key, Scored()), side)

    def close_record(self) -> None:
        """All epochs of a record are one draw."""
        for tally in self.modes.values():
            if tally.open != NOTHING:
                tally.records[tally.open] += 1
                tally.open = NOTHING
            for score in tally.scores.values():
                if score.open[1]:
                    score.records[score.open] += 1
                    score.open = (0, 0)

    def _add_costs(self, side: Side) -> None:
        call = side.call
        if call.first_token_s is not None:
            self.first_token_s.append(call.first_token_s)
        if call.total_s is not None:
            self.total_s.append(call.total_s)
        usage = None if side.answer is None else side.answer.usage
        self.prompt += (usage.prompt if usage else None) or 0
        self.completion += (usage.completion if usage else None) or 0
        self.untold += usage is None or usage.completion is None


def _add_score(score: Scored, side: Side) -> None:
    if side.mark is None:
        score.unanswered += 1
        return
    score.open = (score.open[0] + side.mark.correct, score.open[1] + 1)
    score.unparsed += not side.mark.parsed


def target_of(target: Destination, account: Account, views: Mapping[tuple[str, str], KeyView], draw: Random) -> Target:
    """What it comes to; `views` are the detectors', by vendor and mode."""
    modes = tuple(
        _mode(str(mode), tally, views.get((target.name, mode)) if target.role == "vendor" else None, draw)
        for mode, tally in sorted(account.modes.items())
    )
    return Target(
        name=target.name,
        role=target.role,
        url=target.url,
        model=target.model,
        asked=account.asked,
        answered=account.answered,
        failed=dict(sorted(account.failed.items())),
        retried=account.retried,
        latency=Latency(_quantiles(account.first_token_s), _quantiles(account.total_s)),
        tokens=Tokens(account.prompt, account.completion, account.untold),
        modes=modes,
    )


def _mode(mode: str, tally: Tally, view: KeyView | None, draw: Random) -> ModeResult:
    found = figures({**KVV, **AGREEMENT, **LAWFUL}, tally.records, draw)
    valid = sum(Counts(*vector).valid_triggers * count for vector, count in tally.records.items())
    return ModeResult(
        mode=mode,
        asked=tally.asked,
        answered=tally.answered,
        contract_pass_rate=found.get("contract_pass_rate", Figure()),
        kvv=kvv_of(found, kvv_counts(tally.finishes, valid, tally.answered)),
        agreement=agreement_of(found),
        signals=() if view is None else tuple(_signal(series) for series in view.series if _told(series)),
        scores=tuple(_score(*key, score, draw) for key, score in sorted(tally.scores.items())),
        state=None if view is None else str(view.state),
    )


def _told(series: SeriesView) -> bool:
    return series.kind != Kind.BASELINE and series.n > 0


def _signal(series: SeriesView) -> Signal:
    return Signal(
        name=series.name,
        kind=series.kind,
        unit=_UNITS.get(series.name, ""),
        effect=series.effect,
        lower=series.lower,
        upper=series.upper,
        tolerance=series.tolerance,
        n=series.n,
        alarm=series.alarmed_at_s is not None,
        suspect=series.suspect,
    )


def _score(task: str, scorer: str, score: Scored, draw: Random) -> Score:
    found = figures(CORRECT, score.records, draw).get("correct", Figure())
    bounds = (found.value, found.lower, found.upper, found.n)
    return Score(task, scorer, *bounds, unparsed=score.unparsed, unanswered=score.unanswered)


def _quantiles(times: array[float]) -> Quantiles:
    ordered = sorted(times)
    n = len(ordered)
    return Quantiles(ordered[n // 2], ordered[min(int(0.95 * n), n - 1)], n) if n else Quantiles()
