"""A client's connection at its edges: refused and staying, slow with one head and not with the next, gone meanwhile.

Not here: whole exchanges (the scenarios). Invariant: whatever its client does, a connection ends, and one that may go
on does.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from proxy.wire import server
from proxy.wire.aiohttp_hooks import Connection, Front, Request, _cut_off
from tests.proxying import Proxy, configured, proxying
from tests.wire.client import Wire, asking, get, post, read_answer, until, wired
from tests.wire.test_tls import make
from tests.wire.vendor import vending, whole

OK = [whole(b"{}")]
REFUSED = {
    "a head that is late": (b"GET /v1/models HT", 408),
    "a head that is none": (b"GARBAGE\r\n\r\n", 400),
    "a body that is not read": (b"POST /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n{", 404),
}


def front(proxy: Proxy) -> Front:
    found = proxy.plane._front
    assert found is not None
    return found


async def connection_of(proxy: Proxy) -> Connection:
    """The proxy's side of its only connection."""
    await until(lambda: front(proxy).connections)
    return front(proxy).open_connections()[0]


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
async def test_a_client_that_is_refused_and_stays_is_let_go(
    name: str, encrypted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LINGER_S", 0.05)
    sent, status = REFUSED[name]
    pair = make(tmp_path, "linger", "IP:127.0.0.1") if encrypted else None
    settings: dict[str, Any] = {"tls": {"certificate": str(pair[0]), "key": str(pair[1])}} if pair else {}
    config = configured("http://127.0.0.1:9/v1", limits={"header_timeout": "150ms"}, **settings)
    tls = ssl.create_default_context(cafile=str(pair[0])) if pair else None
    async with proxying(config) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, ssl=tls)
        writer.write(sent)
        async with asyncio.timeout(20):
            assert (await read_answer(reader)).status == status
        await until(lambda: not front(proxy).connections)
        writer.transport.abort()


async def test_a_client_that_says_nothing_is_let_go() -> None:
    config = configured("http://127.0.0.1:9/v1", limits={"header_timeout": "200ms", "keepalive": "200ms"})
    async with proxying(config) as proxy, wired(proxy.port) as wire:
        assert await asyncio.wait_for(wire.reader.read(), 20) == b""


async def test_a_defect_of_ours_ends_the_connection_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_request: Request) -> bool:
        raise ZeroDivisionError

    async with vending(OK) as vendor, proxying(configured(vendor.url)) as proxy, wired(proxy.port) as wire:
        with monkeypatch.context() as patch:
            patch.setattr(front(proxy), "serve", broken)
            wire.writer.write(get())
            assert await asyncio.wait_for(wire.reader.read(), 20) == b""
        assert [(line["event"], line["error"]) for line in proxy.lines] == [("fault", "ZeroDivisionError")]
        async with wired(proxy.port) as other:
            other.writer.write(get())
            assert (await asyncio.wait_for(read_answer(other.reader), 20)).status == 200


async def test_a_connection_that_is_to_end_takes_no_request_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ending(request: Request) -> bool:
        request.connection.force_close()
        return True

    async with vending(OK) as vendor, proxying(configured(vendor.url)) as proxy, wired(proxy.port) as wire:
        monkeypatch.setattr(front(proxy), "serve", ending)
        wire.writer.write(get() + get())
        assert await asyncio.wait_for(wire.reader.read(), 20) == b""
        assert not proxy.lines


async def test_only_a_client_that_does_not_read_is_cut_off() -> None:
    async with vending(OK) as vendor, proxying(configured(vendor.url)) as proxy, wired(proxy.port) as wire:
        transport = (await connection_of(proxy)).transport
        assert transport is not None
        _cut_off(transport)
        wire.writer.write(get())
        assert (await asyncio.wait_for(read_answer(wire.reader), 20)).status == 200


async def test_what_aiohttp_would_log_is_told_by_its_type() -> None:
    async with vending(OK) as vendor, proxying(configured(vendor.url)) as proxy, wired(proxy.port):
        connection = await connection_of(proxy)
        connection.log_exception("a client's bytes", exc_info=ValueError("a client's bytes"))
        connection.log_exception("a client's bytes", exc_info=True)
        assert [(line["event"], line["error"]) for line in proxy.lines] == [("fault", "ValueError")]


