"""Tool arguments and structured answers: a value that satisfies a JSON schema.

Here: a small generator over JSON Schema (draft 2020-12): type, enum, const, properties, required, items, prefixItems,
anyOf, oneOf, allOf, $ref within the document, and the bounds on numbers, strings, arrays and objects. Not here: not,
if, dependent keywords and patternProperties, which are left out of account; a string pattern is met only when one of a
few usual forms meets it. Invariant: for a schema of the supported keywords the value validates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final, NoReturn

import jsonschema_rs

from proxy.simulator.words import WORDS

Schema = Mapping[str, Any]

MAX_DEPTH: Final = 8
"""Beyond this only what is required is generated, so that a recursive schema ends."""
OPTIONAL_SHARE: Final = 0.5
ATTEMPTS: Final = 40
LARGEST: Final = 2000
"""Most items, characters or members that are generated because a schema demands them."""
_NOUNS: Final = tuple(noun for noun in WORDS["object"] if noun.isalpha())
_FORMATS: Final[Mapping[str, str]] = {
    "date": "2026-04-21",
    "date-time": "2026-04-21T09:30:00Z",
    "time": "09:30:00Z",
    "email": "reader@example.com",
    "uri": "https://example.com/page",
    "uuid": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "ipv4": "192.0.2.7",
    "hostname": "example.com",
}
_USUAL_FORMS: Final = (
    "a", "ab", "abc", "A", "AB", "ABC", "0", "1", "12", "123", "1234", "12345", "2026-04-21", "09:30", "a1", "a-b",
    "a_b", "/a/b", "#1a2b3c", "1.0.0", "+4912345678", "en-US", "reader@example.com", "https://example.com/page",
)  # fmt: skip


class UnusableSchema(ValueError):
    """Not a JSON schema, or one that points outside itself or asks for too much."""


def draw_value(schema: object, draw: Random) -> Any:  # noqa: ANN401  (any JSON)
    """A value that satisfies `schema`; an empty, absent or boolean schema gives an object.

    Draws again while the value does not validate (a oneOf may have two branches that meet), at most ATTEMPTS times.
    Raises UnusableSchema.
    """
    root = schema if isinstance(schema, dict) and schema else {"type": "object"}
    generator = _Generator(root, draw)
    try:
        validator = jsonschema_rs.validator_for(root, retriever=_nothing_outside)
        value = generator.value(root, 0)
        for _ in range(ATTEMPTS - 1):
            if validator.is_valid(value):
                break
            value = generator.value(root, 0)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise UnusableSchema("the schema cannot be used") from error
    return value


def _nothing_outside(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is outside the schema")


class _Generator:
    """Walks one schema document."""

    def __init__(self, root: Schema, draw: Random) -> None:
        self._root = root
        self._draw = draw

    def value(self, schema: object, depth: int) -> Any:  # noqa: ANN401
        if not isinstance(schema, dict):
            return self._word()
        schema = self._settled(schema, depth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._draw.choice(schema["enum"])
        makers: Mapping[str, Callable[[Schema, int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": lambda inner, _depth: self._string(inner),
            "integer": lambda inner, _depth: self._integer(inner),
            "number": lambda inner, _depth: self._number(inner),
            "boolean": lambda _inner, _depth: self._draw.random() < 0.5,
            "null": lambda _inner, _depth: None,
        }
        return makers.get(_kind(schema, self._draw, depth), makers["string"])(schema, depth)

    def _settled(self, schema: Schema, depth: int) -> Schema:
        """The schema with references followed, allOf merged and one branch of anyOf or oneOf chosen."""
        for _ in range(MAX_DEPTH):
            if "$ref" in schema:
                schema = _merged({k: v for k, v in schema.items() if k != "$ref"}, self._target(schema["$ref"]))
            elif "allOf" in schema:
                rest: Schema = {k: v for k, v in schema.items() if k != "allOf"}
                for part in schema["allOf"]:
                    rest = _merged(rest, self._settled(part, depth + 1))
                schema = rest
            elif branches := schema.get("anyOf") or schema.get("oneOf"):
                rest = {k: v for k, v in schema.items() if k not in ("anyOf", "oneOf")}
                # Deep down the shortest branch ends a recursion (usually null).
                chosen = self._draw.choice(branches) if depth < MAX_DEPTH else min(branches, key=lambda b: len(str(b)))
                schema = _merged(rest, chosen)
            else:
                break
        return schema

    def _target(self, reference: str) -> Schema:
        at: Any = self._root
        for step in reference.lstrip("#").strip("/").split("/"):
            if step:
                at = at.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(at, dict) else {}
        return at if isinstance(at, dict) else {}

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        wanted = [
            name
            for name in properties
            if name in required or (depth < MAX_DEPTH and self._draw.random() < OPTIONAL_SHARE)
        ]
        wanted += [name for name in required if name not in properties]
        least = _least(schema, "minProperties")
        spare = [name for name in properties if name not in wanted]
        wanted += spare[: max(least - len(wanted), 0)]
        most = max(schema.get("maxProperties", len(wanted)), len(required))
        kept = [name for name in wanted if name in required]
        kept += [name for name in wanted if name not in required][: max(most - len(kept), 0)]
        made = {name: self.value(properties.get(name, {}), depth + 1) for name in wanted if name in kept}
        more = schema.get("additionalProperties", True)
        while len(made) < least and more is not False:
            made[f"{self._word()}-{len(made)}"] = self.value(more if isinstance(more, dict) else {}, depth + 1)
        return made

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        first = schema.get("prefixItems", [])
        least = _least(schema, "minItems")
        most = schema.get("maxItems", max(least, len(first), 3))
        count = self._draw.randint(least, most) if depth < MAX_DEPTH else least
        if schema.get("items") is False:
            count = min(count, len(first))
        made: list[Any] = []
        for _ in range(count * 20):
            if len(made) >= count:
                break
            item = self.value(first[len(made)] if len(made) < len(first) else schema.get("items", {}), depth + 1)
            if not (schema.get("uniqueItems") and item in made):
                made.append(item)
        return made

    def _string(self, schema: Schema) -> str:
        least, most = _least(schema, "minLength"), schema.get("maxLength", math.inf)
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        if "pattern" in schema:
            forms = (*_USUAL_FORMS, self._word())
            validator = jsonschema_rs.validator_for({"type": "string", "pattern": schema["pattern"]})
            fitting = [form for form in forms if least <= len(form) <= most and validator.is_valid(form)]
            if fitting:
                return self._draw.choice(fitting)
        text = " ".join(self._word() for _ in range(self._draw.randint(1, 4)))
        while len(text) < least:
            text += " " + self._word()
        return text if most is math.inf else text[: int(most)]

    def _integer(self, schema: Schema) -> int:
        step = int(schema.get("multipleOf", 1)) or 1
        low, high = _bounds(schema, tight=1)
        low, high = math.ceil(low / step), math.floor(high / step)
        return self._draw.randint(low, max(low, high)) * step

    def _number(self, schema: Schema) -> float:
        low, high = _bounds(schema, tight=schema.get("multipleOf", 0))
        if "multipleOf" in schema:
            step = float(schema["multipleOf"])
            first, last = math.ceil(low / step), math.floor(high / step)
            return step * self._draw.randint(first, max(first, last))
        middle = low + (high - low) * self._draw.uniform(0.05, 0.95)
        rounded = round(middle, 2)
        return rounded if low < rounded < high else middle

    def _word(self) -> str:
        return self._draw.choice(_NOUNS)


def _kind(schema: Schema, draw: Random, depth: int) -> str:
    kind = schema.get("type")
    if isinstance(kind, list) and kind:
        return "null" if depth >= MAX_DEPTH and "null" in kind else str(draw.choice(kind))
    if isinstance(kind, str):
        return kind
    if "properties" in schema or "required" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    return "number" if "minimum" in schema or "maximum" in schema else "string"


def _merged(one: Schema, other: object) -> Schema:
    """Both schemas at once, for the keywords whose meeting is plain; else the second one's word counts."""
    if not isinstance(other, dict):
        return one
    both = {**one, **other}
    if "properties" in one and "properties" in other:
        both["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        both["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
    for name, pick in (("minimum", max), ("maximum", min), ("minLength", max), ("maxLength", min)):
        if name in one and name in other:
            both[name] = pick(one[name], other[name])
    return both


def _bounds(schema: Schema, tight: float) -> tuple[float, float]:
    low = schema.get("minimum")
    high = schema.get("maximum")
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + tight if low is None else max(low, schema["exclusiveMinimum"] + tight)
    if "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - tight if high is None else min(high, schema["exclusiveMaximum"] - tight)
    if low is None:
        low = 0 if high is None or high > 0 else high - 100
    return low, low + 100 if high is None else high


def _least(schema: Schema, name: str) -> int:
    least = int(schema.get(name, 0))
    if least > LARGEST:
        raise ValueError(f"{name} is over {LARGEST}")
    return least
