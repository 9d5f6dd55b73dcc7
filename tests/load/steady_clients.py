"""Good clients at a steady rate, in a process of their own: `python -m tests.load.steady_clients PORT ...`.

Three kinds: new connections, kept ones that pause between requests, and streams. Each answer is read to its end and
looked at: 200, as long as announced, a stream with all its events. The process asks until its standard input is closed,
finishes what is under way and prints one JSON object: what was answered, what failed and how.

Not here: the proxy and what is done to it (rolling.py, reloads.py). Invariant: every request asked is counted once, as
answered or as failed. A kept connection that the proxy has closed while nothing was asked is no failure: before it asks
again, a client looks whether its connection is still open, as urllib3 and httpcore do, and opens another one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import select
import socket
import sys
from collections import Counter
from collections.abc import Coroutine
from random import Random
from typing import Final, cast

import uvloop

from bench.client import request

_TICK_S: Final = 0.02
_ANSWER_S: Final = 60.0
"""How long an answer may take before it counts as missing."""
_HEAD_END: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"
_PLAIN: Final = b'{"model":"kimi-k2.6","temperature":0.3,"messages":[{"role":"user","content":"What grows there?"}]}'
_STREAM: Final = _PLAIN[:-1] + b',"stream":true}'


class Failed(Exception):
    """The answer did not come whole; the text says how."""


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._read = bytearray()
        self._done: asyncio.Future[bytes] | None = None
        self._poll = select.poll()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        self._read += data
        if self._done is not None and not self._done.done() and _is_whole(self._read):
            self._done.set_result(bytes(self._read))
            self._read.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            how = "cut off within an answer" if self._read else "closed without an answer"
            self._done.set_exception(Failed(how if exc is None else f"{how}: {type(exc).__name__}"))

    def is_open(self) -> bool:
        """Whether the other side has neither closed nor said anything unasked, as far as the kernel knows."""
        return not self.transport.is_closing() and not self._poll.poll(0)

    async def ask(self, message: bytes) -> bytes:
        """Raises Failed."""
        self._done = asyncio.get_running_loop().create_future()
        self.transport.write(message)
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await self._done
        except TimeoutError:
            raise Failed(f"not whole within {_ANSWER_S:g} s") from None

    def close(self) -> None:
        self._done = None
        self.transport.close()


class Clients:
    """All of them. `events` is how many events a whole stream has."""

    def __init__(self, port: int, events: int, pause_s: float, seed: int) -> None:
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.closed_idle = self.told_to_close = 0
        self.longest_s = 0.0
        self.stopping = asyncio.Event()
        self._port = port
        self._events = events
        self._pause_s = pause_s
        self._dice = Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, rate: float, kept: int, streams: int) -> None:
        """New connections by `rate` a second, `kept` connections that pause, `streams` at any time."""
        self._begin(self._open_loop(rate))
        for _ in range(kept):
            self._begin(self._talk())
        for _ in range(streams):
            self._begin(self._listen())

    async def finish(self) -> None:
        """Ask no more, and wait for what is under way."""
        self.stopping.set()
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        task.result()

    async def _open_loop(self, rate: float) -> None:
        """By the clock, not by the answers: a proxy that slows down is asked no less."""
        clock = asyncio.get_running_loop().time
        began, due = clock(), 0
        while not self.stopping.is_set():
            await asyncio.sleep(_TICK_S)
            while due < (clock() - began) * rate:
                due += 1
                self._begin(self._once())

    async def _once(self) -> None:
        connection = await self._exchange("new", None, _PLAIN)
        if connection is not None:
            connection.close()

    async def _listen(self) -> None:
        await asyncio.sleep(self._dice.random())
        while not self.stopping.is_set():
            connection = await self._exchange("stream", None, _STREAM)
            if connection is not None:
                connection.close()
            else:
                await asyncio.sleep(_TICK_S)

    async def _talk(self) -> None:
        """Pauses from none to more than any grace, so that a connection is closed in some of them."""
        connection: Connection | None = None
        while not self.stopping.is_set():
            await asyncio.sleep(self._dice.choice((0.1, 0.5, 2.0)) * self._dice.random() * self._pause_s)
            if connection is not None and not connection.is_open():
                connection.close()
                connection = None
                self.closed_idle += 1
            connection = await self._exchange("kept", connection, _PLAIN)
        if connection is not None:
            connection.close()

    async def _exchange(self, kind: str, kept: Connection | None, body: bytes) -> Connection | None:
        """One request and its answer, counted; the connection if it may carry another one."""
        clock = asyncio.get_running_loop().time
        began, connection = clock(), kept
        self.asked[kind] += 1
        try:
            connection = connection or await self._open()
            head, _, content = (await connection.ask(request(body))).partition(_HEAD_END)
            self._check(head, content, streamed=body is _STREAM)
        except Failed as failure:
            self.failed[f"{kind}: {failure}{'' if kept is None else ', on a kept connection'}"] += 1
        else:
            self.answered[kind] += 1
            self.longest_s = max(self.longest_s, clock() - began)
            if b"\r\nconnection: close" not in head.lower():
                return connection
            self.told_to_close += 1
        if connection is not None:
            connection.close()
        return None

    async def _open(self) -> Connection:
        try:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(Connection, "127.0.0.1", self._port, family=socket.AF_INET)
        except OSError as exc:
            raise Failed(f"no connection: {type(exc).__name__}") from exc
        return connection

    def _check(self, head: bytes, content: bytes, *, streamed: bool) -> None:
        if not head.startswith(b"HTTP/1.1 200 "):
            raise Failed(f"status {head[9:12].decode(errors='replace')}")
        if streamed:
            text = _unchunked(content)
            events = text.count(b"data: {")
            if events != self._events or not text.endswith(b"data: [DONE]\n\n"):
                raise Failed(f"a stream of {events} events instead of {self._events}")


def _is_whole(read: bytearray) -> bool:
    """Whether the answer is complete by its own framing."""
    head_end = read.find(_HEAD_END)
    if head_end < 0:
        return False
    head = bytes(read[:head_end]).lower()
    if b"\r\ntransfer-encoding: chunked" in head:
        return read.endswith(_LAST_CHUNK)
    size = head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
    return len(read) >= head_end + len(_HEAD_END) + int(size or 0)


def _unchunked(content: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while True:
        line_end = content.index(b"\r\n", at)
        size = int(content[at:line_end].partition(b";")[0], 16)
        if not size:
            return b"".join(parts)
        parts.append(content[line_end + 2 : line_end + 2 + size])
        at = line_end + 2 + size + 2


async def _run(port: int, events: int, rate: float, kept: int, streams: int, pause_s: float, seed: int) -> None:
    loop = asyncio.get_running_loop()
    clients = Clients(port, events, pause_s, seed)
    began = loop.time()
    clients.begin(rate, kept, streams)
    loop.add_reader(sys.stdin.fileno(), clients.stopping.set)
    await clients.stopping.wait()
    loop.remove_reader(sys.stdin.fileno())
    seconds = loop.time() - began
    await clients.finish()
    found = {
        "seconds": seconds,
        "asked": clients.asked,
        "answered": clients.answered,
        "failed": clients.failed,
        "closed_idle": clients.closed_idle,
        "told_to_close": clients.told_to_close,
        "longest_s": clients.longest_s,
    }
    sys.stdout.write(json.dumps(found) + "\n")


def main() -> None:
    options = argparse.ArgumentParser(description="Good clients at a steady rate, until standard input is closed.")
    options.add_argument("port", type=int)
    options.add_argument("--events", type=int, required=True, help="events of a whole stream, [DONE] not counted")
    options.add_argument("--rate", type=float, default=0.0, help="new connections a second, one request each")
    options.add_argument("--kept", type=int, default=0, help="connections that pause between requests")
    options.add_argument("--streams", type=int, default=0, help="streams open at any time")
    options.add_argument("--pause", type=float, default=1.0, help="seconds; the longest pause is twice as long")
    options.add_argument("--seed", type=int, default=1)
    said = options.parse_args()
    uvloop.run(_run(said.port, said.events, said.rate, said.kept, said.streams, said.pause, said.seed))


if __name__ == "__main__":
    main()
