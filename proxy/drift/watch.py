"""One key: its series, its counts, its state.

Not here: which rows reach it and what other keys say (fleet.py). Invariants: a series the terms do not name counts
nowhere; a baseline never makes a state; the state is builtins only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from proxy.drift.baseline import BaselineDetector
from proxy.drift.describe import alarm, recovered, series_view
from proxy.drift.detector import ALARMED, NOTHING, RECOVERED, Detector, Latch
from proxy.drift.kinds import PairDetector, detector
from proxy.drift.offset import OffsetDetector
from proxy.drift.rate import RateDetector
from proxy.drift.report import Event, KeyView, StateChanged
from proxy.drift.rows import AnswersRow, Key, LostRow, PairRow, ProbesRow, Series, Terms
from proxy.drift.states import Facts, State, state_of
from proxy.drift.swap import SignedDetector
from proxy.drift.window import BUCKETS, Counts, Window

_GAP_SHARE: Final = 0.01
"""Of the budget, what one gap between rows spends at most: after a silent week the first pair is no alarm."""
_FIRST_PROBES_S: Final = 1.0
"""What the first probes tell of; without any time their evidence would have no weight."""
_FAILING: Final = 0.01
"""Of the mirrored exchanges: from this share on a failing reference biases the pairs."""


class Watch:
    """`since_s`: when the state came about. `unsettled`: the last row may have changed it; `settle` tells."""

    def __init__(self, key: Key, terms: Terms, at_s: float) -> None:
        self.key = key
        self.terms = terms
        self.reference = ""
        self.pairs = self.answers = 0
        self.state, self.since_s = State.INCONCLUSIVE, at_s
        self.unsettled = False
        self._pair_s = self._answers_s = self._settled_s = at_s
        self._probed_s: float | None = None
        self._window = Window(terms.window_s)
        self._detectors = {series.name: detector(series, terms) for series in terms.series}
        self._of_pairs: dict[str, PairDetector] = {}
        self._of_answers: dict[str, RateDetector] = {}
        self._sort()

    def _sort(self) -> None:
        """Look-ups by where the values come from."""
        pairs, answers = self._of_pairs, self._of_answers
        pairs.clear()
        answers.clear()
        for name, found in self._detectors.items():
            if isinstance(found, (SignedDetector, OffsetDetector)):
                pairs[name] = found
            elif isinstance(found, RateDetector):
                answers[name] = found

    # Rows.

    def fold_pair(self, row: PairRow) -> list[Event]:
        """Count the pair and bet on its values."""
        at_s, number = row.at_s, row.number
        w = self._hours(at_s, self._pair_s) if self.terms.clock == "hours" else 1.0
        self._pair_s = at_s
        changed = row.reference != self.reference
        if changed:
            self._compare_with(row.reference)
        self.pairs += 1
        self._window.add(at_s, pairs=1)
        detectors = self._of_pairs
        events: list[Event] = []
        for name, value in row.values.items():
            found = detectors.get(name)
            if found is not None:
                said = found.fold(value, w, at_s, number)
                if said != NOTHING:
                    changed = True
                    events += self._told(found, said, at_s, fresh=said == ALARMED)
        self.unsettled = changed or self.state is State.INCONCLUSIVE
        return events

    def fold_answers(self, row: AnswersRow) -> list[Event]:
        """Count the answers and bet on their outcomes."""
        if row.count <= 0:
            return []
        at_s = row.at_s
        w = self._hours(at_s, self._answers_s) / row.count if self.terms.clock == "hours" else 1.0
        self._answers_s = at_s
        self.answers += row.count
        self._window.add(at_s, answers=row.count)
        return self._fold_outcomes(row.outcomes, w, at_s)

    def fold_probes(self, row: ProbesRow) -> list[Event]:
        """Bet on the outcomes of probes; they have a clock of their own, since they come much more seldom."""
        at_s, count = row.at_s, max(map(len, row.outcomes.values()), default=0)
        if not count:
            return []
        before_s = at_s - _FIRST_PROBES_S if self._probed_s is None else self._probed_s
        w = self._hours(at_s, before_s) / count if self.terms.clock == "hours" else 1.0
        self._probed_s = at_s
        return self._fold_outcomes(row.outcomes, w, at_s)

    def _fold_outcomes(self, by_series: Mapping[str, bytes], w: float, at_s: float) -> list[Event]:
        events: list[Event] = []
        for name, outcomes in by_series.items():
            found = self._of_answers.get(name)
            if found is not None and outcomes:
                fresh = found.latch is None
                said = found.fold_answers(outcomes, w, at_s)
                if said != NOTHING:
                    events += self._told(found, said, at_s, fresh=fresh)
        self.unsettled = True
        return events

    def fold_lost(self, row: LostRow) -> None:
        """Count an exchange that gave no pair. Expired is as bad as failed: long answers are what expires."""
        failed = row.side == "reference" or row.reason == "expired"
        self._window.add(row.at_s, lost=1, failed=int(failed))
        self.unsettled = True

    def rebind(self, terms: Terms) -> None:
        """Go on under other terms; raises ValueError on impossible ones."""
        anew = terms.clock != self.terms.clock
        before = {} if anew else self._detectors
        after: dict[str, Detector] = {}
        for series in terms.series:
            kept = before.get(series.name)
            if kept is None or not _same_bet(kept.series, series):
                kept = detector(series, terms)
            kept.bind(series, terms)
            after[series.name] = kept
        if terms.window_s != self.terms.window_s:
            self._window = self._window.respanned(terms.window_s)
        self.terms, self._detectors = terms, after
        self._sort()
        self.unsettled = True

    def accept(self, signal: str) -> None:
        """Start anew the series of one signal, or all: the operator accepts how the vendor is now."""
        for name, found in self._detectors.items():
            if signal in {"", name}:
                self._detectors[name] = made = detector(found.series, self.terms)
                if isinstance(made, OffsetDetector):
                    made.accept()
        self._sort()
        self.unsettled = True

    def _compare_with(self, reference: str) -> None:
        """Start anew what was compared with another reference."""
        if self.reference:
            self._window.forget_pairs()
            for name in self._of_pairs:
                self._detectors[name] = detector(self._detectors[name].series, self.terms)
            self._sort()
        self.reference = reference

    def _hours(self, at_s: float, before_s: float) -> float:
        return min(max(at_s - before_s, 0.0) / 3600.0, self.terms.budget * _GAP_SHARE)

    # Events and state.

    def _told(self, found: Detector, said: int, at_s: float, *, fresh: bool) -> list[Event]:
        """The events of one series. `fresh`: an alarm is a new one."""
        latch = found.latch
        if latch is None:
            return []
        events: list[Event] = [alarm(found, latch, self.key, at_s)] if fresh else []
        if said == RECOVERED:
            events.append(recovered(found, latch, self.key, at_s))
            found.restart()
        return events

    def settle(self, at_s: float) -> list[Event]:
        """Bring the state up to a time; the event of its change, if it changed."""
        self.unsettled, self._settled_s = False, at_s
        state, before = self._state(self._window.bucket(at_s)), self.state
        if state is before:
            return []
        self.state, self.since_s = state, at_s
        found = self._leading()
        if found is None:
            return [StateChanged(at_s, self.key, before, state, "", 0.0, 0.0)]
        return [StateChanged(at_s, self.key, before, state, found.series.name, found.log_evidence, found.log_threshold)]

    def _state(self, bucket: int) -> State:
        blamed = recovering = suspected = 0
        reference_drifts = self._reference_drifts()
        for found in self._counted():
            latch = found.latch
            if latch is None:
                continue
            if _suspect(found, reference_drifts=reference_drifts):
                suspected += 1
            else:
                blamed += 1
                recovering += latch.recovering
        counts, terms = self._window.counts(bucket), self.terms
        data = counts.pairs if terms.mirrored else counts.answers
        return state_of(
            Facts(
                blamed=blamed,
                recovering=recovering,
                suspected=suspected,
                # What nobody asks for any more cannot settle, and must not raise the mirror for ever.
                warned=bool(counts.pairs or counts.answers) and any(found.warned for found in self._counted()),
                reference_fails=terms.mirrored and _fails(counts),
                enough=data >= max(terms.enough, 1),
            )
        )

    def _counted(self) -> Iterator[Detector]:
        """The series that make the state."""
        return (found for found in self._detectors.values() if not isinstance(found, BaselineDetector))

    def _reference_drifts(self) -> bool:
        return any(found.series.of_reference and found.latch is not None for found in self._counted())

    def _leading(self) -> Detector | None:
        told = [found for found in self._counted() if found.totals[0]]
        return max(told, key=_lead) if told else None

    def alarmed(self, name: str) -> bool:
        """Whether an alarm of the series lasts."""
        found = self._detectors.get(name)
        return found is not None and found.latch is not None

    def latched(self, name: str) -> Latch | None:
        """The alarm of a paired series of that name, while it lasts."""
        found = self._of_pairs.get(name)
        return None if found is None else found.latch

    # What is seen from outside.

    def evidence(self) -> tuple[float, float]:
        """Evidence and threshold of the leading series; (0, 0) without any value."""
        leading = self._leading()
        return (0.0, 0.0) if leading is None else (leading.log_evidence, leading.log_threshold)

    def view(self, now_s: float) -> KeyView:
        """How the key stands at a time that is not before its last row."""
        state, since_s = self._seen(now_s)
        counts = self._window.counts(self._window.bucket(now_s))
        leading, reference_drifts = self._leading(), self._reference_drifts()
        return KeyView(
            self.key,
            state,
            since_s,
            self.pairs,
            self.answers,
            counts.pairs,
            counts.answers,
            counts.failed,
            "" if leading is None else leading.series.name,
            tuple(
                series_view(found, suspect=_suspect(found, reference_drifts=reference_drifts))
                for found in self._detectors.values()
            ),
        )

    def _seen(self, now_s: float) -> tuple[State, float]:
        """The state at a time, and since when: without new rows it changes only as buckets grow old."""
        window, state, since_s = self._window, self.state, self.since_s
        settled = window.bucket(self._settled_s)
        for bucket in range(settled + 1, min(window.bucket(now_s), settled + BUCKETS) + 1):  # by then all is empty
            then = self._state(bucket)
            if then is not state:
                state, since_s = then, bucket * window.bucket_s
        return state, since_s

    def kept(self) -> dict[str, Any]:
        """The state as builtins."""
        key = self.key
        probed = {} if self._probed_s is None else {"probed_s": self._probed_s}
        return {
            **probed,
            "key": [key.vendor, key.policy, key.mode],
            "reference": self.reference,
            "counts": [self.pairs, self.answers],
            "times": [self._pair_s, self._answers_s, self._settled_s, self.since_s],
            "state": str(self.state),
            "window": self._window.state(),
            "series": {name: found.state() for name, found in self._detectors.items()},
        }

    @classmethod
    def restored(cls, kept: dict[str, Any], terms: Terms) -> Watch:
        """Take back what `kept` gave under the same terms."""
        watch = cls(Key(*kept["key"]), terms, 0.0)
        watch.reference = kept["reference"]
        watch.pairs, watch.answers = kept["counts"]
        watch._pair_s, watch._answers_s, watch._settled_s, watch.since_s = kept["times"]
        watch._probed_s = kept.get("probed_s")
        watch.state = State(kept["state"])
        watch._window.restore(kept["window"])
        for name, found in watch._detectors.items():
            found.restore(kept["series"][name])
            found.bind(found.series, terms)
        return watch


def _suspect(found: Detector, *, reference_drifts: bool) -> bool:
    """Whether an alarm of this series speaks against the reference."""
    latch = found.latch
    return latch is not None and found.PAIRED and (latch.suspect or reference_drifts)


def _same_bet(a: Series, b: Series) -> bool:
    """Whether evidence for one is evidence for the other: only the weight may differ."""
    return (a.kind, a.group, a.tolerance, a.of_reference) == (b.kind, b.group, b.tolerance, b.of_reference)


def _fails(counts: Counts) -> bool:
    return counts.failed > _FAILING * (counts.pairs + counts.lost)


def _lead(found: Detector) -> tuple[bool, float]:
    return found.latch is not None, found.log_evidence - found.log_threshold
