"""The figures of the shadow's probes: kept as JSON by section, shown as tables, written into a document.

Not here: measuring. Invariant: a section is replaced as a whole and carries what it was measured on, so the file may
hold sections of different runs; a section that was never measured is a table of its head alone.

In a document a table stands between `<!-- shadow:SECTION -->` and `<!-- /shadow -->`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from bench.report import Rows, to_markdown
from bench.shadow_cost import BAR as COST_BAR
from bench.shadow_cost import CostFigure
from bench.shadow_killed import KilledFigure
from bench.shadow_throughput import BAR as THROUGHPUT_BAR
from bench.shadow_throughput import CrossingFigure, ThroughputFigure
from bench.shadow_trouble import TroubleFigure

Figure = CostFigure | ThroughputFigure | CrossingFigure | TroubleFigure | KilledFigure
Kept = Mapping[str, Any]
"""By section: `machine` (what and when), and lists of figures as they are written in JSON."""
_MIB: Final = 1 << 20


def section(machine: Mapping[str, str], figures: Iterable[Figure]) -> dict[str, Any]:
    """What is kept of one section."""
    figures = list(figures)
    return {
        "machine": dict(machine),
        "kept": all(one.kept for one in figures),
        "figures": [asdict(one) for one in figures if not isinstance(one, CrossingFigure)],
        "crossing": [asdict(one) for one in figures if isinstance(one, CrossingFigure)],
    }


def to_json(kept: Kept) -> str:
    """All sections."""
    return json.dumps(kept, indent=1) + "\n"


def cost_rows(figures: Sequence[CostFigure]) -> Rows:
    """The worker's CPU with and without checks and mirror."""
    head = ("worker's CPU µs per request", "without", "with", "ratio", "of all rounds", "bar", "scorer's", "unscored")
    return [
        head,
        *(
            (
                one.title,
                f"{one.without_us:,.0f}",
                f"{one.with_us:,.0f}" + (f" ({one.failed} failed)" if one.failed else ""),
                f"{one.ratio:.2f}x",
                f"{one.lowest:.2f} to {one.highest:.2f}",
                f"{COST_BAR:.2f}x" if one.barred else "-",
                f"{one.scorer_us:,.0f}",
                f"{one.unscored:.1%}",
            )
            for one in figures
        ),
    ]


def throughput_rows(figures: Sequence[ThroughputFigure]) -> Rows:
    """Pairs in a second of CPU."""
    head = (
        "pairs with a second reference answer",
        "pairs per CPU second",
        "bar",
        "pairs",
        "lost",
        "log bytes per pair",
    )
    return [
        head,
        *(
            (
                f"{one.second_share:.0%}",
                f"{one.per_cpu_s:,.0f}",
                f"{THROUGHPUT_BAR:.0f}" if one.barred else "-",
                f"{one.scored:,}",
                f"{one.lost:,}",
                f"{one.log_bytes / max(one.scored, 1):,.0f}",
            )
            for one in figures
        ),
    ]


def crossing_rows(figures: Sequence[CrossingFigure]) -> Rows:
    """What crosses of a conversation."""
    head = ("a conversation, checked and not mirrored", "requests", "its tools", "frames of tools", "all else, each")
    return [
        head,
        *(
            (
                f"requests of {one.request_bytes / 1000:.0f} KB",
                f"{one.requests}",
                f"{one.tools_bytes:,} bytes",
                f"{one.content_frames}, {one.content_bytes:,} bytes",
                f"{one.other_bytes / one.requests:,.0f} bytes",
            )
            for one in figures
        ),
    ]


def trouble_rows(figures: Sequence[TroubleFigure]) -> Rows:
    """Phases of the reference."""
    head = (
        *("reference", "client p50 / p99 ms", "p99 to healthy", "requests", "errors"),
        *("worker MiB", "scorer MiB", "mirrored", "states seen"),
    )
    return [
        head,
        *(
            (
                one.phase,
                f"{one.p50_ms:.2f} / {one.p99_ms:.2f}",
                f"{one.p99_ratio:.2f}x",
                f"{one.requests:,}",
                f"{one.errors:,}",
                _mib(one.worker_rss),
                _mib(one.scorer_rss),
                ", ".join(f"{count:,} {name}" for name, count in one.fates.items()),
                ", ".join(one.states),
            )
            for one in figures
        ),
    ]


def _mib(ends: Sequence[int]) -> str:
    return " to ".join(f"{end / _MIB:.0f}" for end in ends)


def killed_rows(figures: Sequence[KilledFigure]) -> Rows:
    """Scorers that were killed."""
    head = ("scorers killed", "logs replayed", "the same", "requests", "client errors", "unscored", "rows", "pairs")
    return [
        head,
        *(
            (
                f"{one.kills}",
                f"{one.sittings}",
                f"{one.same}",
                f"{one.requests:,}",
                f"{one.errors:,}",
                f"{one.dropped:,}",
                f"{one.rows:,}",
                f"{one.pairs:,}",
            )
            for one in figures
        ),
    ]


def _of(kept: Kept, name: str, member: str = "figures") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = kept.get(name, {}).get(member, [])
    return found


def machine_rows(kept: Kept) -> Rows:
    """What each section was measured on."""
    names = list(dict.fromkeys(name for each in kept.values() for name in each["machine"]))
    rows = [("section", *names)]
    return [*rows, *((name, *(each["machine"].get(one, "-") for one in names)) for name, each in kept.items())]


TABLES: Final[Mapping[str, Callable[[Kept], Rows]]] = {
    "cost": lambda kept: cost_rows([CostFigure(**one) for one in _of(kept, "cost")]),
    "throughput": lambda kept: throughput_rows([ThroughputFigure(**one) for one in _of(kept, "throughput")]),
    "crossing": lambda kept: crossing_rows([CrossingFigure(**one) for one in _of(kept, "throughput", "crossing")]),
    "trouble": lambda kept: trouble_rows([TroubleFigure(**one) for one in _of(kept, "trouble")]),
    "killed": lambda kept: killed_rows([KilledFigure(**one) for one in _of(kept, "killed")]),
    "machine": machine_rows,
}


def fill(text: str, kept: Kept) -> str:
    """A document with each of its tables written anew. Raises ValueError for a table that does not exist."""

    def written(found: re.Match[str]) -> str:
        name = found[1]
        if name not in TABLES:
            raise ValueError(f"no table of the shadow is called {name}; there are {', '.join(TABLES)}")
        return f"<!-- shadow:{name} -->\n{to_markdown(TABLES[name](kept))}\n<!-- /shadow -->"

    return re.sub(r"<!-- shadow:([\w-]+) -->\n.*?<!-- /shadow -->", written, text, flags=re.DOTALL)
