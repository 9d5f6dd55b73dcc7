"""What policy read of every request, counted in the worker and told to the scorer each second.

Not here: what facts are (policy/facts.py). Invariants: a request costs a look-up, and its facts are made when they
leave; what is held is bounded, each request is either in what leaves or among the unrecorded, and no text of a request
leaves.
"""

from __future__ import annotations

import asyncio
from typing import Final, TypeAlias

import msgspec

from proxy.contract.envelope import Envelope
from proxy.contract.exchange import Requests
from proxy.policy.decision import Decision
from proxy.policy.facts import TEXTS, VOCABULARY, Outline, brief, facts_of, lists_of, outline
from proxy.policy.plan import Plan
from proxy.policy.verdict import Reject, Route
from proxy.shadow.outbox import Outbox

EVERY_S: Final = 1.0
MOST: Final = 256
"""Ways of asking that are told apart in that time."""
_MOST_BYTES: Final = 2048
"""Of all names and values of one of them."""
_AT_ONCE: Final = 8
"""Whose facts are made at a stretch, half a millisecond."""

_Source: TypeAlias = tuple[str, Plan]
"""Vendor and policy."""


class Shape(msgspec.Struct):
    """One way of asking, and how often."""

    source: _Source
    route: Route
    left: Outline | None
    decision: Decision | str
    count: int = 0


class Noted:
    """Counts requests and sends them through the outbox."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._timer: asyncio.TimerHandle | None = None
        self._shapes: dict[tuple[object, ...], Shape] = {}
        self._usual: dict[tuple[str, int], Shape] = {}
        self._loose: dict[int, tuple[Decision, tuple[str, ...]]] = {}
        self._quick: dict[tuple[object, ...], Shape] = {}
        self._leaving: list[Shape] = []
        self._unrecorded: dict[_Source, int] = {}

    def note(self, vendor: str, plan: Plan, route: Route, envelope: Envelope | None, decision: Decision | str) -> None:
        """See wire/tap.py."""
        usual = self._usual.get((vendor, id(decision)))
        if usual is not None:
            usual.count += 1
            return
        loose = self._loose.get(id(decision))
        if loose is None or envelope is None:
            self._note(vendor, plan, route, envelope, decision)
            return
        members = envelope.members
        key = (vendor, id(decision), *[brief(name, members[name]) for name in loose[1]])
        shape = self._quick.get(key)
        if shape is not None:
            shape.count += 1
            return
        shape = self._note(vendor, plan, route, envelope, decision)
        if shape is not None and len(self._quick) < MOST:
            self._quick[key] = shape

    def flush(self) -> None:
        """Send all that was counted, at once."""
        self._gather()
        while self._leaving or self._unrecorded:
            if not self._send():
                return

    def _due(self) -> None:
        """Send what was counted, a few at a time: requests wait for nothing that takes longer."""
        self._timer = None
        self._gather()
        self._step()

    def _step(self) -> None:
        self._send()
        if self._leaving:
            asyncio.get_running_loop().call_soon(self._step)

    def _gather(self) -> None:
        self._leaving += self._shapes.values()
        for held in (self._shapes, self._usual, self._loose, self._quick):
            held.clear()

    def _send(self) -> bool:
        """Send the facts of a few; what cannot be sent is unrecorded, and False is told."""
        shapes, self._leaving = self._leaving[:_AT_ONCE], self._leaving[_AT_ONCE:]
        unrecorded, self._unrecorded = self._unrecorded, {}
        found: dict[_Source, dict[str, int]] = {source: {} for source in unrecorded}
        for shape in shapes:
            text = _encode(facts_of(shape.source[1], shape.route, shape.left, shape.decision)).decode()
            requests = found.setdefault(shape.source, {})
            requests[text] = requests.get(text, 0) + shape.count
        for source, requests in found.items():
            missed = unrecorded.get(source, 0)
            if not self._outbox.put(_frame(source, requests, missed)):
                self._unrecorded[source] = missed + sum(requests.values())
        return not self._unrecorded

    def _note(
        self, vendor: str, plan: Plan, route: Route, envelope: Envelope | None, decision: Decision | str
    ) -> Shape | None:
        """Count a request by all that is read of it; None: it is one of too many."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._due)
        left = None if envelope is None else outline(envelope.members)
        key = (vendor, plan, route, _said(decision), left)
        shape = self._shapes.get(key)
        if shape is None:
            too_long = left is not None and sum(map(len, left)) > _MOST_BYTES
            if too_long or len(self._shapes) >= MOST or not self._outbox.open:
                self._unrecorded[vendor, plan] = self._unrecorded.get((vendor, plan), 0) + 1
                return None
            shape = self._shapes[key] = Shape((vendor, plan), route, left, decision)
            if isinstance(decision, Decision) and envelope is not None:
                loose = _loose(plan, route, envelope)
                if loose:
                    self._loose[id(decision)] = (decision, loose)
                else:
                    self._usual[vendor, id(decision)] = shape
        shape.count += 1
        return shape


def _said(decision: Decision | str) -> tuple[object, ...]:
    """What facts say of a decision, of which there may be another one for each request."""
    if isinstance(decision, str):
        return (decision,)
    verdict = decision.verdict
    repairable = [finding.clause for finding in verdict.repairable] if isinstance(verdict, Reject) else ()
    return (decision.mode, *decision.counts, *repairable)


def _loose(plan: Plan, route: Route, envelope: Envelope) -> tuple[str, ...]:
    """The members that may differ where the decision is the very same, because it does not read them."""
    return tuple(name for name in envelope.members if name in plan.opaque[route] and name not in TEXTS)


def _frame(source: _Source, requests: dict[str, int], unrecorded: int) -> Requests:
    vendor, plan = source
    lists = lists_of(plan)
    return Requests(
        vendor, plan.label, plan.enforcement.value, plan.profile.name, lists.models, lists.names, VOCABULARY,
        requests, unrecorded,
    )  # fmt: skip


_encode: Final = msgspec.json.Encoder().encode