async def test_heads_in_halves_and_requests_close_together() -> None:
    """The end of a body and the next head come in one read."""
    async with vending(OK) as vendor, proxying(configured(vendor.url)) as proxy, wired(proxy.port) as wire:
        asked, beginning = post(asking()), len(get()) // 2
        connection = await connection_of(proxy)
        for _ in range(2):
            wire.writer.write(get()[:beginning])
            await until(lambda: connection.head_timer)
            wire.writer.write(get()[beginning:])
            assert (await asyncio.wait_for(read_answer(wire.reader), 20)).status == 200
            assert connection.head_timer is None
        wire.writer.write(asked[:-5])
        await until(lambda: connection.body)
        wire.writer.write(asked[-5:] + get())
        for _ in range(2):
            assert (await asyncio.wait_for(read_answer(wire.reader), 20)).status == 200


async def test_a_connection_lives_on_however_often_it_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """One timer looks for late heads of all requests: it goes off between two, and again."""
    looked: list[Connection] = []
    original = Connection._look_behind

    def looking(each: Connection) -> None:
        looked.append(each)
        original(each)

    monkeypatch.setattr(Connection, "_look_behind", looking)
    config = configured("http://127.0.0.1:9/v1", limits={"header_timeout": "100ms"})
    async with proxying(config) as proxy, wired(proxy.port) as wire:
        while len(looked) < 4:
            wire.writer.write(get("/nowhere"))
            assert (await asyncio.wait_for(read_answer(wire.reader), 20)).status == 404
            await asyncio.sleep(0.03)
        assert len(front(proxy).connections) == 1


async def test_a_connection_that_rests_too_long_is_closed_also_after_a_long_request() -> None:
    """Longer than it may rest: aiohttp's own timer of the connection has gone off by then."""
    async with vending([0.3, whole(b"{}")]) as vendor:
        config = configured(vendor.url, limits={"keepalive": "100ms"})
        async with proxying(config) as proxy, wired(proxy.port) as wire:
            wire.writer.write(get())
            assert (await asyncio.wait_for(read_answer(wire.reader), 20)).status == 200
            assert await asyncio.wait_for(wire.reader.read(), 20) == b""


async def test_refusals_that_are_not_read_wait_for_their_client() -> None:
    config = configured("http://127.0.0.1:9/v1")
    async with proxying(config) as proxy, wired(proxy.port, receive_buffer=4096) as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a connection's transport has it
        connection = await connection_of(proxy)
        wire.writer.write(get("/nowhere") * 5000)
        await until(lambda: connection._paused)
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(5000):
            assert (await asyncio.wait_for(read_answer(wire.reader), 20)).status == 404


async def test_who_speaks_to_a_client_that_has_left_is_not_hurt() -> None:
    async with vending(OK) as vendor, proxying(configured(vendor.url)) as proxy:
        async with wired(proxy.port):
            connection = await connection_of(proxy)
        await until(lambda: connection.transport is None)
        connection.write(b"anybody?")
        await connection._linger()
        connection._head_late()
        connection.force_close()
        assert server._say_no_more(connection)


async def test_a_last_answer_that_is_read_late_is_whole() -> None:
    """Its connection ends behind it; of some of these answers the end is still in the proxy when it does."""
    async with vending(lambda asked: [whole(bytes(int(asked.body.partition(b'"user":"')[2].partition(b'"')[0])))]) as (
        vendor
    ):
        async with proxying(configured(vendor.url)) as proxy, AsyncExitStack() as stack:
            clients: list[tuple[int, Wire]] = []
            for size in range(64_000, 400_000, 8_000):
                wire = await stack.enter_async_context(wired(proxy.port, receive_buffer=4096))
                wire.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a connection's transport has it
                wire.writer.write(post(asking(str(size)), "Connection: close"))
                clients.append((size, wire))
            await until(lambda: len(proxy.lines) > 10)
            for size, wire in clients:
                wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
                answer = await asyncio.wait_for(read_answer(wire.reader), 20)
                assert len(answer.body) == size
            await until(lambda: not front(proxy).connections)
            assert not [line for line in proxy.lines if line["event"] == "fault"]
