"""Our families as prometheus-client's: it defines for the tests what an exposition is and how one is read.

Not here: our own renderer. Invariant: nothing of ours but plain numbers and names gets in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from proxy.child.snapshot import Family, Snapshot, snapshot
from proxy.metrics.cells import Registry


def metric(family: Family, numbers: Sequence[float]) -> Metric:
    """One family and the numbers of its children."""
    rows = [numbers[start : start + family.width] for start in range(0, len(numbers), family.width)]
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.text, labels=family.labels)
        bounds = [floatToGoString(bound) for bound in (*family.bounds, float("inf"))]  # type: ignore[no-untyped-call]
        for values, (*counts, total) in zip(family.children, rows, strict=True):
            histogram.add_metric(values, list(zip(bounds, accumulate(counts), strict=True)), total)
        return histogram
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    plain = kind(family.name, family.text, labels=family.labels)
    for values, (number,) in zip(family.children, rows, strict=True):
        plain.add_metric(values, number)
    return plain


class _Metrics(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)


def collected(metrics: Iterable[Metric]) -> CollectorRegistry:
    """prometheus-client's registry with these."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Metrics(metrics))
    return registry


def exposition(shown: Snapshot) -> str:
    """Everything in it as prometheus-client writes it."""
    return generate_latest(collected(metric(*each) for each in shown.families())).decode()


def samples(registry: Registry, name: str) -> Iterator[Sample]:
    """All samples of a name. Only the few families that may have one are read: all of them take longer than tests."""
    for family, numbers in snapshot(registry).families():
        if name.startswith(family.name):
            yield from (sample for sample in metric(family, numbers).samples if sample.name == name)


def value(registry: Registry, name: str, **labels: str) -> float | None:
    """One sample; None when there is none."""
    return next((sample.value for sample in samples(registry, name) if sample.labels == labels), None)


def total(registries: Iterable[Registry], name: str, **labels: str) -> float:
    """The sum of all samples of a name with these labels."""
    found = (sample for registry in registries for sample in samples(registry, name))
    return sum(sample.value for sample in found if labels.items() <= sample.labels.items())
