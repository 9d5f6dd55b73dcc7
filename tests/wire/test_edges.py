"""What is met so rarely that no ordinary exchange shows it: each guard of the wire by itself, at its edge.

Here: one object of proxy/wire at a time, with a bare socket where it needs one. Not here: whole exchanges (the
scenarios). Invariant: what is guarded against is made to happen, never simulated by reading the guard's own state.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.streams import StreamReader

from proxy.config.values import Vendor
from proxy.metrics.worker import Metrics
from proxy.wire.admission import Admission, identify
from proxy.wire.body import Arrival
from proxy.wire.dial import DialError, dial
from proxy.wire.forward import Passage
from proxy.wire.headers import read_answer_fields
from proxy.wire.pool import Pool
from proxy.wire.problems import Refused
from proxy.wire.relay import BrokenAnswer, reset
from proxy.wire.server import DataPlane
from proxy.wire.vendor_leg import VendorConnection
from tests.proxying import configured, proxying
from tests.wire.client import asking, get, post, until, wired
from tests.wire.relaying import Relayed, Transport
from tests.wire.vendor import vending, whole

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BEGINNING = ANSWER[:-2]


# Admission, body, header fields


def test_where_no_clients_are_configured_any_key_is_nobody_s() -> None:
    assert identify((), b"Bearer sk-any") is None


async def test_a_whole_body_whose_framing_broke_is_refused() -> None:
    config = configured("http://127.0.0.1:9/v1")
    permit = Admission(config.limits)
    permit.update(config.limits, [("sim", None)], ())
    content = StreamReader(web.BaseRequest.__new__(web.BaseRequest), 1024)  # type: ignore[arg-type]  # no protocol needed
    content.set_exception(web.RequestPayloadError("broken"))
    arrival = Arrival(content, None, config.limits, permit.admit("sim", None), lambda: 0.0)
    with pytest.raises(Refused) as caught:
        arrival.taken()
    assert caught.value.problem.status == 400


@pytest.mark.parametrize("value", [b"a\r\n b", b"a\n", b"a\r", b"a\x00b"])
def test_a_field_of_an_answer_that_holds_a_line_end_is_broken(value: bytes) -> None:
    with pytest.raises(ValueError, match="header field"):
        read_answer_fields([(b"Date", b"now"), (b"X-Any", value)])


def test_more_names_than_are_remembered_are_read_alike() -> None:
    for number in range(600):
        head = read_answer_fields([(b"X-Name-%d" % number, b"v"), (b"Connection", b"close"), (b"X" * 65, b"w")])
        assert head.block == b"X-Name-%d: v\r\n%b: w\r\n" % (number, b"X" * 65)


# The relay


def test_a_field_that_the_parser_let_through_is_no_answer() -> None:
    relayed = Relayed()
    relayed.relay.feed(b"HTTP/1.1 200 OK\r\nA: b\r\n")
    relayed.relay.on_header(b"X-Any", b"a\r\nSet-Cookie: b")
    with pytest.raises(BrokenAnswer):
        relayed.relay.feed(b"Content-Length: 0\r\n\r\n")
    assert not relayed.transport.written


def test_a_client_that_fails_while_it_is_written_to_is_told_once() -> None:
    relayed = Relayed()

    class Failing(Transport):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            relayed.relay.fail("client-gone")

    relayed.relay._client = Failing()
    relayed.relay.feed(ANSWER)
    assert relayed.failures == ["client-gone"]


def test_a_client_whose_socket_is_gone_is_aborted_all_the_same() -> None:
    class Closed(Transport):
        def get_extra_info(self, name: str, default: object = None) -> object:
            return default

    transport = Closed()
    reset(transport)
    assert (transport.aborted, transport.reset) == (True, False)


# The vendor's connection


@asynccontextmanager
async def connected() -> AsyncIterator[VendorConnection]:
    """A connection of a pool to a vendor that says nothing."""
    async with vending(()) as vendor:
        pool = Pool(configured(vendor.url).vendors[0], Metrics(), lambda: 0.0)
        yield await pool.open()
        pool.retire()
        await until(lambda: pool.open_count() == 0)


async def test_a_defect_while_an_answer_is_read_ends_both_sides() -> None:
    async with connected() as leg:
        relayed = Relayed()
        leg.send([b"GET / HTTP/1.1\r\n\r\n"], relayed.relay)
        leg.data_received(BEGINNING)

        def defect(*_: object) -> None:
            raise ZeroDivisionError

        relayed.relay._parser = type("Parser", (), {"feed_data": defect})()
        with pytest.raises(ZeroDivisionError):
            leg.data_received(b"{}")
        assert relayed.failures == ["reset"]
        assert relayed.transport.aborted
        assert leg.transport.is_closing()


async def test_a_connection_that_is_closing_is_neither_paused_nor_resumed() -> None:
    async with connected() as leg:
        leg.close("broken")
        leg.pause()
        leg.resume()
        leg.close("broken")
        assert not leg.transport.is_reading()


class Leg:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")


@pytest.mark.parametrize(("received", "told"), [(BEGINNING, ["pause", "resume"]), (ANSWER, [])])
def test_a_vendor_that_is_done_is_not_read_on_for_this_client(received: bytes, told: list[str]) -> None:
    relayed, leg = Relayed(), Leg()
    relayed.receive([received])
    timeouts = configured("http://127.0.0.1:9/v1").vendors[0].timeouts
    passage = Passage(leg, relayed.relay, timeouts, 1.0, 0.0)  # type: ignore[arg-type]
    passage.pause()
    passage.resume()
    assert leg.told == told


async def test_a_request_whose_task_is_cancelled_leaves_its_vendor() -> None:
    async with vending([BEGINNING, asyncio.Event()]) as vendor, proxying(configured(vendor.url)) as proxy:
        async with wired(proxy.port) as wire:
            wire.send(post(asking()))
            await until(lambda: vendor.asked and proxy.plane.in_flight())
            (connection,) = proxy.plane._front.open_connections()  # type: ignore[union-attr]
            task: asyncio.Task[None] = connection._task_handler  # type: ignore[assignment]
            task.cancel()
            await until(lambda: not proxy.plane.in_flight())
            await until(lambda: not vendor.open())


# Dialling


def vendor_at(port: int, **said: Any) -> Vendor:  # noqa: ANN401  (any setting of a vendor)
    return configured(f"http://127.0.0.1:{port}/v1", vendor=said).vendors[0]


@asynccontextmanager
async def serving(said: bytes) -> AsyncIterator[int]:
    """A server that waits for a first read, says this and ends the connection; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def plain(_: socket.socket) -> Any:  # noqa: ANN401  (stands for a connection that is never made)
    return asyncio.Protocol()


