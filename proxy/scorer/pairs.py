"""From a mirrored exchange to a pair: admitted, asked of the reference, scored when all answers are there.

Not here: the order in which pairs are folded (ledger.py), the log (scorer.py). Invariants: whether a request is
mirrored and asked a second time depends on the request and the past alone; every admitted exchange ends as a PairRow or
a LostRow; what waits for the reference is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from typing import Final

from proxy.config.values import Mirror, Reference
from proxy.contract.answer import Answer
from proxy.contract.asked import Asked
from proxy.contract.asking import too_many_objects
from proxy.contract.envelope import Envelope, MalformedBody
from proxy.contract.exchange import Admitted
from proxy.drift.offset import KNOWN_SKEW
from proxy.drift.rows import Key, LostRow, PairRow, Value
from proxy.endpoint.reply import CANCELLED, Reply
from proxy.scorer.answers import KnownTools
from proxy.scorer.book import CELL_NUMBERS, KVV_CELL
from proxy.scorer.budget import Budget
from proxy.scorer.ledger import Entry, Ledger
from proxy.scorer.prompts import Prompts
from proxy.scorer.reference import ReferenceLeg
from proxy.scorer.repeats import Repeats
from proxy.scorer.translate import NotToBeAsked, for_reference
from proxy.signals import kvv
from proxy.signals.features import read
from proxy.signals.read import read_pair, read_triple

MAX_WAITING: Final = 256
MAX_WAITING_BYTES: Final = 128 * 1024 * 1024
MAX_KEPT_BYTES: Final = 256 * 1024 * 1024
"""Of requests that are kept as evidence while their pairs are open."""
_BYTES_PER_TOKEN: Final = 4
_FAR: Final = 1.0
"""Of a log ratio or a payoff: two healthy answers seldom differ so much."""
_ANSWER_TOKENS: Final = 2000
"""What an answer is taken to cost before it is known."""


class Pairs:
    """The open pairs. `second_share(vendor)` is the share that gets a second reference answer, `draw` a number in
    [0, 1) by request id, `on_reply` counts a call, `on_defect` a fault of ours, `prompts` their tokens. Times are of
    the loop's clock.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], float],
        second_share: Callable[[str], float],
        draw: Callable[[str], float],
        on_reply: Callable[[Reply], None],
        on_defect: Callable[[Exception], None],
        prompts: Prompts,
    ) -> None:
        self.leg: ReferenceLeg | None = None
        self.ledger = ledger
        self._budget = Budget(Mirror())
        self._keep_bodies = False
        self._tools = KnownTools()
        self._repeats = Repeats()
        self._clock = clock
        self._second_share = second_share
        self._draw = draw
        self._on_reply = on_reply
        self._on_defect = on_defect
        self._prompts = prompts
        self._waiting = 0
        self._waiting_bytes = 0
        self._kept_bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def budget_used(self) -> dict[str, float]:
        """The share of each budget that is spent."""
        return self._budget.used(self._clock())

    def use(self, reference: Reference | None, mirror: Mirror, *, keep_bodies: bool) -> None:
        """Ask `reference` from now on, within the budgets of `mirror`; what was spent stays spent."""
        former = self.leg
        if former is None or former.reference != reference:
            self.leg = None if reference is None else ReferenceLeg(reference, self._clock, self._cancelled)
            if former is not None:
                self._run(former.close_when_idle())
        self._budget.limits = mirror
        self.ledger.deadline_s = mirror.pair_deadline_s
        self._keep_bodies = keep_bodies

    def admit(self, frame: Admitted, line: object) -> str:
        """Number a mirrored request and ask the reference, and return ""; or do nothing, and say why. `line` is where
        its vendor's answer will come from.
        """
        now_s, leg = self._clock(), self.leg
        if leg is None:
            return "no_reference"
        if self.ledger.full:
            return "too_many_open"
        try:
            envelope = Envelope.parse(frame.body)
            body = for_reference(envelope, leg.reference)
        except MalformedBody:
            return "unreadable"
        except NotToBeAsked as reason:
            return str(reason)
        if too_many_objects(bytes(envelope.members.get("tools", b""))):
            return "unreadable"
        refusal = self._refusal(leg, now_s, len(body))
        if refusal is None and self._repeats.seen(frame.vendor, frame.body, now_s):
            return "repeat"
        asked = self._asked(envelope, frame)
        key = Key(frame.vendor, frame.policy, frame.mode)
        entry = self.ledger.admit(frame.id, key, now_s, asked, f"{leg.reference.name}/{leg.reference.model}")
        entry.line = line
        self._keep(entry, frame.body)
        if refusal is None:
            self._ask(leg, entry, body)
        else:
            self._lose(entry, *refusal)
        return ""

    def answered(self, entry: Entry, answer: Answer | None, lost: tuple[str, str] | None) -> None:
        """The vendor's side of an exchange is over: its answer, or (side, reason) why there is none to compare."""
        if answer is None or lost is not None:
            self._lose(entry, *(lost or ("vendor", "no_answer")))
            return
        entry.vendor, entry.vendor_over = answer, True
        self._score(entry)

    def lose_from(self, line: object) -> None:
        """A worker is gone, and with it the answers it would have sent."""
        for entry in self.ledger.open():
            if entry.line is line and not entry.vendor_over:
                self._lose(entry, "proxy", "worker_gone")

    def leaving(self, at_s: float) -> Iterator[tuple[Entry, PairRow | LostRow]]:
        """What is to be folded now, in order; `at_s` is the time the rows carry."""
        for entry in self.ledger.leaving(self._clock()):
            self._kept_bytes -= entry.kept_bytes
            if entry.values is not None:
                yield entry, PairRow(at_s, entry.number, entry.key, entry.reference_name, entry.values)
            else:
                side, reason = entry.lost or ("proxy", "expired")
                yield entry, LostRow(at_s, entry.number, entry.key, side, reason)

    async def close(self) -> None:
        """Lose what is under way, and admit nothing more: workers may still speak."""
        leg, self.leg = self.leg, None
        self.ledger.lose_all("proxy", "stopped")
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if leg is not None:
            await leg.close()

    def _asked(self, envelope: Envelope, frame: Admitted) -> Asked:
        members = {name: bytes(raw) for name, raw in envelope.members.items()}
        asked = self._tools.asked(members, frame.mode, frozenset(), whole=True)
        return replace(asked, prompt_tokens=self._prompts.accepted(members, frame.policy, frame.mode))

    def _refusal(self, leg: ReferenceLeg, now_s: float, size: int) -> tuple[str, str] | None:
        """Why the reference is not asked. It is slow when too many wait for it, and says so itself with 429."""
        if leg.paused:
            return ("reference", "rate_limited")
        if self._waiting >= MAX_WAITING or self._waiting_bytes + size > MAX_WAITING_BYTES:
            return ("reference", "queue_full")
        budget = self._budget.refusal(now_s, _estimate(size))
        return ("proxy", budget) if budget else None

    def _ask(self, leg: ReferenceLeg, entry: Entry, body: bytes) -> None:
        entry.calls.append(self._begin(self._first(leg, entry, body), len(body)))
        share = self._second_share(entry.key.vendor)
        if self._draw(entry.id) < share and self._refusal(leg, self._clock(), len(body)) is None:
            entry.second_due = True
            entry.calls.append(self._begin(self._second(leg, entry, body), len(body)))

    def _lose(self, entry: Entry, side: str, reason: str) -> None:
        """There will be no pair, so the reference need not answer."""
        self.ledger.lose(entry, side, reason)
        for call in entry.calls:
            call.cancel()

    def _keep(self, entry: Entry, body: bytes) -> None:
        """Keep what was asked, as evidence, where there is room."""
        if self._keep_bodies and self._kept_bytes + len(body) <= MAX_KEPT_BYTES:
            entry.body, entry.kept_bytes = body, len(body)
            self._kept_bytes += len(body)

    def _begin(self, work: Coroutine[None, None, None], size: int) -> asyncio.Task[None]:
        self._budget.spend(self._clock(), _estimate(size))
        self._waiting += 1
        self._waiting_bytes += size
        task = self._run(work)
        task.add_done_callback(lambda _: self._ended(size))
        return task

    def _run(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _ended(self, size: int) -> None:
        self._waiting -= 1
        self._waiting_bytes -= size

    async def _first(self, leg: ReferenceLeg, entry: Entry, body: bytes) -> None:
        reply = await self._call(leg, body)
        answer = reply.whole
        if answer is None:
            self._lose(entry, "reference", reply.reason)
            return
        entry.reference, entry.reference_over = answer, True
        self._score(entry)

    async def _second(self, leg: ReferenceLeg, entry: Entry, body: bytes) -> None:
        reply = await self._call(leg, body)
        entry.second, entry.second_due, entry.tripled = reply.whole, False, reply.whole is not None
        self._score(entry)

    async def _call(self, leg: ReferenceLeg, body: bytes) -> Reply:
        try:
            reply = await leg.ask(body)
        except Exception as defect:  # a pair is lost, not the process
            self._on_defect(defect)
            reply = Reply(reason="defect")
        usage = None if reply.answer is None else reply.answer.usage
        if usage is not None and usage.prompt is not None:
            more = usage.prompt + (usage.completion or 0) - _estimate(len(body))
            self._budget.spend(self._clock(), max(more, 0), requests=0)
        self._on_reply(reply)
        return reply

    def _cancelled(self) -> None:
        self._on_reply(Reply(reason=CANCELLED))

    def _score(self, entry: Entry) -> None:
        """When all is there, turn it into values and let go of the texts that nobody keeps."""
        if not entry.complete or entry.lost is not None or entry.vendor is None or entry.reference is None:
            return
        if entry.values is None:
            try:
                entry.values = values_of(entry.vendor, entry.reference, entry.second, entry.asked)
            except Exception as defect:  # a pair is lost, not the process
                self._lose(entry, "proxy", "defect")
                self._on_defect(defect)
        if not self._keep_bodies:
            entry.forget_texts()


def values_of(vendor: Answer, reference: Answer, second: Answer | None, asked: Asked) -> dict[str, Value]:
    """All signals of a pair or triple."""
    one, other = read(vendor, asked), read(reference, asked)
    values = read_pair(one, other, asked)
    if second is not None:
        values |= read_triple(one, other, read(second, asked), asked)
    values[KVV_CELL] = CELL_NUMBERS[kvv.cell(vendor, reference)]
    return values


def differing(values: Mapping[str, Value]) -> Iterator[str]:
    """The signals of a pair in which its two answers differ by more than chance alone often makes them."""
    for name, value in values.items():
        if isinstance(value, list):
            first, second = value
            if isinstance(first, str) or isinstance(second, str):
                if second not in KNOWN_SKEW:
                    yield name
            elif abs(first - second) > _FAR:
                yield name
        elif name != KVV_CELL and (value in (1, 2) if isinstance(value, int) else abs(value) >= _FAR):
            yield name


def _estimate(size: int) -> int:
    return size // _BYTES_PER_TOKEN + _ANSWER_TOKENS
