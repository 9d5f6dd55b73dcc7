"""The live table of the demo's second act.

Not here: what is true (demo_watch.py). Invariants: a row is one line and fits 80 columns; without a terminal the rows
are printed only when a state changes, so the text can be kept; nothing is said by colour alone.
"""

from __future__ import annotations

import math
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from proxy.cli.demo_watch import Act, Watched

BAR_FROM: Final = 100
"""Columns of a terminal that has room for a bar beside the numbers."""
_HEADING: Final = f"   {'vendor':9}  {'state':12}  answers  pairs  {'leading signal':22}  evidence"
_BAR: Final = 12
_STYLES: Final = {"degraded": "bold red", "warn": "yellow", "ok": "green"}


class LiveTable:
    """Shows the rows of an act as they change; close it before anything else is printed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._shown: list[str] = []
        self._headed = False

    def show(self, act: Act) -> None:
        """The rows as they stand."""
        if self._console.is_terminal:
            if self._live is None:
                self._live = Live(console=self._console, auto_refresh=False)
                self._live.start()
            self._live.update(_text(act, bar=self._console.width >= BAR_FROM), refresh=True)
            return
        states = [row.state for row in act.rows]
        if states != self._shown and any(row.answers for row in act.rows):
            self._shown = states
            self._console.print(_text(act, headed=not self._headed), soft_wrap=True)
            self._headed = True

    def close(self) -> None:
        """Leave the last rows standing; the next ones are shown in any case."""
        self._shown = []
        if self._live is not None:
            self._live.stop()
            self._live = None


def _text(act: Act, *, headed: bool = True, bar: bool = False) -> Text:
    lines = [Text(_HEADING, "dim")] if headed else []
    lines += [Text(line(row, bar=bar), _STYLES.get(row.state, "")) for row in act.rows]
    text = Text("\n", no_wrap=True, overflow="crop").join(lines)
    text.no_wrap, text.overflow = True, "crop"
    return text


def line(row: Watched, *, bar: bool = False) -> str:
    """A row of the table: the evidence as a power of ten beside what is an alarm, and the way to it as a bar."""
    power, limit = (value / math.log(10) for value in (row.log_evidence, row.log_threshold))
    evidence = f"1e{max(power, 0):.0f} of 1e{limit:.0f}" if row.signal else "-"
    filled = round(min(max(power / limit, 0.0), 1.0) * _BAR) if limit > 0 else 0
    drawn = f"{evidence:12}  [{'#' * filled}{'.' * (_BAR - filled)}]" if bar else evidence
    numbers = f"{row.answers:7}  {row.pairs:5}"
    return f"   {row.vendor:9}  {row.state[:12]:12}  {numbers}  {row.signal[:22] or '-':22}  {drawn}"
