"""Snapshots of several processes, living and dead, added up to one.

Not here: asking for snapshots and writing them out. Invariant: what a counter, or a bucket or sum of a histogram, has
once shown it never falls below. Two things see to that: a dead worker's last numbers go into a base that stays, and no
such number is given out lower than before, since floating point sums depend on their order and Prometheus would read
the smallest step back as a restart from zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.child.snapshot import NOTHING, Family, Layout, Snapshot
from proxy.metrics.cells import Values


@dataclass(frozen=True, slots=True)
class Rule:
    """How the numbers of one family are joined. `largest`: the largest stands for all, else they are added up.
    `outlives`: a dead worker's value still counts. `monotone`: never shown lower than before.
    """

    largest: bool
    outlives: bool
    monotone: bool


_ACCUMULATE: Final = Rule(largest=False, outlives=True, monotone=True)
_SUM: Final = Rule(largest=False, outlives=False, monotone=False)
_NEWEST: Final = Rule(largest=True, outlives=True, monotone=False)
_ANY: Final = Rule(largest=True, outlives=False, monotone=False)

_GAUGE_RULES: Final = (
    ("_timestamp_seconds", _NEWEST),  # when something last happened, in whichever worker
    ("_info", _ANY),  # always 1, and so is the whole
    ("_ratio", _ANY),  # a share is no amount; the worst worker stands for all
    *((ending, _ANY) for ending in ("_state", "_active", "_evidence", "_threshold", "_observations")),
    # the last are opinions of the one scorer: while it is replaced there may be two
)


def rule_of(family: Family) -> Rule:
    """The rule of one family, by its kind and, for gauges, by its name; a gauge named otherwise is summed."""
    if family.kind != "gauge":
        return _ACCUMULATE
    return next((rule for ending, rule in _GAUGE_RULES if family.name.endswith(ending)), _SUM)


class _Frame:
    """The children of several layouts together, in the order first seen, and where the numbers of each layout go.

    Made anew only when a layout changes, so that adding up is one pass over the numbers. A family of other labels or
    bounds than those first seen, from a process of another version, cannot be added and is left out.
    """

    def __init__(self, layouts: Sequence[Layout]) -> None:
        self.layouts = layouts
        heads: dict[str, Family] = {}
        children: dict[str, dict[Values, None]] = {}
        for family in (family for layout in layouts for family in layout):
            head = heads.setdefault(family.name, family)
            known = children.setdefault(family.name, {})
            if _alike(head, family):
                known.update(dict.fromkeys(family.children))
        self.layout = tuple(_with(head, tuple(children[name])) for name, head in heads.items())
        self.monotone: list[bool] = []
        self._places: dict[str, tuple[Family, Mapping[Values, int]]] = {}
        for family in self.layout:
            start = len(self.monotone)
            places = {values: start + place * family.width for place, values in enumerate(family.children)}
            self._places[family.name] = family, places
            self.monotone += [rule_of(family).monotone] * family.width * len(places)
        self.targets = [self.targets_of(layout) for layout in layouts]

    def targets_of(self, layout: Layout) -> tuple[list[int], list[tuple[int, int]]]:
        """For each number where it is added, one past the end for nowhere; and, of those whose largest counts, from
        where to where.
        """
        nowhere = len(self.monotone)
        added: list[int] = []
        largest: list[tuple[int, int]] = []
        for family in layout:
            head, places = self._places.get(family.name, (family, {}))
            width, by_largest = family.width, rule_of(family).largest
            for target in map((places if _alike(head, family) else {}).get, family.children):
                if target is None:
                    added += [nowhere] * width
                elif by_largest:
                    largest.append((len(added), target))
                    added.append(nowhere)
                else:
                    added += range(target, target + width)
        return added, largest

    def joined(self, snapshots: Iterable[Snapshot]) -> list[float]:
        """The numbers of this frame's layouts, in their order, as one."""
        numbers = [0.0] * (len(self.monotone) + 1)
        best: dict[int, float] = {}
        for snapshot, (added, largest) in zip(snapshots, self.targets, strict=True):
            said = snapshot.numbers
            for target, number in zip(added, said, strict=True):
                numbers[target] += number
            for source, target in largest:
                best[target] = max(best.get(target, said[source]), said[source])
        numbers.pop()
        for target, number in best.items():
            numbers[target] = number
        return numbers

    def floor(self, shown: Snapshot) -> list[float]:
        """What may not be gone below, of what was shown in another layout."""
        lowest = [-math.inf] * (len(self.monotone) + 1)
        for target, number in zip(self.targets_of(shown.layout)[0], shown.numbers, strict=True):
            lowest[target] = number
        return [low if monotone else -math.inf for low, monotone in zip(lowest, self.monotone, strict=False)]


class Totals:
    """The base of the dead, and what was shown last."""

    def __init__(self) -> None:
        self._base = self._shown = NOTHING
        self._frame = _Frame([])
        self._floor: list[float] = []

    def bury(self, last: Snapshot, *, gauges: bool = True) -> None:
        """Keep what outlives a process; `last` is the last snapshot it gave. Without `gauges` only what is counted: the
        one process that succeeds it has the same gauges to show.
        """
        layout: list[Family] = []
        numbers: list[float] = []
        for family, counted in last.families():
            kept = rule_of(family).outlives and (gauges or family.kind != "gauge")
            layout.append(family if kept else _with(family, ()))  # the head alone keeps a family's place in the order
            numbers += counted if kept else ()
        both = (self._base, Snapshot(tuple(layout), numbers))
        frame = _Frame([one.layout for one in both])
        self._base = Snapshot(frame.layout, frame.joined(both))

    def merged(self, living: Iterable[Snapshot]) -> Snapshot:
        """The base and the living, in the order first seen."""
        snapshots = (*living, self._base)
        layouts = [one.layout for one in snapshots]
        if [*map(id, layouts)] != [*map(id, self._frame.layouts)]:
            self._frame = _Frame(layouts)
            self._floor = self._frame.floor(self._shown)
        frame = self._frame
        numbers = [*map(max, frame.joined(snapshots), self._floor)]
        self._floor = [number if low else -math.inf for number, low in zip(numbers, frame.monotone, strict=True)]
        self._shown = Snapshot(frame.layout, numbers)
        return self._shown


def _alike(one: Family, other: Family) -> bool:
    return (one.kind, one.labels, one.bounds) == (other.kind, other.labels, other.bounds)


def _with(family: Family, children: tuple[Values, ...]) -> Family:
    return Family(family.name, family.kind, family.text, family.labels, family.bounds, children)
