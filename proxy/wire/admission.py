"""Admission: who asks, for which vendor, and is there room. Decided from the head alone, before a byte of body is read.

Not here: the body's size while it arrives (body.py). Invariant: a permit that was taken is given back exactly once,
whatever becomes of the request; no decision depends on anything that can wait.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from proxy.config.values import Client, Limits
from proxy.wire.problems import Problem, Refused

RETRY_AFTER: Final = {"Retry-After": "1", "x-should-retry": "true"}
"""Seconds. OpenAI's SDKs wait as told up to 120 s; the second says to them that a retry makes sense."""

_UNAUTHORIZED: Final = Problem(
    401,
    "client-key-unknown",
    "the key in the Authorization header is not known to this proxy",
    "send `Authorization: Bearer KEY` with a key listed under `clients` in the proxy's configuration",
    type="invalid_authentication_error",
    headers={"WWW-Authenticate": "Bearer"},
)
_BUSY: Final = Problem(
    503,
    "proxy-busy",
    "the proxy has no room for another request",
    "retry later or raise limits.in_flight",
    type="server_error",
    headers=RETRY_AFTER,
)
_VENDOR_BUSY: Final = Problem(
    503,
    "vendor-busy",
    "as many requests as allowed are under way at this vendor",
    "retry later or raise its max_in_flight",
    type="server_error",
    headers=RETRY_AFTER,
)
_CLIENT_BUSY: Final = Problem(
    429,
    "client-busy",
    "this key has as many requests under way as it may have",
    "wait for one to end or raise max_in_flight",
    type="rate_limit_reached_error",
    headers=RETRY_AFTER,
)
_BODIES_FULL: Final = Problem(
    503,
    "bodies-full",
    "too many bytes of request bodies are under way",
    "retry later or raise limits.body_bytes_in_flight",
    type="server_error",
    headers=RETRY_AFTER,
)


class Count:
    """How many are under way, and how many may be."""

    __slots__ = ("limit", "now")

    def __init__(self, limit: int | None) -> None:
        self.limit = _limit(limit)
        self.now = 0


def _limit(limit: int | None) -> float:
    return math.inf if limit is None else limit


class Permit(msgspec.Struct):
    """Leave to proceed; `release` gives it back."""

    counts: tuple[Count, ...]
    bodies: Count
    body_bytes: int = 0

    def hold_body(self, size: int) -> None:
        """Count a body that is known to be `size` bytes long by now. Raises Refused when that is too much."""
        bodies, more = self.bodies, size - self.body_bytes
        if more > 0:
            if bodies.now + more > bodies.limit:
                raise Refused(_BODIES_FULL, "shed")
            bodies.now += more
            self.body_bytes = size

    def drop_body(self) -> None:
        """The body has left, or never will."""
        if self.body_bytes:
            self.bodies.now -= self.body_bytes
            self.body_bytes = 0

    def release(self) -> None:
        """Give everything back; once."""
        self.drop_body()
        for count in self.counts:
            count.now -= 1
        self.counts = ()


class Admission:
    """The limits of one worker. Counts outlive a reload: `update` changes the limits, not what is under way."""

    def __init__(self, limits: Limits) -> None:
        self.total = Count(limits.in_flight)
        self.bodies = Count(limits.body_bytes_in_flight)
        self._vendors: dict[str, Count] = {}
        self._clients: dict[str, Count] = {}

    def update(self, limits: Limits, vendors: Sequence[tuple[str, int | None]], clients: Sequence[Client]) -> None:
        """Take over the limits of a new configuration."""
        self.total.limit = _limit(limits.in_flight)
        self.bodies.limit = _limit(limits.body_bytes_in_flight)
        for name, limit in vendors:
            self._vendors.setdefault(name, Count(limit)).limit = _limit(limit)
        for client in clients:
            self._clients.setdefault(client.name, Count(None)).limit = _limit(client.max_in_flight)

    def counter(self, vendor: str) -> Callable[[], float]:
        """How many requests are under way at a vendor, for a gauge."""
        count = self._vendors[vendor]
        return lambda: count.now

    def strain(self) -> float:
        """How full it was when the latest request came: the part of `in_flight` that was taken."""
        return (self.total.now - 1) / self.total.limit

    def admit(self, vendor: str, client: Client | None) -> Permit:
        """A permit, or Refused with 429 (the client's own limit) or 503 (ours, the vendor's)."""
        total, at_vendor = self.total, self._vendors[vendor]
        own = None if client is None else self._clients[client.name]
        if own is not None and own.now >= own.limit:
            raise Refused(_CLIENT_BUSY, "shed")
        if total.now >= total.limit:
            raise Refused(_BUSY, "shed")
        if at_vendor.now >= at_vendor.limit:
            raise Refused(_VENDOR_BUSY, "shed")
        total.now += 1
        at_vendor.now += 1
        if own is None:
            return Permit((total, at_vendor), self.bodies)
        own.now += 1
        return Permit((total, at_vendor, own), self.bodies)


def identify(clients: Sequence[Client], credential: bytes) -> Client | None:
    """The client a key belongs to; None when no clients are configured. Raises Refused with 401.

    Every configured digest is compared, each in constant time, so neither the time nor the answer tells a key that is
    nearly right from one that is not.
    """
    if not clients:
        return None
    scheme, _, key = credential.partition(b" ")
    text = key.strip() if scheme.lower() == b"bearer" else credential.strip()
    digest = hashlib.sha256(text).digest()
    found: Client | None = None
    for client in clients:
        if hmac.compare_digest(client.key_sha256, digest):
            found = client
    if found is None:
        raise Refused(_UNAUTHORIZED)
    return found
