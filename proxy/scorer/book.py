"""The book: everything that is folded from the log's rows, and nothing else.

Here: the drift state of all vendors, the alarms so far, and the Kimi Vendor Verifier's own tallies. Not here: where
rows come from (scorer.py) and are kept (store). Invariant: `state()` is a pure function of the rows folded, so a replay
of the log gives the same bits.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import msgspec

from proxy.drift.fleet import Fleet
from proxy.drift.report import Alarm, Event, KeyView, Recovered
from proxy.drift.rows import AcknowledgedRow, AnswersRow, Key, LostRow, PairRow, RequestsRow, Row, TermsRow
from proxy.signals import kvv

VERSION: Final = 1
ALARMS_KEPT: Final = 200
KVV_CELL: Final = "kvv-cell"
"""Value of a pair: the index of its cell in kvv.Cell."""
KVV_INVALID: Final = "kvv-invalid"
"""Outcome of an answer that finishes with tool_calls: 1 where its calls are not valid."""
_CELLS: Final = tuple(kvv.Cell)
CELL_NUMBERS: Final = {cell: number for number, cell in enumerate(_CELLS)}


class Book:
    """Fold rows in their order; `alarms` are the newest last."""

    def __init__(self) -> None:
        self.fleet = Fleet()
        self.alarms: list[dict[str, Any]] = []
        self.last_number = 0
        self.last_at_s = 0.0
        self._pairs: dict[Key, list[int]] = {}
        self._triggers: dict[Key, list[int]] = {}
        self._references: dict[Key, str] = {}

    def fold(self, row: Row) -> tuple[Event, ...]:
        """Take the next row."""
        self.last_at_s = row.at_s
        if isinstance(row, RequestsRow):  # what clients send is no evidence about a vendor
            return ()
        match row:
            case PairRow():
                self.last_number = max(self.last_number, row.number)
                cell = row.values.get(KVV_CELL)
                if isinstance(cell, int):
                    self._pairs.setdefault(row.key, [0] * len(_CELLS))[cell] += 1
            case LostRow():
                self.last_number = max(self.last_number, row.number)
            case AnswersRow():
                found = row.outcomes.get(KVV_INVALID)
                if found:
                    tally = self._triggers.setdefault(row.key, [0, 0])
                    tally[0] += found.count(0)
                    tally[1] += len(found)
        events = self.fleet.fold(row)
        for event in events:
            self._note(event)
        if isinstance(row, TermsRow | AcknowledgedRow) or self._compared_anew(row):
            self._close_alarms(row.at_s)
        return events

    def tool_call_f1(self, key: Key) -> float | None:
        """The verifier's tool_call_f1 over all pairs of a key; None without any."""
        tally = self._pairs.get(key)
        return None if tally is None else kvv.f1(*tally[:3])

    def schema_accuracy(self, key: Key) -> float | None:
        """The verifier's schema_accuracy over all checked answers of a key."""
        return kvv.schema_accuracy(*self._triggers.get(key, (0, 0)))

    def state(self) -> dict[str, Any]:
        """All of it, as builtins."""
        return {
            "version": VERSION,
            "fleet": self.fleet.state(),
            "alarms": self.alarms,
            "last_number": self.last_number,
            "last_at_s": self.last_at_s,
            "pairs": [[*_listed(key), *tally] for key, tally in self._pairs.items()],
            "triggers": [[*_listed(key), *tally] for key, tally in self._triggers.items()],
            "references": [[*_listed(key), name] for key, name in self._references.items()],
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Book:
        """Take back what `state` gave. Raises ValueError on a state of another version: fold the rows again."""
        if state.get("version") != VERSION:
            raise ValueError(f"a book of version {state.get('version')}, not {VERSION}; fold the rows again")
        book = cls()
        book.fleet = Fleet.restored(state["fleet"])
        book.alarms = list(state["alarms"])
        book.last_number, book.last_at_s = state["last_number"], state["last_at_s"]
        book._pairs = {Key(*entry[:3]): list(entry[3:]) for entry in state["pairs"]}
        book._triggers = {Key(*entry[:3]): list(entry[3:]) for entry in state["triggers"]}
        book._references = {Key(*entry[:3]): entry[3] for entry in state["references"]}
        return book

    def _compared_anew(self, row: Row) -> bool:
        """Whether the reference is another one than for the pair before."""
        if not isinstance(row, PairRow):
            return False
        former = self._references.get(row.key)
        self._references[row.key] = row.reference
        return former is not None and former != row.reference

    def _close_alarms(self, at_s: float) -> None:
        """An alarm whose series was started anew is over, whoever asked for that."""
        for alarm in self.alarms:
            if alarm["recovered_at_s"] is None and not self.fleet.alarmed(Key(**alarm["key"]), alarm["series"]):
                alarm["recovered_at_s"] = at_s

    def _note(self, event: Event) -> None:
        if isinstance(event, Alarm):
            self.alarms.append({**asdict(event), "recovered_at_s": None})
            del self.alarms[:-ALARMS_KEPT]
        elif isinstance(event, Recovered):
            for alarm in self.alarms:
                same = alarm["series"] == event.series and alarm["key"] == asdict(event.key)
                if same and alarm["recovered_at_s"] is None:
                    alarm["recovered_at_s"] = event.at_s


def told(view: KeyView) -> dict[str, Any]:
    """A view as JSON's builtins."""
    builtins: dict[str, Any] = msgspec.to_builtins(view)
    return builtins


def _listed(key: Key) -> list[str]:
    return [key.vendor, key.policy, key.mode]
