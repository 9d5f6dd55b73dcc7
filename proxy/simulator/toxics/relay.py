"""A TCP relay with toxics: it stands before any vendor, simulated or real, and passes bytes on.

Here: sockets, the dice of each connection, and how a connection ends. Not here: what a toxic does to a stream of bytes.
Invariants: without toxics a relay changes nothing that can be seen but the peer's address; a connection keeps the
toxics it began with; equal seeds strike the same connections, by their number. Bytes on the way are bounded, so who
reads slowly is felt on the other side.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Final, Self

from proxy.simulator.toxics import TOXICS
from proxy.simulator.toxics.parse import ToxicSetting, toxic_named
from proxy.simulator.toxics.toxic import Closed, Occasion, Reset, Towards

_CHUNK: Final = 65536
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on with zero seconds: close() sends RST (POSIX.1-2017, 2.10.10)."""
_ORDER: Final = {toxic.name: place for place, toxic in enumerate(TOXICS)}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a relay leads, or where it listens; port 0 picks a free one."""

    host: str
    port: int


class Relay:
    """One relay. Use it as `async with Relay(Place(host, port), toxics) as relay:`; it listens on `relay.port`."""

    def __init__(
        self,
        vendor: Place,
        toxics: tuple[ToxicSetting, ...] = (),
        listen: Place = Place("127.0.0.1", 0),
        *,
        tunnel: bool = False,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.vendor = vendor
        self.connections = 0
        """How many there were so far."""
        self.tunnel = tunnel
        """Whether clients ask for the vendor by CONNECT, as they must where TLS needs the vendor's own name."""
        self._listen = listen
        self._seed = seed
        self._clock, self._sleep = clock, sleep
        self._toxics: tuple[ToxicSetting, ...] = ()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.set_toxics(toxics)

    @property
    def port(self) -> int:
        """Where it listens. Only while it runs."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Where clients connect, without a path. Only while it runs."""
        host = self._listen.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def toxics(self) -> tuple[ToxicSetting, ...]:
        """Those of connections to come."""
        return self._toxics

    @property
    def open_connections(self) -> int:
        """How many there are now."""
        return len(self._open)

    def set_toxics(self, toxics: tuple[ToxicSetting, ...]) -> None:
        """Replace the toxics for connections to come. Raises UnknownToxic."""
        for setting in toxics:
            toxic_named(setting.name)
        self._toxics = toxics

    async def start(self) -> None:
        """Listen. Raises OSError when the address cannot be had."""
        self._server = await asyncio.start_server(self._accept, self._listen.host, self._listen.port, limit=_CHUNK)

    async def stop(self) -> None:
        """Close the socket and every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        dice = Random(f"{self._seed}/{self.connections}")  # noqa: S311  (dice, not a secret)
        struck = tuple(each for each in self._toxics if dice.random() < each.share)
        task = asyncio.ensure_future(self._carry((reader, writer), struck, dice))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _carry(
        self, client: tuple[asyncio.StreamReader, asyncio.StreamWriter], struck: tuple[ToxicSetting, ...], dice: Random
    ) -> None:
        """One connection to its end."""
        ends = [client[1]]
        try:
            if self.tunnel and not await self._asked_for(client):
                return
            vendor = await asyncio.open_connection(self.vendor.host, self.vendor.port, limit=_CHUNK)
            ends.append(vendor[1])
            if self.tunnel:
                client[1].write(b"HTTP/1.1 200 OK\r\n\r\n")
            async with asyncio.TaskGroup() as both:
                for source, sink, towards in ((client, vendor, Towards.VENDOR), (vendor, client, Towards.CLIENT)):
                    mine = [each for each in struck if each.towards is towards]
                    both.create_task(self._pass_on(source[0], sink[1], mine, Random(dice.random())))  # noqa: S311
        except* Closed:
            pass
        except* (Reset, OSError):
            for writer in ends:
                _reset(writer)
        except* asyncio.CancelledError:
            for writer in ends:
                writer.transport.abort()
            raise
        finally:
            for writer in ends:
                writer.close()

    async def _asked_for(self, client: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bool:
        """Whether the client asks for our vendor (RFC 9110, 9.3.6); nobody else is led to anywhere."""
        try:
            head = await client[0].readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return False
        if head.split(b" ")[:2] == [b"CONNECT", f"{self.vendor.host}:{self.vendor.port}".encode()]:
            return True
        client[1].write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return False

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, toxics: list[ToxicSetting], dice: Random
    ) -> None:
        """One direction, to its end."""
        async with contextlib.AsyncExitStack() as stages:
            flow = await stages.enter_async_context(contextlib.aclosing(_read(source)))
            for setting in sorted(toxics, key=lambda each: _ORDER[each.name]):
                on = Occasion(setting.values, dice, self._clock, self._sleep)
                flow = await stages.enter_async_context(contextlib.aclosing(toxic_named(setting.name).flow(flow, on)))
            async for chunk in flow:
                sink.write(chunk)
                await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


async def _read(source: asyncio.StreamReader) -> AsyncGenerator[bytes]:
    while chunk := await source.read(_CHUNK):
        yield chunk


def _reset(writer: asyncio.StreamWriter) -> None:
    raw: socket.socket | None = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
