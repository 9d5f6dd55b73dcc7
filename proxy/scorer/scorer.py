"""The scorer: takes what the workers send, and turns it into rows of the log, folded evidence and a mirror rate.

Here: its life, from frames to what is published. Not here: each part (answers.py, pairs.py, book.py, journal.py).
Invariants: rows are folded in the order in which they are logged; they and the state after them are committed together,
and only then published; whatever a vendor, a reference or a worker sends costs at most its own exchange.
"""

from __future__ import annotations

import asyncio
import math
import socket
import time
import traceback
import zlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Final

from proxy.config.values import Config
from proxy.contract.answer import Answer
from proxy.contract.asking import too_many_objects
from proxy.contract.exchange import VERSION, Admitted, Finished, Frame, Part, Rates, Requests
from proxy.drift.report import Alarm, Event
from proxy.drift.rows import AcknowledgedRow, Key, LostRow, PairRow, Row, TermsRow
from proxy.endpoint.reply import CANCELLED, REASONS, Reply
from proxy.metrics.scorer import ScorerMetrics
from proxy.scorer.answers import KnownTools, ModelNames, Tally, Unfinished
from proxy.scorer.bodies import Keep
from proxy.scorer.book import Book
from proxy.scorer.fates import FATES, fate_of, vendor_loss
from proxy.scorer.inbox import Inbox, Line
from proxy.scorer.journal import Journal
from proxy.scorer.lateness import Lateness
from proxy.scorer.ledger import Entry, Ledger
from proxy.scorer.pairs import Pairs, differing
from proxy.scorer.probing import Probing, Rim
from proxy.scorer.prompts import Prompts
from proxy.scorer.publish import Publisher, show_mirror
from proxy.scorer.requests import Gathered
from proxy.scorer.sentences import sentence
from proxy.scorer.terms import terms_of
from proxy.signals.features import Read, read
from proxy.signals.outcomes import FIRST_TOKEN_LATE
from proxy.store import StoreError

TICK_S: Final = 0.25
"""How long rows gather before they are committed together."""
TALLY_S: Final = 1.0
"""How much of a vendor's answers goes into one row."""
PUBLISH_S: Final = 1.0
RETAIN_S: Final = 600.0


