"""A hostile vendor: it answers as the field `x-wanted: STATUS WAY` of each request says, with rubbish in every member.

Here: a program of its own, started by the harness. Not here: which answers are wanted (cardinality_traffic.py).
Invariant: no two answers are alike in what they say, so whatever is counted by it would grow without end.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from itertools import count
from typing import Final, cast

import httptools
import uvloop

_SLOW_S: Final = 0.05
_NUMBERS = count()


def _json(number: int) -> bytes:
    return (
        b'{"id":"x%d","object":"o%d","model":"model-%d","system_fingerprint":"f%d","choices":[{"index":%d,"finish_reason":'
        b'"because-%d","message":{"role":"role-%d","content":"c","tool_calls":[{"id":"t%d","type":"y%d","function":'
        b'{"name":"tool-%d","arguments":"{"}}]}}],"usage":{"prompt_tokens":%d,"completion_tokens":-%d,"kind-%d":1}}'
    ) % ((number,) * 13)


def _stream(number: int) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Name-%d: 1\r\nConnection: close\r\n\r\n" % number
    usage = b'{"prompt_tokens":%d,"completion_tokens":7,"total_tokens":-1}' % number
    chunk = (
        b'data: {"id":"x","model":"model-%d","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":%b}]%b}\n\n'
    )
    return head + chunk % (number, b"null", b"") + chunk % (number, b'"end-%d"' % number, b',"usage":' + usage)


class Connection(asyncio.Protocol):
    """Answers each request in its own way."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)
        self._wanted = b""
        self._parts: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-wanted":
            self._wanted = value

    def on_message_complete(self) -> None:
        if not self.transport.is_closing():
            status, _, way = (self._wanted or b"200 whole").partition(b" ")
            WAYS[way.decode()](self.transport, int(status), next(_NUMBERS))


def _head(status: int, number: int, length: int) -> bytes:
    return (
        b"HTTP/1.1 %d Word%d\r\nContent-Type: application/json\r\nX-Name-%d: value\r\nServer: s%d\r\n"
        b"Content-Length: %d\r\n\r\n"
    ) % (status, number, number, number, length)


def _whole(transport: asyncio.Transport, status: int, number: int) -> None:
    body = b"" if status in (204, 304) else _json(number)
    transport.write(_head(status, number, len(body)) + body)


def _slow(transport: asyncio.Transport, status: int, number: int) -> None:
    asyncio.get_running_loop().call_later(_SLOW_S, _whole, transport, status, number)


def _cut(transport: asyncio.Transport, status: int, number: int) -> None:
    transport.write(_head(status, number, 100_000) + _json(number))
    transport.close()


def _stalled(transport: asyncio.Transport, status: int, number: int) -> None:
    transport.write(_head(status, number, 100_000) + _json(number))


def _streamed(transport: asyncio.Transport, status: int, number: int) -> None:
    transport.write(_stream(number) + b"data: [DONE]\n\n" * (status != 500))
    transport.close()


def _rubbish(transport: asyncio.Transport, _status: int, number: int) -> None:
    transport.write(b"HTTP/9.%d what\r\n\r\n" % number)


def _reset(transport: asyncio.Transport, _status: int, _number: int) -> None:
    transport.abort()


def _unasked(transport: asyncio.Transport, status: int, number: int) -> None:
    _whole(transport, status, number)
    _whole(transport, status, number)


def _silent(_transport: asyncio.Transport, _status: int, _number: int) -> None:
    """Never a byte."""


WAYS: Final[dict[str, Callable[[asyncio.Transport, int, int], None]]] = {
    "whole": _whole,
    "slow": _slow,
    "cut": _cut,
    "stalled": _stalled,
    "streamed": _streamed,
    "rubbish": _rubbish,
    "reset": _reset,
    "unasked": _unasked,
    "silent": _silent,
}
"""How a request is answered; `silent` and `stalled` end by a timeout alone."""


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main() -> None:
    options = argparse.ArgumentParser(description="A hostile vendor for benchmarks, on loopback.")
    options.add_argument("port", type=int)
    uvloop.run(_serve(options.parse_args().port))


if __name__ == "__main__":
    main()
