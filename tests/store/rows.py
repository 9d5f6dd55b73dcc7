"""Rows for the tests, of every kind, and a small fold whose state shows any row missing, doubled or out of order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from proxy.drift.rows import AcknowledgedRow, AnswersRow, Key, LostRow, PairRow, Row, Series, Terms, TermsRow

KEY = Key("engine", "kimi-k2.6@0123abcd", "thinking")
TERMS = Terms(
    (
        Series("empty-answer", "swap", "contract", 0.02, 0.5),
        Series("content-length", "size", "rest", 0.1, 0.25),
        Series("sign", "sign", "rest", 0.1, 0.125, of_reference=True),
        Series("leaked-markers", "rate", "contract", 0.02, 0.125),
    ),
    budget=2160,
    mirrored=True,
)


def pair(number: int, at_s: float, **values: Any) -> PairRow:  # noqa: ANN401  (any Value)
    return PairRow(
        at_s, number, KEY, "official/kimi-k2.6", {name.replace("_", "-"): each for name, each in values.items()}
    )


def synthetic(seed: int, first: int = 1) -> Iterator[Row]:
    """The rows from the `first` on, the same for the same seed wherever one begins."""
    number = first
    while True:
        yield row(seed, number)
        number += 1


def row(seed: int, number: int) -> Row:
    """The row with this id of an endless log: terms first, then anything."""
    draw = random.Random(f"{seed} {number}")
    at_s = 1_700_000_000.0 + number * 0.25
    if number == 1:
        return TermsRow(at_s, TERMS)
    chance = draw.random()
    if chance < 0.6:
        sizes = [draw.random(), draw.random()]
        return pair(number, at_s, empty_answer=draw.randrange(4), content_length=sizes, sign=draw.uniform(-1, 1))
    if chance < 0.85:
        outcomes = bytes(draw.randrange(2) for _ in range(draw.randrange(5)))
        return AnswersRow(at_s, KEY, draw.randrange(5, 9), {"leaked-markers": outcomes})
    if chance < 0.99:
        return LostRow(at_s, number, KEY, draw.choice(["vendor", "reference", "proxy"]), "timeout")
    return AcknowledgedRow(at_s, "engine", "", "known")


class Fold:
    """Floating-point sums that depend on the order of everything folded."""

    def __init__(self, state: Any | None = None) -> None:  # noqa: ANN401  (a checkpoint is builtins)
        self._state: dict[str, Any] = {"count": 0, "sum": 0.1} if state is None else dict(state)

    def fold(self, row: Row) -> None:
        self._state["count"] += 1
        self._state["sum"] = (self._state["sum"] * 1.7 + sum(repr(row).encode()) / 7) % 1000.0
        self._state["last"] = row.at_s

    def state(self) -> dict[str, Any]:
        return dict(self._state)
