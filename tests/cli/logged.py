"""A log as a scorer leaves it: two vendors in thinking mode, one of which begins to answer with nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from proxy.contract.answer import Answer, ToolCall, Usage
from proxy.drift.rows import AnswersRow, Key, PairRow, Row, Series, Terms, TermsRow
from proxy.scorer.bodies import Bodies, Keep, Kept, Limits
from proxy.scorer.book import Book
from proxy.scorer.redaction import Redactor
from proxy.store import Store

BEGAN_S = 1_700_000_000.0
POLICY = "kimi-k2.6@0123abcd"
GOOD, BAD = Key("honest", POLICY, "thinking"), Key("engine", POLICY, "thinking")
SWAP, SIZE, RATE = "empty-answer-pair", "content-length", "leaked-markers"
TERMS = Terms(
    (
        Series(SWAP, "swap", "rest", 0.02, 0.5),
        Series(SIZE, "size", "rest", 0.1, 0.25),
        Series(RATE, "rate", "contract", 0.02, 0.25),
    ),
    budget=100.0,
    families=4,
    mirrored=True,
)
PAIRS = 300
"""Of each vendor; the bad one's are good up to the middle."""
FIRST_BAD = 151
"""Its admission; every third pair from there on is bad, one in twenty is bad at the reference."""


def rows() -> Iterator[Row]:
    """Terms, then in turn a pair of each vendor and, now and then, checked answers."""
    yield TermsRow(BEGAN_S, TERMS)
    for number in range(1, PAIRS + 1):
        at_s = BEGAN_S + number * 60.0
        for key in (GOOD, BAD):
            cell = 0
            if number % 20 == 0:
                cell = 2
            elif key is BAD and number >= FIRST_BAD and number % 3 == 0:
                cell = 1
            admission = number if key is BAD else PAIRS + number
            yield PairRow(at_s, admission, key, "official/kimi-k2.6", {SWAP: cell, SIZE: [5.0 + number % 7 / 10, 5.3]})
        if number % 10 == 0:
            yield AnswersRow(at_s, BAD, 8, {RATE: bytes(8)})


def write_log(folder: Path, count: int | None = None) -> Book:
    """Append the rows, or the first of them, as a scorer does."""
    book, batch = Book(), list(rows())[:count]
    with Store.open(folder) as store:
        for at in range(0, len(batch), 50):
            for row in batch[at : at + 50]:
                book.fold(row)
            store.append(batch[at : at + 50], book.state())
    return book


VENDOR_SAID = Answer("", "Hm.\x1b[2J", (), "stop", Usage(5, 7, 12), "chat-1", "kimi-k2.6", choices=1)
REFERENCE_SAID = Answer(
    "Reeds.", "Hm.", (ToolCall("functions.look:0", "look", '{"at":"river"}'),), "tool_calls", choices=1
)


def keep_bodies(folder: Path) -> None:
    """Bodies of two of the bad pairs."""
    with Bodies.open(folder, Keep.DISAGREEMENTS, Limits(), Redactor()) as bodies:
        for number in (153, 156):
            at_s = BEGAN_S + number * 60.0
            request = b'{"model":"kimi-k2.6","messages":[{"role":"user","content":"What grows by a river?"}]}'
            why = (SWAP,)
            bodies.keep(
                Kept(number, f"req-{number}", at_s, "engine", "thinking", why, request, VENDOR_SAID, REFERENCE_SAID)
            )
