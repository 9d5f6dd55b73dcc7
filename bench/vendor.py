"""A mock Kimi K2.6 vendor for benchmarks: fixed answers, as cheap as Python can serve them.

Here: a program of its own, started by the harness. Not here: anything a real vendor would decide; for that there is
`paramwall simulate`. Invariant: one chunk is one write, flow control is obeyed, and `GET` answers with how many answers
were begun and how many chunks were written, by which the harness sees whether the vendor is held back.

A request with `"stream": true` gets server-sent events, any other one JSON of about 1.6 KB.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass
from typing import Final, cast

import httptools
import uvloop

_ANSWER: Final = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1776000000,"model":"kimi-k2.6","choices":'
    b'[{"index":0,"message":{"role":"assistant","content":"' + b"hello world " * 100 + b'","reasoning_content":"'
    b"" + b"think " * 50 + b'"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":100,"completion_tokens":250,"total_tokens":350}}'
)
_STREAM_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_CHUNK_START: Final = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1776000000,"model":"kimi-k2.6",'
    b'"choices":[{"index":0,"delta":'
)


def _json(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _framed(event: bytes) -> bytes:
    """One event as one HTTP chunk (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(event), event)


_WHOLE: Final = _json(_ANSWER)
_CHUNKS: Final = tuple(
    _framed(_CHUNK_START + b'{"content":" token%x"},"logprobs":null,"finish_reason":null}]}\n\n' % number)
    for number in range(16)
)
"""Of one length, but not all the same: LiteLLM breaks an answer off that repeats itself."""
_STREAM_END: Final = (
    _framed(
        _CHUNK_START + b'{},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":200,'
        b'"total_tokens":300}}\n\n'
    )
    + _framed(b"data: [DONE]\n\n")
    + b"0\r\n\r\n"
)


@dataclass(slots=True)
class Pace:
    """How this vendor streams, and what it has done so far.

    `chunks` a stream (0: without end), `gap_s` seconds between them, `block` chunks joined in one write.
    """

    chunks: int
    gap_s: float
    block: int
    answers_begun: int = 0
    chunks_written: int = 0


class Connection(asyncio.Protocol):
    """One connection: parses requests, answers each at once."""

    transport: asyncio.WriteTransport

    def __init__(self, pace: Pace, loop: asyncio.AbstractEventLoop) -> None:
        self.pace = pace
        self.loop = loop
        self.parser = httptools.HttpRequestParser(self)
        self.parts: list[bytes] = []
        self.left = 0
        self.due_s = 0.0
        self.paused = self.waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_message_begin(self) -> None:
        self.parts = []

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)

    def on_message_complete(self) -> None:
        if self.parser.get_method() == b"GET":
            counts = b'{"answers":%d,"chunks":%d}' % (self.pace.answers_begun, self.pace.chunks_written)
            self.transport.write(_json(counts))
            return
        self.pace.answers_begun += 1
        body = b"".join(self.parts)
        if b'"stream":true' in body or b'"stream": true' in body:
            self.left = self.pace.chunks or -1
            self.due_s = self.loop.time()
            self.transport.write(_STREAM_HEAD)
            self._next_chunk()
        else:
            self.transport.write(_WHOLE)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self.waiting:
            self.waiting = False
            self._next_chunk()

    def _next_chunk(self) -> None:
        """Write one block and come back for the next; on an absolute schedule, so that late turns do not add up."""
        if self.transport.is_closing():
            return
        if self.paused:
            self.waiting = True
            return
        if not self.left:
            self.transport.write(_STREAM_END)
            return
        self.transport.write(_CHUNKS[self.left % len(_CHUNKS)] * self.pace.block)
        self.pace.chunks_written += self.pace.block
        self.left -= 1
        if self.pace.gap_s:
            self.due_s += self.pace.gap_s
            self.loop.call_at(self.due_s, self._next_chunk)
        else:
            self.loop.call_soon(self._next_chunk)


async def _serve(port: int, pace: Pace) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(pace, loop), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main() -> None:
    options = argparse.ArgumentParser(description="A mock vendor for benchmarks, on loopback.")
    options.add_argument("port", type=int)
    options.add_argument("--chunks", type=int, default=200, help="chunks a stream; 0: without end")
    options.add_argument("--gap", type=float, default=0.0, help="seconds between two chunks")
    options.add_argument("--block", type=int, default=1, help="chunks joined in one write")
    said = options.parse_args()
    uvloop.run(_serve(said.port, Pace(said.chunks, said.gap, said.block)))


if __name__ == "__main__":
    main()
