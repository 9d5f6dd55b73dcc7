"""The clients of the soak: what each sends, what it sees, and how it calls what it saw.

Here: requests of every kind on bare sockets, and the one word for each: `whole` (an answer with its proper end, the
vendor's or ours), `cut` (an answer that broke off), `left` (the client went away itself), `lost` (the connection ended
before an answer began). Not here: what the proxy says of them (soak_books.py). Invariant: every request that was begun
is in `Load.sent` with exactly one word, and carries a marker of its own by which a vendor knows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

import orjson

from tests.wire.client import Answer, post, read_answer

PATIENCE_S: Final = 60.0
"""How long a client waits for an answer: above every deadline of the proxy."""
MARKER: Final = re.compile(rb"soak-\d+-")
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_SMALL_WINDOW: Final = 4096
_THINK_S: Final = 0.3
"""Below the proxy's drain.grace, so no request is sent on a connection that the proxy is just closing."""
_PATHS: Final = ("/v1/chat/completions", "/v1/chat/completions", "/vendors/other/v1/chat/completions")
_TOOL: Final = {
    "type": "function",
    "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"word": {"type": "string"}}}},
}


@dataclass(slots=True)
class Sent:
    """One request as its client knows it. Times on this process's monotonic clock; `arrives`: whether all of it was
    sent and the connection was not reset, so the proxy must have counted it.
    """

    marker: str
    kind: str
    connected_at: float
    began_at: float
    ended_at: float = 0.0
    word: str = ""
    arrives: bool = True
    status: int = 0
    source: str = ""
    code: str = ""
    request_id: str = ""

    @property
    def has_id(self) -> bool:
        """Whether the proxy numbers it: one whose head cannot be read has no number."""
        return self.kind != "malformed"


@dataclass(slots=True)
class Load:
    """Clients under way. Clear `going` and wait for `idle` to have them rest."""

    port: int
    seed: int
    sent: list[Sent] = field(default_factory=list)
    open: dict[str, Sent] = field(default_factory=dict)
    going: asyncio.Event = field(default_factory=asyncio.Event)
    troubles: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def client(self, number: int) -> None:
        """One client: connections with a few requests each, for ever."""
        draw = Random(f"{self.seed}/{number}")
        while True:
            await self.going.wait()
            try:
                await self._connection(draw)
            except (TimeoutError, AssertionError) as error:
                self.troubles.append(f"a client saw what is no answer: {type(error).__name__} {error}")
            await asyncio.sleep(draw.uniform(0.0, 2 * _THINK_S))

    async def _connection(self, draw: Random) -> None:
        kind = draw.choices(tuple(_KINDS), tuple(_KINDS.values()))[0]
        wire = await _Wire.made(self.port, small=kind == "slow")
        if wire is None:
            return  # between two workers that are killed nobody may listen; nothing was sent
        try:
            for turn in range(1 if kind != "plain" else draw.randrange(1, 6)):
                if turn and not (self.going.is_set() and await _still_open(wire, draw.uniform(0.0, _THINK_S))):
                    return
                if not await self._request(wire, kind, draw):
                    return
        finally:
            wire.close()

    async def _request(self, wire: _Wire, kind: str, draw: Random) -> bool:
        """One request; whether the connection can have another."""
        marker = f"soak-{next(self._numbers)}-"
        sent = Sent(marker, kind, wire.connected_at, time.monotonic())
        self.sent.append(sent)
        self.open[marker] = sent
        try:
            return await self._exchange(wire, sent, draw)
        finally:
            sent.ended_at = time.monotonic()
            sent.word = sent.word or "hung"
            del self.open[marker]

    async def _exchange(self, wire: _Wire, sent: Sent, draw: Random) -> bool:
        request = request_of(sent, draw)
        if sent.kind == "left-asking":
            await self._leave_asking(wire, sent, request, draw)
            return False
        if sent.kind == "left-answered":
            wire.reader.leave_after(draw.choice((0, draw.randrange(400), draw.randrange(8000))), wire, draw)
        wire.writer.write(request)
        slow = asyncio.create_task(wire.dawdle(draw)) if sent.kind == "slow" else None
        try:
            async with asyncio.timeout(PATIENCE_S):
                answer = await read_answer(wire.reader)
        finally:
            if slow is not None:
                slow.cancel()
                await asyncio.wait({slow})
        _describe(sent, answer, left=wire.reader.left)
        if sent.kind == "left-answered" and sent.word != "left":
            wire.close()
            return False
        return not answer.cut and answer.value("connection") != b"close"

    async def _leave_asking(self, wire: _Wire, sent: Sent, request: bytes, draw: Random) -> None:
        upto = draw.randrange(len(request))
        wire.writer.write(request[:upto])
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(wire.writer.drain(), 5.0)
        await asyncio.sleep(draw.choice((0.0, 0.02)))
        sent.word, sent.arrives = "left", False
        wire.close(reset=draw.random() < 0.5)


