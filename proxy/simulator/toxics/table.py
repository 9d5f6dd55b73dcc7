"""The table of toxics in docs/simulator.md, written from TOXICS.

Not here: the prose around it. Invariant: what stands between the two marks of the page is exactly the table; a test
compares them, and `python -m proxy.simulator.toxics.table docs/simulator.md` writes it anew.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from proxy.simulator.faults.table import between, table
from proxy.simulator.toxics import TOXICS
from proxy.simulator.toxics.parse import example, shown

BEGIN: Final = "<!-- toxics: begin; written by python -m proxy.simulator.toxics.table docs/simulator.md -->"
END: Final = "<!-- toxics: end -->"


def with_table(page: str) -> str:
    """The page with the table as it should be. Raises ValueError when the marks are missing."""
    rows = [
        (
            f"`{toxic.name}`",
            toxic.does,
            "; ".join(f"{value.means} (default {shown(value)})" for value in toxic.values),
            f"`{example(toxic)}`",
        )
        for toxic in TOXICS
    ]
    return between(page, BEGIN, END, f"{table(('toxic', 'what it does', 'its values', 'written out'), rows)}\n")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        page = Path(name)
        page.write_text(with_table(page.read_text(encoding="utf-8")), encoding="utf-8")
