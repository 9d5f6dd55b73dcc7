"""The end of a worker, and a change of configuration: no request under way is touched before its time, and none at the
end looks complete that is not.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from proxy.wire.aiohttp_hooks import Connection
from proxy.wire.server import DataPlane
from tests.proxying import Proxy, configured, proxying
from tests.wire.client import Wire, asking, post, until, wired
from tests.wire.leaks import outcomes, total
from tests.wire.vendor import Asked, End, Script, chunked, head, marker_of, vending, whole

STREAM_HEAD = head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked")
OK = whole(b"{}")


async def refused(port: int) -> bool:
    """Whether nobody accepts any more."""
    with socket.socket() as sock:
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        except ConnectionRefusedError:
            return True
        return False


@asynccontextmanager
async def draining(proxy: Proxy, grace_s: float, deadline_s: float) -> AsyncIterator[asyncio.Task[None]]:
    """A drain that has begun; it must have ended when the block does."""
    task = asyncio.create_task(proxy.plane.drain(grace_s, deadline_s))
    await asyncio.sleep(0)
    yield task
    async with asyncio.timeout(10):
        await task


def gated(gate: asyncio.Event, rest: bytes = chunked(b"data: [DONE]\n\n")) -> Any:  # noqa: ANN401
    """A vendor that begins a stream and ends it when the gate opens; a marker asks for a short answer."""

    def answer(asked: Asked) -> Script:
        return [OK] if marker_of(asked) else [STREAM_HEAD + b"5\r\nhello\r\n", gate, rest]

    return answer


async def started(wire: Wire, proxy: Proxy) -> None:
    """A stream of which the client has the beginning."""
    wire.send(post(asking()))
    await until(lambda: proxy.plane.in_flight() == 1 and wire.reader._buffer)  # type: ignore[attr-defined]


async def test_open_streams_finish_and_nothing_new_is_accepted() -> None:
    gate = asyncio.Event()
    async with vending(gated(gate)) as vendor, proxying(configured(vendor.url)) as proxy:
        async with wired(proxy.port) as wire, wired(proxy.port) as idle:
            await started(wire, proxy)
            async with draining(proxy, 0.1, 10) as drain:
                assert await idle.end() == "eof"
                assert await refused(proxy.port)
                assert not drain.done()
                gate.set()
                answer = await wire.answer()
                assert (answer.body, answer.cut) == (b"hellodata: [DONE]\n\n", "")
                assert await wire.end() == "eof"
        assert outcomes(proxy) == {"ok": 1}
        await until(lambda: not vendor.open())


async def test_requests_within_the_grace_are_answered_and_told_to_go() -> None:
    async with vending([OK]) as vendor, proxying(configured(vendor.url)) as proxy, wired(proxy.port) as wire:
        wire.send(post(asking()))
        assert (await wire.answer()).value("connection") is None
        async with draining(proxy, 0.5, 10):
            wire.send(post(asking()))
            answer = await wire.answer()
            assert (answer.status, answer.value("connection")) == (200, b"close")
            assert await wire.end() == "eof"


async def test_a_request_that_has_arrived_unread_when_its_connection_is_to_close_is_answered() -> None:
    """The look at idle connections and the client's bytes come in one turn of the loop."""
    async with vending([OK]) as vendor, proxying(configured(vendor.url)) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            front = proxy.plane._front
            assert front is not None
            await until(lambda: any(each.idle_since() is not None for each in front.open_connections()))
            look, request = front.open_connections, [post(asking())]

            def ask_and_look() -> list[Connection]:
                while request:
                    client.sendall(request.pop())
                return look()

            front.open_connections = ask_and_look  # type: ignore[method-assign]
            async with draining(proxy, 0.0, 10):
                answer = await asyncio.to_thread(client.recv, 65536)
                assert answer.startswith(b"HTTP/1.1 200 ")
                assert b"\r\nConnection: close\r\n" in answer


async def test_an_idle_client_is_told_of_the_end_in_the_turn_that_decides_it() -> None:
    """A client that looks before it asks finds the end, however long the next turn of the loop is in coming."""
    async with vending([OK]) as vendor, proxying(configured(vendor.url)) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            front = proxy.plane._front
            assert front is not None
            await until(lambda: any(each.idle_since() is not None for each in front.open_connections()))
            looks: list[bytes] = []
            pause, looked = asyncio.sleep, asyncio.Event()

            async def look_and_pause(delay_s: float) -> None:
                if not looked.is_set():
                    looks.append(client.recv(1, socket.MSG_DONTWAIT))
                    looked.set()
                await pause(delay_s)

            with pytest.MonkeyPatch.context() as patched:
                patched.setattr("proxy.wire.server.asyncio.sleep", look_and_pause)
                await proxy.plane.drain(0.0, 10)
            assert looks == [b""]


