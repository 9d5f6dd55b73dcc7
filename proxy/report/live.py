"""From the rows of the log to facts: how every vendor stood over time, its effects, and the shares over all answers.

Not here: the fold (scorer/book.py) and the file (store). Invariants: the rows alone are read, from the oldest state
they are complete from; a share of answers is bounded where the rows do not say whether two breaches were one answer's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from proxy.drift.effect import share_bounds
from proxy.drift.report import Alarm, Event, KeyView, Recovered, SeriesView, StateChanged
from proxy.drift.rows import AcknowledgedRow, AnswersRow, Key, PairRow, Row, Terms
from proxy.report.facts import Effect, Figure, Mark, Mode, Origin, Past, Source, Span
from proxy.scorer.book import KVV_CELL, KVV_INVALID, Book
from proxy.scorer.standing import restored
from proxy.signals import SELF_TESTS
from proxy.signals.tool_trigger import TOOL_TRIGGER
from proxy.store import Store

SAMPLES: Final = 120
"""Points of the evidence over time, at most about so many."""
_REFERENCE_TRIGGER: Final = next(one.name for one in SELF_TESTS if one.name.endswith(TOOL_TRIGGER.name))


@dataclass(slots=True)
class Tally:
    """Counts over the rows of one key. `worst` and `best` bound how many answers broke a contract."""

    checked: int = 0
    worst: int = 0
    best: int = 0
    triggers: int = 0
    invalid: int = 0
    cells: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    own_cells: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    """Of the reference's second answer against its first: neither, second only, first only, both."""

    def add_answers(self, row: AnswersRow, contracts: frozenset[str]) -> None:
        """What the signals said of these answers."""
        found = [outcomes for name, outcomes in row.outcomes.items() if name in contracts]
        checked = max(map(len, found), default=0)
        # Signals that apply to every answer tell of the same ones in the same order; the others of some of them.
        whole = [outcomes for outcomes in found if len(outcomes) == checked]
        some = [outcomes.count(1) for outcomes in found if len(outcomes) < checked]
        certain = sum(any(each) for each in zip(*whole, strict=True))
        self.checked += checked
        self.worst += min(checked, certain + sum(some))
        self.best += max([certain, *some])
        invalid = row.outcomes.get(KVV_INVALID, b"")
        self.triggers += len(invalid)
        self.invalid += invalid.count(1)

    def add_pair(self, row: PairRow) -> None:
        """Who triggered tools in a pair, and in the reference's own."""
        for cells, name in ((self.cells, KVV_CELL), (self.own_cells, _REFERENCE_TRIGGER)):
            cell = row.values.get(name)
            if isinstance(cell, int):
                cells[cell] += 1


@dataclass(slots=True)
class _Watched:
    """What is gathered of one key while its rows pass. `since_s`, of its state, may be before the rows begin."""

    first_s: float
    last_s: float
    state: str
    since_s: float
    spans: list[Span] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    evidence: list[tuple[float, float]] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def span(self, to_s: float) -> Span:
        """Its state up to a time, as far as the rows tell."""
        return Span(self.state, max(self.since_s, self.first_s), to_s)


