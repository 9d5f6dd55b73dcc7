"""The tap of a worker: decides what is mirrored and checked, and sends it to the scorer.

Not here: HTTP (wire/), the socket (outbox.py), the hash (sampling.py), the facts of requests (noted.py). Invariants:
whether a request is mirrored is decided before its answer is known, by the request alone; every request that was
selected is counted once as excluded or shed here, or is the scorer's to count; no call waits.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Final

from msgspec import Raw
from msgspec.structs import replace

from proxy.config.values import Client, Config, Vendor
from proxy.contract.envelope import Envelope
from proxy.contract.exchange import (
    ASKED_MEMBERS,
    LONG_MEMBERS,
    LONGEST_ASKED,
    Admitted,
    Exchange,
    Finished,
    Part,
    Rates,
)
from proxy.metrics.shadow import ShadowMetrics
from proxy.policy.decision import Decision
from proxy.shadow.noted import Noted
from proxy.shadow.outbox import Outbox
from proxy.shadow.sampling import chosen, conversation_of

_CLOSE_S: Final = 1.0
MIRRORED_BELOW: Final = 0.9
CHECKED_BELOW: Final = 0.95
"""How full a worker may be: first nothing more is mirrored, then nothing more is checked, and only when it is full are
requests refused (wire/admission.py)."""
_LONG: Final = frozenset(LONG_MEMBERS)
_ASKED: Final = _LONG | frozenset(ASKED_MEMBERS)


class Ticket:
    """One request whose answer crosses to the scorer."""

    __slots__ = (
        "_asked",
        "_checked",
        "_contents",
        "_id",
        "_keep",
        "_mirrored",
        "_mode",
        "_shadow",
        "_vendor",
        "_whole",
    )

    def __init__(
        self,
        shadow: Shadow,
        request_id: str,
        vendor: Vendor,
        mode: str,
        asked: dict[str, bytes],
        contents: dict[str, int],
        *,
        checked: bool,
        keep: bool,
    ) -> None:
        self._shadow = shadow
        self._id = request_id
        self._vendor = vendor
        self._mode = mode
        self._asked = asked
        self._contents = contents
        self._checked = checked
        self._keep = keep
        self._mirrored = False
        self._whole = True

    def part(self, data: bytes) -> None:
        """A piece of the answer, which the worker keeps no longer."""
        if self._whole and not self._shadow.outbox.put(Part(self._id, data)):
            self._whole = False

    def finish(self, exchange: Exchange) -> None:
        """The exchange is over. Where its answer has no room, the scorer is at least told so."""
        outbox = self._shadow.outbox
        if self._whole and outbox.put(self._frame(exchange)):
            return
        self._whole = False
        self._shadow.dropped(self._vendor.name, "outbox_full" if outbox.open else "no_scorer")
        outbox.put(self._frame(replace(exchange, answer=b"")), urgent=True)

    def announce(self, body: bytes) -> None:
        """Tell the scorer before the answer is known that this one is mirrored."""
        shadow, vendor = self._shadow, self._vendor
        if shadow.outbox.put(Admitted(self._id, vendor.name, vendor.plan.name, self._mode, body), first_to_go=True):
            self._mirrored = True
        else:
            shadow.count(vendor.name, "shed", "outbox_full" if shadow.outbox.open else "no_scorer")

    def _frame(self, exchange: Exchange) -> Finished:
        vendor = self._vendor
        return Finished(
            self._id, vendor.name, vendor.plan.name, self._mode, self._mirrored, self._checked, self._whole, self._keep,
            self._asked, self._contents, exchange,
        )  # fmt: skip


class Shadow:
    """The tap. `metrics` counts; `wanted` is what the scorer asked for last, None while there is none."""

    def __init__(self, config: Config, metrics: ShadowMetrics, path: str) -> None:
        self._metrics = metrics
        self._wanted: Rates | None = None
        self.outbox = Outbox(path, config.signals.outbox_bytes, self._heard)
        self._noted = Noted(self.outbox)
        self.note = self._noted.note
        self._use(config)
        metrics.outbox_bytes.set_function(self.outbox.waiting)

    def start(self) -> None:
        """Begin to look for the scorer."""
        self.outbox.start()

    def swap(self, config: Config) -> None:
        """Use another configuration for requests from now on."""
        self._use(config)

    @property
    def told(self) -> bool:
        """Whether there is a scorer that has said what it wants."""
        return self._wanted is not None

    async def close(self) -> None:
        """Send what waits and go."""
        self._noted.flush()
        await self.outbox.close(_CLOSE_S)

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
        """See wire/tap.py."""
        checked = self._is_checked(request_id)
        mirrored = self._is_mirrored(request_id, vendor, client, opted_out=opted_out, envelope=envelope, body=body)
        if mirrored and strain >= MIRRORED_BELOW:
            self.count(vendor.name, "shed", "busy")
            mirrored = False
        if checked and strain >= CHECKED_BELOW:
            self.dropped(vendor.name, "busy")
            checked = False
        if not checked and not mirrored:
            return None
        if not self.outbox.open:
            if mirrored:
                self.count(vendor.name, "shed", "no_scorer")
            if checked:
                self.dropped(vendor.name, "no_scorer")
            return None
        keep = not self._wants_privacy(vendor, client, opted_out=opted_out)
        asked, contents = self._asked(envelope, decision)
        ticket = Ticket(self, request_id, vendor, decision.mode, asked, contents, checked=checked, keep=keep)
        if mirrored:
            ticket.announce(body)
        return ticket

    def count(self, vendor: str, result: str, reason: str) -> None:
        """`paramwall_mirror_total`."""
        self._metrics.mirror(vendor, result, reason).value += 1

    def dropped(self, vendor: str, reason: str) -> None:
        """An answer that will not be looked at."""
        self._metrics.dropped(vendor, reason).value += 1

    def _asked(self, envelope: Envelope, decision: Decision) -> tuple[dict[str, bytes], dict[str, int]]:
        """The members by which the answer is judged, as they left. Copies: the body is not kept."""
        members: Mapping[str, Raw | None] = envelope.members
        if not _ASKED.isdisjoint(decision.changes):
            members = {**members, **decision.changes}
        asked: dict[str, bytes] = {}
        contents: dict[str, int] = {}
        for name in members.keys() & _ASKED:
            raw = members[name]
            if raw is None:
                continue
            if name in _LONG:
                contents[name] = self.outbox.content(bytes(raw))
            elif len(raw) <= LONGEST_ASKED:
                asked[name] = bytes(raw)
        return asked, contents

    def _use(self, config: Config) -> None:
        self._mirror = config.mirror
        self._checked_below = config.signals.fraction * (1 << 32)
        self.outbox.limit = config.signals.outbox_bytes
        self._metrics.prepare(vendor.name for vendor in config.vendors)
        self._metrics.outbox_capacity.value = config.signals.outbox_bytes

    def _heard(self, wanted: Rates | None) -> None:
        self._wanted = wanted

    def _wants_privacy(self, vendor: Vendor, client: Client | None, *, opted_out: bool) -> bool:
        return (
            not vendor.mirror
            or (client is not None and not client.mirror)
            or (opted_out and self._mirror.allow_opt_out)
        )

    def _is_checked(self, request_id: str) -> bool:
        below = self._checked_below
        return below >= 1 << 32 or (below > 0 and zlib.crc32(request_id.encode()) < below)

    def _is_mirrored(
        self,
        request_id: str,
        vendor: Vendor,
        client: Client | None,
        *,
        opted_out: bool,
        envelope: Envelope,
        body: bytes,
    ) -> bool:
        wanted = self._wanted
        fraction = 0.0 if wanted is None else wanted.fractions.get(vendor.name, 0.0)
        if wanted is None or fraction <= 0.0:
            return False
        if not chosen(wanted.salt, conversation_of(envelope, request_id), fraction):
            return False
        self.count(vendor.name, "selected", "")
        for reason, excluded in (
            ("vendor_opt_out", not vendor.mirror),
            ("client_opt_out", client is not None and not client.mirror),
            ("header_opt_out", opted_out and self._mirror.allow_opt_out),
            ("too_large", len(body) > self._mirror.max_body_bytes),
        ):
            if excluded:
                self.count(vendor.name, "excluded", reason)
                return False
        return True
