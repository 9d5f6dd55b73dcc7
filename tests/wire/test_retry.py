"""The one retry there is: opted into, on a reused connection, before a single byte of answer."""

from __future__ import annotations

import aiohttp
import pytest

from tests.proxying import configured, proxying
from tests.wire.vendor import Asked, End, Script, vending, whole

OK = whole(b'{"choices":[]}')
BODY = {"model": "kimi-k2.6", "messages": []}


def closes_when_reused(asked: Asked) -> Script:
    """The race of a keep-alive timeout: the second request on a connection meets its end."""
    return [End.CLOSE] if asked.earlier else [OK]


def breaks_when_reused(asked: Asked) -> Script:
    """A few bytes of answer, then the end."""
    return [b"HTTP/1.1 200 OK\r\n", End.CLOSE] if asked.earlier else [OK]


@pytest.mark.parametrize(
    ("script", "retry", "statuses", "seen"),
    [
        (closes_when_reused, True, [200, 200, 200], 5),
        (closes_when_reused, False, [200, 502, 200], 3),
        (breaks_when_reused, True, [200, 502, 200], 3),
    ],
)
async def test_retry(script: Script, retry: bool, statuses: list[int], seen: int) -> None:
    async with vending(script) as vendor, proxying(configured(vendor.url, vendor={"retry_reused": retry})) as proxy:
        async with aiohttp.ClientSession() as session:
            got = []
            for _ in statuses:
                async with session.post(f"{proxy.url}/chat/completions", json=BODY) as answer:
                    await answer.read()
                    got.append(answer.status)
        assert got == statuses
        assert len(vendor.asked) == seen
    assert len(proxy.lines) == len(statuses)


async def test_a_new_connection_is_never_tried_again() -> None:
    async with (
        vending([End.CLOSE]) as vendor,
        proxying(configured(vendor.url, vendor={"retry_reused": True})) as proxy,
        aiohttp.ClientSession() as session,
    ):
        async with session.post(f"{proxy.url}/chat/completions", json=BODY) as answer:
            assert answer.status == 502
        assert len(vendor.asked) == 1
