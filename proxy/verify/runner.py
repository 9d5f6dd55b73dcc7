"""Asking: all requests of a run, several at a time, each until it is answered or given up.

Not here: what is asked (selection.py) and what the replies mean (verdict.py). Invariants: what was answered once is not
asked again; the run ends in bounded time whatever the endpoint does, since each call is bounded and GIVE_UP requests in
a row without an answer end it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

from proxy.endpoint.reply import Reply
from proxy.endpoint.retry import PersistentCaller
from proxy.verify.selection import Chain, Request, Side
from proxy.verify.state import Entry, State

GIVE_UP: Final = 12
"""Requests in a row that were not answered, after all their attempts."""
UNWELCOME: Final = frozenset({301, 302, 303, 307, 308, 401, 402, 403, 404, 405})
"""Statuses that every further request would meet too."""
NOT_ASKED: Final = Reply(reason="not_asked")


class Unwelcome(Exception):
    """The endpoint turned the first request away for a reason that holds for all."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"status {reply.status}")
        self.reply = reply


class Runner:
    """One run. `advance` is told of each request that is done; set `stop` at any time, what is under way is left."""

    def __init__(
        self,
        callers: Mapping[Side, PersistentCaller],
        state: State,
        concurrency: int,
        *,
        advance: Callable[[], None] = lambda: None,
    ) -> None:
        self.stop = asyncio.Event()
        self.gave_up = False
        self._callers = callers
        self._state = state
        self._concurrency = concurrency
        self._advance = advance
        self._silent = 0

    async def run(self, chains: Iterable[Chain]) -> None:
        """Ask what has no reply yet. Raises Unwelcome, and StateError."""
        waiting = deque(self.unasked(chains))
        first = next((chain for chain in waiting if chain[0].side is Side.VENDOR), None)
        if first is not None:
            waiting.remove(first)
            if not await self._unless_stopped([self._greet(first)]):
                return
        await self._unless_stopped([self._work(waiting) for _ in range(self._concurrency)])

    def unasked(self, chains: Iterable[Chain]) -> list[Chain]:
        """Those of which a request has no reply yet; they are asked whole."""
        return [chain for chain in chains if not all(self.replied(one) for one in chain)]

    def reply(self, request: Request) -> Reply:
        """What there is of it."""
        entry = self._state.entries.get(request.key)
        return NOT_ASKED if entry is None else entry.reply

    def replied(self, request: Request) -> bool:
        """Whether it was answered, be it by half an answer; what turns every request away, such as a wrong key, may be
        mended and is asked again.
        """
        reply = self.reply(request)
        return reply.status == 200 or request.answered(reply)

    async def _greet(self, chain: Chain) -> None:
        await self._follow(chain)
        reply = self.reply(chain[0])
        if reply.status in UNWELCOME:
            raise Unwelcome(reply)

    async def _work(self, waiting: deque[Chain]) -> None:
        while waiting and not self.stop.is_set():
            await self._follow(waiting.popleft())

    async def _follow(self, chain: Chain) -> None:
        for request in chain:
            if self.stop.is_set():
                return
            await self._ask(request)
            self._advance()

    async def _ask(self, request: Request) -> None:
        ask = request.ask
        outcome = await self._callers[request.side].call(ask.body, stop_after_bytes=ask.stop_after_bytes)
        self._state.add(Entry(request.key, outcome.attempts, outcome.reply))
        if request.side is Side.VENDOR:
            self._silent = 0 if request.answered(outcome.reply) else self._silent + 1
            if self._silent >= GIVE_UP:
                self.gave_up = True
                self.stop.set()

    async def _unless_stopped(self, work: Iterable[Coroutine[object, object, None]]) -> bool:
        """Whether all of it was done before `stop` was set."""
        tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(each) for each in work]
        stopping: asyncio.Future[Any] = asyncio.ensure_future(self.stop.wait())
        try:
            while not stopping.done() and (under_way := [task for task in tasks if not task.done()]):
                await asyncio.wait([*under_way, stopping], return_when=asyncio.FIRST_COMPLETED)
                for task in under_way:
                    if task.done():
                        task.result()  # what it raised ends the run
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)
        return not self.stop.is_set()
