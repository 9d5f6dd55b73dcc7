"""What a proxy keeps in memory: per open stream, per reader that never reads, per large body.

Figures are growth of the resident memory of the proxy's processes over what they had when idle after a warm-up,
divided by the number of streams, readers or body bytes. Kernel socket buffers are not in it. Not here: leaks over time
(tests/). Invariant: every wait has a deadline, and a figure says how many streams were really open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import uvloop

from bench.client import StreamClient, connect, request
from bench.fleet import Fleet, fleet
from bench.processes import Program
from bench.proxies import DIRECT, Launch, Place
from bench.workloads import Streaming, body, image_body

OPEN_STREAMS: Final = (300, 2000)
STUCK_READERS: Final = 100
_IMAGE_REQUESTS: Final = 3
_WARM_UP: Final = 20
_BATCH: Final = 50
"""Connections opened at a time: fewer than any backlog."""
_LIMIT_S: Final = 60.0
_RUNAWAY_BYTES: Final = 2**30
"""A proxy without flow control would fill the machine; beyond this it is cut short and reported as still growing."""
_STUCK_LIMIT_S: Final = 20.0
"""Less than the minute after which our own proxy gives a stuck reader up."""

_SLOW_FOR_EVER: Final = Streaming(chunks=0, gap_s=1.0)
_FAST_FOR_EVER: Final = Streaming(chunks=0, block=64)
_SHORT: Final = Streaming(chunks=10)


@dataclass(frozen=True, slots=True)
class MemoryFigure:
    """One proxy under one load. `count` is how many streams or readers were held (body: its bytes), `wanted` how many
    were tried; `each` the growth divided by `count`, in bytes; `idle_bytes` the memory before. `bounded`: the vendor
    was held back, so the growth had come to an end (True where nothing can run away).
    """

    load: str
    proxy: str
    count: int
    wanted: int
    each: float
    idle_bytes: int
    bounded: bool = True


def measure(
    launchers: Mapping[str, Callable[[Place], Launch]], cpus: tuple[int, int], say: Callable[[str], None]
) -> list[MemoryFigure]:
    """All three loads, each on freshly started proxies, one proxy after the other."""
    figures: list[MemoryFigure] = []
    for streaming, load in ((_SLOW_FOR_EVER, _open_streams), (_FAST_FOR_EVER, _stuck_readers), (_SHORT, _large_body)):
        with fleet(launchers, streaming, cpus) as running:
            for name in running.ports:
                if name != DIRECT:
                    found = uvloop.run(load(running, name))
                    figures += found
                    for one in found:
                        say(f"memory {one.load}: {name} {one.each:.1f} bytes each of {one.count}")
    return figures


async def _opened(port: int, program: Program, count: int, *, stuck: bool = False) -> list[StreamClient]:
    """That many clients, each with one stream asked for; fewer when a minute is over or the memory runs away."""
    message = request(body("small", stream=True))
    clients: list[StreamClient] = []
    deadline = asyncio.get_running_loop().time() + _LIMIT_S
    while len(clients) < count and (left_s := deadline - asyncio.get_running_loop().time()) > 0:
        if program.rss_bytes() > _RUNAWAY_BYTES:
            break
        batch = range(min(_BATCH, count - len(clients)))
        new = await asyncio.gather(*(connect(port, stuck=stuck) for _ in batch))
        for client in new:
            # The answer never ends, so the only way this future is done is the connection's end, which `lost` tells.
            client.ask(message).add_done_callback(asyncio.Future.exception)
        clients += new
        await _until(partial(_all_answered, new, program), left_s)
    return clients


def _all_answered(clients: Sequence[StreamClient], program: Program) -> bool:
    """Also true when waiting on would fill the machine."""
    return all(client.reads or client.lost for client in clients) or program.rss_bytes() > _RUNAWAY_BYTES


async def _until(condition: Callable[[], bool], limit_s: float) -> None:
    """Wait for it, but no longer than the limit."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while not condition() and loop.time() < deadline:  # noqa: ASYNC110  (no event tells of another process's state)
        await asyncio.sleep(0.05)


async def _flowing(clients: Sequence[StreamClient]) -> None:
    """Every stream has carried a few chunks more, so that the memory is that of streams under way."""
    seen = [client.reads for client in clients]
    await _until(lambda: all(client.reads >= old + 2 for client, old in zip(clients, seen, strict=True)), 10)


async def _closed(clients: Sequence[StreamClient]) -> None:
    for client in clients:
        client.transport.abort()
    await asyncio.sleep(1.0)  # time for the proxy to let go of them


async def _open_streams(running: Fleet, name: str) -> list[MemoryFigure]:
    port, program = running.ports[name], running.programs[name]
    await _closed(await _opened(port, program, _WARM_UP))
    idle = program.rss_bytes()
    clients: list[StreamClient] = []
    figures = []
    for count in OPEN_STREAMS:
        clients += await _opened(port, program, count - len(clients))
        await _flowing(clients)
        held = sum(bool(client.first_bytes_s) and not client.lost for client in clients)
        figures.append(
            MemoryFigure(f"open-{count}", name, held, count, (program.rss_bytes() - idle) / max(held, 1), idle)
        )
    await _closed(clients)
    return figures


async def _stuck_readers(running: Fleet, name: str) -> list[MemoryFigure]:
    port, program = running.ports[name], running.programs[name]
    await _closed(await _opened(port, program, 1))
    idle = program.rss_bytes()
    clients = await _opened(port, program, STUCK_READERS, stuck=True)
    peak, bounded = await _held_back(running, program)
    held = sum(bool(client.first_bytes_s) and not client.lost for client in clients)
    await _closed(clients)
    return [MemoryFigure("stuck", name, held, STUCK_READERS, (peak - idle) / max(held, 1), idle, bounded)]


async def _held_back(running: Fleet, program: Program) -> tuple[int, bool]:
    """Highest resident memory until the vendor has written nothing for a second, and whether it came to that."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _STUCK_LIMIT_S
    peak, written, since = 0, -1, loop.time()
    while loop.time() < deadline and peak < _RUNAWAY_BYTES:
        peak = max(peak, program.rss_bytes())
        counts = await asyncio.to_thread(running.counts)
        if counts.chunks != written:
            written, since = counts.chunks, loop.time()
        elif loop.time() - since >= 1.0:
            return peak, True
        await asyncio.sleep(0.1)
    return peak, False


async def _large_body(running: Fleet, name: str) -> list[MemoryFigure]:
    port, program = running.ports[name], running.programs[name]
    client = await connect(port)
    message = image_body()
    small = request(body("small", stream=True))
    for _ in range(_WARM_UP):
        await client.ask(small)
    program.reset_peak()
    idle = program.rss_bytes()
    for _ in range(_IMAGE_REQUESTS):
        async with asyncio.timeout(_LIMIT_S):
            await client.ask(request(message))
    grown = program.peak_bytes() - idle
    client.transport.abort()
    return [MemoryFigure("body", name, len(message), len(message), grown / len(message), idle)]
