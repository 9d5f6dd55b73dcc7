"""The idle connections of one vendor, newest first.

Not here: the connection itself (vendor_leg.py) and how it is opened (dial.py). Invariant: a connection leaves the pool
only if nothing unasked-for waits in it, and returns only if its last exchange ended cleanly and completely.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Callable
from typing import Final

from proxy.config.values import Vendor
from proxy.metrics.worker import CONNECTION_EVENTS, Metrics
from proxy.wire.dial import dial, tls_context
from proxy.wire.vendor_leg import VendorConnection

IDLE_S: Final = 4.0
"""Below uvicorn's keep-alive of 5 s, the shortest among common servers, so that we close before the vendor does."""
MAX_IDLE: Final = 512


class Pool:
    """Connections to one vendor. After `retire` nothing is kept and nothing is handed out from the idle ones."""

    def __init__(self, vendor: Vendor, metrics: Metrics, clock: Callable[[], float]) -> None:
        self.vendor = vendor
        self._clock = clock
        self._idle: deque[VendorConnection] = deque()
        self._open: set[VendorConnection] = set()
        self._context: ssl.SSLContext | None = tls_context(vendor)
        self._retired = False
        self._events = {event: metrics.connection_event(vendor.name, event).inc for event in CONNECTION_EVENTS}
        self._reused = metrics.connection_event(vendor.name, "reused")
        self._gauge = metrics.open_connections(vendor.name)

    def take(self) -> VendorConnection | None:
        """A clean idle connection, or None."""
        oldest = self._clock() - IDLE_S
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since < oldest:
                connection.close("idle_closed")
            elif connection.is_clean():
                self._reused.value += 1
                return connection
            else:
                connection.close("unsolicited")
        return None

    async def open(self) -> VendorConnection:
        """A new connection. Raises DialError or TimeoutError."""
        try:
            connection = await dial(self.vendor, self._context, lambda sock: VendorConnection(self, sock))
        except OSError:
            self._events["failed"]()
            raise
        self._open.add(connection)
        self._gauge.inc()
        self._events["opened"]()
        return connection

    def give_back(self, connection: VendorConnection) -> None:
        """The exchange on `connection` is over: keep it, or close it."""
        if connection.detach() and not self._retired and len(self._idle) < MAX_IDLE:
            connection.idle_since = self._clock()
            self._idle.append(connection)
        else:
            connection.close("idle_closed")

    def lost(self, connection: VendorConnection, event: str) -> None:
        """Called by a connection that ended."""
        if connection not in self._open:
            return
        self._open.discard(connection)
        self._gauge.dec()
        self._events[event]()
        if event in ("idle_closed", "unsolicited") and connection in self._idle:
            self._idle.remove(connection)

    def sweep(self) -> None:
        """Close what has been idle for too long; called every second or so."""
        oldest = self._clock() - IDLE_S
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.popleft().close("idle_closed")

    def retire(self) -> None:
        """The vendor's definition is gone: close what is idle, and whatever comes back."""
        self._retired = True
        while self._idle:
            self._idle.pop().close("idle_closed")

    def open_count(self) -> int:
        """Open connections, idle ones included."""
        return len(self._open)
