"""What a request asked for, from its raw members: small members, tools, format, messages; garbage is as if not sent."""

from __future__ import annotations

import socket
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.contract.asked import Asked, Tool
from proxy.contract.asking import NAMED, read_asked, read_format, read_tools
from proxy.contract.mode import Mode
from proxy.contract.schema_cost import MAX_DEPTH


def asked(*, whole: bool = False, **members: Any) -> Asked:  # noqa: ANN401  (any JSON)
    raw = {name: orjson.dumps(value) for name, value in members.items()}
    return read_asked(raw, Mode.THINKING, frozenset({"kimi-k2.6"}), whole=whole)


def tool(parameters: object = None, name: object = "f") -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def compiled(schema: object) -> Tool:
    return read_tools(orjson.dumps([tool(schema)]))["f"]


def test_nothing_asked() -> None:
    assert asked() == Asked(mode=Mode.THINKING, models=frozenset({"kimi-k2.6"}))


MEMBERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "model": ({"model": "kimi-k2.6"}, {"model": "kimi-k2.6"}),
    "model of a wrong type": ({"model": 5}, {"model": ""}),
    "stream": ({"stream": True}, {"stream": True, "usage_asked": False}),
    "stream with usage": (
        {"stream": True, "stream_options": {"include_usage": True}}, {"stream": True, "usage_asked": True},
    ),
    "stream with options that say no": (
        {"stream": True, "stream_options": {"include_usage": False}}, {"stream": True, "usage_asked": False},
    ),
    "stream with options of a wrong type": (
        {"stream": True, "stream_options": [True]}, {"stream": True, "usage_asked": False},
    ),
    "stream of a wrong type": ({"stream": 1}, {"stream": False, "usage_asked": True}),
    "choice auto": ({"tool_choice": "auto"}, {"tool_choice": "auto"}),
    "choice required": ({"tool_choice": "required"}, {"tool_choice": "required"}),
    "choice of one tool": ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"tool_choice": NAMED}),
    "choice unknown": ({"tool_choice": "perhaps"}, {"tool_choice": None}),
    "choice null": ({"tool_choice": None}, {"tool_choice": None}),
    "limit": ({"max_tokens": 7}, {"max_tokens": 7}),
    "limit by its newer name": ({"max_completion_tokens": 8, "max_tokens": 7}, {"max_tokens": 8}),
    "newer name null": ({"max_completion_tokens": None, "max_tokens": 7}, {"max_tokens": 7}),
    "limit true": ({"max_tokens": True}, {"max_tokens": None}),
    "limit as text": ({"max_tokens": "7"}, {"max_tokens": None}),
    "limit zero": ({"max_tokens": 0}, {"max_tokens": None}),
    "messages are not read": ({"messages": [{"role": "user", "content": "hi"}]}, {"scripts": None}),
    "format text": ({"response_format": {"type": "text"}}, {"format_kind": "text"}),
    "tools null": ({"tools": None}, {"tools": {}}),
}  # fmt: skip


@pytest.mark.parametrize("name", MEMBERS)
def test_member(name: str) -> None:
    members, expected = MEMBERS[name]
    found = asked(**members)
    assert {member: getattr(found, member) for member in expected} == expected


def test_the_caller_may_remember_tools() -> None:
    tools = {"g": Tool("g", lambda _: True)}
    given = {"tools": b"[1]"}
    assert (
        read_asked(given, Mode.INSTANT, frozenset(), whole=False, tools_of={b"[1]": tools}.__getitem__).tools is tools
    )


