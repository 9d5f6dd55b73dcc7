"""Reading what a request asked for from its raw members: Asked, its tools and its format.

Not here: policy; whether a member is lawful; judging by schemas (schemas.py). Invariants: what cannot be read is as if
it had not been asked; nothing here raises on any bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from proxy.contract.asked import Asked, Tool
from proxy.contract.mode import Mode
from proxy.contract.schemas import SCHEMAS, Judge
from proxy.contract.scripts import scripts_of

Tools: TypeAlias = Mapping[str, Tool]

_REASONING: Final = ("reasoning_content", "reasoning", "reasoning_details")
_CHOICES: Final = ("auto", "none", "required")
NAMED: Final = "named"
"""What `tool_choice` is read as when it names a tool."""

_MANY_OBJECTS: Final = 4096
_OBJECT_BYTES: Final = 32
"""Of a list of tools with more objects, each takes at least so many bytes on average: a property with its type and no
description takes 25, and what is read of one 40.
"""
_SMALL: Final = 64 * 1024
"""Bytes of a list of tools that is looked through one by one where not all are what they should be."""
_LONGEST_KIND: Final = 64
_NULL: Final = msgspec.Raw(b"null")

T = TypeVar("T")


class _Function(msgspec.Struct, gc=False):
    name: Any = None
    parameters: msgspec.Raw = _NULL


class _Format(msgspec.Struct, gc=False):
    type: msgspec.Raw = _NULL
    json_schema: msgspec.Raw = _NULL


class _Schema(msgspec.Struct, gc=False):
    schema: msgspec.Raw = _NULL


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
    tools_of: Callable[[bytes], Tools] | None = None,
) -> Asked:
    """What the request asked for; `members` maps names to raw JSON values, those that are absent were not sent.

    `whole`: its messages are among them. `tools_of` is `read_tools`, or the caller's memory of what it gave for
    the same bytes.
    """
    stream = _value(members, "stream") is True
    options = _value(members, "stream_options")
    kind, accepts = read_format(members.get("response_format", b"null"))
    asked = Asked(
        mode=mode,
        model=_text(_value(members, "model")) or "",
        models=models,
        stream=stream,
        tools=(tools_of or read_tools)(members["tools"]) if "tools" in members else {},
        tool_choice=_tool_choice(_value(members, "tool_choice")),
        format_kind=kind,
        format_accepts=accepts,
        max_tokens=_limit(_value(members, "max_completion_tokens")) or _limit(_value(members, "max_tokens")),
        usage_asked=not stream or (isinstance(options, dict) and options.get("include_usage") is True),
    )
    return _with_messages(asked, _value(members, "messages")) if whole else asked


def read_tools(raw: bytes) -> Tools:
    """The declared tools by name; a name declared twice means its first declaration. Empty where there are none."""
    tools: dict[str, Tool] = {}
    for function in _functions(raw):
        name = _text(function.name)
        if name and name not in tools:
            tools[name] = Tool(name, partial(SCHEMAS.judge, bytes(function.parameters)))
    return tools


def too_many_objects(tools: bytes) -> bool:
    """Whether a list of tools holds more than is read: what is not read is not known to be undeclared."""
    return tools.count(b"{") > _MANY_OBJECTS + len(tools) // _OBJECT_BYTES


def _functions(raw: bytes) -> Iterator[_Function]:
    try:
        declared = [] if too_many_objects(raw) else _decode_tools(raw)
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


def read_format(raw: bytes) -> tuple[str, Judge | None]:
    """The kind of a `response_format` ("text", "json_object", "json_schema") and what judges the parsed content.

    A JSON schema that cannot be judged by leaves that any JSON will do.
    """
    said = _typed(raw, _Format)
    kind = "" if said is None or len(said.type) > _LONGEST_KIND else _parsed(bytes(said.type))
    if said is None or kind not in ("json_object", "json_schema"):
        return "text", None
    if kind == "json_object":
        return "json_object", _is_object
    inner = _typed(bytes(said.json_schema), _Schema)
    return "json_schema", _anything if inner is None else partial(_accepted, bytes(inner.schema))


def _typed(raw: bytes, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _accepted(schema: bytes, value: object) -> bool:
    return SCHEMAS.judge(schema, value) is not False


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _anything(_value: object) -> bool:
    return True


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
