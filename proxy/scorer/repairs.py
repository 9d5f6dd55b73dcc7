"""What policy did to requests, counted over the log: by vendor, mode, clause and what was done.

Not here: what another policy would have done (backtest.py). Invariant: every recorded request is in exactly one
outcome of its vendor, policy and mode; what was not recorded is told beside them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import msgspec

from proxy.policy.facts import Facts
from proxy.store import Store


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Requests to a vendor in a mode ("": it could not be told) under a policy, by what became of them."""

    vendor: str
    policy: str
    enforcement: str
    mode: str
    passed: int
    rewritten: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Repair:
    """How many requests a clause acted on: `action` is fill, rewrite, drop, reject or observe; `member` one that the
    policy names, or other.
    """

    vendor: str
    policy: str
    mode: str
    clause: str
    action: str
    member: str
    requests: int


@dataclass(frozen=True, slots=True)
class Repairs:
    """All of the log, or what of it was asked for. `unrecorded` by vendor: requests of which nothing is known. Times of
    the first and the last row, None without any.
    """

    outcomes: tuple[Outcomes, ...]
    clauses: tuple[Repair, ...]
    unrecorded: dict[str, int]
    first_s: float | None
    last_s: float | None


_decode: Final = msgspec.json.Decoder(Facts).decode
_OUTCOMES: Final = ("pass", "rewrite", "reject")


def repairs_of(store: Store, after_s: float = 0.0, vendor: str | None = None) -> Repairs:
    """Counted over the rows of `after_s` or later. Raises StoreError."""
    outcomes: dict[tuple[str, str, str, str], Counter[str]] = {}
    clauses: Counter[tuple[str, str, str, str, str, str]] = Counter()
    unrecorded: Counter[str] = Counter()
    times: list[float] = []
    for row in store.requests(after_s, vendor):
        times = [*times[:1], row.at_s]
        if row.unrecorded:
            unrecorded[row.vendor] += row.unrecorded
        for text, count in row.requests.items():
            facts = _decode(text)
            key = (row.vendor, row.policy, row.enforcement, facts.mode)
            outcomes.setdefault(key, Counter())[facts.outcome] += count
            for found in facts.counts:
                clauses[row.vendor, row.policy, facts.mode, *found] += count
    return Repairs(
        tuple(Outcomes(*key, *(counted[each] for each in _OUTCOMES)) for key, counted in sorted(outcomes.items())),
        tuple(Repair(*key, requests=count) for key, count in sorted(clauses.items())),
        dict(unrecorded),
        times[0] if times else None,
        times[-1] if times else None,
    )
