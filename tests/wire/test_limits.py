"""Admission: what is refused before a byte of body is read, and that every permit comes back."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest

from tests.proxying import configured, proxying
from tests.wire.client import until, wired
from tests.wire.vendor import vending, whole

OK = whole(b'{"choices":[]}')
KEY = "sk-one"
CLIENT = {"name": "one", "key_sha256": hashlib.sha256(KEY.encode()).hexdigest()}
BODY = b'{"model":"kimi-k2.6","messages":[]}'


def head_of(length: int = len(BODY), key: str = KEY) -> bytes:
    """A request's head alone."""
    return (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("settings", "vendor_settings", "status", "code"),
    [
        ({"limits": {"in_flight": 1}}, {}, 503, "proxy-busy"),
        ({}, {"max_in_flight": 1}, 503, "vendor-busy"),
        ({"clients": [{**CLIENT, "max_in_flight": 1}]}, {"credentials": "pass"}, 429, "client-busy"),
    ],
)
async def test_one_more_than_there_is_room_for(
    settings: dict[str, Any], vendor_settings: dict[str, Any], status: int, code: str
) -> None:
    gate = asyncio.Event()
    async with (
        vending([gate, OK]) as vendor,
        proxying(configured(vendor.url, vendor=vendor_settings, **settings)) as proxy,
        wired(proxy.port) as first,
        wired(proxy.port) as second,
    ):
        first.send(head_of(), BODY)
        await until(lambda: proxy.plane.in_flight() == 1)
        second.send(head_of(length=1_000_000))
        refused = await second.answer()
        assert (refused.status, refused.error()["code"], refused.value("retry-after")) == (status, code, b"1")
        assert refused.value("x-should-retry") == b"true"
        gate.set()
        assert (await first.answer()).status == 200
        await until(lambda: not proxy.plane.in_flight())
        first.send(head_of(), BODY)
        assert (await first.answer()).status == 200
    assert [line["outcome"] for line in proxy.lines] == ["shed", "ok", "ok"]


def asking(key: str) -> bytes:
    """A head that waits to be told to go on."""
    return head_of(key=key)[:-2] + b"Expect: 100-continue\r\n\r\n"


async def test_a_refused_client_is_not_told_to_go_on() -> None:
    """Neither beyond the limit, nor with a key that is not known (RFC 9110 section 10.1.1)."""
    gate = asyncio.Event()
    limited: dict[str, Any] = {"clients": [CLIENT], "limits": {"in_flight": 1}}
    async with (
        vending([gate, OK]) as vendor,
        proxying(configured(vendor.url, vendor={"credentials": "pass"}, **limited)) as proxy,
        wired(proxy.port) as first,
    ):
        first.send(asking(KEY))
        assert await first.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        first.send(BODY)
        await until(lambda: len(vendor.asked) == 1)
        for key, status in ((KEY, 503), ("sk-two", 401)):
            async with wired(proxy.port) as client:
                client.send(asking(key))
                refused = await client.answer()
                assert (refused.status, refused.interim) == (status, [])
                assert refused.value("connection") == b"close", "its body was not read"
                assert await client.end() == "eof"
        gate.set()
        assert (await first.answer()).status == 200
    assert len(vendor.asked) == 1


@pytest.mark.parametrize(
    ("sent", "status"), [(KEY, 200), ("sk-two", 401), ("", 401), (KEY + "x", 401), (KEY[:-1], 401)]
)
async def test_client_keys(sent: str, status: int) -> None:
    async with (
        vending([OK]) as vendor,
        proxying(configured(vendor.url, vendor={"credentials": "pass"}, clients=[CLIENT])) as proxy,
        wired(proxy.port) as client,
    ):
        client.send(head_of(key=sent), BODY)
        answer = await client.answer()
        assert answer.status == status
        if status == 401:
            assert answer.error()["type"] == "invalid_authentication_error"
            assert not vendor.asked


async def test_a_body_over_the_limit_is_refused_before_it_is_sent() -> None:
    async with (
        vending([OK]) as vendor,
        proxying(configured(vendor.url, limits={"body": "1KiB"})) as proxy,
        wired(proxy.port) as client,
    ):
        client.send(head_of(length=1025))
        assert (await client.answer()).error()["code"] == "body-too-large"
        assert not vendor.asked


async def test_bodies_in_flight_are_bounded_together() -> None:
    config = configured("http://127.0.0.1:9/v1", limits={"body": "600KiB", "bodies_in_flight": "1MiB"})
    async with proxying(config) as proxy, wired(proxy.port) as first, wired(proxy.port) as second:
        first.send(head_of(length=600_000), b"{")
        await until(lambda: proxy.plane.in_flight() == 1)
        second.send(head_of(length=600_000), b"{")
        assert (await second.answer()).error()["code"] == "bodies-full"


async def test_a_body_that_stops_coming() -> None:
    config = configured("http://127.0.0.1:9/v1", limits={"body_timeout": "500ms"})
    async with proxying(config) as proxy, wired(proxy.port) as client:
        client.send(head_of(), BODY[:5])
        answer = await client.answer()
        assert (answer.status, answer.error()["code"]) == (408, "body-too-slow")


async def test_a_head_that_stops_coming() -> None:
    config = configured("http://127.0.0.1:9/v1", limits={"header_timeout": "300ms"})
    async with proxying(config) as proxy, wired(proxy.port) as client:
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\nHos")
        assert (await client.answer()).error()["code"] == "head-late"
        assert await client.end() == "eof"
