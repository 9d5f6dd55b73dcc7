"""What a process has counted, as plain data that can cross to another process and be added up there.

Not here: adding up (the supervisor's merge). Invariants: a snapshot holds numbers, names and label values only; each
child has one value for each label name, and as many numbers as its family's kind asks for.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from proxy.metrics.cells import Child, Kind, Registry


class Family(msgspec.Struct, frozen=True, array_like=True):
    """One metric family. `name` is without `_total`; `bounds` are a histogram's, without infinity. Buckets are counted
    each for itself, so that children are added up number by number; only the exposition makes them cumulative.
    """

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...]
    children: tuple[Child, ...]

    def __post_init__(self) -> None:
        """Raises ValueError, which msgspec tells as a ValidationError of what was received."""
        labels, numbers = len(self.labels), len(self.bounds) + 2 if self.kind == "histogram" else 1
        for values, counted in self.children:
            if len(values) != labels or len(counted) != numbers:
                raise ValueError(f"a child of {self.name} has {len(values)} label values and {len(counted)} numbers")


Snapshot: TypeAlias = tuple[Family, ...]


def snapshot(registry: Registry) -> Snapshot:
    """Every family of a registry as it stands, in the order of definition."""
    return tuple(
        Family(what.name, what.kind, what.text, what.labels, what.bounds, tuple(family.children()))
        for family in registry.families
        for what in (family.definition,)
    )
