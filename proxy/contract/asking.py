"""Reading what a request asked for from its raw members: Asked, its tools and its format.

Not here: policy; whether a member is lawful. Invariants: what cannot be read is as if it had not been asked; nothing
here raises on any bytes; no schema makes anything be fetched, or takes longer than schema_cost.py allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, NoReturn, TypeAlias

import jsonschema_rs
import msgspec

from proxy.contract.asked import Asked, Tool
from proxy.contract.mode import Mode
from proxy.contract.schema_cost import MAX_DEPTH, cost_of, size_of
from proxy.contract.scripts import scripts_of

Judge: TypeAlias = Callable[[object], bool]
Tools: TypeAlias = Mapping[str, Tool]

MAX_TOOLS_BYTES: Final = 1024 * 1024
"""Longest list of tools whose schemas are judged by: a second's work, done once for the same bytes."""
_LINEAR: Final = jsonschema_rs.RegexOptions(size_limit=64 * 1024)
"""Patterns without backtracking; one of this size may take 10 microseconds a character."""
_REASONING: Final = ("reasoning_content", "reasoning", "reasoning_details")
_CHOICES: Final = ("auto", "none", "required")
NAMED: Final = "named"
"""What `tool_choice` is read as when it names a tool."""

_MANY_TOOLS: Final = 4096
_SMALL: Final = 64 * 1024
"""Bytes of a list of tools that is looked through one by one where not all are what they should be."""


class _Function(msgspec.Struct, gc=False):
    name: Any = None
    parameters: msgspec.Raw = msgspec.Raw(b"null")


class _Declared(msgspec.Struct, gc=False):
    """One of `tools`; of a schema only the bytes, since the objects that they make take ten times as much."""

    function: _Function | None = None


_decode_tools: Final = msgspec.json.Decoder(list[_Declared]).decode
_decode: Final = msgspec.json.Decoder().decode


def read_asked(
    members: Mapping[str, bytes],
    mode: Mode,
    models: frozenset[str],
    *,
    whole: bool,
    tool_of: Callable[[bytes], Tools] | None = None,
    format_of: Callable[[bytes], tuple[str, Judge | None]] | None = None,
) -> Asked:
    """What the request asked for; `members` maps names to raw JSON values, those that are absent were not sent.

    `whole`: its messages are among them. `tool_of` and `format_of` are `compile_tools` and `compile_format`, or the
    caller's memory of what these gave for the same bytes.
    """
    stream = _value(members, "stream") is True
    options = _value(members, "stream_options")
    kind, accepts = (format_of or compile_format)(members.get("response_format", b"null"))
    asked = Asked(
        mode=mode,
        model=_text(_value(members, "model")) or "",
        models=models,
        stream=stream,
        tools=(tool_of or compile_tools)(members["tools"]) if "tools" in members else {},
        tool_choice=_tool_choice(_value(members, "tool_choice")),
        format_kind=kind,
        format_accepts=accepts,
        max_tokens=_limit(_value(members, "max_completion_tokens")) or _limit(_value(members, "max_tokens")),
        usage_asked=not stream or (isinstance(options, dict) and options.get("include_usage") is True),
    )
    return _with_messages(asked, _value(members, "messages")) if whole else asked


def compile_tools(raw: bytes) -> Tools:
    """The declared tools by name; a name declared twice means its first declaration. Empty where there are none.
    In a list longer than MAX_TOOLS_BYTES they count as declared without a schema.
    """
    tools: dict[str, Tool] = {}
    for function in _functions(raw):
        name = _text(function.name)
        if name and name not in tools:
            schema = _parsed(bytes(function.parameters)) if len(raw) <= MAX_TOOLS_BYTES else None
            tools[name] = _tool(name, schema)
    return tools


def _functions(raw: bytes) -> Iterator[_Function]:
    try:
        declared = _decode_tools(raw) if raw.count(b"{") <= _MANY_TOOLS + len(raw) // 16 else []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        declared = _readable(raw) if len(raw) <= _SMALL else []
    return (each.function for each in declared if each.function is not None)


def _readable(raw: bytes) -> list[_Declared]:
    """Those of a list that can be read, where not all can."""
    found = _parsed(raw)
    declared = []
    for each in found if isinstance(found, list) else ():
        with suppress(msgspec.ValidationError):
            declared.append(_decode_tools(msgspec.json.encode([each]))[0])
    return declared


def compile_format(raw: bytes) -> tuple[str, Judge | None]:
    """The kind of a `response_format` ("text", "json_object", "json_schema") and what judges the parsed content.

    A JSON schema that cannot be compiled leaves that any JSON will do.
    """
    said = _parsed(raw)
    kind = said.get("type") if isinstance(said, dict) else None
    if not isinstance(said, dict) or kind not in ("json_object", "json_schema"):
        return "text", None
    if kind == "json_object":
        return "json_object", _is_object
    inner = said.get("json_schema")
    schema = inner.get("schema") if isinstance(inner, dict) else None
    return "json_schema", (_compiled(schema) if isinstance(schema, dict) else None) or _anything


def _tool(name: str, schema: object) -> Tool:
    if not isinstance(schema, dict) or not schema:
        return Tool(name, _is_object, schema=False)
    accepts = _compiled(schema)
    return Tool(name, _nothing, schema=False) if accepts is None else Tool(name, accepts)


def _compiled(schema: dict[str, Any]) -> Judge | None:
    """What judges by the schema, Draft 2020-12 unless it says another; None: it is no schema, refers elsewhere, or may
    take too long. `format` is not judged, and a pattern that needs backtracking or much room makes it no schema.
    """
    cost = cost_of(schema)
    if cost is None:
        return None
    try:
        validator = jsonschema_rs.validator_for(
            schema, retriever=_refuse, pattern_options=_LINEAR, validate_formats=False
        )
    except Exception:  # whatever the library raises, the schema or the value is none it can judge
        return None

    def accepts(value: object) -> bool:
        depth, values, characters = size_of(value)
        if depth > MAX_DEPTH:
            return False
        if not cost.affords(depth, values, characters):
            return True
        try:
            return bool(validator.is_valid(value))
        except Exception:  # whatever the library raises, the schema or the value is none it can judge
            return False

    return accepts


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"a schema refers to {uri}, which is not fetched")


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _anything(_value: object) -> bool:
    return True


def _nothing(_value: object) -> bool:
    return False


def _with_messages(asked: Asked, messages: object) -> Asked:
    texts: list[str] = []
    images = reasoning = False
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, dict):
            continue
        reasoning = reasoning or any(message.get(name) for name in _REASONING)
        for part in _parts(message.get("content")):
            texts.append(_text(part.get("text")) or "")
            images = images or _is_image(part)
    return replace(asked, scripts=scripts_of("\n".join(texts)), images=images, reasoning_history=bool(reasoning))


def _parts(content: object) -> Iterator[dict[str, Any]]:
    if isinstance(content, str):
        yield {"text": content}
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict):
            yield part
        elif isinstance(part, str):
            yield {"text": part}


def _is_image(part: dict[str, Any]) -> bool:
    """image_url and video_url (Moonshot), image, input_image."""
    kind = _text(part.get("type")) or ""
    return "image" in kind or "video" in kind


def _tool_choice(value: object) -> str | None:
    if isinstance(value, dict):
        return NAMED
    return value if isinstance(value, str) and value in _CHOICES else None


def _limit(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _value(members: Mapping[str, bytes], name: str) -> Any:  # noqa: ANN401  (JSON as it came)
    return _parsed(members.get(name, b"null"))


def _parsed(raw: bytes) -> Any:  # noqa: ANN401
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
