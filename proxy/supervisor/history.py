"""What the scorer said of every series over the last day or two, for the charts of the page.

Here: a table of points, one column for each value of each series, filled from the scorer's own reports. Not here: how
things stand now (`/status`), and the log. Invariants: memory is bounded, whatever is reported: MOST_POINTS points of
MOST_SERIES series, 3.8 KB each, 9 MB in all; a point costs a time proportional to the series told, and never a
decision about a request; nothing is kept over a restart.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from math import isnan, nan
from typing import Any, Final, TypeAlias

import msgspec

from proxy.signals import NAMED

EVERY_S: Final = 10.0
"""Between two points at first. When MOST_POINTS are there, every other one goes and this doubles."""
COARSEST_S: Final = 640.0
"""Beyond this the oldest point goes instead: 43 hours are kept."""
MOST_POINTS: Final = 240
MOST_SERIES: Final = 2000
VALUES: Final = ("evidence", "effect", "lower", "upper")
"""Evidence is the share of its threshold: 1 is an alarm."""

_SIGNALS: Final = {signal.name: signal for signal in NAMED}

Name: TypeAlias = tuple[str, str, str]
"""Vendor, mode, signal."""


class _Series(msgspec.Struct):
    name: str
    n: int
    log_threshold: float
    log_evidence: float | None = None
    effect: float | None = None
    lower: float | None = None
    upper: float | None = None

    def values(self) -> tuple[float, ...]:
        """In the order of VALUES; nan for what is not known."""
        share = max(0.0, (self.log_evidence or 0.0) / self.log_threshold) if self.log_threshold > 0 else 1.0
        bounds = (self.effect, self.lower, self.upper)
        return (share, *(nan if value is None else value for value in bounds))


class _Key(msgspec.Struct):
    vendor: str
    mode: str


class _View(msgspec.Struct):
    key: _Key
    series: tuple[_Series, ...]


class _Said(msgspec.Struct):
    """What is read of the scorer's status; all else in it is skipped."""

    drift: tuple[_View, ...] = ()

    def series(self) -> Iterator[tuple[Name, _Series]]:
        """Every series with its name."""
        for view in self.drift:
            for each in view.series:
                yield (view.key.vendor, view.key.mode, each.name), each


_read: Final = msgspec.json.Decoder(_Said).decode


class History:
    """Give it every report; it takes a point when one is due."""

    def __init__(self) -> None:
        self._at_s: list[float] = []
        self._step_s = EVERY_S
        self._series: dict[Name, tuple[array[float], ...]] = {}
        self._left_out = 0

    def note(self, at_s: float, detail: bytes) -> None:
        """What the scorer says of itself at a Unix time. A clock that is set back starts anew."""
        if self._at_s and at_s < self._at_s[-1]:
            self._at_s, self._step_s, self._series = [], EVERY_S, {}
        if not detail or (self._at_s and at_s - self._at_s[-1] < self._step_s):
            return
        said = dict(_read(detail).series())
        if not said:
            return
        self._series = {name: columns for name, columns in self._series.items() if name in said}
        self._begin(name for name, series in said.items() if series.n)
        self._make_room()
        self._at_s.append(at_s)
        for name, columns in self._series.items():
            for column, value in zip(columns, said[name].values(), strict=True):
                column.append(value)

    def told(self, vendor: str, mode: str | None = None, signal: str | None = None) -> dict[str, Any]:
        """The series of a vendor, or one of them; an unknown one has none."""
        return {
            "at_s": [round(at_s, 1) for at_s in self._at_s],
            "step_s": self._step_s,
            "left_out": self._left_out,
            "series": [
                _told(name, columns)
                for name, columns in self._series.items()
                if name[0] == vendor and mode in {None, name[1]} and signal in {None, name[2]}
            ],
        }

    def _begin(self, names: Iterable[Name]) -> None:
        self._left_out = 0
        for name in names:
            if name in self._series:
                continue
            if len(self._series) < MOST_SERIES:
                self._series[name] = tuple(array("f", [nan] * len(self._at_s)) for _ in VALUES)
            else:
                self._left_out += 1

    def _make_room(self) -> None:
        if len(self._at_s) < MOST_POINTS:
            return
        kept = slice(1, None)
        if self._step_s < COARSEST_S:
            kept = slice(1, None, 2)
            self._step_s *= 2
        self._at_s = self._at_s[kept]
        self._series = {name: tuple(column[kept] for column in columns) for name, columns in self._series.items()}


def _told(name: Name, columns: tuple[array[float], ...]) -> dict[str, Any]:
    signal = _SIGNALS.get(name[2])
    return {
        "vendor": name[0],
        "mode": name[1],
        "signal": name[2],
        "unit": "" if signal is None else signal.unit,
        "finds": "" if signal is None else signal.finds,
        **{
            value: [None if isnan(each) else round(each, 5) for each in column]
            for value, column in zip(VALUES, columns, strict=True)
        },
    }
