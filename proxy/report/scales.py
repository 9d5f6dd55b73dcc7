"""Where a value stands on an axis, as a percentage of its width, and where the axis is labelled.

Not here: drawing. Invariants: labels of one axis are far enough apart to be read on a phone; a value outside the axis
stands at its edge, and `outside` tells so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import copysign, sqrt
from typing import Final

from proxy.report import wording

EDGE: Final = 2.0
"""Percent of the width that stay free at either end, for markers."""
APART: Final = 15.0
"""Percent between two labels."""
_FLOORS: Final = (0.995, 0.99, 0.98, 0.95, 0.9, 0.8, 0.5)
_STEPS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SPANS_S: Final = (
    *(1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0),
    *(3600.0, 7200.0, 10800.0, 21600.0, 43200.0, 86400.0, 172800.0, 604800.0, 1209600.0, 2592000.0, 7776000.0),
)
_DURATIONS_S: Final = tuple(step * 10.0**power for power in (-2, -1, 0, 1, 2) for step in (1.0, 1.6, 2.4, 4.0, 6.0))
_MOST_TIMES: Final = 5
_CHARACTER: Final = 2.3
"""Percent of a phone's chart that a character of a label takes."""


@dataclass(frozen=True, slots=True)
class Scale:
    """`ticks` are values with their labels. `rooted`: by the square root of the distance from 0."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = ()
    rooted: bool = False

    def at(self, value: float) -> float:
        """Percent from the left."""
        low, high, place = (self._bent(each) for each in (self.low, self.high, self.inside(value)))
        return EDGE + (100.0 - 2 * EDGE) * ((place - low) / (high - low) if high > low else 1.0)

    def inside(self, value: float) -> float:
        """The value, or the end of the axis that it lies beyond."""
        return min(self.high, max(self.low, value))

    def outside(self, value: float) -> bool:
        """Whether it lies beyond the axis."""
        return not self.low <= value <= self.high

    def _bent(self, value: float) -> float:
        return copysign(sqrt(abs(value)), value) if self.rooted else value


def of_shares(values: Iterable[float], label: Callable[[float], str]) -> Scale:
    """A linear axis that ends at 1 and begins at a round number below all values."""
    least = min(values, default=0.0)
    low = next((floor for floor in _FLOORS if floor <= least), 0.0)
    return Scale(low, 1.0, tuple((each, label(each)) for each in (low, (low + 1.0) / 2.0, 1.0)))


def of_effects(values: Sequence[float], *, signed: bool) -> Scale:
    """A square-root axis from 0, or around it, in percent; it ends at a round number, at 1000 % at most."""
    most = max((abs(value) for value in values), default=0.0)
    high = next((step for step in _STEPS if step >= most), _STEPS[-1])
    bare = Scale(-high if signed else 0.0, high, rooted=True)
    wanted = [0.0, high, *reversed([step for step in _STEPS if step < high])]
    kept: list[float] = []
    for value in wanted:
        for each in (value, -value) if signed and value else (value,):
            if all(abs(bare.at(each) - bare.at(other)) >= APART for other in kept):
                kept.append(each)
    label = wording.change if signed else wording.rate
    return Scale(bare.low, bare.high, tuple((each, label(each)) for each in sorted(kept)), rooted=True)


def of_durations(values: Iterable[float]) -> Scale:
    """A linear axis from 0 s."""
    most = max(values, default=0.0)
    high = next((step for step in _DURATIONS_S if step >= most), most)
    return Scale(0.0, high, tuple((each, wording.duration(each)) for each in (0.0, high / 2, high)))


def of_times(from_s: float, to_s: float) -> Scale:
    """An axis of UTC times, labelled at round moments."""
    span = max(to_s - from_s, 1.0)
    step = next((each for each in _SPANS_S if span / each <= _MOST_TIMES), span)
    form = "%H:%M:%S" if step < 60 else "%H:%M" if step < 86_400 else "%d %b"
    if 60 <= step < 86_400 < span:
        form = "%d %b %H:%M"
    first = (from_s // step + 1) * step
    times = [first + index * step for index in range(int((from_s + span - first) // step) + 1)]
    bare = Scale(from_s, from_s + span)
    apart = _CHARACTER * (len(datetime.fromtimestamp(from_s, UTC).strftime(form)) + 1)
    kept: list[float] = []
    for at_s in times:
        if not kept or bare.at(at_s) - bare.at(kept[-1]) >= apart:
            kept.append(at_s)
    return Scale(
        from_s, from_s + span, tuple((at_s, datetime.fromtimestamp(at_s, UTC).strftime(form)) for at_s in kept)
    )