class _Reader(asyncio.StreamReader):
    """A reader that goes away once so many bytes have come."""

    left = False
    _leave: tuple[int, _Wire, bool] | None = None
    _heard = 0

    def leave_after(self, count: int, wire: _Wire, draw: Random) -> None:
        self._leave = (count, wire, draw.random() < 0.5)
        if not count:
            asyncio.get_running_loop().call_later(draw.uniform(0.0, 0.1), self._go)

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]  # asyncio feeds bytes
        super().feed_data(data)
        self._heard += len(data)
        if self._leave is not None and self._leave[0] and self._heard >= self._leave[0]:
            self._go()

    def _go(self) -> None:
        if self._leave is not None and not self.left:
            self.left = True
            self._leave[1].close(reset=self._leave[2])


@dataclass(slots=True)
class _Wire:
    """One connection."""

    reader: _Reader
    writer: asyncio.StreamWriter
    connected_at: float

    @classmethod
    async def made(cls, port: int, *, small: bool) -> _Wire | None:
        """None when nobody listens."""
        loop, sock = asyncio.get_running_loop(), socket.socket()
        if small:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_WINDOW)
        sock.setblocking(False)
        at = time.monotonic()
        try:
            await loop.sock_connect(sock, ("127.0.0.1", port))
        except OSError:
            sock.close()
            return None
        reader = _Reader(limit=_SMALL_WINDOW if small else 1 << 20)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.create_connection(lambda: protocol, sock=sock)
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, loop), at)

    async def dawdle(self, draw: Random) -> None:
        """Read in small parts for a while."""
        transport = self.writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        for _ in range(6):
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                transport.pause_reading()
            await asyncio.sleep(draw.uniform(0.05, 0.3))
            with contextlib.suppress(RuntimeError):
                transport.resume_reading()
            await asyncio.sleep(0.005)

    def close(self, *, reset: bool = False) -> None:
        """Go away."""
        raw = self.writer.get_extra_info("socket")
        if reset and raw is not None and not self.writer.is_closing():
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.writer.transport.abort()


async def _still_open(wire: _Wire, for_s: float) -> bool:
    """Think, then look whether the proxy has ended the connection meanwhile."""
    await asyncio.sleep(for_s)
    return not (wire.reader.at_eof() or wire.reader.exception() or wire.writer.is_closing())


def _describe(sent: Sent, answer: Answer, *, left: bool) -> None:
    if left:
        sent.word, sent.arrives = "left", False
    elif answer.status == 0:
        sent.word = "lost"
    else:
        sent.word = "cut" if answer.cut else "whole"
    sent.status = answer.status
    if answer.status:
        sent.request_id = (answer.value("x-paramwall-request-id") or b"").decode()
        sent.source = (answer.value("x-paramwall-error-source") or b"").decode()
    if sent.word == "whole" and sent.source == "proxy":
        sent.code = answer.error()["code"]


_KINDS: Final = {
    "plain": 8,
    "closing": 2,
    "stream": 10,
    "big": 2,
    "slow": 2,
    "left-asking": 3,
    "left-answered": 5,
    "not-json": 1,
    "repeated": 1,
    "unknown-path": 1,
    "wrong-type": 1,
    "malformed": 1,
}
"""Every kind of connection and how often it is made."""


def request_of(sent: Sent, draw: Random) -> bytes:
    """The bytes of a request; the marker comes first, so that a vendor finds it."""
    path = draw.choice(_PATHS)
    match sent.kind:
        case "not-json":
            return post(b'{"model": "kimi-k2.6", "messages": [' + sent.marker.encode(), path=path)
        case "repeated":
            return post(b'{"user": "%b", "model": "a", "model": "b", "messages": []}' % sent.marker.encode(), path=path)
        case "unknown-path":
            return post(b"{}", path="/v1/nowhere")
        case "wrong-type":
            return post(b"x", path=path).replace(b"application/json", b"text/plain")
        case "malformed":
            return b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n"
    return post(_body(sent, draw), *(["Connection: close"] if sent.kind == "closing" else []), path=path)


def _body(sent: Sent, draw: Random) -> bytes:
    big = sent.kind == "big" or (sent.kind == "left-asking" and draw.random() < 0.3)
    filler = "river " * draw.randrange(20_000, 200_000) if big else "river"
    body: dict[str, object] = {
        "messages": [{"role": "user", "content": f"{sent.marker} what grows by a {filler}?"}],
        "model": "kimi-k2.6",
    }
    if sent.kind in ("stream", "slow") or (sent.kind.startswith("left") and draw.random() < 0.7):
        body["stream"] = True
    if draw.random() < 0.5:
        body["temperature"] = round(draw.uniform(0.1, 0.9), 2)
    if draw.random() < 0.2:
        body["tools"] = [_TOOL]
    return orjson.dumps(body)
