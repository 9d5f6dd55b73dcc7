"""Answers of vendors: assembled from what crosses, judged by the signals that need no reference, tallied for the log.

Not here: pairs (ledger.py). Invariants: what is held of unfinished answers is bounded in bytes and count, and what is
given up is told; every checked answer is tallied once, in the order they ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from proxy.config.values import Vendor
from proxy.contract.answer import Answer, Flaw
from proxy.contract.asked import Asked
from proxy.contract.asking import Tools, read_asked, read_tools
from proxy.contract.assemble import Assembler
from proxy.contract.envelope import fold_short
from proxy.contract.exchange import Exchange
from proxy.contract.mode import Mode
from proxy.drift.rows import AnswersRow, Key
from proxy.scorer.book import KVV_INVALID
from proxy.signals import kvv
from proxy.signals.features import Read
from proxy.signals.outcomes import EXCHANGE_FAILED
from proxy.signals.read import read_rates

MAX_OPEN: Final = 20_000
MAX_OPEN_BYTES: Final = 256 * 1024 * 1024
_REMEMBERED: Final = 512
_REMEMBERED_BYTES: Final = 8 * 1024 * 1024
"""Of lists of tools; what was read of them takes several times as much."""
_LONGEST_NAME: Final = 256
_FAILED: Final = {"ok": False, "server_error": True, "timeout": True, "reset": True, "truncated": True}
"""Whether an exchange failed, by how it ended upstream; what is not here is not the vendor's doing."""
_READ: Final = ("ok", "truncated", "timeout", "reset")
"""How an exchange may end so that what came of its answer is the vendor's own."""


class KnownTools:
    """Lists of tools by their bytes, read once: agents send the same ones with every request."""

    def __init__(self) -> None:
        self._tools: dict[bytes, Tools] = {}
        self._bytes = 0

    def asked(self, members: Mapping[str, bytes], mode: str, models: frozenset[str], *, whole: bool) -> Asked:
        """See read_asked."""
        return read_asked(members, Mode(mode), models, whole=whole, tools_of=self._read)

    def _read(self, raw: bytes) -> Tools:
        found = self._tools.get(raw)
        if found is None:
            if len(self._tools) >= _REMEMBERED or self._bytes + len(raw) > _REMEMBERED_BYTES:
                self._tools.clear()
                self._bytes = 0
            found = self._tools[raw] = read_tools(raw)
            self._bytes += len(raw)
        return found


class Unfinished:
    """Answers that are still coming, by request id."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[object, Assembler, int]] = {}
        self._bytes = 0

    def part(self, line: object, request_id: str, data: bytes) -> None:
        """One more piece, from a worker; with too many open, the oldest is given up."""
        known = self._open.pop(request_id) if request_id in self._open else (line, Assembler(""), 0)
        _, assembler, size = known
        assembler.feed(data)
        self._open[request_id] = (line, assembler, size + len(data))
        self._bytes += len(data)
        while len(self._open) > MAX_OPEN or (self._bytes > MAX_OPEN_BYTES and len(self._open) > 1):
            self._drop(next(iter(self._open)))

    def finish(self, request_id: str, exchange: Exchange, *, whole: bool) -> Answer | None:
        """The whole answer; None when a part of it was dropped (not `whole`) or given up, or when it was no success."""
        known = self._open.get(request_id)
        self._drop(request_id)
        if not whole or exchange.status != 200 or exchange.upstream not in _READ:
            return None
        if exchange.content_coding not in ("", "identity"):
            return Answer(flaws=frozenset({Flaw.UNREADABLE}))
        _, assembler, size = known or (None, Assembler(exchange.content_type), 0)
        if size + len(exchange.answer) != exchange.answer_bytes:
            return None
        assembler.feed(exchange.answer)
        return assembler.answer(complete=exchange.upstream == "ok")

    def lose_from(self, line: object) -> None:
        """What a worker that is gone had not finished will never be."""
        for request_id in [request_id for request_id, known in self._open.items() if known[0] is line]:
            self._drop(request_id)

    def _drop(self, request_id: str) -> None:
        known = self._open.pop(request_id, None)
        if known is not None:
            self._bytes -= known[2]


class Tally:
    """Outcomes since the last row, by key."""

    def __init__(self) -> None:
        self._counts: dict[Key, int] = {}
        self._outcomes: dict[Key, dict[str, bytearray]] = {}

    def add(self, key: Key, exchange: Exchange, answer: Read | None) -> dict[str, bool]:
        """One checked answer; what its signals said."""
        found = {} if answer is None else read_rates(answer, answer.asked)
        outcomes = self._outcomes.setdefault(key, {})
        self._counts[key] = self._counts.get(key, 0) + 1
        for name, violated in found.items():
            outcomes.setdefault(name, bytearray()).append(violated)
        failed = _FAILED.get(exchange.upstream)
        if failed is not None:
            outcomes.setdefault(EXCHANGE_FAILED.name, bytearray()).append(failed)
        if answer is not None and kvv.triggered(answer):
            valid = kvv.tool_calls_valid(answer, answer.asked)
            outcomes.setdefault(KVV_INVALID, bytearray()).append(not valid)
        return found

    def note(self, key: Key, name: str, *, violated: bool) -> None:
        """An outcome that is not read from the answer."""
        self._outcomes.setdefault(key, {}).setdefault(name, bytearray()).append(violated)

    def rows(self, now_s: float) -> list[AnswersRow]:
        """What was tallied since the last call, a row for each key."""
        counts, outcomes = self._counts, self._outcomes
        self._counts, self._outcomes = {}, {}
        return [
            AnswersRow(now_s, key, count, {name: bytes(each) for name, each in outcomes[key].items()})
            for key, count in counts.items()
        ]


class ModelNames:
    """The names a vendor may give its model in an answer: the one it was asked by, its profile's, and every name that
    the policy takes for this model.
    """

    def __init__(self, vendors: Iterable[Vendor]) -> None:
        self._vendors = {vendor.name: vendor for vendor in vendors}
        self._own = {name: _names(vendor) for name, vendor in self._vendors.items()}
        self._covered: dict[tuple[str, str], bool] = {}

    def allowed(self, vendor: str, asked: str, answered: str | None) -> frozenset[str]:
        """As far as it matters for this answer."""
        names = self._own.get(vendor, frozenset()) | {asked}
        return names | {answered} if answered is not None and self._covers(vendor, answered) else names

    def _covers(self, vendor: str, name: str) -> bool:
        if len(name) > _LONGEST_NAME:
            return False
        known = self._covered.get((vendor, name))
        if known is None:
            plan = self._vendors[vendor].plan if vendor in self._vendors else None
            known = plan is not None and plan.model_pattern.match(fold_short(name)) is not None
            if len(self._covered) >= _REMEMBERED:
                self._covered.clear()
            self._covered[vendor, name] = known
        return known


def _names(vendor: Vendor) -> frozenset[str]:
    models = vendor.profile.models
    return frozenset({vendor.plan.name, *models, *(name for names in models.values() for name in names)})