# Tools

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SCHEMAS: dict[str, tuple[object, bool, list[Any], list[Any]]] = {
    "an object": (CITY, True, [{"city": "Rome"}, {"city": "", "x": 1}], [{}, {"city": 1}, [], "Rome", None]),
    "missing": (None, False, [{}, {"x": 1}], [[], "x", None]),
    "empty": ({}, False, [{}, {"x": 1}], [[], "x", None]),
    "of a wrong type": ("object", False, [{}], [1]),
    "true": (True, False, [{}], [1]),
    "not a schema": ({"type": 3}, False, [], [{}, {"x": 1}]),
    "a pattern that needs backtracking": ({"pattern": r"^(?=a)(a|a)*\1$"}, False, [], [{}, "a"]),
    "a pattern that is large": ({"pattern": "((a{1,50}){1,50}){1,50}"}, False, [], [{}, "a"]),
    "a pattern": ({"properties": {"a": {"pattern": r"^[\w-]{1,64}$"}}}, True, [{"a": "b-c"}], [{"a": "b c"}]),
    "a format": (
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "string", "format": "regex"}, True, ["("], [1],
    ),
    "a pattern that is none": ({"pattern": "("}, False, [], [{}, "x"]),
    "Draft 2020-12 unless said": ({"prefixItems": [{"type": "string"}]}, True, [["a"]], [[1]]),
    "another draft": (
        {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}, True, [["a"]], [[1]],
    ),
    "a draft nobody knows": ({"$schema": "http://example.invalid/x", "type": "object"}, False, [], [{}]),
    "local references": (
        {"$defs": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/n"}}}, True,
        [{"a": 1}], [{"a": ""}],
    ),
    "a reference to nothing": ({"$ref": "#/$defs/none"}, False, [], [{}]),
    "references in a circle": (
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, False, [], [{}],
    ),
    "long numbers": ({"properties": {"a": {"maximum": 10}}}, True, [{"a": 1e1}], [{"a": 10**30}]),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema(name: str) -> None:
    schema, declared, good, bad = SCHEMAS[name]
    found = compiled(schema)
    assert (found.judge(None) is not None) is declared
    assert [found.judge(value) for value in good] == [True if declared else None] * len(good)
    assert [found.judge(value) for value in bad] == [False if declared else None] * len(bad)


def test_a_schema_nested_too_deeply() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(300):
        schema = {"properties": {"a": schema}}
    text = b'[{"function":{"name":"f","parameters":%b}}]' % msgspec.json.encode(schema)
    found = read_tools(text)["f"]
    assert found.judge({}) is None


def test_nothing_is_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        for uri in (f"http://127.0.0.1:{port}/a.json", "file:///etc/hostname"):
            found = compiled({"type": "object", "properties": {"a": {"$ref": uri}}})
            assert found.judge({}) is None
            assert compiled({"$schema": uri}).judge({}) is None
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_value_too_deep_is_not_accepted() -> None:
    """The library descends by recursion, and a thousand times deeper it ends the process."""
    accepts = compiled({"items": {"$ref": "#"}}).judge
    value: list[Any] = []
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert accepts(value)
    for _ in range(50_000):
        value = [value]
    assert not accepts(value)
    while value:  # taken apart from outside: to free it at once is a recursion too
        value = value.pop()


@pytest.mark.parametrize("value", ["\ud800", float("nan"), {1: 2}, object(), b"x", {"a": {"\ud800": 1}}])
def test_accepting_never_raises(value: object) -> None:
    assert compiled({"minProperties": 1, "minLength": 1}).judge(value) in (True, False)


def test_tools_by_name() -> None:
    raw = orjson.dumps(
        [
            tool(CITY),
            tool({}, "g"),
            tool(None, "f"),
            tool(name=5),
            tool(name=""),
            7,
            {},
            {"function": "f"},
            {"name": "h"},
        ]
    )
    found = read_tools(raw)
    assert list(found) == ["f", "g"]
    assert found["f"].judge({}) is False, "the first of two declarations counts"


# Format

SCHEMA_FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": CITY}}
FORMATS: dict[str, tuple[object, str, list[Any], list[Any]]] = {
    "object": ({"type": "json_object"}, "json_object", [{}, {"a": 1}], [[], "x", None, 1]),
    "schema": (SCHEMA_FORMAT, "json_schema", [{"city": "Rome"}], [{}, [], None]),
    "schema missing": ({"type": "json_schema"}, "json_schema", [{}, [], 1], []),
    "schema broken": ({"type": "json_schema", "json_schema": {"schema": {"type": 1}}}, "json_schema", [{}, []], []),
}


@pytest.mark.parametrize("name", FORMATS)
def test_format(name: str) -> None:
    value, kind, good, bad = FORMATS[name]
    found, accepts = read_format(orjson.dumps(value))
    assert found == kind
    assert accepts is not None
    assert [accepts(each) for each in good] == [True] * len(good)
    assert [accepts(each) for each in bad] == [False] * len(bad)


@pytest.mark.parametrize("value", [None, {}, [], "json_object", {"type": "text"}, {"type": "xml"}, {"type": ["text"]}])
def test_no_format(value: object) -> None:
    assert read_format(orjson.dumps(value)) == ("text", None)


# Messages

MESSAGES: dict[str, tuple[object, dict[str, Any]]] = {
    "text": ([{"role": "user", "content": "hello"}], {"scripts": {"latin"}, "images": False}),
    "all roles": (
        [{"role": "system", "content": "привет"}, {"role": "tool", "content": "你好"}],
        {"scripts": {"cyrillic", "han"}},
    ),
    "parts": (
        [{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "γεια"}, "สวัสดี"]}],
        {"scripts": {"latin", "greek", "thai"}, "images": False},
    ),
    "an image's address is no text": (
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}],
        {"scripts": set(), "images": True},
    ),
    "a video": ([{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "ms:x"}}]}], {"images": True}),
    "reasoning": ([{"role": "assistant", "content": "a", "reasoning_content": "b"}], {"reasoning_history": True}),
    "reasoning by its other name": ([{"role": "assistant", "reasoning": "b"}], {"reasoning_history": True}),
    "reasoning that is empty": ([{"role": "assistant", "reasoning_content": ""}], {"reasoning_history": False}),
    "none": ([], {"scripts": set(), "images": False, "reasoning_history": False}),
    "garbage": (
        [1, None, "x", [], {"content": 5}, {"content": [1, None, {"type": 5, "text": 5}, {}]}, {"role": {}}],
        {"scripts": set(), "images": False, "reasoning_history": False},
    ),
    "no list": ({"content": "x"}, {"scripts": set()}),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_messages(name: str) -> None:
    messages, expected = MESSAGES[name]
    found = asked(whole=True, messages=messages)
    assert {member: getattr(found, member) for member in expected} == expected


