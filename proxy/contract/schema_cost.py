"""What judging a value by a client's JSON schema may cost, bounded before the schema is compiled.

A chain of doubled anyOf or $ref of a few hundred bytes takes its validator exponential time, and a circle of them no
end. Here: the bound, from the schema alone, by the depth of the value. Not here: compiling and judging (asking.py).
Invariants: the bound is never below what a validator does that visits each subschema of a value once, in any order; the
work of finding it is bounded too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import msgspec

MAX_DEPTH: Final = 64
"""Levels of a value that is judged."""
LEAST_DEPTH: Final = 2
"""A schema is of no use unless values of so many levels can be judged: an object that holds lists or objects."""
MAX_BYTES: Final = 256 * 1024
"""Longest schema that is looked at, as JSON."""
MAX_ROOM: Final = 4 * 1024 * 1024
"""Bytes of one compiled schema: about a thousand properties, or 128 patterns, each of which takes up to half a
millisecond to compile."""
_VALUE_ROOM: Final = 1024
_PATTERN_ROOM: Final = 32 * 1024
"""What a value and a pattern take once compiled, by measurement and rounded up (jsonschema_rs 0.60)."""
MAX_VISITS: Final = 100_000
"""Visits of one chain of nested values. A visit takes about 0.1 microseconds (jsonschema_rs 0.60), and a validator that
descends by recursion has stack for so many."""
MAX_WORK: Final = 10_000_000
"""Visits of a whole value: about a second."""
_MAX_STEPS: Final = 50_000
"""Subschemas looked at to find the bound, each level anew (10 microseconds each)."""

_SAME: Final = "same value"
_MEMBER: Final = "one of these visits a member"
_MEMBERS: Final = "all of these may visit a member"
_ITEM: Final = "one of these visits an item"
_ITEMS: Final = "all of these may visit an item"
_APPLIED: Final = {
    **dict.fromkeys(("anyOf", "oneOf", "allOf", "not", "if", "then", "else", "$ref"), _SAME),
    **dict.fromkeys(("dependentSchemas", "dependencies"), _SAME),
    **dict.fromkeys(("properties", "additionalProperties", "unevaluatedProperties"), _MEMBER),
    **dict.fromkeys(("patternProperties", "propertyNames"), _MEMBERS),
    **dict.fromkeys(("items", "prefixItems", "additionalItems", "unevaluatedItems"), _ITEM),
    "contains": _ITEMS,
}
"""What a keyword's subschemas are applied to (JSON Schema 2020-12 Core, section 10; draft 7 section 9)."""
_BY_NAME: Final = ("properties", "patternProperties", "dependentSchemas", "dependencies")
_REPEATING: Final = ("unevaluatedProperties", "unevaluatedItems")
"""To know what is left for them, a validator judges what stands beside them a second time."""
_UNRESOLVED: Final = ("$dynamicRef", "$recursiveRef")
_NOT_JUDGED: Final = ("$defs", "definitions", "default", "examples")
_PATTERN_WEIGHT: Final = 100
_HEAVY: Final = {"pattern": _PATTERN_WEIGHT, "multipleOf": 1000}
"""In visits: a linear automaton reads a character in up to 10 microseconds; exact division takes 60."""

Schema: TypeAlias = Mapping[str, Any]


class _Unbounded(Exception):
    """Nothing can be said of such a schema."""


@dataclass(frozen=True, slots=True)
class Cost:
    """`visits[d]` is the most that one chain of values d levels deep takes; deeper values cannot be judged.
    `room` is what the schema takes once compiled, in bytes.
    """

    visits: tuple[int, ...]
    patterns: bool
    room: int

    def affords(self, depth: int, values: int, characters: int) -> bool:
        """Whether a value of that size may be judged. An empty list has depth 1; names count as values."""
        amount = values + characters if self.patterns else values
        return depth < len(self.visits) and self.visits[depth] * amount <= MAX_WORK


@dataclass(frozen=True, slots=True)
class _Node:
    """One subschema; `applied` maps where to the numbers of those it applies."""

    weight: int
    values: int
    times: int
    patterns: int
    applied: Mapping[str, tuple[int, ...]]


def cost_of(schema: Schema) -> Cost | None:
    """The bound; None: no value worth judging can be judged, or the schema is not to be followed (a circle of
    references to one value, a reference that is no local pointer, a schema with an address of its own inside).
    """
    try:
        if len(msgspec.json.encode(schema)) > MAX_BYTES:
            return None
        nodes = _nodes(schema)
        patterns = sum(node.patterns for node in nodes)
        room = _VALUE_ROOM * sum(node.values for node in nodes) + _PATTERN_ROOM * patterns
        if room > MAX_ROOM:
            return None
        circle_free = TopologicalSorter({i: node.applied.get(_SAME, ()) for i, node in enumerate(nodes)})
        order = list(circle_free.static_order())
    except (_Unbounded, CycleError, RecursionError, TypeError, ValueError):
        return None
    visits = tuple(_visits(nodes, order))
    return Cost(visits, patterns > 0, room) if len(visits) > LEAST_DEPTH else None


