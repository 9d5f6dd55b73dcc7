"""Fuzz target: a vendor's bytes on their way to the client, read in any pieces and ended in either way.

Invariants: nothing raises; an answer is over once; what the client reads is whole only if the answer was whole, and
then it is the same in any split; where a strict reader (h11) makes out an answer, a whole one is that one; a connection
with bytes that nobody asked for is not used again (line ends in one read with the answer, which llhttp passes over, are
no bytes of anything); the proxy's key does not reach the client in the body of an error.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Final

import h11

from proxy.wire.relay import Relay
from proxy.wire.vendor_leg import VendorConnection
from tests.fuzz.target import Target, option, splits
from tests.wire.relaying import Transport

KEY: Final = b"sk-canary-42"
_OURS, _THEIRS = socket.socketpair()
"""Never read or written: a connection asks the kernel whether bytes wait in its socket."""
_HEAD: Final = re.compile(rb"HTTP/1\.1 ([0-9]{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")


class Line(asyncio.Transport):
    """The vendor's end: a transport that is open until it is aborted."""

    closed = False

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        return

    def get_write_buffer_size(self) -> int:
        return 0


@dataclass(slots=True)
class Owner:
    """Where a connection reports its end."""

    events: list[str] = field(default_factory=list)

    def lost(self, connection: VendorConnection, event: str) -> None:
        self.events.append(event)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the client has in the end. `whole`: it takes the answer for complete. `kept`: the connection is reused."""

    whole: bool
    status: int
    body: bytes
    kept: bool


def check(data: bytes) -> None:
    chosen, sent = option(data)
    redact, http_1_0, reset = KEY if chosen & 1 else b"", bool(chosen & 2), bool(chosen & 4)
    whole, *others = (_outcome(pieces, redact, http_1_0=http_1_0, reset=reset) for pieces in splits(sent))
    for other in others:
        assert other.whole == whole.whole, "a split changes whether the answer is whole"
        if whole.whole:
            assert (other.status, other.body) == (whole.status, whole.body), "a split changes the answer"
    if whole.whole:
        kept = any(each.kept for each in (whole, *others))
        _check_against_h11(sent, whole, kept=kept, redacted=bool(redact) and whole.status >= 400)


def _outcome(pieces: Iterable[bytes], redact: bytes, *, http_1_0: bool, reset: bool) -> Outcome:
    client, line, failures = Transport(), Line(), list[str | None]()
    relay = Relay(client, lambda _: b"", lambda: 0.0, redact, http_1_0, http_1_0, None, failures.append)
    leg = VendorConnection(Owner(), _OURS)
    leg.connection_made(line)
    leg.send([b"POST / HTTP/1.1\r\n\r\n"], relay)
    for piece in pieces:
        if not line.closed:
            leg.data_received(piece)
    kept = leg.detach() if relay.complete and failures == [None] else False
    if not relay.finished and not reset:
        leg.eof_received()
    if not line.closed:
        leg.connection_lost(ConnectionResetError() if reset else None)
    if not relay.finished:
        relay.fail("truncated")
    assert len(failures) == 1, "an answer must be over once"
    read = _read(client, http_1_0=http_1_0)
    assert (read is not None) is (failures[0] is None), f"{failures[0]}, but the client reads {read}"
    if relay.status >= 400 and redact:
        assert redact not in client.written, "the proxy's key"
    return Outcome(False, relay.status, b"", kept) if read is None else Outcome(True, *read, kept)


def _read(client: Transport, *, http_1_0: bool) -> tuple[int, bytes] | None:
    """Status and body as a strict client reads them; None: no answer, or one that is not whole."""
    if not client.written:
        return None
    head = _HEAD.match(client.written)
    assert head, f"no head: {client.written[:200]!r}"
    status, body = int(head[1]), client.written[head.end() :]
    fields = [line.partition(b":")[::2] for line in head[2].split(b"\r\n") if line]
    framing = {name.lower(): value.strip() for name, value in fields if name.lower() in _FRAMING}
    assert len(framing) == sum(name.lower() in _FRAMING for name, _ in fields) < 2, "framed twice"
    if status in (204, 304):
        assert not body
        return status, b""
    if b"transfer-encoding" in framing:
        assert not http_1_0
        plain = _unchunked(body)
        return None if plain is None else (status, plain)
    if b"content-length" in framing:
        length = int(framing[b"content-length"])
        assert len(body) <= length, "more than was announced"
        return (status, body) if len(body) == length else None
    assert http_1_0
    return None if client.reset else (status, body)


_FRAMING: Final = (b"content-length", b"transfer-encoding")


def _unchunked(text: bytes) -> bytes | None:
    parts: list[bytes] = []
    while text:
        size, _, text = text.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            assert text == b"\r\n", "bytes after the last chunk"
            return b"".join(parts)
        assert text[length : length + 2] == b"\r\n"
        parts.append(text[:length])
        text = text[length + 2 :]
    return None


def _check_against_h11(sent: bytes, outcome: Outcome, *, kept: bool, redacted: bool) -> None:
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="POST", target="/", headers=[("Host", "a"), ("Content-Length", "0")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(sent)
    reader.receive_data(b"")
    status, body = 0, b""
    try:
        while not isinstance(event := reader.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
            assert event is not h11.NEED_DATA
            if event is h11.PAUSED:
                return
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
    except h11.RemoteProtocolError as error:
        assert "incomplete" not in str(error), "shown as whole what a strict reader takes for cut"
        assert "without sending complete" not in str(error), "shown as whole what a strict reader takes for cut"
        return
    assert not kept or not reader.trailing_data[0].strip(b"\r\n"), "kept, with bytes that nobody asked for"
    expected = body.replace(KEY, b"***") if redacted else body
    assert (status, expected) == (outcome.status, outcome.body), "another answer than a strict reader's"


def make(draw: Random) -> bytes:
    """An answer in one of the framings, sometimes with interim answers before it or bytes after it."""
    status = draw.choice((b"200 OK", b"200 OK", b"400 Bad Request", b"500 x", b"204 No Content", b"304 Not Modified"))
    body = draw.choice(
        (b'{"a":1}', b"", b'{"error":"' + KEY + b'"}', b"data: {}\n\ndata: [DONE]\n\n", b"[1" + b" " * 90)
    )
    fields = [draw.choice((b"Content-Type: application/json", b"content-type: text/event-stream", b"X-A: b"))]
    match draw.randrange(4):
        case 0:
            fields.append(b"Content-Length: %d" % max(0, len(body) + draw.choice((0, 0, 0, 1, -1))))
        case 1 | 2:
            fields.append(b"Transfer-Encoding: chunked")
            half = len(body) // 2
            chunks = [piece for piece in (body[:half], body[half:]) if piece]
            body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in chunks)
            body += draw.choice((b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX-T: a\r\n\r\n", b"", b"0\r\n"))
        case _:
            fields.append(draw.choice((b"Connection: close", b"Connection: keep-alive")))
    draw.shuffle(fields)
    head = b"HTTP/1.1 " + status + b"\r\n" + b"".join(line + b"\r\n" for line in fields) + b"\r\n"
    before = draw.choice(
        (b"", b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n")
    )
    after = draw.choice((b"", b"", b"", b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"x"))
    return bytes((draw.randrange(8),)) + before + head + body + after


WORDS = (
    *(
        b"\r\n",
        b"\r\n\r\n",
        b"0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", KEY, b": "),
    *(
        b"Connection: close\r\n",
        b"Connection: upgrade\r\nUpgrade: x\r\n",
        b"204",
        b"304",
        b"101",
        b"999",
        b";a=b",
        b"5\r\n",
    ),
    *(
        b"Content-Encoding: gzip\r\n",
        b"Content-Type: text/event-stream\r\n",
        b"data: [DONE]\n\n",
        b'{"a":1}',
        b"-",
        b"+",
    ),
)
TARGET = Target("vendor", check, WORDS, make)
