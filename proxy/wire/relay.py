"""The answer on its way from the vendor's read to the client's transport.

A Relay is what llhttp calls while one answer arrives. It builds the client's head, re-frames the body and writes each
read of the vendor at once, without a task switch. Not here: connections and who owns them (vendor_leg.py), deadlines.

Invariants: the bytes of the body are the vendor's; only their framing is ours. A body that the vendor did not finish is
never ended: the client's connection is aborted instead (RFC 9112 section 8). Nothing after the end of this answer is
taken for part of it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, Literal, TypeAlias, cast

import httptools

from proxy.wire.capture import WHOLE_JSON, Capture
from proxy.wire.headers import AnswerHead, Found, read_answer_fields

MAX_HEAD_FIELDS: Final = 256
MAX_HEAD_BYTES: Final = 64 * 1024
"""Bounds on a vendor's head; CDNs in front of vendors send up to a few KiB."""
MAX_HELD_ERROR: Final = 256 * 1024
"""An error body that is held back to remove the proxy's own key from it."""
JOIN_BELOW: Final = 32 * 1024
"""Pieces below this size are cheaper to join than to write apart."""

_STATUS_LINES: Final = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


Framing: TypeAlias = Literal["none", "length", "chunked", "eof"]
"""How the vendor delimits its body (RFC 9112 section 6.3)."""


class BrokenAnswer(ValueError):
    """The vendor's answer is not HTTP that can be forwarded."""