class Gathering:
    """Fold rows in their order; `modes` is what they said. `sample_every` rows the evidence is looked at."""

    def __init__(self, book: Book, sample_every: int) -> None:
        self.book = book
        self.first_s: float | None = None
        self.rows = 0
        self._every = max(1, sample_every)
        self._watched: dict[Key, _Watched] = {}
        self._contracts: frozenset[str] = frozenset()
        self._terms: Terms | None = None
        for view in book.fleet.view(book.last_at_s):
            self._watched[view.key] = _Watched(book.last_at_s, book.last_at_s, view.state, view.at_s)

    def add(self, row: Row) -> None:
        """Take the next row."""
        self.first_s = row.at_s if self.first_s is None else self.first_s
        self.rows += 1
        for event in self.book.fold(row):
            self._note(event)
        if self.book.fleet.terms is not self._terms:
            self._terms = self.book.fleet.terms
            self._contracts = frozenset(
                one.name for one in self._terms.series if one.group == "contract" and one.kind == "rate"
            )
        if isinstance(row, PairRow | AnswersRow):
            watched = self._of(row.key, row.at_s)
            watched.last_s = row.at_s
            if isinstance(row, PairRow):
                watched.tally.add_pair(row)
            else:
                watched.tally.add_answers(row, self._contracts)
        elif isinstance(row, AcknowledgedRow):
            self._accepted(row)
        if self.rows % self._every == 0:
            self._sample(row.at_s)

    def modes(self, source: str) -> list[tuple[str, Mode, float]]:
        """(vendor, what is known of it in one mode, its last row's time) for every key, in the order they came."""
        at_s = self.book.last_at_s
        self._sample(at_s)
        views = self.book.fleet.view(at_s)
        return [(view.key.vendor, self._mode(view, at_s, source), self._of(view.key, at_s).last_s) for view in views]

    def _mode(self, view: KeyView, at_s: float, source: str) -> Mode:
        watched, terms = self._of(view.key, at_s), self.book.fleet.terms
        tally = watched.tally
        spans = (*watched.spans, watched.span(at_s))
        past = Past(
            view.state,
            watched.since_s,
            spans,
            tuple(watched.marks),
            tuple(watched.evidence),
            view.pairs,
            view.answers,
            view.pairs_in_window,
            view.answers_in_window,
            view.reference_failures_in_window,
            terms.enough,
            terms.window_s,
            terms.mirrored,
            source,
        )
        return Mode(
            view.key.mode,
            view.key.policy,
            contract=contract_rate(tally, source),
            tool_call_f1=f1_of(tally.cells[0], tally.cells[1], tally.cells[2], source),
            floors=f1_of(tally.own_cells[3], tally.own_cells[1], tally.own_cells[2], source),
            schema_accuracy=share_of(tally.triggers - tally.invalid, tally.triggers, source),
            effects=tuple(effect_of(series, source) for series in view.series),
            past=past,
        )

    def _of(self, key: Key, at_s: float) -> _Watched:
        if key not in self._watched:
            self._watched[key] = _Watched(at_s, at_s, "inconclusive", at_s)
        return self._watched[key]

    def _note(self, event: Event) -> None:
        watched = self._of(event.key, event.at_s)
        match event:
            case StateChanged():
                if event.at_s > watched.since_s:
                    watched.spans.append(watched.span(event.at_s))
                watched.state, watched.since_s = event.state, event.at_s
            case Alarm():
                watched.marks.append(Mark(event.at_s, "alarm", event.series))
            case Recovered():
                watched.marks.append(Mark(event.at_s, "recovered", event.series))

    def _accepted(self, row: AcknowledgedRow) -> None:
        text = f"{row.signal or 'every signal'}{f': {row.note}' if row.note else ''}"
        for key, watched in self._watched.items():
            if key.vendor == row.vendor:
                watched.marks.append(Mark(row.at_s, "accepted", text))

    def _sample(self, at_s: float) -> None:
        for key, evidence, threshold in self.book.fleet.evidence():
            if threshold > 0.0:
                self._of(key, at_s).evidence.append((at_s, max(0.0, evidence / threshold)))


def read_log(
    store: Store, path: str, source: str, progress: Callable[[int, int], None]
) -> tuple[Source, list[tuple[str, Mode, float]]]:
    """What a log says, of one moment. `progress` is told of (rows folded, all of them). Raises StoreError."""
    with store.snapshot():
        last, _ = store.checkpoint() or (0, None)
        after, state = store.replay_from()
        gathering = Gathering(Book() if state is None else restored(state), (last - after) // SAMPLES)
        for number, row in store.rows(after):
            gathering.add(row)
            progress(number - after, last - after)
        began = gathering.book.last_at_s if gathering.first_s is None else gathering.first_s
        what = f"the live log, {gathering.rows} rows"
        return Source(source, Origin.LIVE, path, what, gathering.book.last_at_s, began), gathering.modes(source)


def contract_rate(tally: Tally, source: str) -> tuple[Figure, ...]:
    """The share of checked answers without a breach, as if no two breaches had been one answer's."""
    if not tally.checked:
        return ()
    most = share_bounds(tally.worst, tally.checked - tally.worst)[1]
    least = share_bounds(tally.best, tally.checked - tally.best)[0]
    return (Figure(1.0 - tally.worst / tally.checked, 1.0 - most, 1.0 - least, tally.checked, source),)


def share_of(yes: int, n: int, source: str) -> tuple[Figure, ...]:
    """A share between bounds that hold at every count."""
    return (Figure(yes / n, *share_bounds(yes, n - yes), n, source),) if n else ()


def f1_of(tp: int, fp: int, fn: int, source: str) -> tuple[Figure, ...]:
    """F1 = 2J / (1 + J) with J the share of agreement where either side triggers, so that its bounds are J's."""
    n = tp + fp + fn
    if not n:
        return ()
    value, lower, upper = (2 * share / (1 + share) for share in (tp / n, *share_bounds(tp, fp + fn)))
    return (Figure(value, lower, upper, n, source),)


def effect_of(series: SeriesView, source: str) -> Effect:
    """A series of the fold."""
    return Effect(
        series.name,
        series.kind,
        series.effect,
        series.lower,
        series.upper,
        series.tolerance,
        series.values,
        series.alarmed_at_s is not None,
        source,
        against_reference=series.of_reference or series.suspect,
        learning=series.calibrating,
        since_s=series.changepoint_s,
    )


def newest(modes: Iterable[tuple[str, Mode, float]]) -> tuple[dict[tuple[str, str], Mode], list[tuple[str, Mode]]]:
    """The modes of each vendor under the policy that was used last, and those under another one."""
    kept: dict[tuple[str, str], tuple[Mode, float]] = {}
    former: list[tuple[str, Mode]] = []
    for vendor, mode, last_s in modes:
        known = kept.get((vendor, mode.mode))
        if known is None or last_s >= known[1]:
            kept[vendor, mode.mode] = mode, last_s
            if known is not None:
                former.append((vendor, known[0]))
        else:
            former.append((vendor, mode))
    return {place: mode for place, (mode, _) in kept.items()}, former
