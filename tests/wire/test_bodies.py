"""Request bodies on the wire: sizes, pace and invitation.

Not here: what bodies mean (tests/policy) and hostile ones (tests/cases/wire/bodies.yaml). Invariant: a body arrives
whole, or it is refused and no vendor hears of it.
"""

from __future__ import annotations

import asyncio

import pytest

from proxy.wire import body as request_body
from tests.proxying import Proxy, configured, proxying
from tests.wire.client import Answer, asking, post, until, wired
from tests.wire.leaks import nothing_left, outcomes
from tests.wire.vendor import vending, whole

KIB = 1024


def chunks(body: bytes, size: int = 4000) -> bytes:
    """A body in chunks of `size`."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def of_size(size: int) -> bytes:
    """A lawful body of exactly `size` bytes."""
    empty = len(asking("x")) - 1
    return asking("x" * (size - empty))


@pytest.mark.parametrize("size", [1, 40 * KIB, 600 * KIB, 3_000 * KIB])
@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
async def test_bodies_arrive_whole_however_they_come(size: int, chunked: bool) -> None:
    body = of_size(max(size, 100))
    framed = post(chunks(body, 50_000), "Transfer-Encoding: chunked", length=False) if chunked else post(body)
    async with vending([whole(b"{}")]) as vendor, proxying(configured(vendor.url)) as proxy, nothing_left(proxy):
        async with wired(proxy.port) as wire:
            for start in range(0, len(framed), 70_001):
                wire.send(framed[start : start + 70_001])
                await asyncio.sleep(0)
            assert (await wire.answer()).status == 200
        assert vendor.asked[0].body == body
        assert vendor.asked[0].values("content-length") == [b"%d" % len(body)]


async def test_a_refusal_reaches_a_client_that_goes_on_sending() -> None:
    """Closing at once would make the kernel reset the connection, and the answer with it."""
    for request in (post(of_size(9_000_000)), b"GET / HTTP/9.9\r\n\r\n" + bytes(9_000_000), post(b"x" * 9_000_000)):
        async with (
            vending([whole(b"{}")]) as vendor,
            proxying(configured(vendor.url, limits={"body": "16KiB"})) as proxy,
            nothing_left(proxy),
            wired(proxy.port) as wire,
        ):
            wire.send(request)
            async with asyncio.timeout(5):
                await wire.writer.drain()
            answer = await wire.answer()
            assert answer.status in (400, 413)
            assert answer.value("connection") == b"close"
            assert answer.error()


async def trickled(proxy: Proxy, body: bytes, pause_s: float) -> Answer:
    """The answer to a body that comes byte by byte."""
    async with wired(proxy.port) as wire:
        wire.send(post(b"", f"Content-Length: {len(body)}", length=False))

        async def send() -> None:
            for start in range(len(body)):
                wire.send(body[start : start + 1])
                await asyncio.sleep(pause_s)

        sending = asyncio.create_task(send())
        answer = await wire.answer()
        sending.cancel()
        return answer


async def test_a_body_that_trickles(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while a body must have come at a rate; one byte now and then does not do."""
    monkeypatch.setattr(request_body, "FLOOR_AFTER_S", 0.2)
    async with vending([whole(b"{}")]) as vendor:
        async with proxying(configured(vendor.url, limits={"body_floor": "10KiB/s"})) as proxy, nothing_left(proxy):
            answer = await trickled(proxy, b"x" * 1000, 0.01)
            assert (answer.status, answer.error()["code"]) == (408, "body-too-slow")
            assert not vendor.conversations
            assert outcomes(proxy) == {"rejected": 1}
            assert [line["event"] for line in proxy.lines] == ["request"]
        async with proxying(configured(vendor.url, limits={"body_floor": "10B/s"})) as proxy:
            assert (await trickled(proxy, asking(), 0.006)).status == 200


async def test_a_body_that_breaks_off_in_its_framing() -> None:
    """The error comes in a later read than the head; nobody waits for more."""
    async with vending([whole(b"{}")]) as vendor, proxying(configured(vendor.url)) as proxy, nothing_left(proxy):
        for piece in (b"0x2\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"2\r\n{}}", b"2;a\nb\r\n", b"\r\n", b"zz"):
            async with wired(proxy.port) as wire:
                wire.send(post(b"5\r\nabcde\r\n", "Transfer-Encoding: chunked", length=False))
                await until(lambda: proxy.plane.in_flight() == 1)
                wire.send(piece)
                answer = await wire.answer()
                assert (answer.status, answer.error()["code"]) == (400, "http-malformed")
                assert await wire.end() == "eof"
        assert outcomes(proxy) == {"rejected": 6}
        assert not vendor.conversations


# The head


async def test_a_head_that_comes_too_slowly() -> None:
    """From its first byte on it has a deadline, byte by byte or not; an idle connection has another one."""
    async with vending([whole(b"{}")]) as vendor:
        config = configured(vendor.url, limits={"header_timeout": "300ms", "keepalive": "600ms"})
        async with proxying(config) as proxy, nothing_left(proxy):
            async with wired(proxy.port) as wire:
                for number in range(200):
                    wire.send(b"GET /v1/models HTTP/1.1\r\n" if not number else b"X")
                    await asyncio.sleep(0.01)
                    if wire.reader.at_eof() or wire.reader._buffer:  # type: ignore[attr-defined]  # no other way to see
                        break
                answer = await wire.answer()
                assert (answer.status, answer.error()["code"]) == (408, "head-late")
            async with wired(proxy.port) as wire:
                started = asyncio.get_running_loop().time()
                assert await wire.end() == "eof"
                assert 0.5 < asyncio.get_running_loop().time() - started < 5
            async with wired(proxy.port) as wire:
                wire.send(post(asking()))
                assert (await wire.answer()).status == 200
                await asyncio.sleep(0.4)
                wire.send(post(asking()))
                assert (await wire.answer()).status == 200
                assert await wire.end() == "eof"
        assert outcomes(proxy) == {"rejected": 1, "ok": 2}
        assert proxy.lines[0]["code"] == "head-late"


async def test_many_slow_heads_do_not_disturb_others() -> None:
    async with vending([whole(b"{}")]) as vendor:
        config = configured(vendor.url, limits={"header_timeout": "500ms"})
        async with proxying(config) as proxy, nothing_left(proxy):
            slow = [await asyncio.open_connection("127.0.0.1", proxy.port) for _ in range(200)]
            for _, writer in slow:
                writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nX: ")
            async with wired(proxy.port) as wire:
                for _ in range(20):
                    wire.send(post(asking()))
                    assert (await wire.answer()).status == 200
            for reader, writer in slow:
                async with asyncio.timeout(10):
                    assert b'"code":"head-late"' in await reader.read()
                writer.close()
        assert outcomes(proxy) == {"rejected": 200, "ok": 20}
