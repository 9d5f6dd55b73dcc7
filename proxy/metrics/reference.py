"""The reference of every metric, made from the catalogue.

Not here: prose about metrics (docs/metrics.md, around the reference). Invariant: the text depends on the catalogue
alone, so a test can tell whether the page is fresh. `python -m proxy.metrics.reference docs/metrics.md` renews it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from proxy.metrics.catalogue import Entry, catalogue

BEGIN: Final = "<!-- metrics: begin -->"
END: Final = "<!-- metrics: end -->"
_HEADINGS: Final = {
    "worker": "Counted by the workers",
    "worker, scorer": "Counted by workers and scorer",
    "scorer": "Counted by the scorer",
    "supervisor": "Counted by the supervisor",
}


def reference() -> str:
    """Every metric as Markdown: a table for each kind of process that counts."""
    order = list(_HEADINGS)
    entries = sorted(catalogue(), key=lambda entry: order.index(entry.source))
    parts = [line for source, group in groupby(entries, lambda entry: entry.source) for line in _table(source, group)]
    return "\n".join(parts)


def renewed(page: str) -> str:
    """A page with its reference made anew. Raises ValueError when the page has no place for one."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{reference()}{END}{after}"


def _table(source: str, entries: Iterator[Entry]) -> Iterator[str]:
    yield f"### {_HEADINGS[source]}"
    yield ""
    yield "| metric | type | labels | says |"
    yield "|---|---|---|---|"
    for entry in entries:
        yield f"| `{entry.name}` | {_kind(entry)} | {', '.join(entry.labels)} | {entry.text} |"
    yield ""


def _kind(entry: Entry) -> str:
    """A histogram's buckets are part of what it is: a rule can only ask for a bound that there is."""
    return f"histogram: {', '.join(f'{bound:g}' for bound in entry.bounds)}" if entry.bounds else entry.kind


if __name__ == "__main__":
    for name in sys.argv[1:]:
        Path(name).write_text(renewed(Path(name).read_text(encoding="utf-8")), encoding="utf-8")
