"""Frames on their way to the scorer: written without waiting, bounded, dropped when there is no room.

Not here: what a frame says (contract/exchange.py). Invariants: `put` returns at once and never raises; what waits is at
most `limit` bytes, in this process and handed to the kernel's buffer no more than it takes; a scorer that is gone, slow
or stuck costs frames, which the caller is told, and nothing else.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final, cast

import msgspec

from proxy.contract.exchange import (
    LENGTH_BYTES,
    VERSION,
    Content,
    Frame,
    Hello,
    Rates,
    decode_rates,
    encode,
)

GATHER_S: Final = 0.02
"""How long frames gather before they are written together: one system call for many answers."""
GATHER_BYTES: Final = 256 * 1024
RETRY_S: Final = 0.5
URGENT_BYTES: Final = 4 * 1024 * 1024
_END: Final = 64
_MAX_CONTENTS: Final = 512
"""Keys given out before all are forgotten: half of what the scorer keeps, which forgets by keys and not by shapes."""
_LONGEST_CONTENT: Final = 1024 * 1024
_MAX_CONTENT_BYTES: Final = 32 * 1024 * 1024
_MAX_RATES_BYTES: Final = 64 * 1024


class Outbox(asyncio.Protocol):
    """One connection to the scorer's socket at `path`, made again when it is lost. Start it inside an event loop.

    `on_rates` is called with what the scorer wants; None: there is no scorer now.
    """

    def __init__(self, path: str, limit: int, on_rates: Callable[[Rates | None], None]) -> None:
        self.limit = limit
        self._path = path
        self._on_rates = on_rates
        self._transport: asyncio.WriteTransport | None = None
        self._frames: list[bytearray] = []
        self._waiting = self._unsent = 0
        self._flushing: asyncio.TimerHandle | None = None
        self._heard = bytearray()
        self._connecting: asyncio.Task[None] | None = None
        self._contents: dict[tuple[int, bytes, bytes], tuple[bytes, int]] = {}
        self._content_bytes = 0
        self._last_key = self._forgotten = 0
        self._closed = False

    def start(self) -> None:
        """Begin to connect, and go on trying."""
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    @property
    def open(self) -> bool:
        """Whether there is a scorer at the other end."""
        return self._transport is not None

    def waiting(self) -> int:
        """Bytes that the kernel had not taken when last written to, and what came since."""
        return self._waiting + self._unsent

    def put(self, frame: Frame, *, urgent: bool = False, first_to_go: bool = False) -> bool:
        """Send a frame soon; False when it is dropped. An urgent one is small, and has some room of its own; of those
        that are the first to go half of the room may be full.
        """
        if self._transport is None:
            return False
        text = encode(frame)
        limit = self.limit // 2 if first_to_go else self.limit + (URGENT_BYTES if urgent else 0)
        if self._waiting + self._unsent + len(text) > limit:
            return False
        self._frames.append(text)
        self._waiting += len(text)
        if self._waiting >= GATHER_BYTES:
            self._flush()
        elif self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(GATHER_S, self._flush)
        return True

    def content(self, data: bytes) -> int:
        """The key of a long member, which crosses now unless it did before; 0: it is too long, or there is no room."""
        # Hashing all of it would cost more than all the rest; its ends find the one it is compared with.
        shape = (len(data), data[:_END], data[-_END:])
        known, key = self._contents.get(shape, (b"", 0))
        if key and known == data:
            return key
        if len(data) > _LONGEST_CONTENT:
            return 0
        given = self._last_key - self._forgotten
        if given >= _MAX_CONTENTS or self._content_bytes + len(data) > _MAX_CONTENT_BYTES:
            self._forget()
        key = self._last_key + 1
        if not self.put(Content(key, data)):
            return 0
        self._last_key = key
        self._contents[shape] = (data, key)
        self._content_bytes += len(data)
        return key

    async def close(self, within_s: float) -> None:
        """Send what waits, if the scorer takes it in time, and go."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        self._flush()
        transport = self._transport
        if transport is None:
            return
        end = asyncio.get_running_loop().time() + within_s
        while transport.get_write_buffer_size() and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        transport.abort() if transport.get_write_buffer_size() else transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A scorer is there; it is told who speaks."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's are no subclasses
        self._forget()  # keys go on: the new scorer must not take an old one for its own
        self.put(Hello(VERSION, os.getpid()))

    def data_received(self, data: bytes) -> None:
        """What the scorer wants."""
        self._heard += data
        while len(self._heard) >= LENGTH_BYTES:
            size = int.from_bytes(self._heard[:LENGTH_BYTES], "big")
            if size > _MAX_RATES_BYTES:
                self._lose()
                return
            if len(self._heard) < LENGTH_BYTES + size:
                return
            text = bytes(self._heard[LENGTH_BYTES : LENGTH_BYTES + size])
            del self._heard[: LENGTH_BYTES + size]
            try:
                rates = decode_rates(text)
            except msgspec.MsgspecError:
                rates = None
            if rates is None or rates.version != VERSION:
                self._lose()
                return
            self._on_rates(rates)

    def connection_lost(self, exc: Exception | None) -> None:
        """The scorer is gone, and with it what it had not read."""
        self._transport = None
        self._heard.clear()
        self._frames.clear()
        self._waiting = self._unsent = 0
        self._on_rates(None)
        if not self._closed:
            self.start()

    def _lose(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _forget(self) -> None:
        self._contents.clear()
        self._content_bytes = 0
        self._forgotten = self._last_key

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        frames, self._frames, self._waiting = self._frames, [], 0
        if self._transport is not None:
            if frames:
                self._transport.write(frames[0] if len(frames) == 1 else b"".join(frames))
            self._unsent = self._transport.get_write_buffer_size()
            if self._unsent:  # look again soon, whether anything comes or not
                self._flushing = asyncio.get_running_loop().call_later(GATHER_S, self._flush)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closed:
            try:
                await loop.create_unix_connection(lambda: self, self._path)
            except OSError:
                await asyncio.sleep(RETRY_S)
            else:
                return
