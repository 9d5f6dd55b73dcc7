"""A registry's values as plain data that can cross to another process and be added up there.

Not here: adding up (the supervisor's merge). Invariant: a snapshot holds numbers and label values only, and no
`_created` series: a sum of two start times means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

Sample: TypeAlias = tuple[str, dict[str, str], float]
"""One line of an exposition: the sample's full name (`..._bucket`, `..._total`), its labels and its value. The first
three members of prometheus-client's own sample, so that a worker with thousands of them makes nothing anew.
"""

_WITH_CREATED: Final = ("counter", "histogram", "summary")


class Family(msgspec.Struct, frozen=True, array_like=True):
    """One metric family; `kind` is prometheus-client's type (`counter`, `gauge`, `histogram`, ...)."""

    name: str
    kind: str
    text: str
    samples: tuple[Sample, ...]


Snapshot: TypeAlias = tuple[Family, ...]


def families(registry: CollectorRegistry) -> Iterator[Family]:
    """Every family of a registry, in the order of registration, each read when it is asked for."""
    for metric in registry.collect():
        yield Family(metric.name, metric.type, metric.documentation, tuple(_samples(metric)))


def _samples(metric: Metric) -> Iterator[Sample]:
    with_created = metric.type in _WITH_CREATED
    for sample in metric.samples:
        if not (with_created and sample.name.endswith("_created")):
            yield sample[:3]
