"""What a process has counted, as plain data that can cross to another process and be added up there.

A snapshot is a layout, which seldom changes and crosses only when it has, and the numbers in its order. Not here:
adding up (the supervisor's merge). Invariants: a snapshot holds numbers, names and label values only; every child has
one value for each label name; a layout has a place for each number and for no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from proxy.metrics.cells import Kind, Registry, Values


class Family(msgspec.Struct, frozen=True, array_like=True):
    """One metric family and the labels of its children. `name` is without `_total`; `bounds` are a histogram's, without
    infinity.
    """

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...]
    children: tuple[Values, ...]

    def __post_init__(self) -> None:
        """Raises ValueError, which msgspec tells as a ValidationError of what was received."""
        if any(len(values) != len(self.labels) for values in self.children):
            raise ValueError(f"a child of {self.name} has not one value for each label")

    @property
    def width(self) -> int:
        """How many numbers a child has: one; of a histogram how many values are in each bucket alone, and their sum.
        Buckets are counted each for itself, so that processes are added up number by number.
        """
        return len(self.bounds) + 2 if self.kind == "histogram" else 1


Layout: TypeAlias = tuple[Family, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Numbers and what they are numbers of. Raises ValueError when they are not as many as the layout has places."""

    layout: Layout
    numbers: Sequence[float]

    def __post_init__(self) -> None:
        places = sum(family.width * len(family.children) for family in self.layout)
        if places != len(self.numbers):
            raise ValueError(f"{len(self.numbers)} numbers for {places} places")

    def families(self) -> Iterator[tuple[Family, Sequence[float]]]:
        """Each family with the numbers of all its children, one after another."""
        start = 0
        for family in self.layout:
            end = start + family.width * len(family.children)
            yield family, self.numbers[start:end]
            start = end


NOTHING = Snapshot((), ())


def snapshot(registry: Registry, before: Layout = ()) -> Snapshot:
    """Everything in a registry as it stands, in the order of definition. `before` is given back as the layout when it
    has not changed, so that whoever knows that one sees it at once.
    """
    layout = tuple(
        Family(what.name, what.kind, what.text, what.labels, what.bounds, family.children())
        for family in registry.families
        for what in (family.definition,)
    )
    numbers = [number for family in registry.families for number in family.numbers()]
    return Snapshot(before if layout == before else layout, numbers)
