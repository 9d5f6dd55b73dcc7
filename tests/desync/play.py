"""Streams played through the proxy, one after the other on each lane, and straight to the origins as a control.

A lane is a vendor of the configuration for one client alone, so that every vendor connection in its pool carried the
stream before, and the request after a stream goes over the connection that the stream was on. Not here: what is right
(judging.py). Invariant: a lane's next stream begins when its last request is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from proxy.config.values import Config
from tests.desync.judging import Heard, Told, heard
from tests.desync.origins import Running
from tests.desync.reference import Framed, Reading, digest, read
from tests.desync.streams import Stream, stream
from tests.proxying import Proxy, configured
from tests.wire.client import Answer, Wire, asking, post, until, wired

PATIENCE_S: Final = 10.0
"""For one answer. That the proxy waits for more where the stream is already wrong is no desync; it is counted."""
_DIRECT_S: Final = 1.0
_DIRECT_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Lane:
    """One vendor of the proxy: an origin and its place in the configuration."""

    origin: Running
    name: str

    @property
    def prefix(self) -> str:
        """What stands before each path of this lane."""
        return f"/vendors/{self.name}"


def lanes_of(origins: Sequence[Running], each: int) -> list[Lane]:
    """So many lanes for every origin, the origins in turn."""
    return [Lane(origin, f"{origin.name.replace('_', '-')}-{number}") for number in range(each) for origin in origins]


def configuration(lanes: Sequence[Lane]) -> Config:
    """Every lane a vendor."""
    shared = {"profile": "openai-compatible", "credentials": "pass"}
    vendors = {lane.name: {"url": f"http://127.0.0.1:{lane.origin.port}/v1", **shared} for lane in lanes}
    return configured("http://127.0.0.1/v1", vendors=vendors)


def reading_of(data: bytes, prefix: str) -> Reading:
    """A stream strictly read, its targets as they leave the proxy."""
    reading = read(data)
    return replace(
        reading, requests=tuple(replace(one, target=one.target.removeprefix(prefix)) for one in reading.requests)
    )


def probe_of(number: int) -> tuple[bytes, Framed]:
    """The clean request after a stream: its body, and what the origin must understand."""
    marker = f"p{number}"
    body = asking(marker)
    return body, Framed("POST", "/v1/chat/completions", marker, len(body), digest(body))


class Player:
    """One lane's client."""

    def __init__(self, proxy: Proxy, lane: Lane) -> None:
        self._proxy = proxy
        self._lane = lane
        self._in_flight = proxy.metrics.in_flight(lane.name)
        self._unsolicited = proxy.metrics.connection_event(lane.name, "unsolicited")

    async def play(self, one: Stream, reading: Reading) -> Told:
        """One stream, and the probe behind it."""
        told = Told()
        sent, unsolicited = self._sent(), self._unsolicited.value
        async with wired(self._proxy.port) as wire:
            await _send(wire.writer, one)
            await _listen(wire, reading, told)
        await self._quiet()
        told.sent = self._sent() - sent
        told.probe = await self._probe(one.number)
        await self._quiet()
        told.unsolicited = int(self._unsolicited.value - unsolicited)
        self._proxy.lines.clear()
        return told

    async def _probe(self, number: int) -> Heard:
        body, _ = probe_of(number)
        fields = [f"X-Marker: p{number}", "Connection: close"]
        async with wired(self._proxy.port) as wire:
            wire.send(post(body, *fields, path=f"{self._lane.prefix}/v1/chat/completions"))
            return heard(await wire.answer())

    def _sent(self) -> int:
        """Requests that the proxy counted as sent on this lane."""
        cells = self._proxy.metrics._upstream._cells.items()
        return int(sum(cell.value for labels, cell in cells if labels[0] == self._lane.name))

    async def _quiet(self) -> None:
        """Until nothing of this lane is under way."""
        if self._in_flight.now():
            await until(lambda: not self._in_flight.now())


async def _send(writer: asyncio.StreamWriter, one: Stream) -> None:
    """Piece by piece, as long as the other side listens."""
    for piece in one.pieces():
        if not writer.transport.is_closing():
            writer.write(piece)
            await asyncio.sleep(0)


async def _listen(wire: Wire, reading: Reading, told: Told) -> None:
    """Every answer there may be: one for each request, and one for what is wrong behind them."""
    most = len(reading.requests) + (reading.end == "wrong")
    last: Answer | None = None
    try:
        async with asyncio.timeout(PATIENCE_S) as deadline:
            while len(told.heard) < most:
                answer = await wire.answer()
                if answer.cut:
                    told.end = "closed" if last is not None and last.value("connection") == b"close" else "cut"
                    told.more = bool(answer.line)
                    return
                last = answer
                told.heard.append(heard(answer))
                deadline.reschedule(asyncio.get_running_loop().time() + PATIENCE_S)
            if reading.end in ("wrong", "closed"):
                told.more = bool(await wire.reader.read())
    except TimeoutError:
        told.end = "late"
    except ConnectionError:
        told.end = "cut"


async def straight(origin: Running, seed: int, numbers: Iterator[int]) -> None:
    """The control: streams to the origin itself, several at once."""

    async def one() -> None:
        for number in numbers:
            reader, writer = await asyncio.open_connection("127.0.0.1", origin.port)
            try:
                async with asyncio.timeout(_DIRECT_S):
                    await _send(writer, stream(seed, number))
                    writer.write_eof()
                    await reader.read()
            except (OSError, RuntimeError, TimeoutError):  # uvloop: RuntimeError for a transport that is closed
                pass
            finally:
                writer.transport.abort()

    await asyncio.gather(*(one() for _ in range(_DIRECT_AT_ONCE)))


def lines(origin: Running) -> list[Framed]:
    """Everything that the origin understood, in order."""
    return [Framed(*orjson.loads(line)) for line in origin.seen.read_bytes().splitlines()]
