"""The four deadlines towards a vendor and the one towards a client: each is told apart from the others."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing

import aiohttp
import pytest

from tests.proxying import Proxy, configured, proxying
from tests.wire.vendor import Script, head, vending

BODY = {"model": "kimi-k2.6", "messages": []}
STREAM_HEAD = head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked")
PIECE = b"3\r\na\n\n\r\n"


async def ask(proxy: Proxy) -> tuple[int, bytes]:
    """Status and body; a broken answer raises."""
    async with aiohttp.ClientSession() as session, session.post(f"{proxy.url}/chat/completions", json=BODY) as answer:
        return answer.status, await answer.read()


@pytest.mark.parametrize(
    ("timeouts", "script", "failure"),
    [
        ({"first_byte": "300ms"}, [9.0], "first-byte-timeout"),
        ({"total": "300ms"}, [9.0], "total-timeout"),
    ],
)
async def test_a_vendor_that_says_nothing_in_time(timeouts: dict[str, str], script: Script, failure: str) -> None:
    async with vending(script) as vendor, proxying(configured(vendor.url, vendor={"timeouts": timeouts})) as proxy:
        status, body = await ask(proxy)
        assert (status, failure in body.decode()) == (504, True)
        async with asyncio.timeout(5):
            await vendor.conversations[0].closed.wait()
    assert [(line["outcome"], line["failure"], line["code"]) for line in proxy.lines] == [
        ("timeout", failure, f"vendor-{failure}")
    ]
    assert proxy.count("paramwall_upstream_requests_total", vendor="sim", outcome="timeout", code="none") == 1


@pytest.mark.parametrize(
    ("timeouts", "script", "failure"),
    [
        ({"idle": "300ms"}, [STREAM_HEAD, PIECE, 9.0], "idle-timeout"),
        ({"total": "600ms"}, [STREAM_HEAD, *([PIECE, 0.1] * 60)], "total-timeout"),
    ],
)
async def test_a_vendor_that_falls_silent_or_goes_on_too_long(
    timeouts: dict[str, str], script: Script, failure: str
) -> None:
    async with vending(script) as vendor, proxying(configured(vendor.url, vendor={"timeouts": timeouts})) as proxy:
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(proxy)
    assert [(line["outcome"], line["failure"]) for line in proxy.lines] == [("timeout", failure)]


async def test_silence_within_the_limit_is_no_failure() -> None:
    script: Script = [STREAM_HEAD, PIECE, 0.5, PIECE, b"0\r\n\r\n"]
    vendor_settings = {"timeouts": {"idle": "5s", "first_byte": "5s"}}
    async with vending(script) as vendor, proxying(configured(vendor.url, vendor=vendor_settings)) as proxy:
        assert await ask(proxy) == (200, b"a\n\na\n\n")


async def test_a_connection_that_is_never_accepted() -> None:
    with closing(socket.socket()) as listener, closing(socket.socket()) as first, closing(socket.socket()) as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        async with proxying(configured(url, vendor={"timeouts": {"connect": "300ms"}})) as proxy:
            status, body = await ask(proxy)
    assert (status, b"vendor-connect-timeout" in body) == (504, True)
    assert proxy.lines[0]["failure"] == "connect-timeout"


async def test_nobody_listens() -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        async with proxying(configured(f"http://127.0.0.1:{unused.getsockname()[1]}/v1")) as proxy:
            status, body = await ask(proxy)
    assert (status, b"cannot be reached" in body, b"hint" in body) == (502, True, True)
    assert proxy.count("paramwall_upstream_requests_total", vendor="sim", outcome="reset", code="none") == 1
