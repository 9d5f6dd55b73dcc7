"""An Answer from bytes: every shape known, in any split, and nothing that raises.

The cases of tests/cases/answers say what a body is and what it adds up to.
"""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import msgspec
import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.contract import sse
from proxy.contract.answer import Answer, Flaw, ToolCall, Usage
from proxy.contract.assemble import Assembler
from proxy.contract.gather import MAX_CHOICES
from proxy.simulator import Options, Simulator
from tests.simulator.asking import WEATHER, ask, chat
from tests.source import ROOT

SSE: Final = "text/event-stream"
JSON: Final = "application/json"
GARBAGE: Final = (b"\x00", b"}", b"\xff\xfe", b"data: x", b"\r\n\r\n{}", b"data: {}\n\n" * 3, b"[" * 5000)


def assembled(content_type: str, *pieces: bytes, complete: bool = True, limit: int = 1 << 24) -> Answer:
    assembler = Assembler(content_type, limit)
    for piece in pieces:
        assembler.feed(piece)
    return assembler.answer(complete=complete)


def split(body: bytes, draw: random.Random) -> list[bytes]:
    pieces, start = [], 0
    while start < len(body):
        size = draw.choice((1, 2, 7, 60, 500))
        pieces.append(body[start : start + size])
        start += size
    return pieces


class Case(msgspec.Struct, frozen=True):
    name: str
    type: str
    body: bytes
    cut: bool
    expected: Answer


def load(form: str) -> list[Case]:
    cases = yaml.safe_load((ROOT / f"tests/cases/answers/{form}.yaml").read_text())
    assert len({case["name"] for case in cases}) == len(cases)
    stream = form == "stream"
    return [
        Case(
            case["name"],
            case.get("type", SSE if stream else JSON),
            "".join(map(event, case["events"])).encode() if stream else case["body"].encode(),
            case.get("cut", False),
            answer(case["expect"], stream=stream),
        )
        for case in cases
    ]


def event(text: str) -> str:
    return f"data: {text}\n\n" if text.startswith(("{", "[")) else text


def answer(expect: dict[str, Any], *, stream: bool) -> Answer:
    members = {"stream": stream, "choices": 1} | expect
    if "usage" in expect:
        members["usage"] = Usage(**expect["usage"] | {"places": tuple(expect["usage"]["places"])})
    members["tool_calls"] = tuple(ToolCall(*call) for call in expect.get("tool_calls", ()))
    members["logprobs"] = tuple(expect.get("logprobs", ()))
    members["flaws"] = frozenset(map(Flaw, expect.get("flaws", ())))
    return Answer(**members)


CASES: Final = load("json") + load("stream")
each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@each_case
def test_case(case: Case) -> None:
    assert assembled(case.type, case.body, complete=not case.cut) == case.expected


@each_case
def test_case_in_pieces(case: Case) -> None:
    single = (case.body[place : place + 1] for place in range(len(case.body)))
    assert assembled(case.type, *single, complete=not case.cut) == case.expected
    draw = random.Random(case.name)
    for _ in range(20):
        assert assembled(case.type, *split(case.body, draw), complete=not case.cut) == case.expected


@each_case
def test_case_with_other_line_ends(case: Case) -> None:
    if case.expected.stream:
        for end in (b"\r\n", b"\r"):
            assert assembled(case.type, case.body.replace(b"\n", end), complete=not case.cut) == case.expected


@each_case
@pytest.mark.parametrize("garbage", GARBAGE)
def test_case_with_garbage_after(case: Case, garbage: bytes) -> None:
    """Behind [DONE] nothing counts; elsewhere what came before stays."""
    found = assembled(case.type, case.body + garbage, complete=not case.cut)
    assert found == assembled(case.type, case.body, garbage, complete=not case.cut)
    if b"data: [DONE]\n\n" in case.body:
        assert found == case.expected
    elif case.expected.stream and case.body:
        assert (found.content, found.finish_reason) == (case.expected.content, case.expected.finish_reason)


# What is kept


def content_event(text: str) -> bytes:
    return b"data: " + orjson.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}) + b"\n\n"


def test_a_stream_beyond_the_limit_is_cut_there() -> None:
    body = b"".join(content_event(text) for text in ("abcd", "efgh", "i")) + b"data: [DONE]\n\n"
    assert assembled(SSE, body, limit=9).content == "abcdefghi"
    found = assembled(SSE, body, limit=6)
    assert (found.content, set(found.flaws)) == ("abcdef", {Flaw.OVERSIZED})