def never(_: socket.socket) -> VendorConnection:
    raise AssertionError("nothing was connected")


def resolving(loop: Any, monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:  # noqa: ANN401  (any loop)
    """Every name leads to these addresses; to none: it does not exist."""

    async def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)


async def test_a_vendor_that_speaks_no_tls() -> None:
    async with serving(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        with pytest.raises(DialError, match=r"TLS with 127.0.0.1 failed: SSLError"):
            await dial(vendor_at(port), ssl.create_default_context(), plain)


async def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(asyncio.get_running_loop(), monkeypatch)
    with pytest.raises(DialError, match=r"cannot be resolved \(Name or service not known\)"):
        await dial(vendor_at(9), None, never)


async def test_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getaddrinfo(*_: object, **__: object) -> list[object]:
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    with pytest.raises(DialError, match=r"cannot be reached \(no address\)"):
        await dial(vendor_at(9), None, never)


@pytest.mark.parametrize("address", ["169.254.169.254", "100.100.100.200"])
async def test_a_name_that_leads_to_a_metadata_service(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(asyncio.get_running_loop(), monkeypatch, address)
    with pytest.raises(DialError, match=f"leads to {address}"):
        await dial(vendor_at(9), None, never)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\n", "closed the connection"),
        (b"HTTP/1.1 200 " + b"x" * 70_000, "closed the connection"),
        (b"HTTP/1.1 200 OK\r\n\r\nearly", "refused the tunnel"),
        (b"HTTP/1.1 502 Bad\r\n\r\n", "refused the tunnel"),
        (b"\r\n\r\n", "refused the tunnel"),
    ],
)
async def test_a_tunnel_that_does_not_come_to_be(said: bytes, why: str) -> None:
    async with serving(said) as port:
        with pytest.raises(DialError, match=f"the HTTP proxy 127.0.0.1 {why}"):
            await dial(vendor_at(9, tunnel=f"http://127.0.0.1:{port}"), None, never)


# The data plane before it listens


async def test_a_plane_that_never_started_swaps_and_drains() -> None:
    config = configured("http://127.0.0.1:9/v1")
    plane = DataPlane(config, Metrics(), lambda _: None)
    assert plane.detail() == b""
    plane.swap(config)
    await plane.drain(0.0, 0.0)
    assert plane.in_flight() == 0


async def test_an_idle_client_at_the_deadline_of_a_drain_is_closed_in_order() -> None:
    async with vending([whole(b"{}")]) as vendor, proxying(configured(vendor.url)) as proxy:
        async with wired(proxy.port) as wire:
            wire.send(get())
            assert (await wire.answer()).status == 200
            await proxy.plane.drain(5.0, 0.0)
            assert await wire.end() == "eof"
