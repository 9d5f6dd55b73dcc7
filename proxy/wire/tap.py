"""The tap: where the pipeline tells of a request whose answer is to be looked at later.

Here: what the wire calls. Not here: who listens (shadow/). Invariant: neither call waits or raises anything that the
client could notice; a ticket that was given is finished exactly once, whatever became of its request.
"""

from __future__ import annotations

from typing import Protocol

from proxy.config.values import Client, Vendor
from proxy.contract.envelope import Envelope
from proxy.contract.exchange import Exchange
from proxy.policy.decision import Decision
from proxy.policy.plan import Plan
from proxy.policy.verdict import Route


class Ticket(Protocol):
    """One request whose answer is looked at."""

    def part(self, data: bytes) -> None:
        """A piece of the answer that the wire keeps no longer."""

    def finish(self, exchange: Exchange) -> None:
        """The exchange is over."""


class Tap(Protocol):
    """Listens to every request that was judged."""

    def note(self, vendor: str, plan: Plan, route: Route, envelope: Envelope | None, decision: Decision | str) -> None:
        """Called once a request, whatever was decided; `decision` is the error code of a body that no one reads alike,
        whose `envelope` may be missing.
        """

    def admit(
        self,
        request_id: str,
        vendor: Vendor,
        client: Client | None,
        *,
        opted_out: bool,
        strain: float,
        envelope: Envelope,
        decision: Decision,
        body: bytes,
    ) -> Ticket | None:
        """Called for one that goes to a vendor, before the answer is known; None: nobody will look. `opted_out`: the
        client's header asks that the request be shown to no one else; `strain` is how full the worker is, 0 to 1.
        `body` is what leaves for the vendor.
        """