def test_reasoning_and_arguments_count_for_the_limit() -> None:
    deltas = [{"reasoning": "abc"}, {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "x" * 600}}]}]
    events = [b"data: " + orjson.dumps({"choices": [{"delta": delta}]}) + b"\n\n" for delta in deltas]
    found = assembled(SSE, *events, limit=700)
    assert found.reasoning == "abc"
    assert 0 < len(found.tool_calls[0].arguments) < 200
    assert found.flaws == {Flaw.OVERSIZED, Flaw.NO_DONE}


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_json_body_beyond_the_limit_is_dropped(step: int) -> None:
    body = orjson.dumps({"choices": [{"message": {"content": "x" * 50}}]})
    pieces = [body[start : start + step] for start in range(0, len(body), step)]
    assert assembled(JSON, *pieces, limit=len(body)).content == "x" * 50
    found = assembled(JSON, *pieces, limit=len(body) - 1)
    assert (found.content, set(found.flaws)) == (None, {Flaw.OVERSIZED})


def test_an_event_too_large_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 500)
    found = assembled(SSE, content_event("a"), content_event("b" * 600), content_event("c"), b"data: [DONE]\n\n")
    assert (found.content, set(found.flaws)) == ("ac", {Flaw.OVERSIZED})


ENDLESS: Final[dict[str, Callable[[int], bytes]]] = {
    "text": lambda number: content_event("word " * 20),
    "calls with ever new ids": lambda number: (
        b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"%d"}]}}]}\n\n' % number
    ),
    "calls with ever new indexes": lambda number: (
        b'data: {"choices":[{"delta":{"tool_calls":[{"index":%d}]}}]}\n\n' % number
    ),
    "names that come late": lambda number: (
        b'data: {"choices":[{"delta":{"tool_calls":[{"index":%d}, {"index":%d, "id":"%s"}]}}]}\n\n'
        % (number, number, b"i" * 8000)
    ),
    "choices": lambda number: b'data: {"choices":[{"index":%d}]}\n\n' % number,
    "log probabilities": lambda number: b'data: {"choices":[{"logprobs":{"content":[{"logprob":-1}]}}]}\n\n',
    "finish reasons": lambda number: b'data: {"choices":[{"finish_reason":"%d"}],"id":"%d"}\n\n' % (number, number),
    "comments": lambda number: b": %d\n\n" % number,
    "a line without end": lambda number: b"data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "an event without end": lambda number: b"data:\n" * 8,
    "white space": lambda number: b" \n" * 50,
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_stream_without_end_is_bounded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 20_000)
    assembler = Assembler(SSE, 20_000)
    tracemalloc.start()
    try:
        for number in range(5_000):
            assembler.feed(ENDLESS[kind](number))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 200_000, kept
    assert assembler.answer(complete=False).choices <= MAX_CHOICES


def test_what_is_kept_of_a_stream_is_its_text() -> None:
    """Pieces of a few letters do not cost an object each."""
    assembler = Assembler(SSE)
    tracemalloc.start()
    try:
        for _ in range(8_000):
            assembler.feed(content_event("abcd"))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 4 * 32_000


# Nothing raises

MUTATIONS: Final = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.integers(0, 40),
        st.sampled_from([b"", b"null", b"0", b"-1", b"{}", b"[]", b'"', b"\\ud800", b"NaN", b"1e999", b"\xff", b"\n"])
        | st.binary(max_size=4),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(CASES), MUTATIONS, st.booleans(), st.integers())
def test_mutated_answers_never_raise(case: Case, mutations: Any, complete: bool, seed: int) -> None:  # noqa: ANN401
    body = case.body
    for number, removed, put in mutations:
        place = number % (len(body) + 1)
        body = body[:place] + put + body[place + removed :]
    pieces = split(body, random.Random(seed))
    assert assembled(case.type, *pieces, complete=complete) == assembled(case.type, body, complete=complete)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([SSE, JSON, ""]), st.lists(st.binary(max_size=40), max_size=8), st.booleans())
def test_any_bytes_never_raise(content_type: str, pieces: list[bytes], complete: bool) -> None:
    found = assembled(content_type, *pieces, complete=complete)
    assert found == assembled(content_type, b"".join(pieces), complete=complete)
    assert (Flaw.CUT in found.flaws) is not complete


