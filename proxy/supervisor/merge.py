"""Snapshots of several workers, living and dead, added up to one.

Not here: asking for snapshots and rendering. Invariant: what a counter, or a bucket, count or sum of a histogram, has
once shown it never falls below. Two things see to that: a dead worker's last numbers go into a base that stays, and no
such sample is given out lower than before, since floating point sums depend on their order and Prometheus would read
the smallest step back as a restart from zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from proxy.child.snapshot import Family, Snapshot

Series: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name and its labels in the order in which the family declares them."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How samples of one kind are joined. `outlives`: a dead worker's value still counts. `monotone`: never shown
    lower than before.
    """

    join: Callable[[float, float], float]
    outlives: bool
    monotone: bool


def _add(left: float, right: float) -> float:
    return left + right


_ACCUMULATE: Final = Rule(_add, outlives=True, monotone=True)
_SUM: Final = Rule(_add, outlives=False, monotone=False)
_NEWEST: Final = Rule(max, outlives=True, monotone=False)
_ANY: Final = Rule(max, outlives=False, monotone=False)

_KIND_RULES: Final = {"counter": _ACCUMULATE, "histogram": _ACCUMULATE, "info": _ANY, "stateset": _ANY}
_GAUGE_RULES: Final = (
    ("_timestamp_seconds", _NEWEST),  # when something last happened, in whichever worker
    ("_info", _ANY),  # always 1, and so is the whole
    ("_ratio", _ANY),  # a share is no amount; the worst worker stands for all
)


def rule_of(family: Family) -> Rule:
    """The rule of one family, by its type and, for gauges, by its name; a gauge named otherwise is summed."""
    if family.kind in _KIND_RULES:
        return _KIND_RULES[family.kind]
    for ending, rule in _GAUGE_RULES:
        if family.name.endswith(ending):
            return rule
    return _SUM


@dataclass(slots=True)
class _Sums:
    """One family while it is added up."""

    kind: str
    text: str
    rule: Rule
    values: dict[Series, float] = field(default_factory=dict)

    def add(self, family: Family) -> None:
        values, join = self.values, self.rule.join
        for name, labels, value in family.samples:
            series = (name, tuple(labels.items()))
            known = values.get(series)
            values[series] = value if known is None else join(known, value)


class Totals:
    """The base of the dead, and what was shown last."""

    def __init__(self) -> None:
        self._base: dict[str, _Sums] = {}
        self._shown: dict[Series, float] = {}

    def bury(self, last: Snapshot, *, gauges: bool = True) -> None:
        """Keep what outlives a process; `last` is the last snapshot it gave. Without `gauges` only what is counted: the
        one process that succeeds it has the same gauges to show.
        """
        for family in last:
            kept = rule_of(family).outlives and (gauges or family.kind != "gauge")
            _add_to(self._base, (family if kept else _emptied(family),))

    def merged(self, living: Iterable[Snapshot]) -> Iterator[Metric]:
        """The base and the living as metric families ready to be rendered, in the order first seen."""
        sums = {name: _Sums(base.kind, base.text, base.rule, dict(base.values)) for name, base in self._base.items()}
        for snapshot in living:
            _add_to(sums, snapshot)
        for name, family in sums.items():
            if family.rule.monotone:
                self._never_lower(family.values)
            metric = Metric(name, family.text, family.kind)
            for (sample, labels), value in family.values.items():
                metric.add_sample(sample, dict(labels), value)
            yield metric

    def _never_lower(self, values: dict[Series, float]) -> None:
        shown = self._shown
        for series, value in values.items():
            before = shown.get(series)
            if before is not None and before > value:
                values[series] = before
            else:
                shown[series] = value


def _emptied(family: Family) -> Family:
    """The head of a family alone: it keeps its place in the order."""
    return Family(family.name, family.kind, family.text, ())


def _add_to(sums: dict[str, _Sums], families: Iterable[Family]) -> None:
    for family in families:
        known = sums.get(family.name)
        if known is None:
            known = sums[family.name] = _Sums(family.kind, family.text, rule_of(family))
        known.add(family)


class MergedCollector(Collector):
    """The workers' families for prometheus-client's renderers; `living` gives the snapshots of the living."""

    def __init__(self, totals: Totals, living: Callable[[], Iterable[Snapshot]]) -> None:
        self._totals = totals
        self._living = living

    def collect(self) -> Iterator[Metric]:
        """Everything the workers have counted, once each."""
        return self._totals.merged(self._living())
