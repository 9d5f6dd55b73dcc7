"""Vendor connections that are used again: no answer ever goes to a request it was not made for (RFC 9112 section 9.2).

The vendor echoes the marker of each request, and on some occasions sends bytes that nobody asked for. A connection with
such bytes is closed, whatever they are; one that served its exchange well is used again.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from proxy.metrics.worker import Metrics
from proxy.wire.pool import IDLE_S, MAX_IDLE, Pool
from proxy.wire.vendor_leg import VendorConnection
from tests.proxying import Proxy, configured, proxying
from tests.wire.client import Wire, asking, post, until, wired
from tests.wire.leaks import idle, nothing_left, outcomes, total
from tests.wire.relaying import Relayed
from tests.wire.vendor import Asked, End, Script, Vendor, chunked, head, marker_of, vending, whole

EVENTS = "paramwall_upstream_connection_events_total"
POISON = whole(b'{"marker":"poison"}')
UNASKED = {
    "an-answer": POISON,
    "one-byte": b"H",
    "an-interim-answer": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "garbage": b"\x16\x03\x01\x02\x00",
    "half-an-answer": POISON[:40],
    "an-answer-and-more": POISON + POISON[:10],
}


def echo(asked: Asked) -> bytes:
    """The marker, in a length or in chunks by turns."""
    body = b'{"marker":"%b"}' % marker_of(asked)
    if asked.earlier % 2:
        return head(200, "Content-Type: application/json", "Transfer-Encoding: chunked") + chunked(body[:5], body[5:])
    return whole(body)


async def ask(wire: Wire, marker: str) -> None:
    """One request whose answer must be its own."""
    wire.send(post(asking(marker)))
    answer = await wire.answer()
    assert (answer.status, answer.body, answer.cut) == (200, b'{"marker":"%b"}' % marker.encode(), "")


@pytest.mark.parametrize("name", UNASKED)
@pytest.mark.parametrize("apart", [False, True], ids=["same-segment", "next-segment"])
async def test_unasked_bytes_at_once(apart: bool, name: str) -> None:
    """1,000 requests over all twelve cases, one after the other on one client connection."""

    def answer(asked: Asked) -> Script:
        return (echo(asked), 0.0, UNASKED[name]) if apart else (echo(asked) + UNASKED[name],)

    async with vending(answer) as vendor, proxying(configured(vendor.url)) as proxy:
        async with nothing_left(proxy), wired(proxy.port) as wire:
            for number in range(84):
                await ask(wire, f"m{number}")
        assert outcomes(proxy) == {"ok": 84}
        assert all(len(one.vendor.asked) == 84 for one in vendor.conversations)
        assert [line["event"] for line in proxy.lines] == ["request"] * 84


@pytest.mark.parametrize(
    ("delay_s", "at_once", "rounds"),
    [
        (0.05, 100, 3),
        (0.2, 100, 2),
        pytest.param(0.05, 100, 10, marks=pytest.mark.long),
        pytest.param(0.2, 100, 10, marks=pytest.mark.long),
    ],
)
async def test_unasked_bytes_later(delay_s: float, at_once: int, rounds: int) -> None:
    """`pytest -m long tests/wire/test_pool.py`: 1,000 requests each. The next ones go out when the bytes are there."""
    poisoned = 0

    def answer(asked: Asked) -> Script:
        nonlocal poisoned
        yield echo(asked)
        yield delay_s
        yield list(UNASKED.values())[len(marker_of(asked)) % len(UNASKED)]
        poisoned += 1

    async with vending(answer) as vendor, proxying(configured(vendor.url)) as proxy:
        async with nothing_left(proxy), several(proxy, at_once) as wires:
            for turn in range(rounds):
                await asyncio.gather(*(ask(wire, f"m{turn}{'x' * i}") for i, wire in enumerate(wires)))
                await until(lambda: poisoned == (turn + 1) * at_once)  # noqa: B023  (awaited within the turn)
            await until(lambda: proxy.count(EVENTS, vendor="sim", event="unsolicited") == at_once * rounds)
        assert outcomes(proxy) == {"ok": at_once * rounds}
        assert proxy.count(EVENTS, vendor="sim", event="reused") == 0
        assert len(vendor.conversations) == at_once * rounds


@asynccontextmanager
async def several(proxy: Proxy, count: int) -> AsyncIterator[list[Wire]]:
    connections = [wired(proxy.port) for _ in range(count)]
    wires = [await one.__aenter__() for one in connections]
    try:
        yield wires
    finally:
        for one in connections:
            await one.__aexit__(None, None, None)


KEPT: dict[str, tuple[Callable[[Asked], Script], bool]] = {
    "length": (lambda asked: [whole(b"{}")], True),
    "chunked": (lambda asked: [head(200, "Transfer-Encoding: chunked") + chunked(b"{}")], True),
    "chunked with trailers": (
        lambda asked: [head(200, "Transfer-Encoding: chunked") + chunked(b"{}", last=b"0\r\nX-T: 1\r\n\r\n")],
        True,
    ),
    "no content": (lambda asked: [head(204)], True),
    "error of the vendor": (lambda asked: [whole(b"{}", status=429)], True),
    "an empty line after": (lambda asked: [whole(b"{}") + b"\r\n"], True),
    "interim before": (lambda asked: [head(103), 0.0, whole(b"{}")], True),
    "connection close": (lambda asked: [whole(b"{}", "Connection: close")], False),
    "http 1.0": (lambda asked: [whole(b"{}").replace(b"HTTP/1.1", b"HTTP/1.0")], False),
    "http 1.0 keep-alive": (
        lambda asked: [whole(b"{}", "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0")],
        True,
    ),
    "end of connection": (lambda asked: [head(200, "Content-Type: application/json") + b"{}", End.CLOSE], False),
    "chunks after no content": (lambda asked: [head(204, "Transfer-Encoding: chunked") + chunked(b"{}")], False),
    "cut": (lambda asked: [whole(b"{}")[:-1], End.CLOSE], False),
    "not http": (lambda asked: [b"SSH-2.0-OpenSSH_9.2\r\n"], False),
}


@pytest.mark.parametrize("name", KEPT)
async def test_what_is_used_again(name: str) -> None:
    answer, kept = KEPT[name]
    async with vending(answer) as vendor, proxying(configured(vendor.url)) as proxy:
        async with nothing_left(proxy):
            for _ in range(3):
                async with wired(proxy.port) as wire:
                    wire.send(post(asking()))
                    await wire.answer()
                await until(lambda: proxy.plane.in_flight() == 0)
        assert len(vendor.asked) == 3
        assert len(vendor.conversations) == (1 if kept else 3)


async def test_an_early_answer_leaves_the_rest_of_the_request_behind() -> None:
    """The vendor answers the head alone; what is not sent yet would stand before the next request."""
    refusal = whole(b'{"error":"no"}', status=413)
    async with vending((), greeting=[0.05, refusal]) as vendor, proxying(configured(vendor.url)) as proxy:
        vendor.reads = 1
        async with nothing_left(proxy):
            for _ in range(2):
                async with wired(proxy.port) as wire:
                    wire.send(post(b'{"model":"other","user":"%b"}' % (b"x" * 20_000_000)))
                    answer = await wire.answer()
                    assert (answer.status, answer.body) == (413, b'{"error":"no"}')
            for conversation in vendor.conversations:
                conversation.transport.abort()  # it reads nothing, so it does not see the proxy's end
        assert len(vendor.conversations) == 2
        assert proxy.count(EVENTS, vendor="sim", event="reused") == 0


def paused(proxy: Proxy) -> bool:
    front = proxy.plane._front
    return front is not None and any(one.writing_paused for one in front.connections)


async def ends_paused(proxy: Proxy, vendor: Vendor, size: int) -> bool:
    """One client that reads nothing of an answer of `size` bytes. Whether the answer's last read was too much for it;
    if so, the next client is served over the same vendor connection.
    """
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", proxy.port))
        sock.sendall(post(asking(str(size))))
        await until(lambda: paused(proxy) or (vendor.asked and idle(proxy)))
        if not paused(proxy) or vendor.conversations[-1].transport.get_write_buffer_size():
            return False
        await until(lambda: not total(proxy, "paramwall_requests_in_flight"), 1.0)
        async with wired(proxy.port) as wire:
            wire.send(post(asking("2")))
            assert (await wire.answer()).body == b"xx"
    return True


async def test_a_connection_whose_client_was_slow_is_used_again() -> None:
    """The last read of an answer overfills the client's buffers, so its vendor is paused just when the answer ends."""
    async with vending(lambda asked: [whole(b"x" * int(marker_of(asked)))]) as vendor:
        async with proxying(configured(vendor.url)) as proxy, nothing_left(proxy):
            for size in range(64_000, 640_000, 8_000):
                if await ends_paused(proxy, vendor, size):
                    return
                vendor.asked.clear()
    pytest.fail("no answer ended while its client was slow")


