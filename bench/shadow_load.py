"""Clients in a closed loop: each asks, waits for the whole answer, thinks, and asks again; no two requests are alike.

Not here: what is made of the times. Invariant: an answer that is not 200, and a connection that breaks, is an error
and no time; a client whose connection broke connects again.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, cast

import httptools

from bench.client import request
from bench.workloads import body

_ANSWER_S: Final = 60.0
_AFTER_ERROR_S: Final = 0.1
_USER: Final = b'"role":"user","content":"'


@dataclass(slots=True)
class Load:
    """What came of it: seconds from question to whole answer, and how many questions had none."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0


def split(name: str, *, stream: bool) -> tuple[bytes, bytes]:
    """A body of workloads.py in two halves; a number between them, at the start of the user's first message, makes it
    another conversation.
    """
    before, found, after = body(name, stream=stream).partition(_USER)
    assert found
    return before + found, after


def messages(name: str = "small", *, stream: bool = False) -> Iterator[bytes]:
    """Requests without end, every one a conversation of its own."""
    before, after = split(name, stream=stream)
    return (request(b"%b%010d %b" % (before, number, after)) for number in itertools.count())


class _Asker(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._done: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, message: bytes) -> asyncio.Future[int]:
        """The status, once the answer is whole; fails when the connection breaks."""
        assert self._transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        return self._done

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    def on_message_complete(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(self._parser.get_status_code())

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionError(str(exc or "end of file")))

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


@asynccontextmanager
async def loading(port: int, clients: int, think_s: float, asked: Iterator[bytes]) -> AsyncIterator[Load]:
    """Load for as long as the block lasts; what is under way at its end is waited for."""
    load, over = Load(), asyncio.Event()
    tasks = [
        asyncio.create_task(_client(port, think_s, place / clients, asked, load, over)) for place in range(clients)
    ]
    try:
        yield load
    finally:
        over.set()
        await asyncio.gather(*tasks)


async def _client(
    port: int, think_s: float, start: float, asked: Iterator[bytes], load: Load, over: asyncio.Event
) -> None:
    """`start`: which part of a think time to wait first, so that the clients do not march in step."""
    await asyncio.sleep(start * think_s)
    loop, asker = asyncio.get_running_loop(), None
    while not over.is_set():
        begun = time.perf_counter()
        try:
            if asker is None:
                _, asker = await loop.create_connection(_Asker, "127.0.0.1", port)
                begun = time.perf_counter()
            status = await asyncio.wait_for(asker.ask(next(asked)), _ANSWER_S)
        except (OSError, TimeoutError):
            status = 0
        if status == 200:
            load.seconds.append(time.perf_counter() - begun)
        else:
            load.errors += 1
            if asker is not None:
                asker.abort()
                asker = None
            await asyncio.sleep(_AFTER_ERROR_S)
        await asyncio.sleep(think_s)
    if asker is not None:
        asker.abort()
