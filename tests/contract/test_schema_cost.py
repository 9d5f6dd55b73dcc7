"""A schema that would keep its judge busy for ever is not judged by; those that clients write are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import orjson
import pytest

from proxy.contract.asked import Tool
from proxy.contract.schema_cost import MAX_BYTES, MAX_DEPTH, MAX_VISITS, cost_of, size_of
from proxy.contract.schemas import Schemas

Json = dict[str, Any]
LIMIT_S = 5.0
"""Of processor time; what is caught here would take hours."""


@contextmanager
def soon() -> Iterator[None]:
    begun = time.process_time()
    yield
    assert time.process_time() - begun < LIMIT_S


def tool(schema: Json) -> Tool:
    return Tool("f", partial(Schemas().judge, orjson.dumps(schema)))


def nested(levels: int, wrap: Callable[[Any], Any], inmost: Any) -> Any:  # noqa: ANN401  (any JSON)
    for _ in range(levels):
        inmost = wrap(inmost)
    return inmost


def chained(link: Callable[[Json], Json], length: int = 60) -> Json:
    """Definitions of which each refers to the next one."""
    links = {f"n{i}": link({"$ref": f"#/$defs/n{i + 1}"}) for i in range(length)}
    return {"$ref": "#/$defs/n0", "$defs": {**links, f"n{length}": {"type": "string"}}}


def circle(link: Callable[[Json], Json]) -> Json:
    return {"$ref": "#/$defs/a", "$defs": {"a": link({"$ref": "#/$defs/b"}), "b": {"allOf": [{"$ref": "#/$defs/a"}]}}}


REFUSED: dict[str, Json] = {
    "anyOf doubled": chained(lambda ref: {"anyOf": [ref, ref]}),
    "oneOf doubled": chained(lambda ref: {"oneOf": [ref, {"not": ref}]}),
    "reference and allOf": chained(lambda ref: {**ref, "allOf": [ref]}),
    "if, then, else": chained(lambda ref: {"if": ref, "then": ref, "else": ref}),
    "dependent schemas": chained(lambda ref: {"dependentSchemas": {"a": ref, "b": ref}}),
    "dependencies of draft 7": chained(lambda ref: {"dependencies": {"a": ref, "b": ref}}),
    "doubled below a member": {"properties": {"a": chained(lambda ref: {"anyOf": [ref, ref]})["$defs"]["n0"]}}
    | {"$defs": chained(lambda ref: {"anyOf": [ref, ref]})["$defs"]},
    "a circle": circle(lambda ref: ref),
    "a circle by anyOf": circle(lambda ref: {"anyOf": [ref, {"type": "string"}]}),
    "a circle of one": {"not": {"$ref": "#"}},
    "a circle out of sight": {"properties": {"a": {"items": {"$ref": "#/$defs/a"}}}, **circle(lambda ref: ref)},
    "an anchor": {"properties": {"a": {"$ref": "#a"}}, "$defs": {"a": {"$anchor": "a"}}},
    "a dynamic reference": {"properties": {"a": {"$dynamicRef": "#a"}}, "$dynamicAnchor": "a"},
    "an address inside": {"properties": {"a": {"$id": "http://a.invalid/", "type": "string"}}},
    "too long": {"enum": ["x" * MAX_BYTES]},
    "too many patterns": {"properties": {f"p{i}": {"pattern": f"^{i}"} for i in range(130)}},
}


@pytest.mark.parametrize("name", REFUSED)
def test_not_judged_by(name: str) -> None:
    with soon():
        found = tool(REFUSED[name])
        assert found.judge({"a": {}}) is None


NODE: Json = {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "n": {"type": "integer"}}}
ANY_JSON: Json = {
    "$ref": "#/$defs/json",
    "$defs": {
        "json": {
            "anyOf": [
                {"type": ["string", "number", "boolean", "null"]},
                {"type": "array", "items": {"$ref": "#/$defs/json"}},
                {"type": "object", "additionalProperties": {"$ref": "#/$defs/json"}},
            ]
        }
    },
}
UNION: Json = {
    "anyOf": [
        {"properties": {"op": {"const": "not"}, "of": {"$ref": "#"}}, "required": ["op", "of"]},
        {"properties": {"op": {"const": "neg"}, "of": {"$ref": "#"}}, "required": ["op", "of"]},
        {"properties": {"value": {"type": "integer"}}, "required": ["value"], "additionalProperties": False},
    ]
}
KEYWORDS: Json = {
    "$defs": {"unit": {"type": "string", "enum": ["c", "f"]}, "a/b~c": {"type": "integer", "minimum": 1}},
    "type": "object",
    "properties": {
        "unit": {"$ref": "#/$defs/unit"},
        "days": {"anyOf": [{"$ref": "#/$defs/a~1b~0c"}, {"type": "null"}]},
        "places": {"type": "array", "minItems": 1, "maxItems": 3, "uniqueItems": True, "items": {"type": "string"}},
        "at": {"prefixItems": [{"type": "number", "maximum": 90}], "items": False, "contains": {"minimum": -90}},
        "deep": {"properties": {"er": {"properties": {"est": {"type": "string", "maxLength": 2}}}}},
        "price": {"multipleOf": 0.5},
    },
    "patternProperties": {"^x-": {"type": "string"}},
    "required": ["unit"],
    "additionalProperties": False,
    "dependentRequired": {"days": ["places"]},
}
JUDGED: dict[str, tuple[Json, list[Any], list[Any]]] = {
    "a tree": (
        NODE,
        [{}, nested(MAX_DEPTH - 2, lambda inner: {"left": inner, "right": {"n": 1}}, {"n": 1})],
        [nested(MAX_DEPTH - 2, lambda inner: {"left": {"n": 1}, "right": inner}, {"n": "one"})],
    ),
    "a list of itself": (
        {"type": "array", "items": {"$ref": "#"}},
        [[], [[], [[]]]],
        [[[1]], nested(40, lambda inner: [inner], 1)],
    ),
    "any JSON": (ANY_JSON, [{"a": [1, {"b": None}]}, nested(50, lambda inner: [{"a": inner}][0], 1)], []),
    "a union of itself": (
        UNION,
        [nested(5, lambda inner: {"op": "neg", "of": inner}, {"value": 1})],
        [nested(5, lambda inner: {"op": "neg", "of": inner}, {"value": "x"}), {"op": "neg"}],
    ),
    "keywords": (
        KEYWORDS,
        [
            {"unit": "c"},
            {"unit": "f", "days": 2, "places": ["Rome"], "at": [41.9], "x-y": "z", "price": 1.5},
            {"unit": "f", "deep": {"er": {"est": "ok"}}},
        ],
        [
            {},
            {"unit": "k"},
            {"unit": "c", "days": 0, "places": ["Rome"]},
            {"unit": "c", "days": 1},
            {"unit": "c", "places": []},
            {"unit": "c", "places": ["a", "a"]},
            {"unit": "c", "at": [91]},
            {"unit": "c", "at": [1, 2]},
            {"unit": "c", "deep": {"er": {"est": "long"}}},
            {"unit": "c", "x-y": 1},
            {"unit": "c", "more": 1},
            {"unit": "c", "price": 0.3},
        ],
    ),
    "nothing left over": (
        {"allOf": [{"properties": {"a": {"type": "integer"}}}], "unevaluatedProperties": False},
        [{"a": 1}],
        [{"a": ""}, {"b": 1}],
    ),
}


@pytest.mark.parametrize("name", JUDGED)
def test_judged(name: str) -> None:
    schema, good, bad = JUDGED[name]
    found = tool(schema)
    assert found.judge(None) is not None
    assert [found.judge(value) for value in good] == [True] * len(good)
    assert [found.judge(value) for value in bad] == [False] * len(bad)


DOUBLED: Json = {"anyOf": [{"properties": {"a": {"$ref": "#"}}, "required": ["z"]}] * 2 + [{"required": ["z"]}]}


def test_a_recursion_that_doubles_is_judged_as_deep_as_it_can_be() -> None:
    """Each level visits the next one twice."""
    found = tool(DOUBLED)
    assert found.judge(None) is not None
    with soon():
        assert found.judge({"a": {"a": {}}}) is False
        assert found.judge(nested(50, lambda inner: {"a": inner}, {})), "what is not judged is not held against it"


def test_a_value_too_large_for_its_schema_is_not_judged() -> None:
    found = tool({"items": {"anyOf": [{"type": "null", "title": str(i)} for i in range(1000)]}})
    with soon():
        assert found.judge([1]) is False
        assert found.judge([None] * 999 + [1] * 800_000)


def test_patterns_are_paid_for_by_the_character() -> None:
    schema = {"items": {"pattern": "[ab]*a[ab]{200}c"}}
    found = tool(schema)
    with soon():
        assert found.judge(["ab" * 1_000]) is False
        assert found.judge(["ab" * 500_000])


def test_a_long_schema_is_looked_at_in_bounded_time() -> None:
    inner = {f"p{i}": {"anyOf": [{"$ref": f"#/$defs/p{(i + 1) % 3000}/anyOf/1"}, {"items": {}}]} for i in range(3000)}
    with soon():
        assert tool({"properties": inner, "$defs": inner, "items": {"$ref": "#"}}).judge(None) in (True, False, None)


def test_the_bound_grows_with_the_depth_until_the_schema_ends() -> None:
    flat = cost_of({"properties": {"a": {"properties": {"b": {}}}}})
    endless = cost_of({"items": {"$ref": "#"}})
    doubling = cost_of(DOUBLED)
    assert flat is not None
    assert endless is not None
    assert doubling is not None
    assert len(set(flat.visits)) == 3
    assert len(flat.visits) == len(endless.visits) == len(set(endless.visits)) == MAX_DEPTH + 1
    assert 8 < len(doubling.visits) < 20
    assert max(doubling.visits) <= MAX_VISITS


SIZES: list[tuple[Any, tuple[int, int, int]]] = [
    (1, (0, 1, 0)),
    ("abc", (0, 1, 3)),
    ([], (1, 1, 0)),
    ({"ab": [1, "c"]}, (2, 5, 3)),
    ([[], {}, {"a": {}}], (3, 6, 1)),
]


@pytest.mark.parametrize(("value", "size"), SIZES)
def test_size(value: object, size: tuple[int, int, int]) -> None:
    assert size_of(value) == size


def test_the_size_of_what_is_too_deep_stops_there() -> None:
    assert size_of(nested(300, lambda inner: [inner], 1))[0] == MAX_DEPTH + 1
