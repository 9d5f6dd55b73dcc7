"""Clients that ask on a schedule, whatever becomes of the requests before: an open loop over bare sockets.

Here: one schedule and what came back. Not here: what is started, and what is good enough (overload.py). Invariants:
every request asked is counted once, as answered whole, refused as declared, or lost; a time runs from the moment when a
request was due, so a client that falls behind makes its own figures worse, never better.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

PATIENCE_S: Final = 20.0
"""How long after the last request of a schedule answers are waited for."""
_TICK_S: Final = 0.001
_WHOLE_STREAM: Final = b"data: [DONE]\n\n\r\n0\r\n\r\n"
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: (\d+)\r\n")
_DECLARED: Final[Mapping[bytes, tuple[bytes, ...]]] = {
    b"503": (b"\r\nRetry-After: 1\r\n", b"\r\nx-should-retry: true\r\n", b'"code":"proxy-busy"'),
    b"429": (b"\r\nRetry-After: 1\r\n", b"\r\nx-should-retry: true\r\n", b'"code":"client-busy"'),
}
"""What a refusal for lack of room tells, by its status."""


@dataclass(slots=True)
class Tally:
    """What became of one schedule's requests, which were asked for `seconds`: how long each took from when it was due
    (`..._s`), and when in the schedule it was over (`..._at`). `odd` are answers nobody declared, `cut` broke off.
    """

    seconds: float
    began: float
    asked: int = 0
    cut: int = 0
    odd: list[bytes] = field(default_factory=list)
    answered_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)
    refused_at: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)

    @property
    def open(self) -> int:
        """Requests without an outcome."""
        return self.asked - len(self.answered_s) - len(self.refused_s) - len(self.odd) - self.cut


class Clients:
    """Connections to one port, made when none is idle and kept for the next request."""

    def __init__(self, port: int, message: bytes) -> None:
        self.port = port
        self.message = message
        self.idle: list[Connection] = []
        self.opened = 0
        self._dialling: set[asyncio.Task[None]] = set()

    async def ask(self, rate: float, seconds: float) -> Tally:
        """Ask `rate` times a second for so long, evenly spaced; back when every request has its outcome."""
        tally = Tally(seconds, time.monotonic())
        while tally.asked < int(rate * seconds):
            now = time.monotonic()
            while (due := tally.began + tally.asked / rate) <= now and tally.asked < int(rate * seconds):
                tally.asked += 1
                self._ask(tally, due)
            await asyncio.sleep(_TICK_S)
        end = time.monotonic() + PATIENCE_S
        while tally.open and time.monotonic() < end:  # noqa: ASYNC110  (many connections, one condition)
            await asyncio.sleep(0.01)
        return tally

    def _ask(self, tally: Tally, due: float) -> None:
        while self.idle:
            connection = self.idle.pop()
            if not connection.transport.is_closing():
                connection.ask(tally, due)
                return
        self.opened += 1
        task = asyncio.get_running_loop().create_task(self._dial(tally, due))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    async def _dial(self, tally: Tally, due: float) -> None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self), "127.0.0.1", self.port
            )
        except OSError as error:
            tally.odd.append(type(error).__name__.encode())
        else:
            connection.ask(tally, due)

    def close(self) -> None:
        """Let go of every idle connection."""
        for connection in self.idle:
            connection.transport.abort()
        self.idle.clear()


class Connection(asyncio.Protocol):
    """One connection: idle, or waiting for the answer to one request."""

    transport: asyncio.Transport

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._tally: Tally | None = None
        self._due = 0.0
        self._head = b""
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, tally: Tally, due: float) -> None:
        """Send the request that was due then."""
        self._tally, self._due, self._head, self._tail = tally, due, b"", b""
        tally.late_s.append(time.monotonic() - due)
        self.transport.write(self._clients.message)

    def data_received(self, data: bytes) -> None:
        tally = self._tally
        if tally is None:
            self.transport.abort()
            return
        self._head = (
            self._head if len(self._head) > 12 and self._head.startswith(b"HTTP/1.1 200") else self._head + data
        )
        self._tail = (self._tail + data)[-len(_WHOLE_STREAM) :]
        if self._head.startswith(b"HTTP/1.1 200"):
            if self._tail == _WHOLE_STREAM:
                tally.answered_s.append(self._since())
                tally.answered_at.append(time.monotonic() - tally.began)
                self._rest()
        elif self._is_whole():
            self._take_refusal(tally)

    def _is_whole(self) -> bool:
        head, found, body = self._head.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        return bool(found) and length is not None and len(body) >= int(length[1])

    def _take_refusal(self, tally: Tally) -> None:
        declared = _DECLARED.get(self._head[9:12])
        if declared is None or not all(part in self._head for part in declared):
            tally.odd.append(self._head[:200])
        else:
            tally.refused_s.append(self._since())
            tally.refused_at.append(time.monotonic() - tally.began)
        self._rest()

    def _since(self) -> float:
        return time.monotonic() - self._due

    def _rest(self) -> None:
        self._tally = None
        if b"\r\nConnection: close\r\n" in self._head:
            self.transport.abort()
        else:
            self._clients.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        tally, self._tally = self._tally, None
        if tally is not None:
            tally.cut += 1
