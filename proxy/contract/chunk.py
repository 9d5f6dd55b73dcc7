"""The JSON of a chat completion, typed: one whole answer, or one event of a stream.

Here: every shape known (reference: contract.md section 5), and reading one. Not here: putting a stream together
(assemble.py). Invariant: a member of another type than the contract's costs that member alone, and the answer is marked
for it; where its text can still be made out (content as a list of parts, arguments as an object), it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import msgspec

from proxy.contract.answer import Flaw


class Function(msgspec.Struct, gc=False):
    """`arguments` is text, whole or the next piece."""

    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct, gc=False):
    """A tool call, or in a stream what came of one; only there it has an `index`."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Part(msgspec.Struct, gc=False):
    """One of several parts of a text."""

    text: str | None = None


class Said(msgspec.Struct, gc=False):
    """A message or a delta. Reasoning has three names: Moonshot's, newer vLLM's and OpenRouter's."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Part] | None = None
    tool_calls: list[Call] | None = None


Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""Up to what every reader of JSON takes exactly (RFC 8259, section 6); above, it is no count."""


class Details(msgspec.Struct, gc=False):
    """The finer counts, as OpenAI nests them."""

    cached_tokens: Count | None = None
    reasoning_tokens: Count | None = None


class Counts(msgspec.Struct, gc=False):
    """A usage object; Moonshot and SGLang have the finer counts beside the others."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    cached_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None


class Token(msgspec.Struct, gc=False):
    """One token's log probability (natural logarithm)."""

    logprob: float | None = None


class Logprobs(msgspec.Struct, gc=False):
    """The tokens of the content."""

    content: list[Token] | None = None


class Choice(msgspec.Struct, gc=False):
    """`message` in a whole answer, `delta` in a stream."""

    index: int | None = None
    delta: Said | None = None
    message: Said | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    usage: Counts | None = None


class Chunk(msgspec.Struct, gc=False):
    """A whole answer or one event. `error` is anything; `object` is "error" where older engines say that it is one."""

    id: str | None = None
    object: str | None = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: Counts | None = None
    error: Any = None


decode_chunk: Final = msgspec.json.Decoder(Chunk).decode
_decode_any: Final = msgspec.json.Decoder().decode
_decode_raw: Final = msgspec.json.Decoder(msgspec.Raw).decode
_encode: Final = msgspec.json.Encoder().encode
NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What `decode_chunk` raises where the text is no chunk as it should be: `read_chunk` then says more."""
MAX_SALVAGED_ITEMS: Final = 64 * 1024
"""Items, at all depths, of a text from which something is read although it is no chunk as it should be: each takes up
to sixty times the bytes it came in.
"""
_T = TypeVar("_T", bound=msgspec.Struct)


def read_chunk(text: bytes | bytearray) -> tuple[Chunk | None, Flaw | None]:
    """The chunk, and what is wrong with it. None: it is no JSON (UNREADABLE), or no object, or
    has too many items to be looked through (WRONG_TYPES).
    """
    try:
        return decode_chunk(text), None
    except NOT_JSON:
        pass
    if text.count(b",") + text.count(b"{") + text.count(b"[") > MAX_SALVAGED_ITEMS:
        return None, Flaw.WRONG_TYPES if _is_json(text) else Flaw.UNREADABLE
    try:
        return _salvaged(Chunk, _decode_any(text)), Flaw.WRONG_TYPES
    except NOT_JSON:
        return None, Flaw.UNREADABLE


def _is_json(text: bytes | bytearray) -> bool:
    try:
        _decode_raw(text)
    except NOT_JSON:
        return False
    return True


def _salvaged(kind: type[_T], value: object) -> _T | None:
    """What can be read of an object whose members may have any type."""
    if not isinstance(value, dict):
        return None
    return kind(**{name: read(value[name]) for name, read in _MEMBERS[kind].items() if value.get(name) is not None})


def _of(kind: Any) -> Callable[[object], Any]:  # noqa: ANN401  (a type as msgspec knows them)
    def read(value: object) -> Any:  # noqa: ANN401
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            return None

    return read


def _one(kind: type[_T]) -> Callable[[object], _T | None]:
    return lambda value: _salvaged(kind, value)


def _many(kind: type[_T]) -> Callable[[object], list[_T] | None]:
    def read(value: object) -> list[_T] | None:
        if not isinstance(value, list):
            return None
        return [found for each in value if (found := _salvaged(kind, each)) is not None]

    return read


def _text_of_parts(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return None
    texts = [each.get("text") if isinstance(each, dict) else each for each in value]
    return "".join(text for text in texts if isinstance(text, str))


def _json_text(value: object) -> str:
    return value if isinstance(value, str) else _encode(value).decode()


_text: Final = _of(str)
_count: Final = _of(Count)
_number: Final = _of(int)
_MEMBERS: Final[Mapping[type, Mapping[str, Callable[[object], Any]]]] = {
    Function: {"name": _text, "arguments": _json_text},
    Call: {"index": _number, "id": _text, "function": _one(Function)},
    Part: {"text": _text},
    Said: {
        "content": _text_of_parts,
        "reasoning_content": _text_of_parts,
        "reasoning": _text_of_parts,
        "reasoning_details": _many(Part),
        "tool_calls": _many(Call),
    },
    Details: {"cached_tokens": _count, "reasoning_tokens": _count},
    Counts: {
        **dict.fromkeys(
            ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens"), _count
        ),
        **dict.fromkeys(("prompt_tokens_details", "completion_tokens_details"), _one(Details)),
    },
    Token: {"logprob": _of(float)},
    Logprobs: {"content": _many(Token)},
    Choice: {
        "index": _number,
        "delta": _one(Said),
        "message": _one(Said),
        "finish_reason": _text,
        "logprobs": _one(Logprobs),
        "usage": _one(Counts),
    },
    Chunk: {
        "id": _text,
        "object": _text,
        "model": _text,
        "choices": _many(Choice),
        "usage": _one(Counts),
        "error": lambda value: value,
    },
}
"""For every object, how each member is read when it may have any type."""
