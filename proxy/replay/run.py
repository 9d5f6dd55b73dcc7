"""The calls of a replay: every record of every target and epoch that has not ended yet, once, side by side.

Not here: one call and when it is made again (endpoint/), what answers are worth (scoring.py). Invariants: a call that
is in the checkpoint as answered is never made again; a call that is broken off leaves nothing there, so it is made
again by the next run; at most `concurrency` calls of an endpoint are under way; a target that does not answer at all is
given up after a bounded number of calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from proxy.contract.envelope import MalformedBody
from proxy.endpoint.endpoint import Endpoint
from proxy.endpoint.reply import Reply
from proxy.endpoint.retry import AGAIN, Bounds, Outcome, PersistentCaller
from proxy.replay.checkpoint import MAX_ERROR, Call, Checkpoint
from proxy.replay.dataset import Dataset, UnusableDataset
from proxy.replay.prepare import Destination, Settings, prepare
from proxy.replay.records import Record

GIVE_UP_AFTER: Final = 20
"""Calls in a row without an answer for reasons that say nothing of the request, or four for each that may be under way
at a time, if that is more.
"""
_NOT_OF_THE_REQUEST: Final = frozenset({401, 403, 404})


@dataclass(frozen=True, slots=True)
class Ways:
    """How calls are made. `retry_failed`: those that ended without an answer in an earlier run are made again. `clock`
    counts seconds, `wall` is Unix time.
    """

    user_agent: str
    bounds: Bounds
    concurrency: int
    clock: Callable[[], float]
    wall: Callable[[], float]
    draw: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    retry_failed: bool = False


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A target that did not answer: the last reason and status, and the beginning of what it said."""

    target: str
    reason: str
    status: int
    error: str


class Run:
    """One run over all targets. `on_end(target, call)` is told of every call that ended."""

    def __init__(
        self,
        dataset: Dataset,
        targets: Sequence[Destination],
        settings: Settings,
        checkpoint: Checkpoint,
        ways: Ways,
        on_end: Callable[[int, Call], None],
    ) -> None:
        self._dataset = dataset
        self._targets = targets
        self._settings = settings
        self._checkpoint = checkpoint
        self._ways = ways
        self._on_end = on_end

    async def finish(self, records: int) -> tuple[GivenUp, ...]:
        """Make every call that is left; the targets that were given up."""
        ways = self._ways
        async with AsyncExitStack() as stack:
            # A reference that is asked twice is one endpoint, with one pause and one concurrency.
            callers: dict[int, PersistentCaller] = {}
            for target in self._targets:
                if id(target.upstream) not in callers:
                    endpoint = Endpoint(target.upstream, ways.user_agent, ways.clock)
                    stack.push_async_callback(endpoint.close)
                    callers[id(target.upstream)] = PersistentCaller(
                        endpoint, ways.bounds, ways.concurrency, ways.clock, ways.draw, ways.sleep
                    )
            async with asyncio.TaskGroup() as group:
                legs = [
                    group.create_task(self._leg(number, target, callers[id(target.upstream)], records))
                    for number, target in enumerate(self._targets)
                ]
        return tuple(given_up for leg in legs if (given_up := leg.result()) is not None)

    async def _leg(self, number: int, target: Destination, caller: PersistentCaller, records: int) -> GivenUp | None:
        concurrency = self._ways.concurrency
        left = self._left(number, records)
        silence = _Silence(max(GIVE_UP_AFTER, 4 * concurrency))
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(self._work(number, target, caller, left, silence))
        last = silence.last
        return GivenUp(target.name, last.reason, last.status, last.error) if silence.too_long and last else None

    async def _work(
        self,
        number: int,
        target: Destination,
        caller: PersistentCaller,
        left: Iterator[tuple[Record, int]],
        silence: _Silence,
    ) -> None:
        for record, epoch in left:
            call = await self._call(caller, target, record, epoch)
            self._checkpoint.add(number, call)
            self._on_end(number, call)
            silence.note(call)
            if silence.too_long:
                return

    async def _call(self, caller: PersistentCaller, target: Destination, record: Record, epoch: int) -> Call:
        try:
            outcome = await caller.call(prepare(record, target, self._settings).body)
        except MalformedBody as error:
            outcome = Outcome(Reply(reason="defect", error=str(error).encode()))
        reply = outcome.reply
        return Call(
            record=record.index,
            epoch=epoch,
            reason=reply.reason or ("" if reply.whole else "cut"),
            status=reply.status,
            answer=reply.answer,
            error=reply.error[:MAX_ERROR].decode(errors="replace"),
            former=outcome.former,
            first_token_s=reply.first_token_s,
            total_s=reply.end_s,
            at_s=self._ways.wall(),
        )

    def _left(self, number: int, records: int) -> Iterator[tuple[Record, int]]:
        """What has not ended yet, the epochs of a record one after the other. Raises UnusableDataset."""
        epochs = self._settings.epochs
        done = bytearray(records * epochs)
        for index, epoch, answered in self._checkpoint.ended(number):
            if answered or not self._ways.retry_failed:
                done[index * epochs + epoch] = 1
        if all(done):
            return
        read = 0
        for record in self._dataset.records():
            read += 1
            if read > records:
                break
            for epoch in range(epochs):
                if not done[record.index * epochs + epoch]:
                    yield record, epoch
        if read != records:
            raise UnusableDataset(
                f"{self._dataset.path} changed while it was read: it does not have the {records} records of the start",
                "put it back, and give the same command again",
            )


class _Silence:
    """How many calls in a row ended without an answer, for reasons that lie with the endpoint."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._calls = 0
        self.last: Call | None = None

    @property
    def too_long(self) -> bool:
        return self._calls >= self._most

    def note(self, call: Call) -> None:
        if call.reason in AGAIN or call.status in _NOT_OF_THE_REQUEST:
            self._calls += 1
            self.last = call
        elif not self.too_long:
            self._calls = 0
