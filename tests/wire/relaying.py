"""A Relay without sockets: a client's transport that remembers, for cases too many for real connections.

Not here: assertions about answers. Invariant: what a client reads is read by the same strict reader as on a socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from proxy.wire.relay import BrokenAnswer, Relay
from tests.wire.client import Answer, read_answer


class Transport(asyncio.WriteTransport):
    """A client's transport that only remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False
        self.reset = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.written += b"".join(list_of_data)

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self if name == "socket" else default

    def setsockopt(self, *_: object) -> None:
        self.reset = True


class Relayed:
    """One relay, its client's transport and what it said when it was over."""

    def __init__(self, *, http_1_0: bool = False, redact: bytes = b"", receipts: bytes = b"") -> None:
        self.transport = Transport()
        self.failures: list[str | None] = []
        self.relay = Relay(
            self.transport,
            lambda _status: receipts,
            lambda: 0.0,
            redact,
            http_1_0,
            http_1_0,
            None,
            self.failures.append,
        )

    def receive(self, pieces: Iterable[bytes]) -> None:
        """Feed reads of the vendor, as its connection does."""
        try:
            for piece in pieces:
                if piece:
                    self.relay.feed(piece)
        except BrokenAnswer:
            self.relay.fail("reset")

    async def answer(self) -> Answer:
        """What a client reads of what was written, when the connection then ends as the relay left it."""
        if not self.relay.head_sent:
            assert not self.transport.written
            return Answer(0, b"", [], cut="nothing")
        reader = asyncio.StreamReader()
        reader.feed_data(self.transport.written)
        if self.transport.reset and self.transport.aborted:
            return Answer(self.relay.status, b"", [], cut="reset")
        reader.feed_eof()
        return await read_answer(reader)


async def answered(pieces: Iterable[bytes], *, http_1_0: bool = False, reset: bool = False) -> Answer:
    """What a client reads when the vendor sends `pieces` and then ends its connection."""
    relayed = Relayed(http_1_0=http_1_0)
    relayed.receive(pieces)
    if not relayed.relay.finished:
        relayed.relay.fail("truncated") if reset else relayed.relay.vendor_closed()
    assert len(relayed.failures) == 1
    assert (relayed.failures[0] is None) is relayed.relay.complete
    return await relayed.answer()
