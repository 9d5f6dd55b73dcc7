"""Every toxic as a client sees it, over real sockets; and what no toxic ever does to bytes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.simulator import Options, Simulator
from proxy.simulator.toxics import TOXICS
from proxy.simulator.toxics.parse import parse_toxics
from proxy.simulator.toxics.relay import Place, Relay
from proxy.simulator.toxics.toxic import Flow, Occasion

SAID = bytes(Random(1).randrange(256) for _ in range(100_000))
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say back what is heard, until its end."""
    try:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
    finally:
        writer.close()


@asynccontextmanager
async def relayed(*toxics: str, serve: Serve = echo, seed: int = 0) -> AsyncIterator[Relay]:
    """A relay with toxics before a vendor that says back what it hears."""
    serving: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        serving.add(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    async with Relay(Place("127.0.0.1", port), parse_toxics(*toxics), seed=seed) as relay:
        yield relay
    server.close()
    async with asyncio.timeout(10):
        await asyncio.gather(*serving)


@asynccontextmanager
async def connected(relay: Relay) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def said_back(relay: Relay, said: bytes = SAID) -> tuple[bytes, str]:
    """What came back of what was said, and how the connection ended: `end` (FIN) or `reset`."""
    heard = bytearray()
    async with asyncio.timeout(20), connected(relay) as (reader, writer):

        async def say() -> None:
            with contextlib.suppress(OSError):
                writer.write(said)
                await writer.drain()
                writer.write_eof()

        saying = asyncio.create_task(say())
        try:
            while chunk := await reader.read(65536):
                heard += chunk
        except ConnectionResetError:
            return bytes(heard), "reset"
        finally:
            await saying
    return bytes(heard), "end"


@pytest.mark.parametrize(
    "toxics",
    [
        [],
        ["latency:20ms,10ms"],
        ["latency:20ms@vendor"],
        ["bandwidth:2MiB"],
        ["slow-close:50ms"],
        ["slicer:700,300"],
        ["slicer:900@vendor", "slicer:1000", "latency:5ms,5ms", "bandwidth:4MiB@vendor"],
        [f"limit-data:{len(SAID) + 1}"],
        ["reset-peer=0", "timeout:0=0"],
    ],
    ids=lambda toxics: "+".join(toxics) or "none",
)
async def test_no_byte_is_changed(toxics: list[str]) -> None:
    async with relayed(*toxics) as relay:
        assert await said_back(relay) == (SAID, "end")


async def test_latency_delays_what_is_said_and_the_end() -> None:
    async with relayed("latency:300ms") as relay, connected(relay) as (reader, writer):
        began = time.monotonic()
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        assert time.monotonic() - began >= 0.3
        began = time.monotonic()
        writer.write_eof()
        assert await reader.read() == b""
        assert time.monotonic() - began >= 0.3


async def test_latency_is_that_of_a_long_wire_not_of_a_slow_one() -> None:
    """Chunks that follow one another are on their way at once: thirty of them are not thirty times as late."""

    async def dribble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(30):
            writer.write(b"x")
            await asyncio.sleep(0.01)
        writer.close()

    async with relayed("latency:1s", serve=dribble) as relay, connected(relay) as (reader, _):
        began = time.monotonic()
        assert await reader.read() == b"x" * 30
        assert 1 <= time.monotonic() - began < 15


async def test_bandwidth_is_a_rate() -> None:
    async with relayed("bandwidth:100KB") as relay:
        began = time.monotonic()
        assert await said_back(relay, SAID[:50_000]) == (SAID[:50_000], "end")
        assert time.monotonic() - began >= 0.35


async def test_slow_close_delays_the_end_only() -> None:
    async with relayed("slow-close:400ms") as relay, connected(relay) as (reader, writer):
        writer.write(b"x")
        writer.write_eof()
        assert await reader.readexactly(1) == b"x"
        began = time.monotonic()
        assert await reader.read() == b""
        assert time.monotonic() - began >= 0.2


async def test_timeout_lets_nothing_through_and_closes() -> None:
    async with relayed("timeout:200ms") as relay:
        began = time.monotonic()
        async with connected(relay) as (reader, writer):
            writer.write(b"x")
            assert await reader.read() == b""
        assert time.monotonic() - began >= 0.2


async def test_timeout_of_nought_stays_open() -> None:
    async with relayed("timeout") as relay, connected(relay) as (reader, writer):
        writer.write(b"x")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.read()
        assert relay.open_connections == 1


@pytest.mark.parametrize("toxic", ["reset-peer", "reset-peer:100ms", "reset-peer:50ms@vendor"])
async def test_reset_peer_resets(toxic: str) -> None:
    async with relayed(toxic) as relay:
        heard, end = await said_back(relay, b"x" * 10)
        assert end == "reset"
        assert heard == b"" or toxic.endswith("@vendor")


async def test_slicer_sends_small_pieces() -> None:
    pieces = await through("slicer:100,20,0", [SAID[:5000]])
    assert b"".join(pieces) == SAID[:5000]
    assert all(80 <= len(piece) <= 120 for piece in pieces[:-1])
    assert len({len(piece) for piece in pieces}) > 5


@pytest.mark.parametrize("count", [0, 1, 999, 65_535, 65_536, 65_537, len(SAID)])
async def test_limit_data_lets_exactly_so_much_through(count: int) -> None:
    async with relayed(f"limit-data:{count}") as relay:
        heard, _ = await said_back(relay)  # what the vendor was still being told may turn the end into a reset
        assert heard == SAID[:count]


async def test_limit_data_closes_as_soon_as_so_much_is_through() -> None:
    async with relayed("limit-data:5") as relay, connected(relay) as (reader, writer):
        writer.write(b"hello")
        async with asyncio.timeout(10):
            assert await reader.read() == b"hello"  # the client has not ended its own side


async def test_limit_data_towards_the_vendor() -> None:
    heard = asyncio.Queue[bytes]()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                heard.put_nowait(chunk)
        heard.put_nowait(b"")
        writer.close()

    async with relayed("limit-data:777@vendor", serve=listen) as relay:
        await said_back(relay)
        async with asyncio.timeout(10):
            got = b""
            while chunk := await heard.get():
                got += chunk
        assert got == SAID[:777]


async def test_a_share_of_the_connections_is_struck_and_equal_seeds_strike_the_same() -> None:
    async def struck(seed: int) -> list[bool]:
        async with relayed("limit-data:0=0.3", seed=seed) as relay:
            return [(await said_back(relay, b"x"))[0] == b"" for _ in range(40)]

    first = await struck(7)
    assert first == await struck(7) != await struck(8)
    assert 2 <= sum(first) <= 25


async def test_toxics_are_replaced_for_connections_to_come() -> None:
    async with relayed("limit-data:0") as relay:
        assert (await said_back(relay, b"x"))[0] == b""
        relay.set_toxics(())
        assert await said_back(relay, b"x") == (b"x", "end")


async def test_a_client_that_resets_is_felt_by_the_vendor() -> None:
    left = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(65536):
                pass
        left.set()
        writer.close()

    async with relayed(serve=listen) as relay:
        async with connected(relay) as (_, writer):
            writer.write(b"x")
            await writer.drain()
            writer.transport.abort()
        async with asyncio.timeout(10):
            await left.wait()


async def test_a_vendor_that_is_not_there_is_a_reset() -> None:
    async with relayed() as relay:
        pass
    async with Relay(Place("127.0.0.1", 9)) as relay:
        assert (await said_back(relay, b"x"))[0] == b""


async def test_a_tunnel_leads_to_its_own_vendor_only() -> None:
    async with relayed("slicer:9") as plain:
        async with Relay(plain.vendor, tunnel=True) as relay:
            for host, status in ((f"127.0.0.1:{plain.vendor.port}", b"200"), ("127.0.0.1:22", b"403")):
                async with asyncio.timeout(20), connected(relay) as (reader, writer):
                    writer.write(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                    assert (await reader.readuntil(b"\r\n\r\n")).split()[1] == status
                    if status == b"200":
                        writer.write(b"hello")
                        assert await reader.readexactly(5) == b"hello"
                    else:
                        assert await reader.read() == b""


async def test_nothing_is_left_when_it_stops() -> None:
    async with relayed("timeout", "latency:10s@vendor") as relay:
        async with connected(relay) as (_, writer):
            writer.write(b"x")
            while not relay.open_connections:  # noqa: ASYNC110  (a count, not an event)
                await asyncio.sleep(0.01)
            await relay.stop()
            assert relay.open_connections == 0


async def test_before_the_simulator() -> None:
    async with Simulator(Options(instant=True)) as vendor:
        port = int(vendor.url.rpartition(":")[2].partition("/")[0])
        async with Relay(Place("127.0.0.1", port), parse_toxics("slicer:30")) as relay, connected(relay) as (r, w):
            w.write(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = await r.read()
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"kimi-k2.6" in answer


class Clock:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)


async def through(toxic: str, chunks: list[bytes], clock: Clock | None = None, seed: int = 0) -> list[bytes]:
    """The chunks that come of these, without a socket and in no time."""
    clock = clock or Clock()

    async def source() -> Flow:
        for chunk in chunks:
            yield chunk

    (setting,) = parse_toxics(toxic)
    kind = next(each for each in TOXICS if each.name == setting.name)
    flow = kind.flow(source(), Occasion(setting.values, Random(seed), lambda: clock.now, clock.sleep))
    async with contextlib.aclosing(flow):
        return [chunk async for chunk in flow]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(["latency:1s,1s", "latency:0,1s", "bandwidth:3", "bandwidth:1", "slicer:1,0", "slicer:3,9,1ms"]),
    st.lists(st.binary(min_size=1, max_size=30), max_size=6),
    st.integers(0, 99),
)
def test_any_chunks_keep_their_bytes_and_order(toxic: str, chunks: list[bytes], seed: int) -> None:
    assert b"".join(asyncio.run(through(toxic, chunks, seed=seed))) == b"".join(chunks)


@given(st.integers(1, 10**6), st.integers(1, 3000))
@settings(deadline=None, max_examples=30)
def test_bandwidth_takes_the_time_of_its_rate(rate: int, size: int) -> None:
    clock = Clock()
    asyncio.run(through(f"bandwidth:{rate}", [bytes(size)], clock))
    assert clock.now <= size / rate
    assert clock.now >= (size - max(1, rate // 10)) / rate - 1e-6


def test_names_are_unique() -> None:
    assert len({toxic.name for toxic in TOXICS}) == len(TOXICS) == 7
    assert all(a.name != b.name for a, b in itertools.pairwise(TOXICS))
