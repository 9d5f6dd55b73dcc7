"""Snapshots of several workers, living and dead, added up to one.

Not here: asking for snapshots and writing them out. Invariant: what a counter, or a bucket or sum of a histogram, has
once shown it never falls below. Two things see to that: a dead worker's last numbers go into a base that stays, and no
such number is given out lower than before, since floating point sums depend on their order and Prometheus would read
the smallest step back as a restart from zero.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from proxy.child.snapshot import Family, Snapshot
from proxy.metrics.cells import Kind

Values: TypeAlias = tuple[str, ...]
"""The label values of one child, in the order in which its family declares the labels."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How the numbers of one kind are joined. `outlives`: a dead worker's value still counts. `monotone`: never shown
    lower than before.
    """

    join: Callable[[float, float], float]
    outlives: bool
    monotone: bool


_ACCUMULATE: Final = Rule(operator.add, outlives=True, monotone=True)
_SUM: Final = Rule(operator.add, outlives=False, monotone=False)
_NEWEST: Final = Rule(max, outlives=True, monotone=False)
_ANY: Final = Rule(max, outlives=False, monotone=False)

_GAUGE_RULES: Final = (
    ("_timestamp_seconds", _NEWEST),  # when something last happened, in whichever worker
    ("_info", _ANY),  # always 1, and so is the whole
    ("_ratio", _ANY),  # a share is no amount; the worst worker stands for all
)


def rule_of(kind: Kind, name: str) -> Rule:
    """The rule of one family, by its kind and, for gauges, by its name; a gauge named otherwise is summed."""
    if kind != "gauge":
        return _ACCUMULATE
    return next((rule for ending, rule in _GAUGE_RULES if name.endswith(ending)), _SUM)


@dataclass(slots=True)
class _Sums:
    """One family while it is added up. `head` is the family as it was first seen; its children are not looked at."""

    head: Family
    rule: Rule
    numbers: dict[Values, list[float]] = field(default_factory=dict)

    def add(self, family: Family) -> None:
        """A family of other labels or bounds, from a process of another version, cannot be added and is left out."""
        head, numbers, join = self.head, self.numbers, self.rule.join
        if (family.kind, family.labels, family.bounds) != (head.kind, head.labels, head.bounds):
            return
        for values, counted in family.children:
            known = numbers.get(values)
            numbers[values] = counted if known is None else [*map(join, known, counted)]


class Totals:
    """The base of the dead, and what was shown last."""

    def __init__(self) -> None:
        self._base: dict[str, _Sums] = {}
        self._shown: dict[str, dict[Values, list[float]]] = {}

    def bury(self, last: Snapshot, *, gauges: bool = True) -> None:
        """Keep what outlives a process; `last` is the last snapshot it gave. Without `gauges` only what is counted: the
        one process that succeeds it has the same gauges to show.
        """
        for family in last:
            kept = rule_of(family.kind, family.name).outlives and (gauges or family.kind != "gauge")
            # The head alone keeps a family's place in the order.
            _add_to(self._base, (family if kept else _with(family, ()),))

    def merged(self, living: Iterable[Snapshot]) -> Snapshot:
        """The base and the living, in the order first seen."""
        sums = {name: _Sums(base.head, base.rule, dict(base.numbers)) for name, base in self._base.items()}
        for snapshot in living:
            _add_to(sums, snapshot)
        for name, family in sums.items():
            if family.rule.monotone:
                self._shown[name] = family.numbers = _never_lower(self._shown.get(name, {}), family.numbers)
        return tuple(_with(family.head, family.numbers.items()) for family in sums.values())


def _never_lower(shown: dict[Values, list[float]], now: dict[Values, list[float]]) -> dict[Values, list[float]]:
    return {
        values: numbers if (before := shown.get(values)) is None else [*map(max, before, numbers)]
        for values, numbers in now.items()
    }


def _with(head: Family, children: Iterable[tuple[Values, list[float]]]) -> Family:
    return Family(head.name, head.kind, head.text, head.labels, head.bounds, tuple(children))


def _add_to(sums: dict[str, _Sums], families: Iterable[Family]) -> None:
    for family in families:
        known = sums.get(family.name)
        if known is None:
            known = sums[family.name] = _Sums(family, rule_of(family.kind, family.name))
        known.add(family)
