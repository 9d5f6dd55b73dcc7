"""One pair for people: what was asked, and the two answers side by side.

Not here: where it is found (scorer/evidence.py). Invariant: control characters of an answer never reach the terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from proxy.cli.standing import moment
from proxy.cli.terminal import answer, answer_table
from proxy.contract.answer import Answer
from proxy.drift.rows import PairRow
from proxy.scorer.bodies import Kept
from proxy.scorer.book import KVV_CELL
from proxy.scorer.evidence_rows import sides

_SIDES = (("vendor", "vendor_answer"), ("reference", "reference_answer"), ("reference again", "second_answer"))


def show_pair(kept: Kept | None, row: PairRow | None) -> None:
    """Print what there is of it."""
    if kept is not None:
        _show_bodies(kept)
    if row is not None:
        answer(f"pair {row.number}: {row.key.vendor}, {row.key.mode}, {moment(row.at_s)}, against {row.reference}")
        answer("")
        values = sorted((name, value) for name, value in row.values.items() if name != KVV_CELL)
        lines = [(name, *sides(name, value)[:2]) for name, value in values]
        answer_table(("signal", "vendor", "reference"), lines)


def _show_bodies(kept: Kept) -> None:
    number = f"admission {kept.number}" if kept.number else "not mirrored"
    answer(f"{kept.request_id}: {number}, {kept.vendor}, {kept.mode}, {moment(kept.at_s)}")
    if kept.why:
        answer(f"kept for: {', '.join(kept.why)}")
    if kept.cut:
        answer(f"cut: {', '.join(kept.cut)}")
    if kept.request:
        answer(f"\nrequest:\n{_printable(kept.request.decode(errors='replace'))}")
    answers = [(name, getattr(kept, member)) for name, member in _SIDES if getattr(kept, member) is not None]
    answer("")
    if sys.stdout.isatty() and len(answers) > 1:
        _beside(answers)
        return
    for name, said in answers:
        answer(f"{name}:")
        for part, text in _parts(said):
            answer(f"{part}: {text}")
        answer("")


def _beside(answers: list[tuple[str, Answer]]) -> None:
    parts = [dict(_parts(said)) for _, said in answers]
    table = Table(show_lines=True, header_style="")
    table.add_column("")
    for name, _ in answers:
        table.add_column(name, ratio=1, overflow="fold")
    for part in dict.fromkeys(part for each in parts for part in each):
        table.add_row(part, *(Text(each.get(part, "-")) for each in parts))
    Console(file=sys.stdout, no_color=True, highlight=False, markup=False, emoji=False).print(table)


def _parts(said: Answer) -> Iterator[tuple[str, str]]:
    """An answer in parts, each with its name; what is absent is left out."""
    for name in ("reasoning", "content"):
        text = getattr(said, name)
        if text is not None:
            yield name, _printable(text) or '""'
    for index, call in enumerate(said.tool_calls):
        yield f"call {index}", _printable(f"{call.name}({call.arguments}) id {call.id}")
    yield "finish_reason", _printable(said.finish_reason or "-")
    if said.usage is not None:
        yield "usage", f"prompt {said.usage.prompt}, completion {said.usage.completion}"
    yield "model", _printable(said.model or "-")
    if said.flaws:
        yield "flaws", ", ".join(sorted(said.flaws))


def _printable(text: str) -> str:
    """Escape sequences in an answer could rewrite the screen."""
    return "".join(each if each.isprintable() or each in "\n\t" else repr(each)[1:-1] for each in text)
