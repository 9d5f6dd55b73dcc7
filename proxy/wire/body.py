"""Reading a request's body: whole, bounded in size and in time.

Not here: what is in it. Invariant: a body that is too large is refused before it is read where its length is announced,
and a body that trickles is cut off; what is returned is complete.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError

from proxy.config.values import Limits
from proxy.wire.admission import Permit
from proxy.wire.aiohttp_chunks import LEAST_AVERAGE, MANY, TinyChunks
from proxy.wire.deadlines import Deadlines
from proxy.wire.problems import Problem, Refused

FLOOR_AFTER_S: Final = 10.0
"""How long a body may arrive at any rate before the floor (`limits.body_floor_bytes_per_s`) applies."""
READ_BUFFER: Final = 256 * 1024
"""Bytes of a body that aiohttp reads ahead; it stops reading a fast sender at twice this."""


def hold(permit: Permit, limits: Limits, size: int) -> None:
    """Count a body that is `size` bytes long by now. Raises Refused (413 too large, 503 no room)."""
    if size > limits.body_bytes:
        raise Refused(_too_large(limits))
    permit.hold_body(size)


class Arrival:
    """One body on its way. `announced` is its Content-Length, if it has one."""

    __slots__ = ("_announced", "_clock", "_content", "_limits", "_permit", "_started")

    def __init__(
        self,
        content: StreamReader,
        announced: int | None,
        limits: Limits,
        permit: Permit,
        clock: Callable[[], float],
    ) -> None:
        self._content = content
        self._announced = announced
        self._limits = limits
        self._permit = permit
        self._clock = clock
        self._started = 0.0

    def taken(self) -> bytes:
        """A body that is here already. Raises Refused (413 too large, 400 broken framing, 503 no room)."""
        try:
            body = self._content.read_nowait()
        except (web.RequestPayloadError, HttpProcessingError) as error:
            raise _broken(error) from None
        hold(self._permit, self._limits, len(body))
        return body

    def reserve(self) -> None:
        """Make room for a body of the announced length. Raises Refused before a byte of it is asked for."""
        if self._announced is not None:
            hold(self._permit, self._limits, self._announced)

    async def awaited(self, deadlines: Deadlines) -> bytes:
        """A body that is still coming. Raises Refused as `taken` does, and with 408 when it comes too slowly."""
        self._started = self._clock()
        deadlines.active.add(self)
        try:
            if self._announced is not None and self._announced <= 2 * READ_BUFFER:
                await self._content.wait_eof()
                return self._content.read_nowait()
            return await self._gathered()
        except (web.RequestPayloadError, HttpProcessingError) as error:
            raise _broken(error) from None
        finally:
            deadlines.active.discard(self)

    async def _gathered(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        while not self._content.at_eof():
            part = await self._content.readany()
            parts.append(part)
            size += len(part)
            hold(self._permit, self._limits, size)
        return b"".join(parts)

    def check(self) -> None:
        """Refuse a body that is late, or that trickles."""
        elapsed, limits = self._clock() - self._started, self._limits
        floor = limits.body_floor_bytes_per_s * (elapsed - FLOOR_AFTER_S)
        if elapsed > limits.body_timeout_s or (elapsed > FLOOR_AFTER_S and self._content.total_bytes < floor):
            self._content.set_exception(Refused(_TOO_SLOW))


def _broken(error: Exception) -> Refused:
    return Refused(_TOO_TINY if isinstance(error, TinyChunks) else _BROKEN)


def _too_large(limits: Limits) -> Problem:
    return Problem(
        413,
        "body-too-large",
        f"the body is larger than {limits.body_bytes} bytes",
        "send a smaller body or raise limits.body_bytes",
    )


_TOO_SLOW: Final = Problem(
    408, "body-too-slow", "the body arrived too slowly", "send it faster; see limits.body_timeout"
)
_TOO_TINY: Final = Problem(
    400,
    "chunks-too-small",
    f"the body came in more than {MANY} chunks of less than {LEAST_AVERAGE} bytes on average",
    "send it in larger chunks, or with a Content-Length",
)
_BROKEN: Final = Problem(
    400, "http-malformed", "the body's framing is broken", "send a correct Content-Length or chunked body"
)
