"""One connection to a vendor: an asyncio protocol that knows exactly what it has seen.

Not here: which connection is used next (pool.py) and what becomes of the bytes (relay.py). Invariants: bytes that
arrive while no answer is awaited close the connection, they are never the answer to a later request (RFC 9112 section
9.2); after an error, an early answer or an unread byte the connection is not used again; when the client is slow, the
vendor is not read.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Final, Protocol, cast

from proxy.wire.relay import JOIN_BELOW, BrokenAnswer, Relay

RECEIVE_BUFFER: Final = 64 * 1024
"""SO_RCVBUF, which Linux doubles: what a vendor may send ahead of a slow client."""


class Owner(Protocol):
    """The pool, as a connection sees it."""

    def lost(self, connection: VendorConnection, event: str) -> None:
        """The connection is gone; `event` is a value of metrics.CONNECTION_EVENTS."""


class VendorConnection(asyncio.Protocol):
    """Idle, or carrying one exchange."""

    __slots__ = ("_deadlines", "_owner", "_poll", "_relay", "idle_since", "sock", "transport", "used")

    def __init__(self, owner: Owner, sock: socket.socket) -> None:
        self._owner = owner
        self._relay: Relay | None = None
        self.sock = sock
        self._poll = select.poll()
        self._poll.register(sock.fileno(), select.POLLIN)
        self.transport = cast("asyncio.Transport", None)
        self.idle_since = 0.0
        self.used = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected; TLS, if any, is established."""
        self.transport = cast("asyncio.Transport", transport)

    def is_clean(self) -> bool:
        """Whether an idle connection may carry a request: open, and not a byte waits in it that nobody asked for.

        The kernel is asked too, since bytes may have arrived that the event loop has not read yet.
        """
        return not self.transport.is_closing() and not self._poll.poll(0)

    def send(self, parts: list[bytes], relay: Relay) -> None:
        """Send one request, its head and its body; its answer goes to `relay`."""
        self._relay = relay
        self.used += 1
        if len(parts[-1]) < JOIN_BELOW:
            self.transport.write(b"".join(parts))
        else:
            self.transport.writelines(parts)

    def data_received(self, data: bytes) -> None:
        """One read: part of the awaited answer, or the end of this connection."""
        relay = self._relay
        if relay is None:
            self.close("unsolicited")
            return
        try:
            relay.feed(data)
        except BrokenAnswer:
            self.close("unsolicited" if relay.finished else "broken")
            relay.fail("reset")
        except Exception:
            # A defect of ours must not leave a client waiting: end both sides, then let the loop report it.
            self.close("broken")
            relay.fail("reset")
            raise

    def eof_received(self) -> None:
        """The vendor has said all it will; the transport closes itself."""
        if self._relay is not None:
            self._relay.vendor_closed()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone, for whatever reason."""
        relay, self._relay = self._relay, None
        self._owner.lost(self, "idle_closed" if relay is None else "broken")
        if relay is not None:
            relay.vendor_closed() if exc is None else relay.fail(
                "reset" if relay.first_byte_at is None else "truncated"
            )

    def detach(self) -> bool:
        """The exchange is over. True: the connection is fit for another one."""
        relay, self._relay = self._relay, None
        if relay is None or self.transport.is_closing():
            return False
        # An answer that came before the request was read whole leaves the rest of it in the way of the next one.
        whole = self.transport.get_write_buffer_size() == 0
        return whole and relay.should_keep_vendor()

    def close(self, event: str) -> None:
        """End the connection now. Whatever the vendor still sends is not read."""
        self._relay = None
        if not self.transport.is_closing():
            self.transport.abort()
            self._owner.lost(self, event)

    def pause(self) -> None:
        """Stop reading: the client is slow."""
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if not self.transport.is_closing():
            self.transport.resume_reading()


Factory = Callable[[socket.socket], VendorConnection]
