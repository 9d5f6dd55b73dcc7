"""A client that notes when bytes arrive: one connection, one request at a time.

Not here: what the notes mean (latency.py, memory.py). Invariant: a note costs one clock reading per read, and a read
that carries several chunks counts as one arrival, as it does for a client.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Final, cast

import httptools

_LAST_CHUNK: Final = b"0\r\n\r\n"
_EVENT: Final = b"data: "
_STUCK_RECEIVE_BYTES: Final = 64 * 1024
"""A small window for readers that never read, so that the kernel's buffers fill soon."""


def request(body: bytes) -> bytes:
    """A chat completion request, whole."""
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer unused\r\nContent-Length: %d\r\n\r\n" % len(body)
    ) + body


class StreamClient(asyncio.Protocol):
    """Asks for streams and keeps the time from request to first byte and the gaps between event-carrying reads, in
    seconds.

    A `stuck` client stops reading for ever at the first byte of an answer.
    """

    transport: asyncio.Transport

    def __init__(self, *, stuck: bool = False) -> None:
        self.stuck = stuck
        self.first_bytes_s: list[float] = []
        self.gaps_s: list[float] = []
        self.reads = 0
        self.lost = False
        self._asked_s: float | None = None
        self._event_s: float | None = None
        self._done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, message: bytes) -> asyncio.Future[None]:
        """Send one request; the future is done when its answer is whole, and fails when the connection breaks."""
        self._done = asyncio.get_running_loop().create_future()
        self._event_s = None
        self._asked_s = time.perf_counter()
        self.transport.write(message)
        return self._done

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self.reads += 1
        if self.stuck:
            self.transport.pause_reading()
        if self._asked_s is not None:
            if not data.startswith(b"HTTP/1.1 200 "):
                self._fail(f"not a 200: {data[:120]!r}")
                return
            self.first_bytes_s.append(now - self._asked_s)
            self._asked_s = None
        if _EVENT in data:
            if self._event_s is not None:
                self.gaps_s.append(now - self._event_s)
            self._event_s = now
        if data.endswith(_LAST_CHUNK) and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._fail(f"the connection was closed: {exc or 'end of file'}")

    def _fail(self, why: str) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionError(why))


async def connect(port: int, *, stuck: bool = False) -> StreamClient:
    """A connected client. Raises OSError."""
    with_limits = socket.socket()
    with_limits.setblocking(False)
    if stuck:
        with_limits.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _STUCK_RECEIVE_BYTES)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(with_limits, ("127.0.0.1", port))
    _, client = await loop.create_connection(lambda: StreamClient(stuck=stuck), sock=with_limits)
    return client


class _Whole:
    """Knows when an answer is complete."""

    def __init__(self) -> None:
        self.complete = False

    def on_message_complete(self) -> None:
        self.complete = True


def answer_bytes(port: int, message: bytes) -> int:
    """The size of one answer on the wire, head and framing included."""
    whole = _Whole()
    parser = httptools.HttpResponseParser(whole)
    size = 0
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(message)
        while not whole.complete:
            received = connection.recv(2**16)
            if not received:
                raise ConnectionError(f"the answer ended after {size} bytes")
            size += len(received)
            parser.feed_data(received)
    return size
