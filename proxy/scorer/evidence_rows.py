"""The rows behind a signal, read as what each side did.

Not here: finding them (evidence.py), printing or showing them. Invariant: a row speaks against the vendor in the same
sense as the alarm: `direction` 1 where the vendor has more than the reference, -1 where it has less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import expm1
from typing import Final

from proxy.drift.offset import KNOWN_SKEW
from proxy.drift.rows import AnswersRow, PairRow, ProbesRow, Value
from proxy.signals import NAMED
from proxy.signals.signal import Kind

_KINDS: Final = {signal.name: signal.kind for signal in NAMED}
_CELLS: Final = {0: ("no", "no", 0), 1: ("yes", "no", 1), 2: ("no", "yes", -1), 3: ("yes", "yes", 0)}
"""A swap: whether the vendor's answer has it, whether the reference's has."""


@dataclass(frozen=True, slots=True)
class Told:
    """One row. `number` is the admission, 0 for checked answers, which are logged by their count. `against`: 1 it
    speaks as the alarm does, -1 to the contrary, 0 it cannot be told.
    """

    at_s: float
    number: int
    request_id: str
    vendor: str
    reference: str
    against: int

    @property
    def says(self) -> str:
        """In a word."""
        return {1: "against", -1: "for", 0: "-"}[self.against]


def told_rows(
    rows: Sequence[tuple[int, PairRow | AnswersRow | ProbesRow]],
    signal: str,
    direction: int,
    request_ids: dict[int, str],
) -> Iterator[Told]:
    """The rows of one key."""
    for _, row in rows:
        if isinstance(row, AnswersRow | ProbesRow):
            outcomes, what = row.outcomes[signal], "answers" if isinstance(row, AnswersRow) else "probes"
            yield Told(row.at_s, 0, "", f"{outcomes.count(1)} of {len(outcomes)} {what}", "-", 1)
        else:
            vendor, reference, sign = sides(signal, row.values[signal])
            yield Told(
                row.at_s, row.number, request_ids.get(row.number, ""), vendor, reference, sign * (direction or 1)
            )


def sides(signal: str, value: Value) -> tuple[str, str, int]:
    """What the vendor did, what the reference did, and which has more (1 the vendor)."""
    if isinstance(value, list):
        first, second = value
        if isinstance(first, str) or isinstance(second, str):
            return f"{second} ({first})", "-", int(second not in KNOWN_SKEW)
        return f"{expm1(first):.4g}", f"{expm1(second):.4g}", (first > second) - (first < second)
    if _KINDS.get(signal) not in {Kind.SIGN, Kind.TRIPLE} and value in _CELLS:
        return _CELLS[int(value)]
    return f"{value:+.4g}", "-", (value > 0) - (value < 0)
