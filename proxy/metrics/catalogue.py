"""Every metric there is, as a list: what the reference in docs/, the dashboards and the rules are checked against.

Not here: any name. Invariant: it is made from the very objects that are counted with, so it cannot be out of date.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from proxy.metrics.cells import Definition, Registry
from proxy.metrics.scorer import ScorerMetrics
from proxy.metrics.shadow import ShadowMetrics
from proxy.metrics.supervisor import SupervisorMetrics
from proxy.metrics.worker import Metrics

_PARTS: Final = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


@dataclass(frozen=True, slots=True)
class Entry:
    """One family. `name` as PromQL spells it, with `_total`; `kind`: counter, gauge or histogram; `source`: worker,
    scorer or supervisor, both of the first two where they share it.
    """

    name: str
    kind: str
    text: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...]
    source: str

    @property
    def samples(self) -> tuple[str, ...]:
        """The names of its series: of a histogram there are three."""
        return tuple(self.name + part for part in _PARTS[self.kind])


def catalogue() -> tuple[Entry, ...]:
    """All families: the workers' first, then the scorer's, then the supervisor's, each in order of definition."""
    entries: dict[str, Entry] = {}
    for source, definition in _definitions():
        entry = _entry(source, definition)
        known = entries.get(entry.name)
        entries[entry.name] = entry if known is None else _entry(f"{known.source}, {source}", definition)
    return tuple(entries.values())


def _definitions() -> Iterator[tuple[str, Definition]]:
    registry = Registry()
    ShadowMetrics(registry)
    workers = chain(Metrics().registry.definitions, registry.definitions)
    yield from (("worker", definition) for definition in workers)
    yield from (("scorer", definition) for definition in ScorerMetrics().registry.definitions)
    yield from (("supervisor", definition) for definition in SupervisorMetrics().registry.definitions)


def _entry(source: str, definition: Definition) -> Entry:
    name = definition.name + ("_total" if definition.kind == "counter" else "")
    return Entry(name, definition.kind, definition.text, definition.labels, definition.bounds, source)