async def test_a_refusal_within_the_grace_says_close() -> None:
    async with vending([OK]) as vendor, proxying(configured(vendor.url)) as proxy, wired(proxy.port) as wire:
        async with draining(proxy, 0.5, 10):
            wire.send(post(b"nonsense"))
            answer = await wire.answer()
            assert (answer.status, answer.value("connection")) == (400, b"close")
            assert await wire.end() == "eof"


async def test_a_body_that_is_coming_is_awaited() -> None:
    async with vending([OK]) as vendor, proxying(configured(vendor.url)) as proxy, wired(proxy.port) as wire:
        request = post(asking())
        wire.send(request[:-5])
        await until(lambda: proxy.plane.in_flight() == 1)
        async with draining(proxy, 0.1, 10):
            await asyncio.sleep(0.3)
            wire.send(request[-5:])
            answer = await wire.answer()
            assert (answer.status, answer.value("connection")) == (200, b"close")


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("framing", ["chunked", "eof"])
async def test_what_is_open_at_the_deadline_is_cut_and_looks_cut(framing: str, version: str) -> None:
    start = STREAM_HEAD if framing == "chunked" else head(200, "Content-Type: text/event-stream")
    body = b"d\r\ndata: hello\n\n\r\n" if framing == "chunked" else b"data: hello\n\n"
    async with vending([start + body]) as vendor, proxying(configured(vendor.url)) as proxy:
        async with wired(proxy.port) as wire:
            wire.send(post(asking(), version=version))
            await until(lambda: proxy.plane.in_flight() == 1 and wire.reader._buffer)  # type: ignore[attr-defined]
            began = asyncio.get_running_loop().time()
            async with draining(proxy, 0.1, 0.3):
                answer = await wire.answer()
                assert answer.cut
            assert 0.2 < asyncio.get_running_loop().time() - began < 5
        await until(lambda: not vendor.open())
        assert sum(outcomes(proxy).values()) == 1
        assert total(proxy, "paramwall_upstream_connections") == 0


async def test_a_request_without_an_answer_at_the_deadline() -> None:
    async with vending(()) as vendor, proxying(configured(vendor.url)) as proxy, wired(proxy.port) as wire:
        wire.send(post(asking()))
        await until(lambda: vendor.asked)
        async with draining(proxy, 0.1, 0.2):
            answer = await wire.answer()
            assert answer.cut or answer.status >= 500
        await until(lambda: not vendor.open())
        assert sum(outcomes(proxy).values()) == 1


async def test_a_client_that_reads_nothing_does_not_hold_up_the_end() -> None:
    async with vending([whole(bytes(3_000_000))]) as vendor, proxying(configured(vendor.url)) as proxy:
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", proxy.port))
            sock.sendall(post(asking()))
            await until(lambda: vendor.asked)
            async with asyncio.timeout(5):
                await proxy.plane.drain(0.1, 0.3)


# A change of configuration


def pools(plane: DataPlane) -> list[object]:
    return [lane.pool for lane in plane._pipeline.plane.lanes.values()]


async def test_pools_of_an_unchanged_vendor_are_kept() -> None:
    async with vending([OK]) as vendor, proxying(configured(vendor.url)) as proxy, wired(proxy.port) as wire:
        wire.send(post(asking()))
        await wire.answer()
        before = pools(proxy.plane)
        proxy.plane.swap(configured(vendor.url, enforcement="observe"))
        assert pools(proxy.plane) == before
        wire.send(post(asking()))
        assert (await wire.answer()).status == 200
        assert len(vendor.conversations) == 1


@pytest.mark.parametrize(
    "changed", [{"timeouts": {"connect": "3s"}}, {"tunnel": "http://127.0.0.1:1"}, {"url": "http://localhost:9/v1"}]
)
async def test_pools_of_a_changed_vendor_are_retired(changed: dict[str, Any]) -> None:
    """Idle connections end at once, one in use when its exchange does."""
    gate = asyncio.Event()
    async with vending(gated(gate)) as vendor, proxying(configured(vendor.url)) as proxy:
        async with wired(proxy.port) as wire, wired(proxy.port) as other:
            await started(wire, proxy)
            other.send(post(asking("short")))
            assert (await other.answer()).status == 200
            assert len(vendor.open()) == 2
            before = pools(proxy.plane)
            proxy.plane.swap(configured(vendor.url, vendor=changed))
            assert pools(proxy.plane) != before
            await until(lambda: len(vendor.open()) == 1)
            gate.set()
            assert not (await wire.answer()).cut
            await until(lambda: not vendor.open())
        assert total(proxy, "paramwall_upstream_connections") == 0


