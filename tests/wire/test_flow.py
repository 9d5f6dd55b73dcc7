"""Flow control: a client that reads slowly, or not at all, costs little, slows only its own vendor, and not for
ever.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.proxying import Proxy, configured, proxying
from tests.wire.client import Wire, asking, get, post, until, wired
from tests.wire.leaks import nothing_left, outcomes
from tests.wire.test_tls import make, server_side
from tests.wire.vendor import Asked, Conversation, Script, Vendor, head, marker_of, vending, whole

MOST_ACCEPTED = 1024 * 1024
PIECE = 16 * 1024
STREAM_HEAD = head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked")


def piece(number: int) -> bytes:
    """A numbered piece of body."""
    return b"%08d" % number * (PIECE // 8)


def for_ever(asked: Asked) -> Iterator[Any]:
    """Sends as fast as the connection takes it; a short request (a marker) gets a short answer."""
    if marker_of(asked):
        yield whole(b'{"marker":"%b"}' % marker_of(asked))
        return
    yield STREAM_HEAD
    number = 0
    while True:
        yield b"%x\r\n%b\r\n" % (PIECE, piece(number))
        number += 1
        while asked.conversation.transport.get_write_buffer_size() > 4 * PIECE:
            yield 0.001


def accepted(conversation: Conversation) -> int:
    """Bytes the proxy, with every kernel buffer on the way, took from a vendor's connection."""
    return conversation.sent - conversation.transport.get_write_buffer_size()


async def settled(conversation: Conversation) -> int:
    """What was accepted when no more is, or when it is far too much."""
    before = -1
    while before != accepted(conversation) and before < 16 * MOST_ACCEPTED:
        before = accepted(conversation)
        await asyncio.sleep(0.1)
    return before


async def stopped(vendor: Vendor) -> Conversation:
    """The vendor's first connection, once it is stopped."""
    await until(lambda: vendor.conversations and vendor.conversations[0].sent)
    await settled(vendor.conversations[0])
    return vendor.conversations[0]


def _is_reset(sock: socket.socket) -> bool:
    closed = 7  # TCP_CLOSE in Linux's tcp_states.h
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == closed


