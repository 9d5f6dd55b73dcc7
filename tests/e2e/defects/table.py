"""The tables of docs/defects.md, from what the runs showed.

Not here: the prose of the page. Invariant: what stands between the two marks of the page is exactly `tables()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.e2e.defects.cases import Case, Seen

BEGIN: Final = "<!-- defects: begin; written by python -m tests.e2e.defects --markdown docs/defects.md -->"
END: Final = "<!-- defects: end -->"


def tables(found: Sequence[Seen]) -> str:
    """Two tables in Markdown: what signals named, and what is no drift."""
    named = [
        (seen.case.symptom, f"`{seen.case.fault}`", _traffic(seen.case), *_naming(seen))
        for seen in found
        if seen.case.signals
    ]
    other = [
        (seen.case.symptom, f"`{seen.case.fault}`", _shown(seen), seen.case.why)
        for seen in found
        if not seen.case.signals
    ]
    return "\n\n".join(
        (
            _rows(("symptom", "fault", "traffic", "named by", "after", "other alarms by then"), named),
            "### What no signal names",
            _rows(("symptom", "fault", "what shows it", "why no signal"), other),
        )
    )


def with_tables(page: str, found: Sequence[Seen]) -> str:
    """The page with the tables between its marks. Raises ValueError when the marks are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks its marks\nhint: put these two lines into it:\n{BEGIN}\n{END}")
    return f"{before}{BEGIN}\n\n{tables(found)}\n\n{END}{after}"


def _naming(seen: Seen) -> tuple[str, str, str]:
    named = seen.expected
    if named is None:
        return ("-", f"not within {seen.requests} requests", "")
    by_then = [alarm for alarm in seen.alarms if (alarm.answers, alarm.pairs) <= (named.answers, named.pairs)]
    others = {alarm.series for alarm in by_then} - {named.series}
    return (f"`{named.series}`", named.after, ", ".join(f"`{name}`" for name in sorted(others)))


def _traffic(case: Case) -> str:
    fit = ", ".join(case.fit) or "mixed"
    return fit if case.second_answer == "20%" else f"{fit}; {case.second_answer} second answers"


def _shown(seen: Seen) -> str:
    case = seen.case
    if not case.metric:
        return "-"
    labels = ",".join(f'{name}="{value}"' for name, value in case.labels.items())
    return f"`{case.metric}{f'{{{labels}}}' if labels else ''}` {seen.counted:.4g} in {seen.requests} requests"


def _rows(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
