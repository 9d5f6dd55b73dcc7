"""The tables of layers and probes in docs/verify.md, written from Layer and PROBES.

A filter, since nothing here opens files: `python -m proxy.probes.table < docs/verify.md` prints the page as it should
be. Not here: the prose around the tables. Invariant: what stands between the two marks of the page is exactly
`table()`; a test compares them.
"""

from __future__ import annotations

import sys
from typing import Final

from proxy.probes import PROBES, SCHEDULED
from proxy.probes.probe import Probe

BEGIN: Final = "<!-- probes: begin; written by python -m proxy.probes.table -->"
END: Final = "<!-- probes: end -->"


def table() -> str:
    """All probes, as markdown."""
    head = ("layer", "probe", "what must hold", "modes", "asked all day", "source")
    lines = [head, tuple("---" for _ in head), *(_row(probe) for probe in PROBES)]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|').replace('<', '&lt;') for cell in line)} |" for line in lines
    )


def with_table(page: str) -> str:
    """The page with the table as it should be. Raises ValueError when the marks are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(
            f"the page lacks its marks\nhint: put these two lines where the table belongs:\n{BEGIN}\n{END}"
        )
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def _row(probe: Probe) -> tuple[str, ...]:
    scheduled = "yes" if probe.id in SCHEDULED else ""
    return str(probe.layer), f"`{probe.id}`", probe.allowed, ", ".join(probe.modes), scheduled, probe.source


if __name__ == "__main__":
    sys.stdout.write(with_table(sys.stdin.read()))