# The pool by itself


@asynccontextmanager
async def pooled(vendor: Vendor, clock: Callable[[], float]) -> AsyncIterator[tuple[Pool, Metrics]]:
    metrics = Metrics()
    pool = Pool(configured(vendor.url).vendors[0], metrics, clock)
    yield pool, metrics
    pool.retire()
    await until(lambda: pool.open_count() == 0)


class Done:
    """Stands for a relay whose answer was whole."""

    finished = complete = True

    def __init__(self, *, keep: bool = True) -> None:
        self._keep = keep

    def should_keep_vendor(self) -> bool:
        return self._keep


def use(connection: VendorConnection, *, keep: bool = True) -> None:
    """As after an exchange."""
    connection._relay = Done(keep=keep)  # type: ignore[assignment]


async def test_bytes_that_the_event_loop_has_not_seen_yet() -> None:
    async with vending(()) as vendor, pooled(vendor, lambda: 0.0) as (pool, metrics):
        connection = await pool.open()
        await until(lambda: vendor.conversations)
        use(connection)
        pool.give_back(connection)
        os.write(vendor.conversations[0].transport.get_extra_info("socket").fileno(), b"x")
        assert pool.take() is None
        assert metrics.connection_event("sim", "unsolicited").value == 1


@pytest.mark.parametrize("name", UNASKED)
async def test_bytes_right_behind_an_answer(name: str) -> None:
    """They are read before anybody had the time to give the connection back."""
    async with vending(()) as vendor, pooled(vendor, lambda: 0.0) as (pool, metrics):
        connection, relayed = await pool.open(), Relayed()
        connection.send([b"GET / HTTP/1.1\r\n\r\n"], relayed.relay)
        connection.data_received(whole(b"mine"))
        connection.data_received(UNASKED[name])
        pool.give_back(connection)
        assert relayed.failures == [None]
        assert (await relayed.answer()).body == b"mine"
        assert pool.take() is None
        assert metrics.connection_event("sim", "unsolicited").value == 1


