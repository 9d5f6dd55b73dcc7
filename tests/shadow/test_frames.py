"""Frames between a worker's outbox and the scorer's inbox, where they are many or long."""

from __future__ import annotations

import asyncio
from typing import Any

from proxy.contract.exchange import VERSION, Content, Frame, Hello, Rates, encode
from proxy.scorer.inbox import Inbox, Line
from proxy.shadow.outbox import Outbox

MIB = 1024 * 1024


class Transport(asyncio.Transport):
    """Keeps what is written; knows whether it may be read."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.reading = True

    def write(self, data: Any) -> None:  # noqa: ANN401  (any bytes)
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.reading = False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def refuse(defect: Exception) -> None:
    raise defect


async def test_a_frame_longer_than_what_is_read_ahead_arrives() -> None:
    taken: list[Frame] = []
    inbox = Inbox(
        Rates(VERSION, b"salt", {}), lambda _, frame: taken.append(frame), lambda _: None, refuse, lambda: None
    )
    line, transport = Line(inbox), Transport()
    line.connection_made(transport)
    data = bytes(encode(Hello(VERSION, 1)) + encode(Content(1, b"[" * 9 * MIB)) + encode(Content(2, b"[]")))
    for start in range(0, len(data), 256 * 1024):
        assert transport.reading, f"stopped at {start} of {len(data)} bytes"
        line.data_received(data[start : start + 256 * 1024])
        await asyncio.sleep(0)
    assert {key: len(held) for key, held in line.contents.items()} == {1: 9 * MIB, 2: 2}


async def test_no_key_is_named_again_that_the_scorer_may_have_forgotten() -> None:
    """It keeps the last 1024 keys; here all have the same length and the same ends."""
    outbox = Outbox("", 64 * MIB, lambda _: None)
    outbox.connection_made(Transport())
    first, tools = b"[first]" + b"x" * 200, [b"[%b]" % (b"%0200d" % number) for number in range(1000)]
    known = outbox.content(first)
    assert outbox.content(first) == known
    last = max(outbox.content(each) for each in tools)
    assert outbox.content(first) > last - 512
    await outbox.close(0.0)


async def test_a_member_that_is_too_long_does_not_cross() -> None:
    outbox, transport = Outbox("", 64 * MIB, lambda _: None), Transport()
    outbox.connection_made(transport)
    assert outbox.content(b"[" * 5 * MIB) == 0
    await outbox.close(0.0)
    assert len(transport.written) < MIB
