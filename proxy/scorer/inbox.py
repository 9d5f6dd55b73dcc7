"""The scorer's socket: frames of all workers, and what the workers are told.

Not here: what becomes of a frame (scorer.py). Invariants: a connection that says anything but frames of this version is
closed and counted, never guessed at; what a worker names by a key is looked up on its own connection only.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final, cast

import msgspec

from proxy.contract.exchange import (
    LENGTH_BYTES,
    MAX_FRAME_BYTES,
    VERSION,
    Content,
    Frame,
    Hello,
    Rates,
    decode,
    encode,
)

_HIGH_BYTES: Final = 8 * 1024 * 1024
"""Unread bytes of one worker at which no more are read while whole frames wait."""
_MAX_CONTENTS: Final = 1024
_MAX_CONTENT_BYTES: Final = 64 * 1024 * 1024
_SLICE_S: Final = 0.01
"""How long frames are handled at a stretch before other work gets its turn."""


class Line(asyncio.Protocol):
    """One worker's connection. `contents` are its long members by key."""

    def __init__(self, inbox: Inbox) -> None:
        self.contents: dict[int, bytes] = {}
        self._content_bytes = 0
        self._inbox = inbox
        self._heard = bytearray()
        self._greeted = False
        self._transport: asyncio.Transport | None = None
        self._working: asyncio.Handle | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A worker is there; it is told at once what is wanted."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        self._inbox.lines.add(self)
        self.tell(self._inbox.rates)

    def connection_lost(self, exc: Exception | None) -> None:
        """The worker is gone; what it said is still heard."""
        self._work(to_the_end=True)
        self._inbox.gone(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """More bytes."""
        self._heard += data
        if self._working is None:
            self._work()
        if self._working is not None and len(self._heard) > _HIGH_BYTES and not self._paused and self._transport:
            self._paused = True
            self._transport.pause_reading()

    def tell(self, rates: Rates) -> None:
        """Say what is wanted."""
        if self._transport is not None:
            self._transport.write(encode(rates))

    def _work(self, *, to_the_end: bool = False) -> None:
        """Handle whole frames, for a slice of time; the rest after others had their turn."""
        loop = asyncio.get_running_loop()
        self._working, end, at, heard = None, loop.time() + _SLICE_S, 0, self._heard
        while len(heard) - at >= LENGTH_BYTES:
            size = int.from_bytes(heard[at : at + LENGTH_BYTES], "big")
            if size > MAX_FRAME_BYTES:
                self._refuse()
                return
            if len(heard) - at < LENGTH_BYTES + size:
                break
            with memoryview(heard) as whole:
                taken = self._take(whole[at + LENGTH_BYTES : at + LENGTH_BYTES + size])
            at += LENGTH_BYTES + size
            if not taken:
                self._refuse()
                return
            if not to_the_end and loop.time() > end:
                self._working = loop.call_soon(self._work)
                break
        del heard[:at]
        # What is left when nothing more is to be handled is the beginning of a frame, however long that is.
        if self._paused and (self._working is None or len(heard) < _HIGH_BYTES) and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _take(self, text: memoryview) -> bool:
        try:
            frame = decode(text)
        except msgspec.MsgspecError:
            return False
        match frame:
            case Hello(version):
                self._greeted = version == VERSION
                return self._greeted
            case Content(key, data):
                self._keep(key, data)
            case _:
                if self._greeted:
                    self._inbox.take(self, frame)
        return self._greeted

    def _keep(self, key: int, data: bytes) -> None:
        """Forget the oldest where there is no room; what is judged by it then is not judged."""
        self.contents[key] = data
        self._content_bytes += len(data)
        while len(self.contents) > _MAX_CONTENTS or self._content_bytes > _MAX_CONTENT_BYTES:
            self._content_bytes -= len(self.contents.pop(next(iter(self.contents))))

    def _refuse(self) -> None:
        self._heard.clear()
        self._inbox.on_garbage()
        if self._transport is not None:
            self._transport.abort()


class Inbox:
    """All workers' connections. `on_frame` handles what is not about the connection itself, `on_gone` the end of one; a
    defect in either is given to `on_defect`. `on_garbage` counts a connection that was closed for what it said.
    """

    def __init__(
        self,
        rates: Rates,
        on_frame: Callable[[Line, Frame], None],
        on_gone: Callable[[Line], None],
        on_defect: Callable[[Exception], None],
        on_garbage: Callable[[], None],
    ) -> None:
        self.rates = rates
        self.lines: set[Line] = set()
        self.on_garbage = on_garbage
        self._on_frame = on_frame
        self._on_gone = on_gone
        self._on_defect = on_defect
        self._servers: list[asyncio.Server] = []

    async def start(self, sockets: list[socket.socket]) -> None:
        """Accept on Unix sockets that listen already."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            self._servers.append(await loop.create_unix_server(lambda: Line(self), sock=sock))

    def take(self, line: Line, frame: Frame) -> None:
        """One frame."""
        try:
            self._on_frame(line, frame)
        except Exception as defect:  # one exchange is lost, not the process
            self._on_defect(defect)

    def gone(self, line: Line) -> None:
        """A worker has left."""
        self.lines.discard(line)
        try:
            self._on_gone(line)
        except Exception as defect:  # the process serves on
            self._on_defect(defect)

    def tell(self, rates: Rates) -> None:
        """Tell all workers what is wanted, when it has changed."""
        if rates != self.rates:
            self.rates = rates
            for line in self.lines:
                line.tell(rates)

    async def close(self) -> None:
        """Accept no more; those that are open are read until they end."""
        for server in self._servers:
            server.close()
        await asyncio.sleep(0)
