"""Fuzz target: the assembly of an answer.

Invariants: no bytes raise; any split gives the same Answer; no more text is kept than the limit allows; an answer whose
connection broke says so.
"""

from __future__ import annotations

from collections.abc import Iterable

from proxy.contract.answer import Answer, Flaw
from proxy.contract.assemble import LIMIT, Assembler
from tests.fuzz.target import Target, option, splits

_TYPES = ("text/event-stream", "application/json", "")
_LIMITS = (LIMIT, 200)


def check(data: bytes) -> None:
    chosen, body = option(data)
    kind, limit, complete = _TYPES[chosen % 3], _LIMITS[chosen // 3 % 2], chosen // 6 % 2 == 0
    whole, *others = (_assembled(pieces, kind, limit, complete=complete) for pieces in splits(body))
    for other in others:
        assert other == whole, f"a split changes {whole} to {other}"
    kept = (whole.content or "") + (whole.reasoning or "") + "".join(call.arguments for call in whole.tool_calls)
    assert len(kept) <= limit, "more is kept than was allowed"
    assert (Flaw.CUT in whole.flaws) is not complete


def _assembled(pieces: Iterable[bytes], kind: str, limit: int, *, complete: bool) -> Answer:
    assembler = Assembler(kind, limit)
    for piece in pieces:
        assembler.feed(piece)
    return assembler.answer(complete=complete)


WORDS = (
    *(b"data: ", b"\n\n", b"[DONE]", b'"choices":[', b'{"delta":{', b'"content":"', b'"reasoning_content":"', b"null"),
    *(b'"tool_calls":[{"index":0,"id":"f:0","function":{"name":"f","arguments":"{"}}]', b'"index":1', b'"index":null'),
    *(b'"finish_reason":"stop"', b'"usage":{"prompt_tokens":9}', b'"logprobs":{"content":[{"logprob":-0.1}]}', b"]}"),
    *(
        b'"error":{"message":"x"}',
        b"\\u0000",
        b"\\ud83d\\ude00",
        b"\\",
        b'"',
        b"event: error\n",
        b'"message":{',
        b": x\n",
    ),
)
TARGET = Target("assembly", check, WORDS)
