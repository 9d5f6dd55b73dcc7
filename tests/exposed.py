"""Our families as prometheus-client's: it defines for the tests what an exposition is and how one is read.

Not here: our own renderer. Invariant: nothing of ours but plain numbers and names gets in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from proxy.child.snapshot import Family, snapshot
from proxy.metrics.cells import Registry


def metric(family: Family) -> Metric:
    """One family."""
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.text, labels=family.labels)
        bounds = [floatToGoString(bound) for bound in (*family.bounds, float("inf"))]  # type: ignore[no-untyped-call]
        for values, (*counts, total) in family.children:
            histogram.add_metric(values, list(zip(bounds, accumulate(counts), strict=True)), total)
        return histogram
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    plain = kind(family.name, family.text, labels=family.labels)
    for values, (number,) in family.children:
        plain.add_metric(values, number)
    return plain


class _Families(Collector):
    def __init__(self, families: Callable[[], Iterable[Family]]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return map(metric, self._families())


def collected(families: Callable[[], Iterable[Family]]) -> CollectorRegistry:
    """prometheus-client's registry over families of ours, which it asks for each time."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families))
    return registry


def exposition(registry: Registry) -> str:
    """The text of everything in a registry of ours."""
    return generate_latest(collected(lambda: snapshot(registry))).decode()


def value(registry: Registry, name: str, **labels: str) -> float | None:
    """One sample; None when there is none."""
    return collected(lambda: _named(registry, name)).get_sample_value(name, labels)


def total(registries: Iterable[Registry], name: str, **labels: str) -> float:
    """The sum of all samples of a name with these labels."""
    return sum(
        sample.value
        for registry in registries
        for family in _named(registry, name)
        for sample in metric(family).samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def _named(registry: Registry, sample: str) -> Iterator[Family]:
    """The few families that may have a sample of this name: thousands of others take longer than most tests."""
    return (family for family in snapshot(registry) if sample.startswith(family.name))
