"""The figures of one run, as text for a terminal, as Markdown for the documents, and as JSON to keep.

Not here: measuring. Invariant: a document's table is generated from a JSON file, so it can be compared with it
(tests/test_docs.py), and a cell without a figure holds a dash.

In a document a table stands between `<!-- bench:NAME -->` and `<!-- /bench -->`, NAME being cpu, memory, latency or
machine.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from bench.cpu import CpuFigure
from bench.latency import LatencyFigure
from bench.memory import OPEN_STREAMS, STUCK_READERS, MemoryFigure
from bench.proxies import DIRECT, OURS, PEER, YARDSTICK
from bench.workloads import WORKLOADS

Rows: TypeAlias = Sequence[Sequence[str]]
"""A table: the first row is its head."""

_TITLES: Final = {workload.name: workload.title for workload in WORKLOADS}
_NONE: Final = "-"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one run measured, and on what."""

    machine: Mapping[str, str]
    cpu: Sequence[CpuFigure] = field(default=())
    memory: Sequence[MemoryFigure] = field(default=())
    latency: Sequence[LatencyFigure] = field(default=())


def machine(seconds: float, rounds: int) -> dict[str, str]:
    """What the figures were taken on, and how long."""
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": f"{model[1] if model else platform.machine()}, {os.cpu_count()} CPUs",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "measured": f"median of {rounds} interleaved round{'s' * (rounds != 1)} of {seconds:g} s",
        "load average before": f"{os.getloadavg()[0]:.1f}",
    }


def to_json(report: Report) -> str:
    """The report as JSON, one figure a line."""
    parts = [f'"machine": {json.dumps(dict(report.machine))}']
    for name in ("cpu", "memory", "latency"):
        lines = ",\n  ".join(json.dumps(asdict(figure)) for figure in getattr(report, name))
        parts.append(f'"{name}": [\n  {lines}\n]' if lines else f'"{name}": []')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def from_json(text: str) -> Report:
    """The report that `to_json` wrote."""
    found: dict[str, Any] = json.loads(text)
    return Report(
        found["machine"],
        [CpuFigure(**row) for row in found["cpu"]],
        [MemoryFigure(**row) for row in found["memory"]],
        [LatencyFigure(**row) for row in found["latency"]],
    )


def cpu_rows(report: Report) -> Rows:
    """Microseconds of CPU a request by workload and proxy, and the two ratios that the budgets are written in."""
    by = {(figure.workload, figure.proxy): figure for figure in report.cpu}
    names = list(dict.fromkeys(figure.proxy for figure in report.cpu))
    head = ["CPU µs per request", *names, f"{OURS} / {YARDSTICK}", f"{PEER} / {OURS}"]
    rows = [head]
    for workload in dict.fromkeys(figure.workload for figure in report.cpu):
        mine, peer = by.get((workload, OURS)), by.get((workload, PEER))
        costs = [_cost(by.get((workload, name))) for name in names]
        ratio = f"{mine.to_yardstick:.2f}x" if mine and mine.to_yardstick is not None else _NONE
        times = f"{peer.us_per_request / mine.us_per_request:.0f}x" if mine and peer else _NONE
        rows.append([_TITLES[workload], *costs, ratio, times])
    return rows


def _cost(figure: CpuFigure | None) -> str:
    if figure is None:
        return _NONE
    failed = f" ({figure.failed} failed)" if figure.failed else ""
    return f"{figure.us_per_request:,.0f}{failed}"


def memory_rows(report: Report) -> Rows:
    """Growth per stream, reader and body byte by proxy."""
    by = {(figure.load, figure.proxy): figure for figure in report.memory}
    names = list(dict.fromkeys(figure.proxy for figure in report.memory))
    loads = dict.fromkeys(figure.load for figure in report.memory)
    return [
        ["memory", *names],
        *([_LOADS[load], *(_memory_cell(by.get((load, name))) for name in names)] for load in loads),
    ]


_LOADS: Final = {
    **{f"open-{count}": f"per open stream, of {count:,}" for count in OPEN_STREAMS},
    "stuck": f"per stuck reader, of {STUCK_READERS}",
    "body": "peak for a 20 MB body",
}


def _memory_cell(figure: MemoryFigure | None) -> str:
    if figure is None:
        return _NONE
    if not figure.count:
        return "none held"
    if figure.load == "body":
        return f"{figure.each:.2f}x the body"
    held = "" if figure.count == figure.wanted else f", {figure.count} held"
    return f"{figure.each / 1024:.1f} KiB{held}{'' if figure.bounded else ', still growing'}"


def latency_rows(report: Report) -> Rows:
    """What is added to going direct; the row of `direct` gives the times themselves."""
    rows = [["ms, p50 / p99", "first byte", "chunk gap"]]
    for figure in report.latency:
        if figure.proxy == DIRECT:
            first = f"{figure.first_byte_p50_ms:.2f} / {figure.first_byte_p99_ms:.2f}"
            rows.append([DIRECT, first, f"{figure.gap_p50_ms:.2f} / {figure.gap_p99_ms:.2f}"])
        else:
            first = _added(figure.added_first_byte_p50_ms, figure.added_first_byte_p99_ms)
            rows.append([figure.proxy, first, _added(figure.added_gap_p50_ms, figure.added_gap_p99_ms)])
    return rows


def _added(*values: float | None) -> str:
    return " / ".join(_NONE if value is None else f"{value:+.2f}" for value in values)


def machine_rows(report: Report) -> Rows:
    """What it was measured on."""
    return [["measured on", ""], *([name, text] for name, text in report.machine.items())]


TABLES: Final[Mapping[str, Callable[[Report], Rows]]] = {
    "machine": machine_rows,
    "cpu": cpu_rows,
    "memory": memory_rows,
    "latency": latency_rows,
}


def to_text(rows: Rows) -> str:
    """Columns of equal width."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def to_markdown(rows: Rows) -> str:
    """A pipe table."""
    rule = ["---", *("---:" for _ in rows[0][1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:]))


def fill(text: str, report: Report) -> str:
    """A document with each of its tables written anew. Raises ValueError for a table that does not exist."""

    def written(found: re.Match[str]) -> str:
        name = found[1]
        if name not in TABLES:
            raise ValueError(f"no table is called {name}; there are {', '.join(TABLES)}")
        return f"<!-- bench:{name} -->\n{to_markdown(TABLES[name](report))}\n<!-- /bench -->"

    return re.sub(r"<!-- bench:([\w-]+) -->\n.*?<!-- /bench -->", written, text, flags=re.DOTALL)


def tables(report: Report) -> Iterable[str]:
    """Every table that has figures, as text."""
    return (to_text(rows) for rows in (make(report) for make in TABLES.values()) if len(rows) > 1)
