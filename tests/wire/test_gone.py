"""A client that leaves, in every phase of a request: the vendor is released at once and nothing stays behind.

A phase is what the vendor does and the moment to leave at. Bars: the vendor's connection closes within 50 ms, each
request has exactly one outcome, and no task, descriptor, permit or vendor connection is left. Not here: clients by the
thousand, at random bytes (tests/load/aborts.py).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.proxying import Proxy, configured, proxying
from tests.wire.client import Wire, asking, post, until, wired
from tests.wire.leaks import idle, nothing_left, outcomes
from tests.wire.vendor import Asked, Script, Vendor, head, marker_of, vending

RELEASE_S = 0.05
EVENT = b"5\r\nhello\r\n"
STREAM_HEAD = head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked")


def silent(_: Asked) -> Script:
    return ()


def first_bytes(_: Asked) -> Script:
    return (STREAM_HEAD + EVENT,)


def half_a_head(_: Asked) -> Script:
    return (STREAM_HEAD[:30],)


def flowing(_: Asked) -> Script:
    yield STREAM_HEAD
    while True:
        yield EVENT
        yield 0.001


def half_a_json(_: Asked) -> Script:
    return (head(200, "Content-Type: application/json", "Content-Length: 100") + b'{"id":',)


def more_than_anybody_reads(_: Asked) -> Script:
    yield STREAM_HEAD
    for _turn in range(40):
        yield b"10000\r\n%b\r\n" % bytes(0x10000)
        yield 0.0005


@dataclass(frozen=True)
class Phase:
    """`answer` is the vendor's, `hears` how many bytes of answer the client waits for before it leaves. One that is
    `stuck` reads nothing, and leaves when the proxy can write no more.
    """

    answer: Callable[[Asked], Script]
    hears: int = 0
    stream: bool = True
    stuck: bool = False


PHASES = {
    "before-the-answer": Phase(silent),
    "within-the-head": Phase(half_a_head),
    "after-first-bytes": Phase(first_bytes, hears=1),
    "mid-stream": Phase(flowing, hears=300),
    "waiting-for-json": Phase(silent, stream=False),
    "half-a-json": Phase(half_a_json, hears=1, stream=False),
    "without-reading": Phase(more_than_anybody_reads, stuck=True),
}


def by_marker(asked: Asked) -> Script:
    return PHASES[marker_of(asked).decode().partition("/")[0]].answer(asked)


def go(wire: Wire, way: str) -> None:
    """Leave in order, at once, or by ending only the client's own direction, which counts as leaving too."""
    {"close": wire.writer.transport.close, "abort": wire.leave, "half-close": wire.writer.write_eof}[way]()


def paused(proxy: Proxy, peer: object) -> bool:
    """Whether the proxy waits for the client at `peer` to read."""
    front = proxy.plane._front
    return front is not None and any(
        one.writing_paused and one.transport is not None and one.transport.get_extra_info("peername") == peer
        for one in front.connections
    )


async def leave(proxy: Proxy, vendor: Vendor, name: str, marker: str, way: str) -> float:
    """One request that is left; seconds until its vendor connection was closed."""
    phase = PHASES[name]
    async with wired(proxy.port, receive_buffer=4096 if phase.stuck else 0) as wire:
        if phase.stuck:
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a connection's transport has it
        wire.send(post(asking(f"{name}/{marker}", stream=phase.stream)))
        if phase.hears:
            await wire.reader.readexactly(phase.hears)
        await until(lambda: any(marker_of(asked) == f"{name}/{marker}".encode() for asked in vendor.asked[-200:]))
        asked = next(one for one in vendor.asked if marker_of(one) == f"{name}/{marker}".encode())
        if phase.stuck:
            mine = wire.writer.transport.get_extra_info("sockname")
            await until(lambda: paused(proxy, mine))
        left = asyncio.get_running_loop().time()
        go(wire, way)
        async with asyncio.timeout(5):
            await asked.conversation.closed.wait()
        return asked.conversation.closed_at - left


