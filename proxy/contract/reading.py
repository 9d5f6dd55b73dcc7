"""What an answer says about itself: usage, finish reason, and where its first token stands.

Read from a copy, after the client has the answer. Not here: content, reasoning and tool calls as such; nothing here is
on the client's path. Invariant: an answer in any known shape is read alike (usage at the top level, in `choices[0]`, as
OpenAI's, the Responses API's or Anthropic's members); one that cannot be read gives absent values, never an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeAlias

import msgspec

from proxy.contract.sse import Event, EventDecoder

_ABSENT = msgspec.Raw(b"null")
_EMPTY = (b"null", b'""', b"[]", b"{}")


class Usage(msgspec.Struct, frozen=True):
    """Token counts as the vendor states them. `cached` is part of `input`, `reasoning` part of `output`."""

    input: int
    output: int
    cached: int = 0
    reasoning: int = 0


class Reading(msgspec.Struct, frozen=True):
    """`first_token` is the byte offset of the end of the first event that carries output; None where there is none."""

    usage: Usage | None = None
    finish_reason: str | None = None
    first_token: int | None = None


class _Delta(msgspec.Struct):
    content: msgspec.Raw = _ABSENT
    reasoning_content: msgspec.Raw = _ABSENT
    reasoning: msgspec.Raw = _ABSENT
    tool_calls: msgspec.Raw = _ABSENT

    def carries(self) -> bool:
        return any(
            bytes(part) not in _EMPTY
            for part in (self.content, self.reasoning_content, self.reasoning, self.tool_calls)
        )


_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
"""A negative count makes an answer unreadable."""


class _Details(msgspec.Struct):
    cached_tokens: _Count | None = None
    reasoning_tokens: _Count | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cached_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    text: msgspec.Raw = _ABSENT
    usage: _Usage | None = None
    finish_reason: str | None = None


class _Inner(msgspec.Struct):
    usage: _Usage | None = None


class _Chunk(msgspec.Struct):
    """Every shape of a JSON answer and of a stream's event; `message` and `response` hold usage in two dialects."""

    usage: _Usage | None = None
    choices: list[_Choice] | None = None
    type: str | None = None
    delta: msgspec.Raw = _ABSENT
    response: _Inner | None = None
    message: _Inner | None = None


_chunk = msgspec.json.Decoder(_Chunk)


def read_json(body: bytes) -> Reading:
    """Read an answer that is one JSON object (white space before it is allowed: some routers pad)."""
    chunk = _decoded(body)
    return Reading() if chunk is None else Reading(_usage_of(chunk), _finish_of(chunk))


def read_stream(head: bytes, tail: bytes, size: int) -> Reading:
    """Read a stream of `size` bytes from its head and tail; `head` is empty when `tail` is all of it."""
    whole = len(tail) == size
    begin = EventDecoder().feed(tail if whole else head)
    first = _first_token(begin)
    # The tail begins within an event, most of whose lines or none are left: it is no JSON and not among the last.
    last = begin if whole else EventDecoder(size - len(tail)).feed(tail)
    usage, finish = _ending(last)
    if usage is not None and not usage.input and begin:
        usage = _with_input(usage, begin[0])
    return Reading(usage, finish, first)


def _first_token(events: Iterable[Event]) -> int | None:
    return next((event.end for event in events if carries_output(event)), None)


def carries_output(event: Event) -> bool:
    """Whether any of the model's words, thoughts or calls is in it."""
    chunk = _decoded(event.data)
    if chunk is None:
        return False
    if chunk.type is not None and not chunk.choices:
        return chunk.type.endswith("delta") and bytes(chunk.delta) not in _EMPTY
    return any(
        (choice.delta is not None and choice.delta.carries()) or bytes(choice.text) not in _EMPTY
        for choice in chunk.choices or ()
    )


def _ending(events: list[Event]) -> tuple[Usage | None, str | None]:
    """The last usage and the last finish reason; both stand in the last few events."""
    usage: Usage | None = None
    finish: str | None = None
    for event in reversed(events[-16:]):
        chunk = _decoded(event.data)
        if chunk is None:
            continue
        usage = usage or _usage_of(chunk)
        finish = finish or _finish_of(chunk)
        if usage is not None and finish is not None:
            break
    return usage, finish


def _with_input(usage: Usage, first: Event) -> Usage:
    """Anthropic's streams count the input in their first event and the output in their last."""
    chunk = _decoded(first.data)
    start = None if chunk is None else _usage_of(chunk)
    return usage if start is None else msgspec.structs.replace(usage, input=start.input, cached=start.cached)


def _usage_of(chunk: _Chunk) -> Usage | None:
    usage = _counted(chunk.usage)
    if usage is None and chunk.choices:
        usage = _counted(chunk.choices[0].usage)
    if usage is None and chunk.response is not None:
        usage = _counted(chunk.response.usage)
    if usage is None and chunk.message is not None:
        usage = _counted(chunk.message.usage)
    return usage


def _counted(found: _Usage | None) -> Usage | None:
    if found is None:
        return None
    given = found.prompt_tokens if found.prompt_tokens is not None else found.input_tokens
    produced = found.completion_tokens if found.completion_tokens is not None else found.output_tokens
    if given is None and produced is None:
        return None
    into = found.prompt_tokens_details or found.input_tokens_details
    out = found.completion_tokens_details or found.output_tokens_details
    cached = found.cached_tokens or (into.cached_tokens if into else None) or 0
    if found.cache_read_input_tokens or found.cache_creation_input_tokens:
        # Anthropic counts what its cache gave and took beside the input (Messages API reference, usage).
        cached = found.cache_read_input_tokens or 0
        given = (given or 0) + cached + (found.cache_creation_input_tokens or 0)
    return Usage(given or 0, produced or 0, cached, (out.reasoning_tokens if out else None) or 0)


def _finish_of(chunk: _Chunk) -> str | None:
    return chunk.choices[0].finish_reason if chunk.choices else None


def _decoded(text: bytes) -> _Chunk | None:
    try:
        return _chunk.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
