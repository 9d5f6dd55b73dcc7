"""Counters, gauges and histograms as plain cells, for a process with one thread.

prometheus-client's own children take a lock and check their state at every step (0.2 us an increment, 0.6 us an
observation); a cell takes a fraction of that. Definitions, collection and rendering stay prometheus-client's. Not
here: any name. Invariant: what `collect` yields is what prometheus-client's Counter, Gauge and Histogram would.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Registry(CollectorRegistry):
    """One that tells what was defined in it; prometheus-client's own tells only what has a value."""

    def __init__(self) -> None:
        self.definitions: list[Definition] = []
        super().__init__(auto_describe=False)

    def register(self, collector: Collector) -> None:
        """Take it in."""
        super().register(collector)
        if isinstance(collector, _Family):
            self.definitions.append(collector.definition)


@dataclass(frozen=True, slots=True)
class Definition:
    """One family: `name` without `_total`, `kind` as Prometheus types it, help text, label names, and of a histogram
    its upper bounds.
    """

    name: str
    kind: str
    text: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...] = ()


class Cell:
    """One counter or gauge child."""

    __slots__ = ("_read", "value")

    def __init__(self) -> None:
        self.value = 0.0
        self._read: Callable[[], float] | None = None

    def inc(self, amount: float = 1.0) -> None:
        """Add `amount`."""
        self.value += amount

    def set(self, value: float) -> None:
        """Be `value` (gauges only)."""
        self.value = value

    def dec(self) -> None:
        """Take one away (gauges only)."""
        self.value -= 1.0

    def set_function(self, read: Callable[[], float]) -> None:
        """Ask `read` at collection (gauges only)."""
        self._read = read

    def now(self) -> float:
        """The value to be exported."""
        return self.value if self._read is None else self._read()


class Buckets:
    """One histogram child. `bounds` are upper bounds, ascending, without infinity."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value; a bound belongs to its bucket (`le`)."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def cumulative(self) -> tuple[list[tuple[str, float]], float]:
        """(bound, count up to it) pairs and the sum of all values."""
        total, pairs = 0, []
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            pairs.append((str(floatToGoString(bound)), float(total)))  # type: ignore[no-untyped-call]  # untyped there
        return pairs, self._sum


class _Family(Collector):
    KIND: ClassVar[str]

    def __init__(self, name: str, text: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._name = name
        self._text = text
        self._labels = tuple(labels)
        registry.register(self)

    @property
    def definition(self) -> Definition:
        """What it is, whether it has children or not."""
        return Definition(self._name, self.KIND, self._text, self._labels)


class Counters(_Family):
    """A counter family; `name` is without `_total`."""

    KIND = "counter"

    def __init__(self, name: str, text: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._cells: dict[tuple[str, ...], Cell] = {}
        super().__init__(name, text, labels, registry)

    def clear(self) -> None:
        """Forget all children (gauges only: a counter must not go back)."""
        self._cells.clear()

    def labels(self, *values: str) -> Cell:
        """The child of these label values, made on first use."""
        cell = self._cells.get(values)
        if cell is None:
            cell = self._cells[values] = Cell()
        return cell

    def collect(self) -> Iterator[Metric]:
        """The family as it stands."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for values, cell in self._cells.items():
            family.add_metric(values, cell.now())
        yield family


class Gauges(Counters):
    """A gauge family."""

    KIND = "gauge"

    def collect(self) -> Iterator[Metric]:
        """The family as it stands."""
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        for values, cell in self._cells.items():
            family.add_metric(values, cell.now())
        yield family


class Histograms(_Family):
    """A histogram family."""

    KIND = "histogram"

    def __init__(
        self, name: str, text: str, labels: Sequence[str], bounds: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._bounds = tuple(bounds)
        self._children: dict[tuple[str, ...], Buckets] = {}
        super().__init__(name, text, labels, registry)

    @property
    def definition(self) -> Definition:
        """What it is, whether it has children or not."""
        return Definition(self._name, self.KIND, self._text, self._labels, self._bounds)

    def labels(self, *values: str) -> Buckets:
        """The child of these label values, made on first use."""
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = Buckets(self._bounds)
        return child

    def collect(self) -> Iterator[Metric]:
        """The family as it stands."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for values, child in self._children.items():
            pairs, total = child.cumulative()
            family.add_metric(values, pairs, total)
        yield family
