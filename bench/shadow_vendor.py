"""A vendor whose every answer is one honest text, whole or streamed, and which may be in trouble: a program of its own.

Not here: who starts it (shadow_proxy.py). Invariant: the same text, reasoning, usage and reason to finish in both
forms, in the official shape, so that two of them never differ and no check has anything to say.

Behaviours: `honest`; `slow`: the first byte after 5 s; `hanging`: no answer at all; `limited`: 429 to everything.
`GET` is always answered with 200.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any, Final

import uvloop

from bench.vendor import Connection, Pace

BEHAVIOURS: Final = ("honest", "slow", "hanging", "limited")
SLOW_S: Final = 5.0
REASONING: Final = (
    "The question is about plants near water. Willows and alders like wet ground, reeds stand in the shallows, and "
    "mint or marsh marigold fill the edge. A short list with one reason each should do."
)
CONTENT: Final = (
    "Along a quiet river you will mostly find willows and alders, whose roots hold the bank together. Reeds and "
    "bulrush grow where the current is slow. Higher up come meadowsweet, water mint and yellow flag, which need damp "
    "soil but no standing water. In the water itself there may be pondweed, crowfoot and, in still corners, lilies. "
    "Which of them you meet depends on shade, depth and how often the meadow is flooded in spring."
)
_USAGE: Final = {"prompt_tokens": 60, "completion_tokens": 140, "total_tokens": 200}
_SHARED: Final = {"id": "chatcmpl-66f1b4c2a90d4e5f8a7b3c21", "created": 1776000000, "model": "kimi-k2.6"}
_DELTA_CHARS: Final = 40


def whole() -> bytes:
    """The answer as JSON."""
    message = {"role": "assistant", "content": CONTENT, "reasoning_content": REASONING}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({**_SHARED, "object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()


def events() -> bytes:
    """The answer as server-sent events."""
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}]
    for name, text in (("reasoning_content", REASONING), ("content", CONTENT)):
        deltas += [{name: text[at : at + _DELTA_CHARS]} for at in range(0, len(text), _DELTA_CHARS)]
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop", "usage": _USAGE})
    chunks = [{**_SHARED, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices]
    chunks.append({**_SHARED, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE})
    return b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"


def _message(status: bytes, kind: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (status, kind, len(body))
    return head + body


_WHOLE: Final = _message(b"200 OK", b"application/json", whole())
_EVENTS: Final = _message(b"200 OK", b"text/event-stream", events())
_LIMITED: Final = _message(b"429 Too Many Requests", b"application/json", b'{"error":{"message":"slow down"}}')
_ALIVE: Final = _message(b"200 OK", b"text/plain", b"")


class Troubled(Connection):
    """One connection of a vendor that behaves so."""

    def __init__(self, behaviour: str, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(Pace(0, 0.0, 1), loop)
        self._behaviour = behaviour

    def on_message_complete(self) -> None:
        if self.parser.get_method() == b"GET":
            self.transport.write(_ALIVE)
            return
        body = b"".join(self.parts)
        answer = _EVENTS if b'"stream":true' in body or b'"stream": true' in body else _WHOLE
        match self._behaviour:
            case "honest":
                self.transport.write(answer)
            case "slow":
                self.loop.call_later(SLOW_S, self._say, answer)
            case "limited":
                self.transport.write(_LIMITED)

    def _say(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)


async def _serve(port: int, behaviour: str) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Troubled(behaviour, loop), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main() -> None:
    options = argparse.ArgumentParser(description="A vendor of one honest answer, on loopback.")
    options.add_argument("port", type=int)
    options.add_argument("behaviour", choices=BEHAVIOURS)
    said = options.parse_args()
    uvloop.run(_serve(said.port, said.behaviour))


if __name__ == "__main__":
    main()
