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
from proxy.policy.verdict import Route
from proxy.shadow.outbox import Outbox

EVERY_S: Final = 1.0
MOST: Final = 256
"""Ways of asking that are told apart in that time."""
_MOST_QUICK: Final = 1024

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
        self._loose: dict[int, tuple[Decision, tuple[str, ...]]] = {}
        self._quick: dict[tuple[object, ...], Shape] = {}
        self._unrecorded: dict[_Source, int] = {}

    def note(self, vendor: str, plan: Plan, route: Route, envelope: Envelope | None, decision: Decision | str) -> None:
        """See wire/tap.py."""
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
        if shape is not None and len(self._quick) < _MOST_QUICK:
            self._quick[key] = shape

    def flush(self) -> None:
        """Send what was counted; what cannot be sent is unrecorded."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        shapes, self._shapes = self._shapes, {}
        unrecorded, self._unrecorded = self._unrecorded, {}
        self._loose.clear()
        self._quick.clear()
        found: dict[_Source, dict[str, int]] = {source: {} for source in unrecorded}
        for shape in shapes.values():
            text = _encode(facts_of(shape.source[1], shape.route, shape.left, shape.decision)).decode()
            requests = found.setdefault(shape.source, {})
            requests[text] = requests.get(text, 0) + shape.count
        for source, requests in found.items():
            missed = unrecorded.get(source, 0)
            if not self._outbox.put(_frame(source, requests, missed)):
                self._unrecorded[source] = missed + sum(requests.values())

    def _note(
        self, vendor: str, plan: Plan, route: Route, envelope: Envelope | None, decision: Decision | str
    ) -> Shape | None:
        """Count a request by all that is read of it; None: it is one of too many."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY_S, self.flush)
        left = None if envelope is None else outline(envelope.members)
        # Of a decision that is not remembered there is another one each time; what it counts tells it from others.
        said = decision if isinstance(decision, str) else (*decision.counts, decision.actions)
        key = (vendor, plan, route, said, left)
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= MOST or not self._outbox.open:
                self._unrecorded[vendor, plan] = self._unrecorded.get((vendor, plan), 0) + 1
                return None
            shape = self._shapes[key] = Shape((vendor, plan), route, left, decision)
            if isinstance(decision, Decision) and envelope is not None:
                self._loose[id(decision)] = (decision, _loose(plan, route, envelope))
        shape.count += 1
        return shape


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
