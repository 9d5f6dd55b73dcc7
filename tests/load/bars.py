"""What a command measured, beside its bars: one table, one verdict.

Not here: what is measured. Invariant: a row without a bar is for reading alone and decides nothing.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `bar` says what it must be, `right` whether it is."""

    what: str
    figure: str
    bar: str = ""
    right: bool = True


def verdict(rows: Iterable[Row]) -> bool:
    """Print the table; whether every bar is met."""
    met = True
    for row in rows:
        word = "" if not row.bar else "ok" if row.right else "NOT MET"
        sys.stdout.write(f"  {row.what:44} {row.figure:>24}  {row.bar:20} {word}\n")
        met = met and row.right
    sys.stdout.flush()
    return met


def zero(what: str, count: int) -> Row:
    """Something of which there must be none."""
    return Row(what, str(count), "0", count == 0)


def percentile_ms(seconds: Sequence[float], percent: int) -> float:
    """In milliseconds; 0 where nothing was measured."""
    if len(seconds) < 2:
        return sum(seconds) * 1e3
    return statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1] * 1e3