def size_of(value: object) -> tuple[int, int, int]:
    """Depth, count of values and of characters; the depth stops at MAX_DEPTH + 1."""
    depth, values, characters, level = 0, 1, 0, [value]
    while level and depth <= MAX_DEPTH:
        within: list[object] = []
        nested = False
        for each in level:
            if isinstance(each, dict):
                within += chain(each, each.values())
                nested = True
            elif isinstance(each, list):
                within += each
                nested = True
            elif isinstance(each, str):
                characters += len(each)
        depth += nested
        values += len(within)
        level = within
    return depth, values, characters


def _nodes(root: Schema) -> list[_Node]:
    """All subschemas that the root may come to, itself first."""
    found, numbers = [root], {id(root): 0}
    nodes: list[_Node] = []
    for schema in found:  # grows on the way
        if any(name in schema for name in _UNRESOLVED) or (
            nodes and any(_is_address(schema, n) for n in ("$id", "id"))
        ):
            raise _Unbounded
        applied: dict[str, list[int]] = defaultdict(list)
        for keyword in _APPLIED.keys() & schema.keys():
            for inner in _applied(root, keyword, schema[keyword]):
                if id(inner) not in numbers:
                    numbers[id(inner)] = len(found)
                    found.append(inner)
                applied[_APPLIED[keyword]].append(numbers[id(inner)])
        nodes.append(_node(schema, {where: tuple(inner) for where, inner in applied.items()}))
    return nodes


def _node(schema: Schema, applied: Mapping[str, tuple[int, ...]]) -> _Node:
    own = (value for keyword, value in schema.items() if keyword not in (*_APPLIED, *_NOT_JUDGED))
    named = schema.get("patternProperties")
    patterns = ("pattern" in schema) + (len(named) if isinstance(named, dict) else 0)
    values = 1 + sum(size_of(value)[1] for value in own) + sum(map(len, applied.values()))
    weight = values + sum(heavy for keyword, heavy in _HEAVY.items() if keyword in schema)
    weight += _PATTERN_WEIGHT * len(named) if isinstance(named, dict) else 0
    return _Node(weight, values, 2 if any(name in schema for name in _REPEATING) else 1, patterns, applied)


def _is_address(schema: Schema, name: str) -> bool:
    return isinstance(schema.get(name), str)


def _applied(root: Schema, keyword: str, value: object) -> Iterator[Schema]:
    """The subschemas of one keyword; true and false apply nothing further."""
    if keyword == "$ref":
        value = _target(root, value)
    elif keyword in _BY_NAME and isinstance(value, dict):
        value = list(value.values())
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict):
            yield each


def _target(root: Schema, reference: object) -> object:
    """What a local JSON pointer (RFC 6901) names."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        raise _Unbounded
    found: Any = root
    for part in unquote(reference).split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            raise _Unbounded
    return found


def _visits(nodes: list[_Node], order: list[int]) -> Iterator[int]:
    """The root's bound for each depth, as far as it is within MAX_VISITS."""
    edges = sum(1 + sum(map(len, node.applied.values())) for node in nodes)
    below: list[int] = [0] * len(nodes)
    for depth in range(MAX_DEPTH + 1):
        costs = _level(nodes, order, below)
        if costs[0] > MAX_VISITS or (depth > LEAST_DEPTH and depth * edges > _MAX_STEPS):
            return
        yield costs[0]
        if costs == below:  # no part of the schema reaches deeper
            yield from [costs[0]] * (MAX_DEPTH - depth)
            return
        below = costs


def _level(nodes: list[_Node], order: list[int], below: list[int]) -> list[int]:
    """What each subschema takes of a value whose members and items take `below`: an object or a list, never both."""
    of_object, of_list = [0] * len(nodes), [0] * len(nodes)
    for i in order:
        node = nodes[i]
        for costs, one, all_ in ((of_object, _MEMBER, _MEMBERS), (of_list, _ITEM, _ITEMS)):
            visits = sum(costs[inner] for inner in node.applied.get(_SAME, ()))
            visits += max((below[inner] for inner in node.applied.get(one, ())), default=0)
            visits += sum(below[inner] for inner in node.applied.get(all_, ()))
            costs[i] = min(node.weight + node.times * visits, MAX_VISITS + 1)
    return [max(pair) for pair in zip(of_object, of_list, strict=True)]
