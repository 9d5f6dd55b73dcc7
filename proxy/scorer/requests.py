"""Requests by their facts: gathered from all workers, a row for each vendor and policy a minute.

Not here: how facts are made (policy/facts.py) and judged anew (backtest.py). Invariants: a row tells MOST ways of
asking and ROW_BYTES of them at most; where there are more, the numbers of the member with the most different ones are
left out first, and what cannot be told apart then is unrecorded; each request is counted once.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final, NamedTuple

import msgspec

from proxy.contract.envelope import Raw
from proxy.contract.exchange import Requests
from proxy.drift.rows import RequestsRow
from proxy.policy.facts import Facts

ROW_S: Final = 60.0
MOST: Final = 256
ROW_BYTES: Final = 64 * 1024
_MOST_HELD: Final = 4 * MOST
_LEFT_OUT: Final = Raw(b'"#"')
_decode: Final = msgspec.json.Decoder(Facts).decode
_encode: Final = msgspec.json.Encoder().encode


class _Source(NamedTuple):
    """Whose requests, under which policy, and by what they are read."""

    vendor: str
    policy: str
    enforcement: str
    profile: str
    models: str
    names: tuple[str, ...]
    vocabulary: str


class Gathered:
    """What the workers told since the last rows; `told_s` is when those were due."""

    def __init__(self) -> None:
        self._requests: dict[_Source, Counter[str]] = {}
        self._unrecorded: Counter[_Source] = Counter()
        self.told_s = -math.inf

    def add(self, frame: Requests) -> None:
        """What one worker counted. Raises msgspec.MsgspecError for facts that are none."""
        for text in frame.requests:
            _decode(text)
        source = _Source(*(getattr(frame, name) for name in _Source._fields))
        requests = self._requests.setdefault(source, Counter())
        requests.update(frame.requests)
        self._unrecorded[source] += frame.unrecorded
        if len(requests) > _MOST_HELD:
            self._fit(source)

    def rows(self, at_s: float, now_s: float) -> list[RequestsRow]:
        """The rows that are due by `now_s`, of a clock that is never set; `at_s` is the time they carry."""
        if not self._requests or now_s - self.told_s < ROW_S:
            return []
        self.told_s = now_s
        for source in self._requests:
            self._fit(source)
        rows = [
            RequestsRow(at_s, *source, dict(requests), self._unrecorded[source])
            for source, requests in self._requests.items()
            if requests or self._unrecorded[source]
        ]
        self._requests, self._unrecorded = {}, Counter()
        return rows

    def _fit(self, source: _Source) -> None:
        requests = self._requests[source]
        kept = fitted(requests, MOST, ROW_BYTES)
        self._unrecorded[source] += requests.total() - kept.total()
        self._requests[source] = kept


def fitted(requests: Counter[str], most: int, most_bytes: int) -> Counter[str]:
    """At most so many ways of asking, and bytes of them, with as many numbers as that allows."""
    if _fits(requests, most, most_bytes):
        return requests
    facts = [(_decode(text), count) for text, count in requests.items()]
    while True:
        merged: Counter[str] = Counter()
        for each, count in facts:
            merged[_encode(each).decode()] += count
        if _fits(merged, most, most_bytes):
            return merged
        member = _most_varied([each for each, _ in facts])
        if member is None:
            return _most_frequent(merged, most, most_bytes)
        facts = [(_without(each, member), count) for each, count in facts]


def _fits(requests: Counter[str], most: int, most_bytes: int) -> bool:
    return len(requests) <= most and sum(map(len, requests)) <= most_bytes


def _most_frequent(requests: Counter[str], most: int, most_bytes: int) -> Counter[str]:
    kept: Counter[str] = Counter()
    for text, count in requests.most_common(most):
        most_bytes -= len(text)
        if most_bytes < 0:
            break
        kept[text] = count
    return kept


def _most_varied(facts: list[Facts]) -> str | None:
    """The member with the most different numbers, if any has more than one."""
    numbers: dict[str, set[bytes]] = {}
    for each in facts:
        for name, raw in (each.shape or {}).items():
            if _is_number(name, raw):
                numbers.setdefault(name, set()).add(bytes(raw))
    most = max(numbers, key=lambda name: len(numbers[name]), default="")
    return most if most and len(numbers[most]) > 1 else None


def _without(facts: Facts, member: str) -> Facts:
    """The facts without the member's number, in the same order."""
    shape = facts.shape
    if shape is None or member not in shape or not _is_number(member, shape[member]):
        return facts
    left = {name: _LEFT_OUT if name == member else raw for name, raw in shape.items()}
    return msgspec.structs.replace(facts, shape=left)


def _is_number(name: str, raw: Raw) -> bool:
    return name != "?" and not name.startswith("~") and bytes(raw)[:1] in b"-0123456789"
