"""A client over a bare socket: sends the bytes it is told and reads answers strictly, so that it can say how each
ended.

Not here: repair. Invariant: an answer is complete only as RFC 9112 section 6.3 says it is: by its length, its last
chunk, or, where it has neither, by an orderly end of the connection.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

PATIENCE_S = 20.0
"""How long a test waits for anything before it fails; far above what it takes on a loaded machine."""


@dataclass(slots=True)
class Answer:
    """One answer. `cut` is "" for a complete one, else how it ended: eof or reset."""

    status: int
    line: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    cut: str = ""
    interim: list[int] = field(default_factory=list)

    def value(self, name: str) -> bytes | None:
        """The only value of a field; None when it is absent."""
        found = [value for key, value in self.fields if key.lower() == name.lower().encode()]
        assert len(found) < 2, f"{name} is repeated"
        return found[0] if found else None

    def error(self) -> dict[str, Any]:
        """The error object of one of the proxy's own answers, checked for its shape."""
        assert not self.cut
        assert self.value("content-type") == b"application/json"
        assert self.value("x-paramwall-error-source") == b"proxy"
        assert self.value("cache-control") == b"no-store"
        assert self.value("date")
        error: dict[str, Any] = orjson.loads(self.body)["error"]
        assert list(error) == ["message", "type", "param", "code"]
        assert error["message"]
        assert error["type"]
        assert error["code"]
        return error


class Wire:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *parts: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(b"".join(parts))

    def waiting(self) -> bytes:
        """What has come and was not read."""
        return bytes(cast("Any", self.reader)._buffer)

    async def answer(self) -> Answer:
        """The next final answer; 1xx answers before it are noted in it."""
        async with asyncio.timeout(PATIENCE_S):
            return await read_answer(self.reader)

    async def head_only(self) -> Answer:
        """The head of an answer to HEAD, whose Content-Length counts bytes that are not sent."""
        async with asyncio.timeout(PATIENCE_S):
            return await _head(self.reader)

    async def end(self) -> str:
        """How the proxy ends the connection: eof or reset. Fails when it sends anything more, or does not end it."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                left = await self.reader.read()
            except ConnectionError:
                return "reset"
        assert not left
        return "eof"

    def leave(self) -> None:
        """Go away at once."""
        self.writer.transport.abort()


class Reading:
    """A connection, and the answer its client is in the middle of. `left`: bytes its length still promises."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.answer: Answer | None = None
        self.decoded = b""
        self.left: int | None = None
        self.over = False

    async def head(self) -> Answer:
        """The next head, interim or not."""
        answer = self.answer = await self.wire.head_only()
        length = answer.value("content-length")
        self.decoded, self.left = b"", None if length is None else int(length)
        self.over = self.left == 0
        return answer

    async def body(self, size: int) -> bytes:
        """So many bytes of body, without their framing."""
        while len(self.decoded) < size:
            assert not self.over, f"the body ended after {self.decoded!r}"
            self.decoded += await self._piece()
        taken, self.decoded = self.decoded[:size], self.decoded[size:]
        return taken

    async def rest(self) -> Answer:
        """The answer with what is left of its body, and how it ended."""
        answer = cast("Answer", self.answer)
        try:
            while not self.over:
                self.decoded += await self._piece()
        except asyncio.IncompleteReadError as end:
            self.decoded += end.partial
            answer.cut = "eof"
        except ConnectionError:
            answer.cut = "reset"
        answer.body = self.decoded
        return answer

    async def _piece(self) -> bytes:
        reader, answer = self.wire.reader, cast("Answer", self.answer)
        if answer.value("transfer-encoding"):
            size = int(await reader.readuntil(b"\r\n"), 16)
            piece = await reader.readexactly(size)
            assert await reader.readexactly(2) == b"\r\n"
            self.over = not size
            return piece
        if self.left is None:
            piece = await reader.read(1)
            self.over = not piece
            return piece
        self.left -= 1
        self.over = not self.left
        return await reader.readexactly(1)


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one final answer. Status 0: not even a head came."""
    interim: list[int] = []
    while True:
        answer = await _head(reader)
        answer.interim = interim
        if answer.status == 0 or answer.status >= 200:
            break
        interim.append(answer.status)
    if answer.status:
        await _body(reader, answer)
    return answer


async def _head(reader: asyncio.StreamReader) -> Answer:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        return Answer(0, end.partial, [], cut="eof")
    except ConnectionError:
        return Answer(0, b"", [], cut="reset")
    line, *fields = head[:-4].split(b"\r\n")
    version, status, _ = line.split(b" ", 2)
    assert version == b"HTTP/1.1"
    assert len(status) == 3
    pairs = [(name, value) for name, _, value in (one.partition(b": ") for one in fields)]
    assert all(name and b" " not in name and b"\r" not in value and b"\n" not in value for name, value in pairs)
    return Answer(int(status), line, pairs)


async def _body(reader: asyncio.StreamReader, answer: Answer) -> None:
    length, coding = answer.value("content-length"), answer.value("transfer-encoding")
    assert length is None or coding is None
    if answer.status in (204, 304):
        assert coding is None
        return
    try:
        if coding is not None:
            assert coding == b"chunked"
            await _chunks(reader, answer)
        elif length is not None:
            answer.body = await reader.readexactly(int(length))
        else:
            while piece := await reader.read(65536):
                answer.body += piece
    except asyncio.IncompleteReadError as end:
        answer.body += end.partial
        answer.cut = "eof"
    except ConnectionError:
        answer.cut = "reset"


async def _chunks(reader: asyncio.StreamReader, answer: Answer) -> None:
    while True:
        line = await _line(reader)
        size = int(line, 16)
        assert line == b"%x" % size
        if size:
            answer.body += await reader.readexactly(size)
        assert await reader.readexactly(2) == b"\r\n"
        if not size:
            return


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return (await reader.readuntil(b"\r\n"))[:-2]
    except asyncio.IncompleteReadError:
        raise asyncio.IncompleteReadError(b"", None) from None


@asynccontextmanager
async def wired(port: int, *, receive_buffer: int = 0) -> AsyncIterator[Wire]:
    """A connection to the proxy. `receive_buffer` bounds what the client's kernel takes before the client reads it."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=1 << 20)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def post(
    body: bytes, *fields: str, path: str = "/v1/chat/completions", version: str = "1.1", length: bool = True
) -> bytes:
    """A POST request with a JSON body."""
    lines = [f"POST {path} HTTP/{version}", "Host: proxy.test", "Content-Type: application/json", *fields]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def get(path: str = "/v1/models", *fields: str, version: str = "1.1") -> bytes:
    """A GET request."""
    return "\r\n".join((f"GET {path} HTTP/{version}", "Host: proxy.test", *fields, "", "")).encode("latin-1")


def asking(marker: str = "", *, stream: bool = False) -> bytes:
    """A body that the policy leaves as it is."""
    body: dict[str, Any] = {"model": "other", "messages": [{"role": "user", "content": "hi"}]}
    if marker:
        body["user"] = marker
    if stream:
        body["stream"] = True
    return orjson.dumps(body)


async def until(condition: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """Wait until `condition` holds; fails when it does not come to that."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        await asyncio.sleep(0.001)
