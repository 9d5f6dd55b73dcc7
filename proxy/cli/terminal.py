"""What the offline commands print: answers on stdout, everything else on stderr.

Not here: what is said. Invariant: nothing is said by colour alone; where no terminal is, a row is one line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from proxy.config.load import spelled
from proxy.policy.document import Problem

FINDING: Final = 1
"""Exit code: the request breaks a rule."""
UNUSABLE: Final = 2
"""Exit code: the command, a file or the configuration cannot be used."""

_UNBOUNDED: Final = 10_000


def answer(text: str) -> None:
    """One or more lines of the answer."""
    sys.stdout.write(f"{text}\n")


def answer_json(value: Any) -> None:  # noqa: ANN401  (any JSON value)
    """The answer for a program."""
    answer(json.dumps(value, indent=2, ensure_ascii=False))


def answer_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table: wrapped to the terminal's width, or a line for each row where no terminal is."""
    width = None if sys.stdout.isatty() else _UNBOUNDED
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for column in columns:
        # Names are copied from the first column; anywhere else a long word may be broken, but nothing is left out.
        table.add_column(column, no_wrap=column == columns[0], overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(file=sys.stdout, width=width, no_color=True, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(table)
    answer("\n".join(line.rstrip() for line in captured.get().splitlines()))


def note(text: str) -> None:
    """A line beside the answer."""
    sys.stderr.write(f"{text}\n")


def refuse(message: str, hint: str) -> NoReturn:
    """End: the command cannot be carried out as it was given."""
    note(f"paramwall: {message}\n  hint: {hint}")
    raise typer.Exit(UNUSABLE)


def refuse_problems(problems: Iterable[Problem]) -> NoReturn:
    """End: a file cannot be used."""
    for problem in problems:
        note(spelled(problem))
    raise typer.Exit(UNUSABLE)


def as_json(problem: Problem) -> dict[str, str | int | None]:
    """A problem for a program."""
    return {"source": problem.source, "line": problem.line, "message": problem.message, "hint": problem.hint}


def read_input(name: str) -> bytes:
    """The bytes of a file, or of stdin for `-`. Ends with exit code 2 when there are none to read."""
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        refuse(f"{name} cannot be read: {error.strerror}", "write the path of a file, or - for stdin")
