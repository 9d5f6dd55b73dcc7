"""Counters, gauges and histograms as plain cells, for a process with one thread.

A step on the request path costs one addition: no lock, no look-up, no check. Not here: any name, and how values are
sent (child/snapshot.py) and written (supervisor/exposition.py). Invariant: a family keeps its label names and bounds
for good, and every child has one value for each label.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]
Values: TypeAlias = tuple[str, ...]
"""The label values of one child, in the order of its family's labels."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One family: `name` without `_total`, `kind` as Prometheus types it, help text, label names, and of a histogram
    its upper bounds, ascending, without infinity.
    """

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...] = ()


class Registry:
    """The families of one process, in the order of their definition."""

    def __init__(self) -> None:
        self.families: list[Counters | Histograms] = []

    @property
    def definitions(self) -> list[Definition]:
        """What they are, whether they have children or not."""
        return [family.definition for family in self.families]


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
        """Ask `read` when it is read (gauges only)."""
        self._read = read

    def now(self) -> float:
        """The value to be exported."""
        return float(self.value if self._read is None else self._read())


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

    def now(self) -> list[float]:
        """How many values are in each bucket alone, the last of them without a bound, and the sum of the values."""
        return [*map(float, self._counts), float(self._sum)]


class Counters:
    """A counter family; `name` is without `_total`."""

    KIND: Kind = "counter"

    def __init__(self, name: str, text: str, labels: Sequence[str], registry: Registry) -> None:
        self.definition = Definition(name, self.KIND, text, tuple(labels))
        self._cells: dict[Values, Cell] = {}
        registry.families.append(self)

    def labels(self, *values: str) -> Cell:
        """The child of these label values, made on first use."""
        cell = self._cells.get(values)
        if cell is None:
            cell = self._cells[values] = Cell()
        return cell

    def children(self) -> tuple[Values, ...]:
        """The labels of all that were made, in that order."""
        return tuple(self._cells)

    def numbers(self) -> list[float]:
        """What they say now, in the same order."""
        return [cell.now() for cell in self._cells.values()]


class Gauges(Counters):
    """A gauge family."""

    KIND = "gauge"

    def clear(self) -> None:
        """Forget all children."""
        self._cells.clear()


class Histograms:
    """A histogram family."""

    def __init__(
        self, name: str, text: str, labels: Sequence[str], bounds: Sequence[float], registry: Registry
    ) -> None:
        self.definition = Definition(name, "histogram", text, tuple(labels), tuple(map(float, bounds)))
        self._children: dict[Values, Buckets] = {}
        registry.families.append(self)

    def labels(self, *values: str) -> Buckets:
        """The child of these label values, made on first use."""
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = Buckets(self.definition.bounds)
        return child

    def children(self) -> tuple[Values, ...]:
        """The labels of all that were made, in that order."""
        return tuple(self._children)

    def numbers(self) -> list[float]:
        """What they say now, one after another in the same order."""
        return [number for child in self._children.values() for number in child.now()]
