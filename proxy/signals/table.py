"""The table of signals in docs/signals.md, written from SIGNALS and PROBED.

A filter, since nothing on this floor opens files: `python -m proxy.signals.table < docs/signals.md` prints the page as
it should be. Not here: the prose around the table. Invariant: what stands between the two marks of the page is exactly
`table()`; a test compares them.
"""

from __future__ import annotations

import sys
from typing import Final

from proxy.signals import PROBED, SIGNALS
from proxy.signals.shares import shares
from proxy.signals.signal import Kind, Signal

BEGIN: Final = "<!-- signals: begin; written by python -m proxy.signals.table -->"
END: Final = "<!-- signals: end -->"


def table() -> str:
    """All signals, as markdown."""
    parts = {**shares((*SIGNALS, *PROBED)), **shares(SIGNALS)}
    rows = [_row(signal, parts.get(signal.name)) for signal in (*SIGNALS, *PROBED)]
    lines: list[tuple[str, ...]] = [
        ("signal", "kind", "group", "tolerance", "share of the budget", "gives away", "unit", "source")
    ]
    lines += [tuple("---" for _ in lines[0]), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def with_table(page: str) -> str:
    """The page with the table as it should be. Raises ValueError when the marks are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(
            f"the page lacks its marks\nhint: put these two lines where the table belongs:\n{BEGIN}\n{END}"
        )
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def _row(signal: Signal, part: float | None) -> tuple[str, ...]:
    tolerance = "its own past" if signal.kind is Kind.BASELINE else f"{signal.tolerance:g}"
    share = "" if part is None else f"{100 * part:.2f} %"
    group = "" if part is None else str(signal.group)
    return (
        f"`{signal.name}`",
        str(signal.kind),
        group,
        tolerance,
        share,
        signal.finds.replace("<", "&lt;"),
        signal.unit,
        signal.source,
    )


if __name__ == "__main__":
    sys.stdout.write(with_table(sys.stdin.read()))
