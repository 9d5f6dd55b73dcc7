"""What is read from an answer: usage wherever a vendor puts it, the finish reason, and where the first token stands."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.contract.reading import Reading, Usage, read_json, read_stream

USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


def dumped(value: object) -> bytes:
    return orjson.dumps(value)


def chat(finish: str | None = "stop", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    message = {"role": "assistant", "content": "Hello", "reasoning_content": "r", "tool_calls": None}
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "kimi-k2.6",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}], **more,
    }  # fmt: skip


JSON_ANSWERS: dict[str, tuple[Any, Usage | None, str | None]] = {
    "top level": (chat(usage=USAGE), Usage(9, 4), "stop"),
    "in the choice": (
        {"choices": [{"message": {}, "finish_reason": "length", "usage": USAGE}]}, Usage(9, 4), "length",
    ),
    "in both places": (
        {"usage": USAGE, "choices": [{"finish_reason": "stop", "usage": {**USAGE, "prompt_tokens": 1}}]},
        Usage(9, 4), "stop",
    ),
    "null at the top level": ({"usage": None, "choices": [{"usage": USAGE}]}, Usage(9, 4), None),
    "empty at the top level": ({"usage": {}, "choices": [{"usage": USAGE}]}, Usage(9, 4), None),
    "cached as Moonshot says it": (chat(usage={**USAGE, "cached_tokens": 5}), Usage(9, 4, cached=5), "stop"),
    "details": (
        chat(usage={**USAGE, "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 0},
                    "completion_tokens_details": {"reasoning_tokens": 2}}),
        Usage(9, 4, cached=3, reasoning=2), "stop",
    ),
    "null details": (
        chat(usage={**USAGE, "prompt_tokens_details": None, "completion_tokens_details": {"reasoning_tokens": None}}),
        Usage(9, 4), "stop",
    ),
    "no usage": (chat(), None, "stop"),
    "no finish reason": (chat(None, usage=USAGE), Usage(9, 4), None),
    "no choices": ({"choices": [], "usage": USAGE}, Usage(9, 4), None),
    "null choices": ({"choices": None, "usage": USAGE}, Usage(9, 4), None),
    "embeddings": ({"object": "list", "data": [], "usage": {"prompt_tokens": 8, "total_tokens": 8}}, Usage(8, 0), None),
    "completions": (
        {"object": "text_completion", "choices": [{"text": "a", "finish_reason": "length"}], "usage": USAGE},
        Usage(9, 4), "length",
    ),
    "responses": (
        {"object": "response", "output": [], "usage": {
            "input_tokens": 9, "input_tokens_details": {"cached_tokens": 2}, "output_tokens": 4,
            "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 13}},
        Usage(9, 4, cached=2, reasoning=1), None,
    ),
    "messages": (
        {"type": "message", "role": "assistant", "content": [], "stop_reason": "end_turn",
         "usage": {"input_tokens": 9, "output_tokens": 4}},
        Usage(9, 4), None,
    ),
    "messages with a cache, which they count apart": (
        {"type": "message", "content": [], "usage": {"input_tokens": 2, "output_tokens": 4,
         "cache_read_input_tokens": 100, "cache_creation_input_tokens": 10}},
        Usage(112, 4, cached=100), None,
    ),
    "members nobody knows": (chat(usage={**USAGE, "x": {"y": 1}}, x_groq={"id": 1}, provider="p"), Usage(9, 4), "stop"),
}  # fmt: skip


@pytest.mark.parametrize("name", JSON_ANSWERS)
def test_json(name: str) -> None:
    answer, usage, finish = JSON_ANSWERS[name]
    assert read_json(dumped(answer)) == Reading(usage, finish)


def test_json_behind_padding() -> None:
    """Routers send white space while they wait for the vendor."""
    assert read_json(b"\n" * 500 + b"  \t" + dumped(chat(usage=USAGE)) + b"\r\n").usage == Usage(9, 4)


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"null", b"1", b'"text"', b"[]", b"{", b"\xff", b"{}", b'{"choices":1}', b'{"usage":[1]}', b"<html>"]
    + [b'{"usage":{"prompt_tokens":"9"}}', b'{"choices":["a"]}', b"[" * 100_000, b'{"a":' * 5000, b'{"usage":true}']
    + [b'{"usage":{"prompt_tokens":' + b"9" * 10_000 + b"}}"],
)
def test_what_cannot_be_read_is_absent(body: bytes) -> None:
    assert read_json(body) == Reading()
    assert read_stream(b"", b"data: " + body + b"\n\n", len(body) + 8) == Reading()


# Streams


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    choice = {"index": 0, "delta": delta if delta is not None else {}, "finish_reason": finish, "logprobs": None}
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "kimi-k2.6",
        "choices": [choice],
        **more,
    }


def sse(*events: dict[str, Any] | str, end: str = "\n") -> bytes:
    """A stream; a text is put in as it is."""
    pieces = (event if isinstance(event, str) else f"data: {dumped(event).decode()}{end}{end}" for event in events)
    return "".join(pieces).encode()


ROLE = chunk({"role": "assistant", "content": ""})
THINKING = chunk({"reasoning_content": "hm"})
CONTENT = chunk({"content": "Hello"})
FINISH_WITH_USAGE = chunk({}, "stop")
FINISH_WITH_USAGE["choices"][0]["usage"] = USAGE
LAST = {"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": USAGE}
DONE = "data: [DONE]\n\n"
MESSAGES = [
    {"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 9, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}},
    {"type": "message_stop"},
]
RESPONSES = [
    {"type": "response.created", "response": {"usage": None, "output": []}},
    {"type": "response.output_item.added", "item": {}},
    {"type": "response.output_text.delta", "delta": "Hello", "item_id": "i"},
    {"type": "response.output_text.done", "text": "Hello"},
    {"type": "response.completed", "response": {"usage": {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}}},
]

TEXT_COMPLETION: dict[str, Any] = {"choices": [{"text": "a", "finish_reason": "length"}], "usage": USAGE}
STREAMS: dict[str, tuple[list[Any], Usage | None, str | None, int | None]] = {
    "usage in the finish chunk": ([ROLE, THINKING, CONTENT, FINISH_WITH_USAGE, DONE], Usage(9, 4), "stop", 2),
    "usage in a last chunk": ([ROLE, CONTENT, chunk({}, "stop"), LAST, DONE], Usage(9, 4), "stop", 2),
    "usage in both": ([ROLE, CONTENT, FINISH_WITH_USAGE, LAST, DONE], Usage(9, 4), "stop", 2),
    "usage in every chunk": (
        [chunk({"content": "a"}, usage={**USAGE, "completion_tokens": n}) for n in (1, 2, 3)] + [DONE],
        Usage(9, 3), None, 1,
    ),
    "finish chunk twice": ([CONTENT, chunk({}, "stop"), chunk({}, "stop", usage=USAGE), DONE], Usage(9, 4), "stop", 1),
    "tool calls": (
        [ROLE, chunk({"tool_calls": [{"index": 0, "function": {"name": "f"}}]}), chunk({}, "tool_calls", usage=USAGE)],
        Usage(9, 4), "tool_calls", 2,
    ),
    "reasoning under another name": ([ROLE, chunk({"reasoning": "hm"}), DONE], None, None, 2),
    "null reasoning keys": ([chunk({"content": None, "reasoning_content": None}), CONTENT, DONE], None, None, 2),
    "role in every delta": ([chunk({"role": "assistant", "content": "a"}), DONE], None, None, 1),
    "comments before": ([*[": OPENROUTER PROCESSING\n\n"] * 3, ROLE, CONTENT, DONE], None, None, 5),
    "no output at all": ([ROLE, chunk({}, "stop"), DONE], None, "stop", None),
    "text completion": ([TEXT_COMPLETION], Usage(9, 4), "length", 1),
    "error within": ([CONTENT, {"error": {"message": "overloaded"}}, DONE], None, None, 1),
    "not JSON within": ([CONTENT, "data: oops\n\n", LAST, DONE], Usage(9, 4), None, 1),
    "no end": ([ROLE, CONTENT], None, None, 2),
    "messages": ([*MESSAGES], Usage(9, 4), None, 4),
    "responses": ([*RESPONSES], Usage(9, 4), None, 3),
}  # fmt: skip


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", STREAMS)
def test_stream(name: str, end: str) -> None:
    events, usage, finish, first = STREAMS[name]
    text = sse(*events, end=end)
    offset = len(sse(*events[:first], end=end)) if first is not None else None
    if offset is not None and end == "\r\n" and not isinstance(events[(first or 1) - 1], str):
        offset -= 1  # the CR of the blank line already ends the event
    assert read_stream(b"", text, len(text)) == Reading(usage, finish, offset)


def long_stream(events: list[dict[str, Any] | str], end: str = "\n") -> bytes:
    """The same stream with so many tokens within that its middle is not kept."""
    start = sse(*events[:2], end=end)
    middle = sse(*[chunk({"content": "word " * 20})] * 300, end=end)
    return start + middle + sse(*events[2:], end=end)


@pytest.mark.parametrize("tail_size", [3000, 3001, 3017, 8192])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["usage in the finish chunk", "usage in both", "messages"])
def test_stream_of_which_head_and_tail_are_kept(name: str, end: str, tail_size: int) -> None:
    events, usage, finish, _ = STREAMS[name]
    text = long_stream(events, end)
    reading = read_stream(text[:4096], text[-tail_size:], len(text))
    assert (reading.usage, reading.finish_reason) == (usage, finish)
    assert reading.first_token == read_stream(b"", text, len(text)).first_token


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.binary(max_size=400), st.integers(0, 2000))
def test_garbage_never_raises(head: bytes, tail: bytes, size: int) -> None:
    read_json(head)
    read_stream(head, tail, size)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["usage", "choices", "delta", "type", "message", "response", "prompt_tokens", "content", "text"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_json_of_any_shape_never_raises(value: Any) -> None:  # noqa: ANN401
    try:
        text = dumped(value)
    except TypeError:
        return
    read_json(text)
    read_stream(b"", b"data: " + text + b"\n\n", len(text) + 8)
