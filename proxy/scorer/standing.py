"""How the vendors stand, as the log's last checkpoint has it, for whoever reads the log beside the scorer.

Not here: the rows behind an alarm (evidence.py), and how numbers are written for people. Invariant: a proxy tells what
it folded from that log, so what `/status` says and what is read here are the same values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from proxy.drift.report import Alarm, KeyView, SeriesView
from proxy.drift.rows import Key
from proxy.scorer.book import Book, told
from proxy.store import Store, StoreError


@dataclass(frozen=True, slots=True)
class PastAlarm(Alarm):
    """An alarm as it is remembered."""

    recovered_at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Every vendor in each mode, and the newest alarms, the last one last. `source` is where this was read."""

    source: str
    keys: tuple[KeyView, ...]
    alarms: tuple[PastAlarm, ...]

    @classmethod
    def told(cls, source: str, drift: Any, alarms: Any) -> Standing:  # noqa: ANN401  (JSON)
        """From the members of `/status`. Raises msgspec.ValidationError, a ValueError."""
        return cls(source, msgspec.convert(drift, tuple[KeyView, ...]), msgspec.convert(alarms, tuple[PastAlarm, ...]))

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        return {
            "source": self.source,
            "drift": [told(view) for view in self.keys],
            "alarms": [msgspec.to_builtins(alarm) for alarm in self.alarms],
        }


def read_log(store: Store, folder: Path, now_s: float) -> Standing:
    """What the log's last checkpoint says. Raises StoreError."""
    found = store.checkpoint()
    return standing_of(Book() if found is None else restored(found[1]), str(folder), now_s)


def restored(state: dict[str, Any]) -> Book:
    """The book of a checkpoint. Raises StoreError when another version wrote it."""
    try:
        return Book.restored(state)
    except ValueError as error:
        raise StoreError(
            f"the log's state cannot be read: {error}", "use the paramwall that writes this log"
        ) from error


def standing_of(book: Book, source: str, now_s: float) -> Standing:
    """What a book says at a time."""
    return Standing.told(source, [told(view) for view in book.fleet.view(now_s)], book.alarms)


def series_of(view: KeyView, name: str) -> SeriesView | None:
    """A series of a key by its name."""
    return next((series for series in view.series if series.name == name), None)


def view_of(keys: Sequence[KeyView], key: Key) -> KeyView | None:
    """A key's view."""
    return next((view for view in keys if view.key == key), None)
