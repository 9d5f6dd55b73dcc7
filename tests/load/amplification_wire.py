"""The worst framings and heads known, of clients, and the worst answers of vendors.

A client's input is what one connection sends, its last request asking to close; a vendor's is one whole answer. Not
here: bodies (amplification_inputs.py) and measuring (amplification.py). Invariant: as there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.load.amplification_inputs import chat

_LINE: Final = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
_FULL_HEAD: Final = 120
"""Fields beside those of every request; 128 are read."""


def post(body: bytes, more: bytes = b"", *, last: bool = True) -> bytes:
    """One request."""
    end = b"Connection: close\r\n" if last else b""
    return _LINE + more + end + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _many(one: bytes, last: bytes, size: int) -> tuple[bytes, int]:
    count = max(size // len(one), 1)
    return one * count + last, count + 1


def _heads(more: bytes, size: int) -> tuple[bytes, int]:
    return _many(post(chat(), more, last=False), post(chat()), size)


def _chunks(chunk: bytes, size: int, end: bytes = b"0\r\n\r\n") -> tuple[bytes, int]:
    body = chat()
    head = _LINE + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(body), body)
    return head + chunk * (size // len(chunk)) + end, 1


STREAMS: Final[Mapping[str, Callable[[int], tuple[bytes, int]]]] = {
    "chunks of one byte": lambda size: _chunks(b"1\r\n \r\n", size),
    "chunk extensions": lambda size: _chunks(b"1;a=b\r\n \r\n", size),
    "long chunk extensions": lambda size: _chunks(b"1;" + b"a" * 4000 + b"\r\n \r\n", size),
    "trailers": lambda size: (
        _chunks(b"", 0, b"0\r\n" + b"a: b\r\n" * (size // 6) + b"\r\n")
        if size < 6
        else (_chunks(b" ", 0)[0][:-5] + b"0\r\n" + b"a: b\r\n" * (size // 6) + b"\r\n", 1)
    ),
    "many small fields": lambda size: _heads(b"".join(b"x%d: y\r\n" % i for i in range(_FULL_HEAD)), size),
    "few long fields": lambda size: _heads(b"x: %b\r\n" % (b"y" * 8000) * 16, size),
    "a head of a megabyte": lambda size: _heads(b"x: %b\r\n" % (b"y" * 8000) * _FULL_HEAD, size),
    "names in Connection": lambda size: _heads(b"Connection: %b\r\n" % b",".join([b"x"] * 4000), size),
    "long targets": lambda size: _many(
        post(chat(), last=False).replace(b" HTTP", b"?" + b"q" * 8000 + b" HTTP", 1), post(chat()), size
    ),
    "small requests in a pipeline": lambda size: _many(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", post(chat()), size),
    "line ends before a request": lambda size: (b"\r\n" * (size // 2) + post(chat()), 1),
    "a coded body": lambda size: (post(b"x" * size, b"Content-Encoding: gzip\r\n"), 1),
}
"""What one connection sends, and how many requests that are."""

_OK: Final = b"HTTP/1.1 200 OK\r\n"
_SSE: Final = _OK + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_EVENT: Final = b'data: {"id":"a","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}\n\n'


def _framed(piece: bytes, size: int) -> bytes:
    return (b"%x\r\n%b\r\n" % (len(piece), piece)) * max(size // len(piece), 1)


def _json(body: bytes) -> bytes:
    return _OK + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def ordinary_stream(size: int) -> bytes:
    """The measure of answers: events of a word each."""
    return _SSE + _framed(_EVENT, size) + _framed(b"data: [DONE]\n\n", 14) + b"0\r\n\r\n"


ANSWERS: Final[Mapping[str, Callable[[int], bytes]]] = {
    "events of one byte": lambda size: _SSE + _framed(b"x", size // 6) + b"0\r\n\r\n",
    "empty events": lambda size: _SSE + _framed(b"data:\n\n", size // 2) + b"0\r\n\r\n",
    "one line": lambda size: _SSE + _framed(b"data: " + b"x" * size, size) + b"0\r\n\r\n",
    "one event of many numbers": lambda size: (
        _SSE + _framed(b'data: {"choices":[' + b"0," * (size // 2) + b"0]}\n\n", size) + b"0\r\n\r\n"
    ),
    "many choices": lambda size: (
        _SSE
        + b"".join(
            _framed(b'data: {"choices":[{"index":%d,"delta":{"content":"a"}}]}\n\n' % i, 50) for i in range(size // 60)
        )
        + b"0\r\n\r\n"
    ),
    "pieces of tool calls": lambda size: (
        _SSE
        + b"".join(
            _framed(b'data: {"choices":[{"delta":{"tool_calls":[{"index":%d,"id":"a"}]}}]}\n\n' % i, 60)
            for i in range(size // 70)
        )
        + b"0\r\n\r\n"
    ),
    "deep JSON": lambda size: _json(b'{"choices":[' + (b"[" * 800 + b"]" * 800 + b",") * (size // 1601) + b"0]}"),
    "JSON of numbers": lambda size: _json(b'{"choices":[' + b"0," * (size // 2) + b"0]}"),
    "JSON of objects": lambda size: _json(b'{"choices":[' + b"{}," * (size // 3) + b"{}]}"),
    "interim answers": lambda size: b"HTTP/1.1 103 Early Hints\r\n\r\n" * (size // 28) + _json(b"{}"),
    "trailers": lambda size: _SSE + _framed(_EVENT, 90) + b"0\r\n" + b"a: b\r\n" * (size // 6) + b"\r\n",
    "a head of many fields": lambda size: _OK + b"a: b\r\n" * (size // 6) + b"\r\n",
}