@pytest.mark.parametrize("way", ["close", "abort", "half-close"])
@pytest.mark.parametrize("name", PHASES)
async def test_vendor_is_released(name: str, way: str) -> None:
    async with vending(by_marker) as vendor, proxying(configured(vendor.url)) as proxy:
        async with nothing_left(proxy):
            delays = sorted([await leave(proxy, vendor, name, str(number), way) for number in range(5)])
        assert delays[2] < RELEASE_S
        assert outcomes(proxy) == {"client_gone": 5}
        assert outcomes(proxy, "paramwall_upstream_requests_total") == {"client_gone": 5}
        assert [line["failure"] for line in proxy.lines] == ["client-gone"] * 5


@asynccontextmanager
async def deaf() -> AsyncIterator[str]:
    """The URL of a vendor whose connections are never accepted: the queue of its listener is full."""
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


async def leave_early(proxy: Proxy, request: bytes, ready: Callable[[], bool]) -> None:
    """Leave when the request holds its permit and `ready` says so, and see that it gives it back."""
    async with wired(proxy.port) as wire:
        wire.send(request)
        await until(lambda: proxy.plane.in_flight() == 1 and ready())
        left = asyncio.get_running_loop().time()
        wire.leave()
        await until(lambda: idle(proxy))
        assert asyncio.get_running_loop().time() - left < 1


async def test_left_while_connecting() -> None:
    async with deaf() as url, proxying(configured(url)) as proxy:
        async with nothing_left(proxy):
            for _ in range(5):
                await leave_early(proxy, post(asking()), lambda: True)
        assert outcomes(proxy) == {"client_gone": 5}
        assert outcomes(proxy, "paramwall_upstream_requests_total") == {}


async def test_left_within_the_handshake() -> None:
    """The vendor accepts and says nothing; its certificate is never seen."""
    async with vending(silent) as vendor, proxying(configured(vendor.url.replace("http:", "https:"))) as proxy:
        async with nothing_left(proxy):
            for _ in range(5):
                await leave_early(proxy, post(asking()), lambda: any(one.received for one in vendor.open()))
                await until(lambda: not vendor.open())
        assert len(vendor.conversations) == 5
        assert outcomes(proxy) == {"client_gone": 5}


async def test_left_while_a_tunnel_is_asked_for() -> None:
    async with vending(silent) as via:
        config = configured("https://vendor.test/v1", vendor={"tunnel": f"http://127.0.0.1:{via.port}"})
        async with proxying(config) as proxy:
            async with nothing_left(proxy):
                for _ in range(5):
                    await leave_early(proxy, post(asking()), lambda: any(one.received for one in via.open()))
                    await until(lambda: not via.open())
            assert len(via.asked) == 5
            assert outcomes(proxy) == {"client_gone": 5}


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
async def test_left_within_the_upload(framing: str) -> None:
    async with vending(silent) as vendor, proxying(configured(vendor.url)) as proxy:
        async with nothing_left(proxy):
            for _ in range(5):
                await leave_early(proxy, post(b"5\r\nabcde\r\n", framing, length=False), lambda: True)
        assert outcomes(proxy) == {"client_gone": 5}
        assert not vendor.conversations
        assert proxy.plane._admission.bodies.now == 0


async def test_left_with_an_answer_nobody_reads_to_its_end() -> None:
    """The vendor is done; the client has not read all of it and goes."""
    body = bytes(2_000_000)
    answer = head(200, "Content-Type: application/json", f"Content-Length: {len(body)}") + body
    async with vending([answer]) as vendor, proxying(configured(vendor.url)) as proxy:
        async with nothing_left(proxy):
            for _ in range(5):
                async with wired(proxy.port) as wire:
                    wire.send(post(asking()))
                    await wire.reader.readexactly(100)
        assert sum(outcomes(proxy).values()) == 5