# Garbage

MEMBER_NAMES = (
    "model", "stream", "stream_options", "tool_choice", "response_format", "max_tokens", "max_completion_tokens",
    "tools", "messages",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(MEMBER_NAMES), st.binary(max_size=12), max_size=9))
def test_bytes_that_are_no_json_are_as_if_not_sent(members: dict[str, bytes]) -> None:
    broken = {name: b"{," + raw for name, raw in members.items()}
    whole = {"messages": b"[]"} | broken
    assert read_asked(broken, Mode.INSTANT, frozenset(), whole=False) == Asked(mode=Mode.INSTANT)
    expected = Asked(mode=Mode.INSTANT, scripts=frozenset())
    assert read_asked(whole, Mode.INSTANT, frozenset(), whole=True) == expected


INNER = st.sampled_from(
    [
        "type",
        "function",
        "name",
        "parameters",
        "content",
        "text",
        "json_schema",
        "schema",
        "items",
        "$ref",
        "$defs",
        "a",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["object", "#", "#/$defs/a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(INNER, inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(MEMBER_NAMES), VALUES, VALUES)
def test_values_of_any_type_never_raise(name: str, value: object, argument: object) -> None:
    raw = msgspec.json.encode(value)
    read_asked({name: raw, "messages": raw}, Mode.THINKING, frozenset(), whole=True)
    for each in read_tools(b'[{"function":{"name":"f","parameters":%b}}]' % raw).values():
        assert each.judge(argument) in (True, False, None)


@pytest.mark.parametrize("name", MEMBER_NAMES)
def test_deep_nesting_never_raises(name: str) -> None:
    for depth in (900, 100_000):
        read_asked({name: b"[" * depth + b"]" * depth}, Mode.THINKING, frozenset(), whole=True)
