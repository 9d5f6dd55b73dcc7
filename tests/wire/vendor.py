"""A vendor that does exactly what a test says: pieces of bytes, pauses, and an end, for every request it receives.

Not here: assertions. Invariant: it sends nothing on its own and repairs nothing; it notes every connection, every byte
it was sent and the moment when each connection closed.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias, cast


class End(Enum):
    """How the vendor ends a connection."""

    CLOSE = "close"
    RESET = "reset"


Step: TypeAlias = bytes | float | asyncio.Event | End
"""Bytes are sent, a number is a pause in seconds, an event is waited for."""
Script: TypeAlias = Iterable[Step]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came. `earlier` is how many came before it on the same connection."""

    line: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    earlier: int
    conversation: Conversation = field(repr=False)

    def values(self, name: str) -> list[bytes]:
        """Every value of a field."""
        return [value for key, value in self.fields if key.lower() == name.lower().encode()]


class Conversation(asyncio.Protocol):
    """One connection, as the vendor sees it."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.received = bytearray()
        self.sent = 0
        self.closed = asyncio.Event()
        self.closed_at = 0.0
        self.error: BaseException | None = None
        self.transport = cast("asyncio.Transport", None)
        self._unread = bytearray()
        self._earlier = 0
        self._waiting: asyncio.Task[None] | None = None
        self._asked: list[Asked] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self.vendor.send_buffer:
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.vendor.send_buffer)
        self.vendor.conversations.append(self)
        self._advance(iter(self.vendor.greeting))

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._unread += data
        if len(self.received) >= self.vendor.reads:
            self.transport.pause_reading()
        while (request := self._whole_request()) is not None:
            self.vendor.asked.append(request)
            self._asked.append(request)
        self._answer()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed_at = asyncio.get_running_loop().time()
        self.error = exc
        self.closed.set()
        if self._waiting is not None:
            self._waiting.cancel()

    def unread(self) -> bytes:
        """What has come and is no whole request."""
        return bytes(self._unread)

    def _whole_request(self) -> Asked | None:
        head, found, rest = bytes(self._unread).partition(b"\r\n\r\n")
        if not found:
            return None
        line, *fields = head.split(b"\r\n")
        pairs = tuple((name, value) for name, _, value in (one.partition(b": ") for one in fields))
        size = next((int(value) for name, value in pairs if name.lower() == b"content-length"), 0)
        if len(rest) < size:
            return None
        del self._unread[: len(head) + 4 + size]
        self._earlier += 1
        return Asked(line, pairs, rest[:size], self._earlier - 1, self)

    def _answer(self) -> None:
        while self._asked and self._waiting is None:
            self._advance(iter(self.vendor.answer(self._asked.pop(0))))

    def _advance(self, steps: Iterator[Step]) -> None:
        for step in steps:
            if self.closed.is_set() or self.transport.is_closing():
                return
            if isinstance(step, bytes):
                self.sent += len(step)
                self.transport.write(step)
            elif isinstance(step, End):
                self.end(step)
                return
            else:
                self._waiting = asyncio.get_running_loop().create_task(self._wait(step, steps))
                return

    async def _wait(self, step: float | asyncio.Event, steps: Iterator[Step]) -> None:
        await (step.wait() if isinstance(step, asyncio.Event) else asyncio.sleep(step))
        self._waiting = None
        self._advance(steps)
        self._answer()

    def end(self, how: End) -> None:
        """Close after what was sent, or reset."""
        if how is End.RESET:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()


class Vendor:
    """A running vendor. `asked` is every whole request in the order of arrival; after `reads` bytes of a connection the
    vendor reads no further; `send_buffer` bounds what its own kernel takes, so that what is gone is at the proxy.
    """

    def __init__(self, answer: Callable[[Asked], Script], greeting: Script) -> None:
        self.answer = answer
        self.greeting = greeting
        self.conversations: list[Conversation] = []
        self.asked: list[Asked] = []
        self.reads: float = float("inf")
        self.send_buffer = 0
        self.port = 0
        self.scheme = "http"

    @property
    def url(self) -> str:
        """The base URL for a configuration."""
        return f"{self.scheme}://127.0.0.1:{self.port}/v1"

    def open(self) -> list[Conversation]:
        """Connections that are not closed."""
        return [one for one in self.conversations if not one.closed.is_set()]


@asynccontextmanager
async def vending(
    answer: Callable[[Asked], Script] | Script, *, greeting: Script = (), tls: ssl.SSLContext | None = None
) -> AsyncIterator[Vendor]:
    """A vendor on a free port. `answer` is one script for every request, or gives one; `greeting` is played when a
    connection is made.
    """
    steps = answer if callable(answer) else lambda _asked: answer
    vendor = Vendor(steps, greeting)
    server = await asyncio.get_running_loop().create_server(
        lambda: Conversation(vendor), "127.0.0.1", 0, ssl=tls, backlog=4096
    )
    vendor.port = server.sockets[0].getsockname()[1]
    vendor.scheme = "https" if tls else "http"
    try:
        yield vendor
    finally:
        server.close()
        for one in vendor.conversations:
            if one.transport is not None:
                one.transport.abort()
        await server.wait_closed()


def head(status: int = 200, *fields: str, reason: str = "OK") -> bytes:
    """An answer's head."""
    return "\r\n".join((f"HTTP/1.1 {status} {reason}", *fields, "", "")).encode("latin-1")


def whole(body: bytes, *fields: str, status: int = 200) -> bytes:
    """An answer with a Content-Length."""
    return head(status, "Content-Type: application/json", *fields, f"Content-Length: {len(body)}") + body


def chunked(*pieces: bytes, last: bytes = b"0\r\n\r\n") -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + last


def stream(*events: str, end: str = "data: [DONE]\n\n") -> bytes:
    """A whole streamed answer in chunks, one event a chunk."""
    pieces = [f"data: {event}\n\n".encode() for event in events] + ([end.encode()] if end else [])
    return head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked") + chunked(*pieces)


def marker_of(asked: Asked) -> bytes:
    """The marker a test wrote into the request's body."""
    found = re.search(rb'"user":"([^"]*)"', asked.body)
    return found[1] if found else b""
