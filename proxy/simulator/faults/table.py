"""The tables of faults and of known defects in docs/simulator.md, written from FAULTS and Defect.

Not here: the prose around them. Invariant: what stands between the two marks of the page is exactly `tables()`; a test
compares them, and `python -m proxy.simulator.faults.table docs/simulator.md` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from proxy.simulator.faults import FAULTS
from proxy.simulator.faults.defects import Defect
from proxy.simulator.faults.fault import Fault

BEGIN: Final = "<!-- faults: begin; written by python -m proxy.simulator.faults.table docs/simulator.md -->"
END: Final = "<!-- faults: end -->"


def tables() -> str:
    """Both tables, as markdown."""
    faults = table(
        ("fault", "what it does", "stage", "its number"),
        [(f"`{fault.name}`", fault.does, str(fault.stage), _number(fault)) for fault in FAULTS],
    )
    defects = table(
        ("known defect, as a client sees it", "faults", "reports"),
        [(defect.symptom, _names(defect), defect.reports) for defect in Defect],
    )
    return f"### The faults\n\n{faults}\n\n### The known defects they stand for\n\n{defects}\n"


def with_tables(page: str) -> str:
    """The page with the tables as they should be. Raises ValueError when the marks are missing."""
    return between(page, BEGIN, END, tables())


def between(page: str, first: str, last: str, text: str) -> str:
    """The page with this text between two marks. Raises ValueError when one is missing."""
    before, begin, rest = page.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(
            f"the page lacks its marks\nhint: put these two lines where the tables belong:\n{first}\n{last}"
        )
    return f"{before}{first}\n\n{text}\n{last}{after}"


def table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in markdown."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _number(fault: Fault) -> str:
    if fault.number is None:
        return ""
    default = "" if fault.number.default is None else f" (default {fault.number.default:g})"
    return f"{fault.number.means}{default}"


def _names(defect: Defect) -> str:
    return ", ".join(f"`{fault.name}`" for fault in FAULTS if fault.defect is defect)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        page = Path(name)
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
