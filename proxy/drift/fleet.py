"""The fold: rows in their order -> the state of the whole fleet of vendors.

Not here: one key (watch.py), where rows come from (scorer/, store.py). Invariants: the state is a pure function of the
rows, fold(a + b) == fold(b, fold(a)) to the bit; `state` is dicts, lists, str, int and float only.

    fleet = Fleet()                      or Fleet.restored(state)
    events = fleet.fold(row)             Alarm, Recovered, StateChanged
    fleet.view(now_s), fleet.wants_more(vendor), fleet.state()
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf
from typing import Any, Final

from proxy.drift.kinds import detector
from proxy.drift.report import Alarm, Event, KeyView
from proxy.drift.rows import AcknowledgedRow, AnswersRow, Key, LostRow, PairRow, ProbesRow, Row, Series, Terms, TermsRow
from proxy.drift.states import State
from proxy.drift.watch import Watch
from proxy.drift.window import BUCKETS

VERSION: Final = 1
"""Of the state. Another one is not read: the rows are folded again."""

_BEFORE_FIRST_S: Final = 1.0
"""A key's first row tells of at least this much time: a scorer gathers as long. Without it a drift that is there from
the first row on would begin at no time, and have no weight.
"""


class Fleet:
    """All keys. Before a TermsRow no series is known and nothing is counted as evidence."""

    def __init__(self) -> None:
        self._terms = Terms(())
        self._terms_s = 0.0
        self._watches: dict[Key, Watch] = {}
        self._bucket = 0

    @property
    def terms(self) -> Terms:
        """Those of the last TermsRow."""
        return self._terms

    def fold(self, row: Row) -> tuple[Event, ...]:
        """Take the next row. Raises ValueError for terms that cannot be; nothing has changed then."""
        if isinstance(row, TermsRow):
            _check(row.terms)
        events = self._aged(row.at_s)
        match row:
            case PairRow():
                events += self._across(self._watch(row).fold_pair(row))
            case AnswersRow():
                events += self._watch(row).fold_answers(row)
            case ProbesRow():
                events += self._watch(row).fold_probes(row)
            case LostRow():
                self._watch(row).fold_lost(row)
            case TermsRow():
                self._agree(row)
            case AcknowledgedRow():
                for watch in self._watches.values():
                    if watch.key.vendor == row.vendor:
                        watch.accept(row.signal)
        for watch in self._watches.values():
            if watch.unsettled:
                events += watch.settle(row.at_s)
        return tuple(events)

    def view(self, now_s: float) -> tuple[KeyView, ...]:
        """Every key that had a row, in the order they came; `now_s` is not before the last row."""
        return tuple(watch.view(now_s) for watch in self._watches.values())

    def evidence(self) -> Iterator[tuple[Key, float, float]]:
        """Of every key, evidence and threshold of its leading series: what a view says, for less."""
        return ((watch.key, *watch.evidence()) for watch in self._watches.values())

    def alarmed(self, key: Key, series: str) -> bool:
        """Whether an alarm of this series lasts."""
        watch = self._watches.get(key)
        return watch is not None and watch.alarmed(series)

    def wants_more(self, vendor: str) -> bool:
        """Whether more pairs of this vendor would settle a warning."""
        return any(watch.state is State.WARN and watch.key.vendor == vendor for watch in self._watches.values())

    def state(self) -> dict[str, Any]:
        """All of it, as builtins."""
        return {
            "version": VERSION,
            "terms": _terms_kept(self._terms),
            "terms_s": self._terms_s,
            "bucket": self._bucket,
            "keys": [watch.kept() for watch in self._watches.values()],
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Fleet:
        """Take back what `state` gave. Raises ValueError on a state of another version: fold the rows again."""
        if state.get("version") != VERSION:
            raise ValueError(f"drift state of version {state.get('version')}, not {VERSION}; fold the rows again")
        fleet = cls()
        fleet._terms = terms = _terms_read(state["terms"])
        fleet._terms_s, fleet._bucket = state["terms_s"], state["bucket"]
        watches = [Watch.restored(kept, terms) for kept in state["keys"]]
        fleet._watches = {watch.key: watch for watch in watches}
        return fleet

    def _watch(self, row: PairRow | AnswersRow | ProbesRow | LostRow) -> Watch:
        watch = self._watches.get(row.key)
        if watch is None:
            began_s = min(self._terms_s, row.at_s - _BEFORE_FIRST_S)
            watch = self._watches[row.key] = Watch(row.key, self._terms, began_s)
        return watch

    def _aged(self, at_s: float) -> list[Event]:
        """What the passing of time alone changed."""
        bucket = int(at_s // (self._terms.window_s / BUCKETS))
        if bucket == self._bucket:
            return []
        self._bucket = bucket
        return [event for watch in self._watches.values() for event in watch.settle(at_s)]

    def _agree(self, row: TermsRow) -> None:
        self._terms, self._terms_s = row.terms, row.at_s
        self._bucket = int(row.at_s // (row.terms.window_s / BUCKETS))
        for watch in self._watches.values():
            watch.rebind(row.terms)

    def _across(self, events: list[Event]) -> list[Event]:
        """Two vendors that alarm alike against one reference speak against the reference."""
        return [self._compared(event) if isinstance(event, Alarm) else event for event in events]

    def _compared(self, alarm: Alarm) -> Alarm:
        own = self._watches[alarm.key]
        latch = own.latched(alarm.series)
        if latch is None:
            return alarm
        for watch in self._watches.values():
            other = watch.latched(alarm.series)
            if (
                other is not None
                and watch.key.vendor != alarm.key.vendor
                and watch.reference == own.reference
                and other.direction == latch.direction
                and alarm.at_s - other.at_s <= self._terms.window_s
            ):
                latch.suspect = other.suspect = watch.unsettled = True
        return replace(alarm, suspect=True) if latch.suspect else alarm


def _check(terms: Terms) -> None:
    """Raises ValueError on what no detector can work with."""
    if terms.clock not in {"hours", "pairs"}:
        raise ValueError(f"clock {terms.clock!r}; allowed are 'hours' and 'pairs'")
    least = min(terms.budget, terms.families, terms.window_s, terms.warn_at, terms.recover_at)
    if not 0.0 < least < inf:
        raise ValueError(f"budget, families, window_s, warn_at and recover_at are above 0; the least is {least}")
    names = [series.name for series in terms.series]
    if len(set(names)) < len(names):
        raise ValueError(f"two series of one name among {', '.join(sorted(names))}")
    for series in terms.series:
        detector(series, terms)


def _terms_kept(terms: Terms) -> dict[str, Any]:
    series = [[s.name, s.kind, s.group, s.tolerance, s.weight, int(s.of_reference)] for s in terms.series]
    return {
        "series": series,
        "clock": terms.clock,
        "budget": terms.budget,
        "families": terms.families,
        "warn_at": terms.warn_at,
        "recover_at": terms.recover_at,
        "window_s": terms.window_s,
        "enough": terms.enough,
        "mirrored": int(terms.mirrored),
    }


def _terms_read(kept: dict[str, Any]) -> Terms:
    series = tuple(
        Series(name, kind, group, tolerance, weight, bool(of_reference))
        for name, kind, group, tolerance, weight, of_reference in kept["series"]
    )
    return Terms(**{**kept, "series": series, "mirrored": bool(kept["mirrored"])})
