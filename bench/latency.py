"""What a proxy adds to the time of the first byte and to the gaps between chunks, below saturation.

Twenty clients ask for one short stream after another, each of ten chunks at 20 ms: about 1,000 chunks and 100 requests
a second, a load that leaves both CPUs mostly idle; LiteLLM, which it saturates, is left out. Every round measures the
vendor without a proxy too; what a proxy adds is its percentile less that one. Not here: CPU. Invariant: client and
vendor are the same programs on the same CPU in every column, so their own cost cancels out.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import uvloop

from bench.client import StreamClient, connect, request
from bench.fleet import fleet
from bench.proxies import DIRECT, PEER, Launch, Place
from bench.workloads import Streaming, body

_CLIENTS: Final = 20
_SHORT_STREAM: Final = Streaming(chunks=10, gap_s=0.02)
_STREAM_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class LatencyFigure:
    """One proxy: milliseconds to the first byte and between chunks, at the median and the 99th percentile; and what of
    that was added to going direct (None for direct itself). Medians of the rounds.
    """

    proxy: str
    first_byte_p50_ms: float
    first_byte_p99_ms: float
    gap_p50_ms: float
    gap_p99_ms: float
    added_first_byte_p50_ms: float | None
    added_first_byte_p99_ms: float | None
    added_gap_p50_ms: float | None
    added_gap_p99_ms: float | None


def measure(
    launchers: Mapping[str, Callable[[Place], Launch]],
    seconds: float,
    rounds: int,
    cpus: tuple[int, int],
    say: Callable[[str], None],
) -> list[LatencyFigure]:
    """Direct and the proxies, taking turns within each round."""
    unsaturated = {name: launcher for name, launcher in launchers.items() if name != PEER}
    with fleet(unsaturated, _SHORT_STREAM, cpus) as running:
        taken: dict[str, list[tuple[float, ...]]] = {name: [] for name in running.ports}
        for number in range(rounds):
            for name, port in running.ports.items():
                taken[name].append(uvloop.run(_round(port, seconds)))
                say(f"latency round {number + 1}: {name} first byte p50 {taken[name][-1][0]:.2f} ms")
    return [_figure(name, taken[name], taken[DIRECT]) for name in taken]


def _figure(name: str, own: Sequence[tuple[float, ...]], direct: Sequence[tuple[float, ...]]) -> LatencyFigure:
    shown = [statistics.median(one[number] for one in own) for number in range(4)]
    added: list[float | None] = [None] * 4
    if name != DIRECT:
        pairs = list(zip(own, direct, strict=True))
        added = [statistics.median(mine[number] - floor[number] for mine, floor in pairs) for number in range(4)]
    return LatencyFigure(name, *shown, *added)


async def _round(port: int, seconds: float) -> tuple[float, ...]:
    """First byte p50 and p99, gap p50 and p99, in milliseconds."""
    message = request(body("agent", stream=True))
    clients = [await connect(port) for _ in range(_CLIENTS)]
    streams_each = max(1, round(seconds / _STREAM_S))
    gc.disable()  # a collection of the client's would be read as a gap of the proxy's
    try:
        async with asyncio.timeout(60 + 4 * seconds):
            await asyncio.gather(*(_asking(one, place, message, streams_each) for place, one in enumerate(clients)))
    finally:
        gc.enable()
        for one in clients:
            one.transport.abort()
    first_bytes = [value for one in clients for value in one.first_bytes_s[1:]]
    gaps = [value for one in clients for value in one.gaps_s]
    return (*percentiles_ms(first_bytes), *percentiles_ms(gaps))


async def _asking(client: StreamClient, place: int, message: bytes, streams: int) -> None:
    """One stream more than counted: the first also opens the proxy's connection to the vendor."""
    await asyncio.sleep(place * _STREAM_S / _CLIENTS)
    for _ in range(streams + 1):
        await client.ask(message)


def percentiles_ms(values: Sequence[float]) -> tuple[float, float]:
    """Median and 99th percentile of seconds, in milliseconds."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return cuts[49] * 1e3, cuts[98] * 1e3