async def test_end_that_the_event_loop_has_not_seen_yet() -> None:
    async with vending(()) as vendor, pooled(vendor, lambda: 0.0) as (pool, _):
        connection = await pool.open()
        await until(lambda: vendor.conversations)
        use(connection)
        pool.give_back(connection)
        with vendor.conversations[0].transport.get_extra_info("socket").dup() as sock:
            sock.shutdown(2)
        assert pool.take() is None


async def test_newest_first_and_not_for_ever() -> None:
    now = 0.0
    async with vending(()) as vendor, pooled(vendor, lambda: now) as (pool, metrics):
        first, second, third = [await pool.open() for _ in range(3)]
        for connection in (first, second, third):
            use(connection)
            pool.give_back(connection)
            now += 1.0
        assert pool.take() is third
        now = IDLE_S + 0.5
        pool.sweep()
        assert pool.open_count() == 2
        now = IDLE_S + 1.5
        assert pool.take() is None
        assert metrics.connection_event("sim", "idle_closed").value == 2
        use(third, keep=False)
        pool.give_back(third)
        assert metrics.connection_event("sim", "idle_closed").value == 3
        assert metrics.open_connections("sim").value == 0


async def test_idle_connections_are_bounded() -> None:
    async with vending(()) as vendor, pooled(vendor, lambda: 0.0) as (pool, _):
        connections = [await pool.open() for _ in range(MAX_IDLE + 3)]
        for connection in connections:
            use(connection)
            pool.give_back(connection)
        assert pool.open_count() == MAX_IDLE


async def test_a_retired_pool_keeps_nothing() -> None:
    async with vending(()) as vendor, pooled(vendor, lambda: 0.0) as (pool, metrics):
        idle, busy = await pool.open(), await pool.open()
        use(idle)
        pool.give_back(idle)
        pool.retire()
        assert (pool.open_count(), pool.take()) == (1, None)
        use(busy)
        pool.give_back(busy)
        assert pool.open_count() == 0
        assert total_of(metrics) == 0


def total_of(metrics: Metrics) -> float:
    return metrics.open_connections("sim").value


async def test_idle_connection_that_the_vendor_closes() -> None:
    async with vending([whole(b"{}")]) as vendor, proxying(configured(vendor.url)) as proxy, nothing_left(proxy):
        for _ in range(3):
            async with wired(proxy.port) as wire:
                wire.send(post(asking()))
                assert (await wire.answer()).status == 200
            for conversation in vendor.open():
                conversation.end(End.CLOSE)
            await until(lambda: total(proxy, "paramwall_upstream_connections") == 0)
        assert len(vendor.conversations) == 3
