"""Values drawn from a JSON schema validate against it."""

from __future__ import annotations

from random import Random
from typing import Any, Final

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.simulator.arguments import LARGEST, UnusableSchema, draw_value

SCHEMAS: Final[dict[str, Any]] = {
    "flat": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 14}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "nothing": {},
    "no properties": {"type": "object", "properties": {}},
    "required without declaration": {"type": "object", "required": ["free"]},
    "enum and const": {"properties": {"a": {"enum": [1, "x", None]}, "b": {"const": [2]}}, "required": ["a", "b"]},
    "bounds": {
        "type": "object",
        "properties": {
            "a": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "b": {"type": "integer", "exclusiveMinimum": 5, "multipleOf": 7},
            "c": {"type": "number", "maximum": -4},
            "d": {"type": "number", "minimum": 10, "multipleOf": 0.5},
            "e": {"type": "integer", "minimum": 3, "maximum": 3},
        },
        "required": ["a", "b", "c", "d", "e"],
    },
    "strings": {
        "type": "object",
        "properties": {
            "short": {"type": "string", "maxLength": 2},
            "long": {"type": "string", "minLength": 40, "maxLength": 45},
            "day": {"type": "string", "format": "date"},
            "code": {"type": "string", "pattern": "^[0-9]{3}$"},
            "one of two": {"type": "string", "pattern": "^(a|b)b$"},
        },
        "required": ["short", "long", "day", "code", "one of two"],
    },
    "arrays": {
        "type": "object",
        "properties": {
            "some": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 4},
            "unique": {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True},
            "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}], "items": False},
        },
        "required": ["some", "unique", "pair"],
    },
    "any, one and all": {
        "type": "object",
        "properties": {
            "any": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "one": {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 0}]},
            "all": {"allOf": [{"type": "integer", "minimum": 3}, {"minimum": 5, "maximum": 6}]},
        },
        "required": ["any", "one", "all"],
    },
    "types in a list": {"properties": {"a": {"type": ["integer", "null"]}}, "required": ["a"]},
    "references": {
        "$defs": {"place": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
        "type": "object",
        "properties": {"from": {"$ref": "#/$defs/place"}, "to": {"$ref": "#/$defs/place"}},
        "required": ["from", "to"],
    },
    "recursion": {
        "$defs": {
            "tree": {
                "type": "object",
                "properties": {
                    "left": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
                },
                "required": ["left"],
            }
        },
        "$ref": "#/$defs/tree",
    },
    "counted members": {"type": "object", "minProperties": 3, "properties": {"a": {"type": "integer"}}},
    "at most one member": {
        "type": "object",
        "maxProperties": 1,
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    },
    "not": {"type": "object", "properties": {"a": {"type": "boolean", "not": {"const": True}}}, "required": ["a"]},
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_value_validates(name: str) -> None:
    validator = jsonschema_rs.validator_for(SCHEMAS[name], validate_formats=True)
    for seed in range(60):
        value = draw_value(SCHEMAS[name], Random(seed))
        assert validator.is_valid(value), value


@pytest.mark.parametrize("schema", [None, True, False, {}, 5, "x", []])
def test_what_is_no_schema_gives_an_object(schema: object) -> None:
    assert draw_value(schema, Random(1)) == {}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": 5},
        {"properties": []},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "file:///etc/hostname"},
        {"type": "array", "minItems": LARGEST + 1},
        {"type": "string", "minLength": 10**12},
        {"type": "object", "minProperties": 10**12},
        {"pattern": "("},
    ],
)
def test_unusable_schema(schema: object) -> None:
    with pytest.raises(UnusableSchema):
        draw_value(schema, Random(1))


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    """Schemas of the supported keywords, nested."""
    small = st.integers(0, 5)
    leaves = st.one_of(
        st.just({"type": "boolean"}),
        st.just({"type": "null"}),
        st.builds(lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more}, st.integers(), small),
        st.builds(lambda low: {"type": "number", "minimum": low}, st.integers(-1000, 1000)),
        st.builds(lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more}, small, small),
        st.builds(lambda values: {"enum": values}, st.lists(st.text() | st.integers(), min_size=1)),
        st.builds(lambda value: {"const": value}, st.text() | st.none() | st.booleans()),
    )
    return st.recursive(leaves, _branches, max_leaves=12)


def _branches(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    def of_object(properties: dict[str, Any], every: int, closed: bool) -> dict[str, Any]:
        names = [name for at, name in enumerate(properties) if (every >> at) & 1]
        return {
            "type": "object",
            "properties": properties,
            "required": names,
            "additionalProperties": not closed,
        }

    return st.one_of(
        st.builds(of_object, st.dictionaries(st.text(), inner, max_size=4), st.integers(0, 15), st.booleans()),
        st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, inner, st.integers(0, 3)),
        st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=3)),
    )


@given(schemas(), st.integers(0, 2**32))
@settings(deadline=None)
def test_any_supported_schema_is_satisfied(schema: dict[str, Any], seed: int) -> None:
    assert jsonschema_rs.is_valid(schema, draw_value(schema, Random(seed)))


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
KEYWORDS: Final = ("type", "enum", "properties", "required", "items", "minItems", "anyOf", "allOf", "$ref", "minimum",
                   "maxLength", "multipleOf", "pattern", "prefixItems", "minProperties", "maxProperties")  # fmt: skip


@given(st.dictionaries(st.sampled_from(KEYWORDS), JSON, max_size=5), st.integers(0, 100))
@settings(deadline=None)
def test_nonsense_is_refused_or_gives_json(schema: dict[str, Any], seed: int) -> None:
    try:
        draw_value(schema, Random(seed))
    except UnusableSchema:
        return