NAMES: Final = (
    "choices", "index", "delta", "message", "content", "reasoning_content", "reasoning", "reasoning_details", "text",
    "tool_calls", "id", "function", "name", "arguments", "finish_reason", "usage", "prompt_tokens", "cached_tokens",
    "prompt_tokens_details", "completion_tokens_details", "logprobs", "logprob", "error", "object", "model",
)  # fmt: skip
ANY: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)
PLACES: Final = st.sampled_from(
    [
        '{"choices":[%s]}', '{"choices":[{"delta":%s}]}', '{"choices":[{"message":%s}]}', '{"choices":[{"usage":%s}]}',
        '{"choices":[{"delta":{"tool_calls":[%s]}}]}', '{"choices":[{"delta":{"tool_calls":[{"function":%s}]}}]}',
        '{"choices":[{"logprobs":{"content":[%s]}}]}', '{"usage":%s}', "%s",
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(PLACES, ANY)
def test_values_of_any_type_never_raise(place: str, value: object) -> None:
    text = (place % msgspec.json.encode(value).decode()).encode()
    assert not assembled(JSON, text).stream
    good = content_event("before"), b"data: " + text + b"\n\n", content_event("after"), b"data: [DONE]\n\n"
    found = assembled(SSE, *good)
    assert (found.content or "").startswith("before")
    assert (found.content or "").endswith("after")
    assert Flaw.NO_DONE not in found.flaws


@pytest.mark.parametrize("depth", [100, 900, 990, 1000, 100_000])
@pytest.mark.parametrize(
    "place", ['{"x":%s}', '{"choices":[{"delta":{"content":"x","tool_calls":[{"function":{"arguments":%s}}]}}]}']
)
def test_deep_nesting_never_raises(place: str, depth: int) -> None:
    text = (place % ("[" * depth + "]" * depth)).encode()
    assembled(JSON, text)
    assert assembled(SSE, content_event("x"), b"data: " + text + b"\n\n").content in ("x", "xx")


# Both forms of the simulator's answers


@cache
def bodies(profile: str) -> tuple[tuple[bytes, bytes], ...]:
    """The JSON and the stream of the same answers."""

    async def gather() -> list[tuple[bytes, bytes]]:
        found = []
        streamed: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
        requests: tuple[dict[str, Any], ...] = ({}, {"tools": [WEATHER]}, {"max_tokens": 9})
        for seed in range(6):
            for more in requests:
                forms = []
                for stream in ({}, streamed):
                    async with Simulator(Options(instant=True, profile=profile, seed=seed)) as vendor:
                        forms.append((await ask(vendor, chat(**more, **stream))).body)
                found.append((forms[0], forms[1]))
        return found

    return tuple(asyncio.run(gather()))


@pytest.mark.parametrize("profile", ["moonshot", "vllm"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_both_forms_of_an_answer_are_equal(profile: str, data: st.DataObject) -> None:
    whole, stream = data.draw(st.sampled_from(bodies(profile)))
    draw = random.Random(data.draw(st.integers()))
    one, other = assembled(JSON, *split(whole, draw)), assembled(SSE, *split(stream, draw))
    assert one.flaws == other.flaws == frozenset()
    assert one.reasoning
    assert (one.content, one.reasoning) == (other.content, other.reasoning)
    assert (one.tool_calls, one.finish_reason, one.model) == (other.tool_calls, other.finish_reason, other.model)
    assert one.usage is not None
    assert other.usage is not None
    assert msgspec.structs.replace(one.usage, places=()) == msgspec.structs.replace(other.usage, places=())
    assert other.usage.places == (("top", "choice") if profile == "moonshot" else ("top",))


@pytest.mark.parametrize("type", ["application/json", "text/event-stream"])
def test_a_name_is_not_kept_beyond_any_length(type: str) -> None:  # noqa: A002
    """Otherwise it would be what a vendor fills the memory with."""
    long = "n" * 100_000
    members = {"id": long, "model": long, "choices": [{"delta": {"content": "a"}, "finish_reason": long}]}
    body = orjson.dumps(members)
    found = assembled(type, body if type.endswith("json") else b"data: %b\n\n" % body)
    assert [len(name or "") for name in (found.id, found.model, found.finish_reason)] == [1024] * 3