@asynccontextmanager
async def stuck(proxy: Proxy, request: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    """A client with small buffers that reads nothing until it is told to."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", proxy.port))
    options: dict[str, Any] = {"ssl": tls, "server_hostname": "127.0.0.1"} if tls else {}
    reader, writer = await asyncio.open_connection(sock=sock, limit=4096, **options)
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # a connection's transport has it
    writer.write(request)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


async def read_pieces(wire: Wire, count: int) -> None:
    """Read so many pieces and check every byte of them."""
    wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(20):
        assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        body = bytearray()
        while len(body) < count * PIECE:
            size = int(await wire.reader.readuntil(b"\r\n"), 16)
            body += await wire.reader.readexactly(size)
            assert await wire.reader.readexactly(2) == b"\r\n"
    for number in range(count):
        assert body[number * PIECE : (number + 1) * PIECE] == piece(number)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make(tmp_path_factory.mktemp("flow"), "flow", "IP:127.0.0.1")


@pytest.mark.parametrize("side", ["plain", "tls-to-client", "tls-to-vendor"])
async def test_a_client_that_reads_nothing_stops_its_vendor(side: str, pair: tuple[Path, Path]) -> None:
    """Less than 1 MiB is taken from a vendor that sends for ever, kernel buffers included; then it goes on, intact."""
    settings: dict[str, Any] = {}
    if side == "tls-to-client":
        settings["tls"] = {"certificate": str(pair[0]), "key": str(pair[1])}
    elif side == "tls-to-vendor":
        settings["vendor"] = {"ca_file": str(pair[0])}
    client_tls = ssl.create_default_context(cafile=str(pair[0])) if side == "tls-to-client" else None
    vendor_tls = server_side(pair) if side == "tls-to-vendor" else None
    async with vending(for_ever, tls=vendor_tls) as vendor, proxying(configured(vendor.url, **settings)) as proxy:
        vendor.send_buffer = 16 * 1024
        async with nothing_left(proxy), stuck(proxy, post(asking()), client_tls) as wire:
            taken = accepted(await stopped(vendor))
            assert PIECE < taken < MOST_ACCEPTED
            await read_pieces(wire, 2 * taken // PIECE)
            assert accepted(vendor.conversations[0]) > taken
        assert outcomes(proxy) == {"client_gone": 1}


async def test_other_clients_are_not_delayed() -> None:
    async with vending(for_ever) as vendor, proxying(configured(vendor.url)) as proxy, nothing_left(proxy):
        async with stuck(proxy, post(asking())), stuck(proxy, post(asking())):
            await stopped(vendor)
            delays = []
            async with wired(proxy.port) as wire:
                for number in range(50):
                    began = asyncio.get_running_loop().time()
                    wire.send(post(asking(str(number))))
                    assert (await wire.answer()).body == b'{"marker":"%d"}' % number
                    delays.append(asyncio.get_running_loop().time() - began)
            assert sorted(delays)[25] < 0.1


async def test_a_client_that_never_reads_is_cut_off() -> None:
    """Both sides end after `limits.write_stall`, and it counts as the client's going."""
    async with vending(for_ever) as vendor:
        async with proxying(configured(vendor.url, limits={"write_stall": "400ms"})) as proxy, nothing_left(proxy):
            async with stuck(proxy, post(asking())) as wire:
                await until(lambda: vendor.conversations and vendor.conversations[0].closed.is_set(), 10)
                await until(lambda: not proxy.plane._front.connections)  # type: ignore[union-attr]
                wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
                answer = await wire.answer()
                assert answer.cut
        assert outcomes(proxy) == {"client_gone": 1}
        assert outcomes(proxy, "paramwall_upstream_requests_total") == {"client_gone": 1}
        assert proxy.lines[0]["failure"] == "client-stalled"


async def test_a_slow_client_is_not_a_silent_vendor() -> None:
    """While the vendor is not read, its idle time does not run."""
    async with vending(for_ever) as vendor:
        async with proxying(configured(vendor.url, vendor={"timeouts": {"idle": "300ms"}})) as proxy:
            async with stuck(proxy, post(asking())) as wire:
                await stopped(vendor)
                await asyncio.sleep(0.7)
                await read_pieces(wire, 40)
                assert not proxy.lines


async def test_a_client_that_reads_now_and_then_is_not_cut_off() -> None:
    async with vending(for_ever) as vendor:
        async with proxying(configured(vendor.url, limits={"write_stall": "600ms"})) as proxy:
            async with stuck(proxy, post(asking())) as wire:
                transport = wire.writer.transport
                for _ in range(10):
                    await asyncio.sleep(0.15)
                    transport.resume_reading()  # type: ignore[attr-defined]
                    async with asyncio.timeout(5):
                        await wire.reader.readexactly(200_000)
                    transport.pause_reading()  # type: ignore[attr-defined]
                assert vendor.open()
                assert not proxy.lines


async def test_a_whole_answer_that_nobody_reads_is_not_kept_for_ever() -> None:
    """The vendor is done. Of some of these answers a little is left in the proxy's own buffer, of others a lot."""
    clients: dict[int, socket.socket] = {}
    async with vending(lambda asked: [whole(bytes(int(marker_of(asked))))]) as vendor:
        config = configured(vendor.url, limits={"write_stall": "400ms", "keepalive": "500ms"})
        async with proxying(config) as proxy, nothing_left(proxy), AsyncExitStack() as stack:
            for size in (*range(64_000, 400_000, 8_000), 3_000_000):
                wire = await stack.enter_async_context(stuck(proxy, post(asking(str(size)))))
                clients[size] = wire.writer.transport.get_extra_info("socket")
            await until(lambda: len(proxy.lines) == 43, 10)
            await until(lambda: not proxy.plane._front.connections, 10)  # type: ignore[union-attr]
            # Reset: an end in order would wait behind what is not read. The kernel has taken all of smaller answers.
            await until(lambda: all(map(_is_reset, (clients[size] for size in clients if size > 150_000))), 10)


async def test_nothing_is_written_behind_an_answer_that_is_not_read() -> None:
    """Pipelined requests, the second one's answer endless. Where the last read of the first answer overfills the
    client's buffers, the second has to wait, so that it slows its vendor in turn.
    """

    def answer(asked: Asked) -> Script:
        return [whole(bytes(int(marker_of(asked))))] if marker_of(asked) else for_ever(asked)

    async with vending(answer) as vendor, proxying(configured(vendor.url)) as proxy, nothing_left(proxy):
        vendor.send_buffer = 16 * 1024
        async with AsyncExitStack() as stack:
            for size in range(64_000, 400_000, 8_000):
                requests = post(asking(str(size))), post(asking())
                await stack.enter_async_context(stuck(proxy, b"".join(requests)))
            await until(lambda: len(vendor.asked) > 42)
            for _ in range(3):
                taken = await asyncio.gather(*(settled(one) for one in vendor.conversations))
                assert max(taken) < MOST_ACCEPTED


async def test_pipelined_requests_are_bounded() -> None:
    """A client that only asks: its requests wait in its own buffers."""
    async with vending([whole(b"{}")]) as vendor, proxying(configured(vendor.url)) as proxy, nothing_left(proxy):
        async with stuck(proxy, b"") as wire:
            wire.writer.write(get() * 200_000)
            await until(lambda: len(vendor.asked) > 100)
            before = -1
            while before != len(vendor.asked):
                before = len(vendor.asked)
                await asyncio.sleep(0.2)
            assert before < 5000
            assert wire.writer.transport.get_write_buffer_size() > 0
            connection = proxy.plane._front.open_connections()[0]  # type: ignore[union-attr]
            assert len(connection._messages) <= 64
            assert connection.transport is not None
            assert connection.transport.get_write_buffer_size() < 128 * 1024
