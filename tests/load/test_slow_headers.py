"""The command of slow heads in small, and the deadline of a head whose first bytes come with its connection."""

from __future__ import annotations

import asyncio
import socket

import pytest
import uvloop

from tests.load.slow_headers import measure, rows
from tests.proxying import configured, proxying
from tests.wire.client import PATIENCE_S, Answer, read_answer
from tests.wire.vendor import vending, whole


@pytest.mark.long
def test_heads_that_never_end() -> None:
    found, late = measure(100, turns=1, workers=1, timeout_s=1.0, rate=20.0, cpus=None)
    judged = {row.what: row.right for row in rows(found, late, 100, 1.0)}
    assert judged["told 408 and closed"]
    assert judged["counted by the proxy"]
    assert judged["left open"]
    assert judged["good requests that failed"]
    assert found.calm[0].good_s


def test_a_head_that_begins_with_its_connection_has_its_deadline() -> None:
    """With uvloop, the first bytes are read before the connection's task waits for any."""

    async def answered() -> Answer:
        limits = {"header_timeout": "200ms", "keepalive": "1h"}
        async with vending(whole(b"{}")) as vendor, proxying(configured(vendor.url, limits=limits)) as proxy:
            with socket.create_connection(("127.0.0.1", proxy.port)) as sock:  # the kernel accepts it
                sock.sendall(b"GET /v1/models HTTP/1.1\r\nHo")
                reader, writer = await asyncio.open_connection(sock=sock)
                answer = await asyncio.wait_for(read_answer(reader), PATIENCE_S)
                writer.close()
                return answer

    answer = uvloop.run(answered())
    assert (answer.status, answer.error()["code"]) == (408, "head-late")
