"""The JSON schemas that tool arguments are judged by, in families of keywords.

Our own; what they cover is what Kimi-Vendor-Verifier's tests/tool_call_json_schema covers. Not here: asking and judging
(schema.py). Invariants: every schema is that of an object, can be met, and refers to nothing outside itself; a family
is one probe, so a name stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

TEXT: Final[Schema] = {"type": "string"}
WHOLE: Final[Schema] = {"type": "integer"}
NUMBER: Final[Schema] = {"type": "number"}
YES_NO: Final[Schema] = {"type": "boolean"}


def thing(*, more: Any = False, required: Sequence[str] | None = None, **properties: Schema) -> dict[str, Any]:  # noqa: ANN401
    """An object; every property is required unless `required` says which, and others are not allowed unless `more`."""
    names = [*properties] if required is None else [*required]
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": more}


def words(*choices: str) -> Schema:
    """A string out of a few."""
    return {"type": "string", "enum": [*choices]}


def items(of: Schema | None = None, **rules: Any) -> Schema:  # noqa: ANN401
    """An array."""
    return {"type": "array", **({"items": of} if of is not None else {}), **rules}


_POINT: Final = thing(x=NUMBER, y=NUMBER)
_TREE: Final = {
    "type": "object",
    "properties": {"name": TEXT, "parts": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2}},
    "required": ["name", "parts"],
    "additionalProperties": False,
}
_CHAIN: Final = {
    "type": "object",
    "properties": {"value": WHOLE, "next": {"anyOf": [{"$ref": "#/$defs/link"}, {"type": "null"}]}},
    "required": ["value", "next"],
    "additionalProperties": False,
}
_CARD: Final = thing(kind={"type": "string", "const": "card"}, digits={"type": "integer", "minimum": 1000})
_CASH: Final = thing(kind={"type": "string", "const": "cash"}, currency=words("EUR", "NOK"))

FAMILIES: Final[Mapping[str, tuple[Schema, ...]]] = {
    "types": (
        thing(title=TEXT, count=WHOLE, price=NUMBER, ready=YES_NO),
        thing(nothing={"type": "null"}, label=TEXT),
        thing(tags=items(TEXT), box=thing(width=NUMBER, height=NUMBER)),
        thing(level={"type": ["string", "integer"]}, note=TEXT),
    ),
    "enum-const": (
        thing(colour=words("red", "green", "blue")),
        thing(size={"type": "integer", "enum": [36, 38, 40]}, fit=words("slim", "wide")),
        thing(version={"type": "string", "const": "2.1"}, name=TEXT),
        thing(
            day=words("monday", "tuesday", "wednesday", "thursday", "friday"), half={"type": "boolean", "const": True}
        ),
    ),
    "any-of": (
        thing(key={"anyOf": [TEXT, WHOLE]}),
        thing(place={"anyOf": [_POINT, thing(street=TEXT, number=WHOLE)]}),
        thing(limit={"anyOf": [{"type": "integer", "minimum": 1, "maximum": 9}, words("none")]}),
        {
            **thing(more=True, required=[], mail=TEXT, phone=TEXT),
            "anyOf": [{"required": ["mail"]}, {"required": ["phone"]}],
        },
    ),
    "one-of": (
        thing(payment={"oneOf": [_CARD, _CASH]}),
        thing(amount={"oneOf": [{"type": "integer", "maximum": 0}, {"type": "integer", "minimum": 10}]}),
        thing(flag={"oneOf": [YES_NO, words("unknown")]}),
    ),
    "all-of": (
        thing(age={"allOf": [{"type": "integer", "minimum": 18}, {"type": "integer", "maximum": 30}]}),
        {
            "type": "object",
            "allOf": [
                {"type": "object", "properties": {"name": TEXT}, "required": ["name"]},
                {"type": "object", "properties": {"age": WHOLE}, "required": ["age"]},
            ],
        },
        thing(code={"allOf": [{"type": "string", "minLength": 3}, {"type": "string", "maxLength": 12}]}),
    ),
    "references": (
        {**thing(start={"$ref": "#/$defs/point"}, end={"$ref": "#/$defs/point"}), "$defs": {"point": _POINT}},
        {
            **thing(owner={"$ref": "#/$defs/person"}),
            "$defs": {"person": thing(name=TEXT, role=words("buyer", "seller"))},
        },
        {
            **thing(line={"$ref": "#/$defs/line"}),
            "$defs": {"line": thing(points=items({"$ref": "#/$defs/point"}, minItems=2, maxItems=3)), "point": _POINT},
        },
    ),
    "recursion": (
        {**thing(root={"$ref": "#/$defs/node"}), "$defs": {"node": _TREE}},
        {**thing(first={"$ref": "#/$defs/link"}), "$defs": {"link": _CHAIN}},
        {
            "type": "object",
            "properties": {"label": TEXT, "children": {"type": "array", "items": {"$ref": "#"}, "maxItems": 2}},
            "required": ["label"],
            "additionalProperties": False,
        },
    ),
    "required": (
        thing(required=["name"], name=TEXT, nickname=TEXT, born=WHOLE),
        thing(required=["a", "c", "e"], a=WHOLE, b=WHOLE, c=WHOLE, d=WHOLE, e=WHOLE),
        thing(required=[], comment=TEXT),
        {"type": "object", "properties": {"reason": TEXT}, "required": ["reason"]},
    ),
    "ranges": (
        thing(percent={"type": "integer", "minimum": 0, "maximum": 100}),
        thing(share={"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
        thing(minutes={"type": "integer", "multipleOf": 15, "minimum": 15, "maximum": 120}),
        thing(depth={"type": "number", "minimum": -50.5, "maximum": -0.5}),
    ),
    "lengths": (
        thing(code={"type": "string", "minLength": 5, "maxLength": 10}),
        thing(summary={"type": "string", "minLength": 40}),
        thing(letter={"type": "string", "minLength": 1, "maxLength": 1}),
        {**thing(more=TEXT, required=[]), "minProperties": 1, "maxProperties": 3},
    ),
    "patterns": (
        thing(date={"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}),
        thing(colour={"type": "string", "pattern": "^#[0-9a-f]{6}$"}),
        thing(version={"type": "string", "pattern": "^[0-9]+\\.[0-9]+\\.[0-9]+$"}),
        thing(language={"type": "string", "pattern": "^[a-z]{2}-[A-Z]{2}$"}),
    ),
    "additional": (
        thing(id=WHOLE),
        thing(more=NUMBER, required=["total"], total=NUMBER),
        thing(more=words("on", "off"), required=[]),
        thing(options=thing(verbose=YES_NO), name=TEXT),
    ),
    "nesting": (
        thing(a=thing(b=thing(c=thing(d=TEXT)))),
        thing(
            orders=items(
                thing(id=WHOLE, lines=items(thing(item=TEXT, count=WHOLE), minItems=1, maxItems=2)), maxItems=2
            )
        ),
        thing(grid=items(items(WHOLE, minItems=2, maxItems=2), minItems=2, maxItems=2)),
        thing(who=thing(name=TEXT, home=thing(city=TEXT, place=_POINT)), when=thing(day=WHOLE, month=WHOLE)),
    ),
    "arrays": (
        thing(names=items(TEXT, minItems=2, maxItems=4)),
        thing(position=items(prefixItems=[NUMBER, NUMBER, words("N", "S")], items=False, minItems=3)),
        thing(
            numbers=items({"type": "integer", "minimum": 1, "maximum": 49}, minItems=3, maxItems=6, uniqueItems=True)
        ),
        thing(row=items(YES_NO, minItems=8, maxItems=8)),
    ),
    "nullable": (
        thing(middle_name={"type": ["string", "null"]}, name=TEXT),
        thing(end={"anyOf": [WHOLE, {"type": "null"}]}, start=WHOLE),
        thing(parent={"anyOf": [thing(id=WHOLE), {"type": "null"}]}),
    ),
}
"""By keyword. `type` stands beside every enum and const, which Moonshot's own validator wants."""
