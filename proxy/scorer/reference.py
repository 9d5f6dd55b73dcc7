"""The reference leg: calls to the reference for the mirror, as many at a time as it may have.

Not here: one call (endpoint/), which requests (ledger.py, scorer.py) and what may be spent (budget.py). Invariants: no
call is made again; a 429 stops all calls for as long as it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from proxy import __version__
from proxy.config.values import Reference
from proxy.endpoint.endpoint import Endpoint
from proxy.endpoint.pause import Pause
from proxy.endpoint.reply import Reply

USER_AGENT: Final = f"paramwall-mirror/{__version__}"


class ReferenceLeg:
    """Calls to one reference. Make it inside a running event loop; `clock` is in seconds, `on_cancel` counts a call
    that was broken off.
    """

    def __init__(self, reference: Reference, clock: Callable[[], float], on_cancel: Callable[[], None]) -> None:
        self.reference = reference
        self._on_cancel = on_cancel
        self.in_flight = self._asked = 0
        self._idle = asyncio.Event()
        self._pause = Pause(clock)
        self._room = asyncio.Semaphore(reference.max_in_flight)
        self._endpoint = Endpoint(reference, USER_AGENT, clock)

    @property
    def paused(self) -> bool:
        """Whether the reference asked for a rest."""
        return self._pause.left_s > 0.0

    async def ask(self, body: bytes) -> Reply:
        """One call."""
        self._asked += 1
        try:
            return await self._call(body)
        finally:
            self._asked -= 1
            if not self._asked:
                self._idle.set()

    async def close_when_idle(self) -> None:
        """End all connections once nothing is under way, nor waits for room."""
        while self._asked:
            self._idle.clear()
            await self._idle.wait()
        await self.close()

    async def close(self) -> None:
        """End all connections."""
        await self._endpoint.close()

    async def _call(self, body: bytes) -> Reply:
        async with self._room:
            if self.paused:
                return Reply(reason="rate_limited")
            self.in_flight += 1
            try:
                reply = await self._endpoint.call(body)
            except asyncio.CancelledError:
                self._on_cancel()
                raise
            finally:
                self.in_flight -= 1
        if reply.reason == "rate_limited":
            self._pause.refused(reply.retry_after_s)
        elif reply.status == 200:
            self._pause.answered()
        return reply
