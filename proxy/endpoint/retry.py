"""Calls that matter one by one: made again after a while when nothing was answered, up to a bound.

Here: which calls are worth making again, and when. Not here: the mirror's calls, which are never made again
(scorer/reference.py). Invariants: an answer that has begun is what the endpoint said, so it is never asked again; a 429
holds back every call to the endpoint for as long as it asks, as far as a call has the time; the number of attempts and
the time spent waiting are bounded, and each attempt's end is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from proxy.endpoint.endpoint import Endpoint
from proxy.endpoint.pause import Pause
from proxy.endpoint.reply import Reply

AGAIN: Final = frozenset({"rate_limited", "server_error", "unreachable", "timeout"})
"""Reasons after which the same call may well be answered. "timeout" only before the head of an answer."""
_FINAL: Final = (b"exceeded_current_quota", b"insufficient_quota")
"""A 429 that says so lasts until somebody pays (Moonshot API reference, errors)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """`attempts` of one call in all. Waits are seconds: `first_s`, doubled each time up to `longest_s`, with up to a
    quarter more by chance; together at most `total_s`, what the endpoint asks for included.
    """

    attempts: int = 5
    first_s: float = 1.0
    longest_s: float = 60.0
    total_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last reply, and why there was none before it, one reason for each attempt that was made again."""

    reply: Reply
    former: tuple[str, ...] = ()

    @property
    def attempts(self) -> int:
        """How often the call was made."""
        return len(self.former) + 1


class PersistentCaller:
    """`sleep` waits so many seconds, `draw` gives a number in [0, 1). At most `concurrency` calls are under way; those
    that wait to be made again are not.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        bounds: Bounds,
        concurrency: int,
        clock: Callable[[], float],
        draw: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.endpoint = endpoint
        self._bounds = bounds
        self._room = asyncio.Semaphore(concurrency)
        self._pause = Pause(clock)
        self._draw = draw
        self._sleep = sleep

    async def call(self, body: bytes, *, stop_after_bytes: int | None = None) -> Outcome:
        """As Endpoint.call, up to `attempts` times."""
        former: list[str] = []
        waited_s = 0.0
        while True:
            waited_s += await self._wait_for_room(self._bounds.total_s - waited_s)
            try:
                reply = await self.endpoint.call(body, stop_after_bytes=stop_after_bytes)
            finally:
                self._room.release()
            if reply.reason == "rate_limited":
                self._pause.refused(reply.retry_after_s)
            elif reply.status:
                self._pause.answered()
            wait_s = self._wait_s(len(former))
            if (
                not _worth_another(reply)
                or len(former) + 1 >= self._bounds.attempts
                or waited_s + max(wait_s, self._pause.left_s) > self._bounds.total_s
            ):
                return Outcome(reply, tuple(former))
            former.append(reply.reason)
            await self._sleep(wait_s)
            waited_s += wait_s

    async def _wait_for_room(self, most_s: float) -> float:
        """Take a place, once the endpoint may be called; the seconds that a pause took of at most `most_s`."""
        waited_s = 0.0
        while True:
            await self._room.acquire()
            left_s = min(self._pause.left_s, most_s - waited_s)
            if left_s <= 0.0:
                return waited_s
            self._room.release()
            await self._sleep(left_s)
            waited_s += left_s

    def _wait_s(self, made: int) -> float:
        bounds = self._bounds
        return min(bounds.first_s * 2.0**made, bounds.longest_s) * (1.0 + 0.25 * self._draw())


def _worth_another(reply: Reply) -> bool:
    if reply.reason not in AGAIN or (reply.reason == "timeout" and reply.status):
        return False
    return not any(said in reply.error for said in _FINAL)