async def test_a_vendor_that_is_gone_serves_what_it_began() -> None:
    gate = asyncio.Event()
    async with vending(gated(gate)) as vendor, vending([OK]) as other, proxying(configured(vendor.url)) as proxy:
        async with wired(proxy.port) as wire, wired(proxy.port) as late:
            await started(wire, proxy)
            config = configured(other.url)
            proxy.plane.swap(replace(config, vendors=(replace(config.vendors[0], name="new"),)))
            late.send(post(asking("x"), path="/vendors/sim/v1/chat/completions"))
            assert (await late.answer()).status == 404
            late.send(post(asking("x")))
            assert (await late.answer()).status == 200
            gate.set()
            assert not (await wire.answer()).cut
        assert outcomes(proxy) == {"ok": 2, "rejected": 1}
        assert len(other.asked) == 1
        assert total(proxy, "paramwall_requests_in_flight") == 0


async def test_new_limits_hold_from_the_next_request_on() -> None:
    gate = asyncio.Event()
    async with vending(gated(gate)) as vendor, proxying(configured(vendor.url)) as proxy:
        async with wired(proxy.port) as wire, wired(proxy.port) as other:
            await started(wire, proxy)
            proxy.plane.swap(configured(vendor.url, limits={"in_flight": 1, "header_timeout": "200ms"}))
            other.send(post(asking("x")))
            assert (await other.answer()).status == 503
            async with wired(proxy.port) as slow:
                slow.send(b"POST")
                assert (await slow.answer()).status == 408
            gate.set()
            assert not (await wire.answer()).cut
            other.send(post(asking("x")))
            assert (await other.answer()).status == 200


async def swapped_under_load(streams: int, swaps: int) -> None:
    """Streams that begin and end until the configuration was changed so often, five times a second."""
    events = [b"data: %d\n\n" % number for number in range(20)]

    def answer(_: Asked) -> Script:
        yield STREAM_HEAD
        for event in events:
            yield chunked(event, last=b"")
            yield 0.005
        yield b"0\r\n\r\n"

    async def one_client(proxy: Proxy, swapped: asyncio.Event) -> int:
        asked = 0
        async with wired(proxy.port) as wire:
            while not swapped.is_set():
                wire.send(post(asking(stream=True)))
                answer = await wire.answer()
                assert (answer.status, answer.cut, answer.body) == (200, "", b"".join(events))
                asked += 1
        return asked

    async with vending(answer) as vendor:
        configs = [configured(vendor.url, vendor={"timeouts": {"connect": f"{number}s"}}) for number in (5, 5, 6)]
        async with proxying(configs[0]) as proxy:
            swapped = asyncio.Event()
            clients = [asyncio.create_task(one_client(proxy, swapped)) for _ in range(streams)]
            for turn in range(1, swaps + 1):
                await asyncio.sleep(0.2)
                proxy.plane.swap(configs[turn % 3])
            swapped.set()
            asked = sum([await client for client in clients])
            assert outcomes(proxy) == {"ok": asked}
            assert proxy.plane.in_flight() == 0


async def test_swaps_under_streams() -> None:
    await swapped_under_load(20, 6)


@pytest.mark.long
async def test_swaps_under_a_hundred_streams() -> None:
    """`pytest -m long tests/wire/test_drain.py`: five swaps a second for half a minute."""
    await swapped_under_load(100, 150)


async def test_a_thousand_swaps_leave_nothing_behind() -> None:
    """No task, no descriptor and no connection is left of the configurations that are gone."""
    async with vending([OK, End.CLOSE]) as vendor, proxying(configured(vendor.url)) as proxy:
        tasks = len(asyncio.all_tasks())
        configs = [configured(vendor.url, vendor={"timeouts": {"connect": f"{number}s"}}) for number in (5, 6)]
        for turn in range(1000):
            proxy.plane.swap(configs[turn % 2])
            if not turn % 100:
                async with wired(proxy.port) as wire:
                    wire.send(post(asking()))
                    assert (await wire.answer()).status == 200
        await until(lambda: not vendor.open())
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        assert total(proxy, "paramwall_upstream_connections") == 0