class Relay:
    """One answer. `done` is called once with None, or with the reason why the answer is not whole."""

    # What every relay starts with; an instance holds only what differs.
    _head = b""
    _head_whole = False
    _held: list[bytes] | None = None
    _chunked_out = False
    _complete_parts = 0
    _keep_alive = False
    status = 0
    framing: Framing = "none"
    head_bytes = 0
    head_sent = False
    complete = False
    finished = False
    overrun = False
    content_type = b""
    content_coding = b""
    first_byte_at: float | None = None
    last_read_at = 0.0
    worst_gap_s = 0.0

    def __init__(
        self,
        client: asyncio.WriteTransport,
        own_head: Callable[[int], bytes],
        clock: Callable[[], float],
        redact: bytes,
        http_1_0: bool,  # noqa: FBT001  (positional for partial(), which is called once a request)
        close_client: bool,  # noqa: FBT001
        spill: Callable[[bytes], None] | None,
        done: Callable[[str | None], None],
    ) -> None:
        """`own_head` gives the receipts for a status; `redact` is a key of the proxy's that must not reach the
        client; `spill` takes what the capture keeps no longer.
        """
        self._client = client
        self._own_head = own_head
        self._done = done
        self._http_1_0 = http_1_0
        self._redact = redact
        self.close_client = close_client
        self.capture = Capture(spill=spill)
        self.clock = clock
        self._fields: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        # llhttp calls this for every piece of body, so it is the list's own method.
        self.on_body = self._parts.append
        self._parser: Any = httptools.HttpResponseParser(self)

    # llhttp's callbacks

    def on_message_begin(self) -> None:
        """A second message after the answer is nobody's: the connection is not used again."""
        if self.complete:
            self.overrun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field of the head (or a trailer, which is dropped)."""
        if not self._head_whole:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole: choose the framing and build the client's head."""
        if self.complete:
            return
        status = self.status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            return
        if not 200 <= status <= 599:
            raise BrokenAnswer("status cannot be forwarded")
        self._head_whole = True
        if len(self._fields) > MAX_HEAD_FIELDS:
            raise BrokenAnswer("too many header fields")
        try:
            head = read_answer_fields(self._fields)
        except ValueError:
            raise BrokenAnswer("header field") from None
        found = head.found
        if found.get(b"transfer-encoding", b"chunked").strip().lower() != b"chunked":
            raise BrokenAnswer("transfer coding")
        self.content_type = found.get(b"content-type", b"")
        if b"content-encoding" in found:
            self.content_coding = found[b"content-encoding"].strip().lower()
        if not self.content_type.startswith(b"text/event-stream"):
            self.capture.limit = WHOLE_JSON
        if status >= 400:
            self.capture.spill = None  # it may show the client's key
        self.framing = _framing(status, found)
        self._build_head(status, head)
        if self._redact and status >= 400:
            if self.content_coding not in (b"", b"identity"):
                raise BrokenAnswer("coded error body")
            self._held = []

    def on_message_complete(self) -> None:
        """The answer is whole (an interim 1xx answer is not an answer)."""
        if 100 <= self.status < 200:
            self._fields.clear()
            self.status = 0
            return
        if not self.complete:
            self.complete = True
            self._complete_parts = len(self._parts)
            self._keep_alive = self._parser.should_keep_alive()

    def _build_head(self, status: int, fields: AnswerHead) -> None:
        framing, length = self.framing, b""
        if framing == "length":
            length = b"Content-Length: %b\r\n" % fields.found[b"content-length"]
        elif framing != "none":
            self._chunked_out = not self._http_1_0
            if self._chunked_out:
                length = b"Transfer-Encoding: chunked\r\n"
            else:
                self.close_client = True
        line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
        end = b"Connection: close\r\n\r\n" if self.close_client else b"\r\n"
        head = b"".join((line, fields.block, self._own_head(status), length, end))
        if len(head) > MAX_HEAD_BYTES:
            raise BrokenAnswer("head too large")
        self._head = head.replace(self._redact, b"***") if self._redact else head
        self._fields.clear()

    # What the vendor's connection calls

    def feed(self, received: bytes) -> None:
        """One read of the vendor: parse, write what it holds, note the time. Raises BrokenAnswer on what is not
        HTTP.
        """
        now = self.clock()
        if self.first_byte_at is None:
            self.first_byte_at = now
        elif now - self.last_read_at > self.worst_gap_s:
            self.worst_gap_s = now - self.last_read_at
        self.last_read_at = now
        try:
            self._parser.feed_data(received)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.complete:
                raise BrokenAnswer(type(error).__name__) from None
            self.overrun = True
        if not self._head_whole:
            self.head_bytes += len(received)
            if self.head_bytes > MAX_HEAD_BYTES:
                raise BrokenAnswer("head too large")
        elif self._parts or self._head or self.complete:
            self._write(now)
            if self.complete:
                self._finish(None)

    def _write(self, now: float) -> None:
        parts = self._parts
        if self.complete:
            del parts[self._complete_parts :]
        if self._held is not None:
            self._hold(parts)
            return
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        if body:
            self.capture.add(body, now)
        self._send(body)

    def _send(self, body: bytes) -> None:
        """Write what is left of the head, and a piece of body in the client's framing."""
        prefix, size, suffix = self._head, len(body), b""
        if prefix:
            self._head = b""
            self.head_sent = True
        if self._chunked_out:
            if size:
                prefix = b"%b%x\r\n" % (prefix, size)
                suffix = b"\r\n0\r\n\r\n" if self.complete else b"\r\n"
            elif self.complete:
                suffix = b"0\r\n\r\n"
        if size < JOIN_BELOW:
            self._client.write(b"%b%b%b" % (prefix, body, suffix))
        else:
            self._client.writelines((prefix, body, suffix))

    def _hold(self, parts: list[bytes]) -> None:
        held = cast("list[bytes]", self._held)
        held += parts
        parts.clear()
        if sum(map(len, held)) > MAX_HELD_ERROR:
            raise BrokenAnswer("error body too large")

    def _release_held(self) -> None:
        """Send the held error body without the key; its length is ours now."""
        body = b"".join(cast("list[bytes]", self._held)).replace(self._redact, b"***")
        self._held = None
        self.capture.add(body, self.last_read_at)
        framing = (b"content-length:", b"transfer-")
        lines = [line for line in self._head[:-4].split(b"\r\n") if not line.lower().startswith(framing)]
        self._chunked_out = False
        lines.append(b"Content-Length: %d" % len(body))
        self._head = b"\r\n".join(lines) + b"\r\n\r\n"
        self._send(body)

    def _finish(self, failure: str | None) -> None:
        if self.finished:
            return
        self.finished = True
        if failure is None and self._held is not None:
            self._release_held()
        # Parser, receipts and relay know each other; untied here, they need no garbage collector.
        done = self._done
        self._parser = self._own_head = self._done = self.on_body = _over
        done(failure)

    def vendor_closed(self) -> None:
        """The vendor ended its connection. Only a body delimited by that, and seen to be whole, is complete."""
        if self.finished:
            return
        if self.framing == "eof" and not self.complete and self._ends_like_an_answer():
            self.complete = True
            if self._held is None:
                self._send(b"")
            self._finish(None)
        else:
            self.fail("truncated" if self.first_byte_at is not None else "reset")

    def _ends_like_an_answer(self) -> bool:
        seen = self.capture
        if self._held is not None:
            seen = Capture(MAX_HELD_ERROR)
            seen.add(b"".join(self._held), self.last_read_at)
        return seen.ends_like_an_answer(self.content_type)

    def fail(self, reason: str) -> None:
        """The answer will not become whole: abort the client if it has seen any of it."""
        if self.finished:
            return
        if self.head_sent and not self._client.is_closing():
            # One that reads nothing would not hear of an end, and the kernel would keep for minutes what waits for it.
            if reason != "client-stalled" and (self._chunked_out or self.framing == "length"):
                self._client.abort()
            else:
                reset(self._client)
        self._finish(reason)

    def should_keep_vendor(self) -> bool:
        """Whether the vendor's connection may carry another exchange."""
        return self.complete and not self.overrun and self.framing != "eof" and self._keep_alive


def reset(client: asyncio.WriteTransport) -> None:
    """End a client's connection with a reset: without chunks only that tells it that the end is not the end."""
    sock = client.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    client.abort()


class _Over:
    """Stands where a relay that is over had its parser and its callables: bytes that still come are nobody's."""

    def __call__(self, *_: object) -> Any:  # noqa: ANN401  (stands where several kinds of callable stood)
        raise BrokenAnswer("the answer is over")

    feed_data = __call__


_over: Final = _Over()


def _framing(status: int, found: Found) -> Framing:
    if status in (204, 304):
        return "none"
    if b"transfer-encoding" in found:
        return "chunked"
    return "length" if b"content-length" in found else "eof"
