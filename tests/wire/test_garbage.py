"""A client's connection that is over is freed at once: nothing of it waits for the garbage collector, which comes
seldom (proxy/child/memory.py), and would keep whatever the client sent last.
"""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from tests.proxying import Proxy, configured, proxying
from tests.wire.client import post, until, wired
from tests.wire.garbage import no_garbage
from tests.wire.leaks import nothing_left
from tests.wire.vendor import Asked, Script, head, vending

MUCH = b"a" * 50_000
WHOLE = post(b'{"model": "kimi-k2.6", "messages": [{"role": "user", "content": "hello"}]}')


def answers(_: Asked) -> Script:
    return (head(200, "Content-Type: application/json", "Content-Length: 2") + b"{}",)


def connected(proxy: Proxy) -> int:
    """How many clients are."""
    front = proxy.plane._front
    return 0 if front is None else len(front.open_connections())


CLIENTS: dict[str, tuple[bytes, bool]] = {
    "says nothing": (b"", False),
    "is answered": (WHOLE, True),
    "is answered and sends half of another": (WHOLE + WHOLE[:30], True),
    "leaves in the head": (WHOLE[:30], False),
    "leaves in the body": (WHOLE[:-30], False),
    "leaves in a chunk": (post(b"", "Transfer-Encoding: chunked", length=False) + b"9000\r\n" + MUCH[:9000], False),
    "sends what is no request": (b"HELO there\r\n\r\n" + MUCH, True),
    "sends a field too long": (b"GET / HTTP/1.1\r\nx: " + MUCH, True),
    "breaks its chunks": (post(b"", "Transfer-Encoding: chunked", length=False) + b"zz\r\n" + MUCH, True),
    "asks for what is not there": (b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", True),
}


@pytest.mark.parametrize(("sent", "is_answered"), CLIENTS.values(), ids=[name.replace(" ", "-") for name in CLIENTS])
@pytest.mark.parametrize("ends", ["in-order", "at-once"])
async def test_a_client_leaves_nothing_behind(sent: bytes, is_answered: bool, ends: str) -> None:
    async with vending(answers) as vendor, proxying(configured(vendor.url)) as proxy:
        with no_garbage():
            async with nothing_left(proxy):
                for _ in range(3):
                    async with wired(proxy.port) as wire:
                        wire.send(sent)
                        if is_answered:
                            await wire.answer()
                        else:
                            await until(partial(connected, proxy))
                        if ends == "in-order":
                            wire.writer.write_eof()
                            await wire.reader.read()
                await until(lambda: not connected(proxy))
            await asyncio.sleep(0)