class Scorer:
    """One scorer. Make it inside a running event loop; `say` and `warn` write a line where people read."""

    def __init__(
        self, config: Config, metrics: ScorerMetrics, say: Callable[[str], None], warn: Callable[[str], None]
    ) -> None:
        self._config = config
        self._metrics = metrics
        self._say = say
        self._warn = warn
        self._clock = asyncio.get_running_loop().time
        self._journal = Journal(None if config.state_dir is None else Path(config.state_dir), warn)
        self._book = Book()
        self._publisher = Publisher(metrics)
        self._unfinished = Unfinished()
        self._tally = Tally()
        self._gathered = Gathered()
        self._lateness = Lateness()
        self._tools = KnownTools()
        self._prompts = Prompts(say, warn)
        self._probing = Probing(metrics, Rim(self._clock, time.time, warn, self._defect))
        self._salt = b""
        self._terms_due = False
        self._acknowledged: list[int] = []
        self._committed = True
        self._uncounted: list[tuple[Row, tuple[Event, ...]]] = []
        self._latest_s, self._tallied_s = 0.0, -math.inf
        self._stepping = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Open the log and listen to the workers. Raises StoreError, OSError."""
        self._book = await self._journal.open()
        self._latest_s = self._book.last_at_s
        self._salt = await asyncio.to_thread(self._journal.salt)
        self._pairs = Pairs(
            Ledger(self._config.mirror.pair_deadline_s, self._book.last_number + 1),
            self._clock,
            self._second_share,
            self._draw,
            self._count_reply,
            self._defect,
            self._prompts,
        )
        self._inbox = Inbox(
            Rates(VERSION, self._salt, {}), self._take, self._worker_gone, self._defect, self._metrics.garbage.inc
        )
        self._use(self._config)
        await self._inbox.start(list(sockets))
        for step, every_s in ((self._tick, TICK_S), (self._show, PUBLISH_S), (self._retain, RETAIN_S)):
            self._tasks.append(asyncio.create_task(self._forever(step, every_s)))
        self._tasks.append(asyncio.create_task(self._forever(self._keep_bodies, PUBLISH_S, alone=False)))

    def swap(self, config: Config) -> None:
        """Use another configuration from now on. Where the log lies stays as it was at the start."""
        try:
            self._use(config)
        except StoreError as error:
            self._warn(str(error))

    async def drain(self, grace_s: float, deadline_s: float) -> None:
        """Write down what has been said, and go. Pairs that are not complete are lost."""
        await self._inbox.close()
        await asyncio.sleep(grace_s)
        async with self._stepping, self._journal.writing_bodies:  # a step cut off could write twice, or not at all
            for task in self._tasks:
                task.cancel()
        await asyncio.wait(self._tasks)
        await self._pairs.close()
        self._tallied_s = self._gathered.told_s = -math.inf
        async with asyncio.timeout(deadline_s):
            await self._tick()
            await self._keep_bodies()
        await self._probing.close()
        await self._prompts.close()
        self._journal.close()

    def in_flight(self) -> int:
        """Open pairs."""
        return len(self._pairs.ledger)

    def detail(self) -> bytes:
        """The status as JSON."""
        return self._publisher.detail

    # What the workers say

    def _take(self, line: Line, frame: Frame) -> None:
        match frame:
            case Part(request_id, data):
                self._unfinished.part(line, request_id, data)
            case Admitted():
                excluded = self._pairs.admit(frame, line)
                if excluded:
                    self._metrics.mirrored(frame.vendor, "excluded", excluded).value += 1
            case Requests():
                self._gathered.add(frame)
            case Finished():
                self._finish(line, frame)

    def _worker_gone(self, line: Line) -> None:
        """What it had not finished will never be."""
        self._pairs.lose_from(line)
        self._unfinished.lose_from(line)

    def _finish(self, line: Line, frame: Finished) -> None:
        exchange, entry = frame.exchange, self._pairs.ledger.find(frame.id) if frame.mirrored else None
        answer = self._unfinished.finish(frame.id, exchange, whole=frame.whole)
        seen = None if answer is None else self._seen(line, frame, answer, entry)
        lost = vendor_loss(exchange)
        self._metrics.unjudged.value += not lost and seen is None
        if entry is not None:
            self._pairs.answered(entry, seen, lost if lost or seen else ("proxy", "part_dropped"))
        if not frame.checked or not frame.whole:
            return
        key = Key(frame.vendor, frame.policy, frame.mode)
        violated = tuple(name for name, found in self._tally.add(key, exchange, seen).items() if found)
        times = exchange.timings
        if exchange.upstream == "ok" and times.first_token_s is not None and times.sent_s is not None:
            late = self._lateness.late(key, time.time(), times.first_token_s - times.sent_s)
            if late is not None:
                self._tally.note(key, FIRST_TOKEN_LATE.name, violated=late)
        if entry is not None:
            entry.violated = violated
        elif violated and frame.keep:
            self._journal.keeping.add(0, frame.id, time.time(), frame.vendor, frame.mode, violated, b"", (answer,))

    def _seen(self, line: Line, frame: Finished, answer: Answer, entry: Entry | None) -> Read | None:
        """The answer with what was asked; for a mirrored request the whole of it is known. None when it is not."""
        if entry is not None:
            asked = entry.asked
        else:
            long = {name: line.contents[key] for name, key in frame.contents.items() if key in line.contents}
            if len(long) < len(frame.contents) or too_many_objects(long.get("tools", b"")):
                return None  # what was asked is not known, so the answer cannot be judged by it
            asked = self._tools.asked({**frame.asked, **long}, frame.mode, frozenset(), whole=False)
        models = self._models.allowed(frame.vendor, asked.model, answer.model)
        return read(answer, replace(asked, models=models))

    # One tick

    async def _tick(self) -> None:
        """Fold what is due and commit it; then let it be seen."""
        if self._journal.full:
            rows: list[Row] = []
        else:
            rows = await self._due_acknowledgements()
            rows += self._due()
        rows = self._fold(rows)
        taken, self._acknowledged = self._acknowledged, []
        self._committed = await self._journal.commit(rows, taken, self._book)
        if not self._committed:
            self._metrics.log_failures.inc()
            return
        self._metrics.log_rows.value += len(self._uncounted)
        for row, events in self._uncounted:
            self._publisher.count(row, events)
            self._tell(events)
        self._uncounted.clear()
        self._inbox.tell(self._rates())

    def _fold(self, rows: list[Row]) -> list[Row]:
        """Those that could be folded; only they are logged."""
        folded: list[Row] = []
        for row in rows:
            try:
                self._uncounted.append((row, self._book.fold(row)))
            except Exception as defect:  # a row is lost, not those beside it
                self._defect(defect)
            else:
                folded.append(row)
        return folded

    def _due(self) -> list[Row]:
        now_s = self._now_s()
        rows: list[Row] = []
        if self._terms_due:
            rows.append(TermsRow(now_s, self._terms))
            self._terms_due = False
        for entry, row in self._pairs.leaving(now_s):
            rows.append(row)
            self._settle(entry, row, now_s)
        tick_s = self._clock()  # when rows are due must not hang on a wall clock that may be set
        if tick_s - self._tallied_s >= TALLY_S:
            self._tallied_s = tick_s
            rows += self._tally.rows(now_s)
        rows += self._gathered.rows(now_s, tick_s)
        rows += self._probing.rows(now_s)
        return rows

    async def _due_acknowledgements(self) -> list[Row]:
        found = await self._journal.acknowledgements()
        self._acknowledged = [each.id for each in found]
        return [AcknowledgedRow(self._now_s(), each.vendor, each.signal, each.note) for each in found]

    def _settle(self, entry: Entry, row: PairRow | LostRow, now_s: float) -> None:
        """Count the fate of a mirrored exchange, and keep its texts if they are wanted."""
        vendor = entry.key.vendor
        self._metrics.mirrored(vendor, *fate_of(row)).value += 1
        if isinstance(row, LostRow):
            return
        self._metrics.pairs.labels(vendor, "true" if entry.tripled else "false").value += 1
        self._metrics.pair_seconds.labels(vendor).observe(self._clock() - entry.admitted_s)
        why = (*entry.violated, *differing(row.values))
        answers = (entry.vendor, entry.reference, entry.second)
        self._journal.keeping.add(entry.number, entry.id, now_s, vendor, entry.key.mode, why, entry.body, answers)

    def _tell(self, events: tuple[Event, ...]) -> None:
        for event in events:
            (self._warn if isinstance(event, Alarm) else self._say)(sentence(event))

    async def _show(self) -> None:
        if not self._committed or self._uncounted:
            return
        mirror = show_mirror(self._metrics, self._pairs, self._inbox.rates.fractions)
        vendors = {vendor.name: vendor.plan.name for vendor in self._config.vendors}
        self._publisher.show(
            self._book, vendors, self._now_s(), {"mirror": mirror, "state_dir": self._config.state_dir}
        )

    async def _retain(self) -> None:
        await self._journal.retain(self._config.retention)

    async def _keep_bodies(self) -> None:
        self._metrics.unkept.value = self._journal.keeping.given_up
        await self._journal.keep_bodies()

    async def _forever(self, step: Callable[[], Awaitable[None]], every_s: float, *, alone: bool = True) -> None:
        """Again and again; a defect in one step is counted and told, and the next one follows. Steps that are to be
        `alone` take turns.
        """
        while True:
            await asyncio.sleep(every_s)
            try:
                async with self._stepping if alone else nullcontext():
                    await step()
            except Exception as defect:  # the process serves on
                self._defect(defect)

    # What follows from the configuration

    def _use(self, config: Config) -> None:
        self._config = config
        self._models = ModelNames(config.vendors)
        self._terms = terms_of(config)
        self._terms_due = self._book.fleet.terms != self._terms
        self._journal.use(config)
        keep_bodies = self._journal.keeping.wanted is not Keep.OFF
        self._pairs.use(config.reference, config.mirror, keep_bodies=keep_bodies)
        self._prompts.use(None if config.reference is None else config.signals.tokenizer_file)
        self._probing.use(config)
        self._metrics.prepare([vendor.name for vendor in config.vendors], FATES, ("ok", *REASONS, CANCELLED))
        self._inbox.tell(self._rates())

    def _rates(self) -> Rates:
        """More of a vendor while a warning is not settled: it depends on the past alone, so nothing is distorted."""
        config = self._config
        if config.reference is None:
            return Rates(VERSION, self._salt, {})
        fractions = {
            vendor.name: config.mirror.raised_fraction
            if self._book.fleet.wants_more(vendor.name)
            else config.mirror.fraction
            for vendor in config.vendors
        }
        return Rates(VERSION, self._salt, fractions)

    def _second_share(self, vendor: str) -> float:
        return 1.0 if self._book.fleet.wants_more(vendor) else self._config.mirror.second_answer

    def _draw(self, request_id: str) -> float:
        return zlib.crc32(self._salt + request_id.encode()) / (1 << 32)

    def _now_s(self) -> float:
        """Unix time that never goes back, as rows want it."""
        self._latest_s = max(self._latest_s, time.time())
        return self._latest_s

    def _count_reply(self, reply: Reply) -> None:
        self._metrics.reference.labels(reply.reason or "ok").value += 1
        usage = None if reply.answer is None else reply.answer.usage
        if usage is not None:
            self._metrics.reference_tokens.labels("input").value += usage.prompt or 0
            self._metrics.reference_tokens.labels("output").value += usage.completion or 0

    def _defect(self, defect: Exception) -> None:
        """Where it happened and its type; its text may hold what somebody said."""
        self._metrics.defects.inc()
        frames = traceback.extract_tb(defect.__traceback__)[-3:]
        where = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
        self._warn(f"a defect of the scorer: {type(defect).__name__} at {where}")
