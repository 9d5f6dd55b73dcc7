"""Every query of the committed dashboards, with Grafana's variables put in: what tests parse, and run on a Prometheus.

Here: reading the JSON. Not here: what is demanded of it (test_dashboards.py). Invariant: after the substitution no
variable is left.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias

from tests.source import ROOT

Json: TypeAlias = dict[str, Any]

GRAFANA: Final = ROOT / "dashboards/grafana"
EVERYTHING: Final = {"job": ".+", "instance": ".+", "vendor": ".+", "signal": ".+"}
"""The variables at "All"."""


class PanelQuery(NamedTuple):
    """One target of one panel."""

    uid: str
    title: str
    ref: str
    expr: str


@cache
def dashboards() -> dict[str, Json]:
    """Every committed dashboard, by the name of its file."""
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(GRAFANA.glob("*.json"))}


def substituted(
    expr: str, rate_interval: str = "1m", shown: str = "15m", variables: Mapping[str, str] = EVERYTHING
) -> str:
    """An expression with values for its variables; `shown` is the time range of the dashboard."""
    values = {**variables, "__rate_interval": rate_interval, "__range": shown}
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values[found[1]], expr)


def panel_queries(
    rate_interval: str = "1m", shown: str = "15m", variables: Mapping[str, str] = EVERYTHING
) -> list[PanelQuery]:
    """Every target of every panel, and the marks drawn on all of them (under the title of the annotation)."""
    found = []
    for board in dashboards().values():
        asked = [(panel["title"], each["refId"], each["expr"]) for panel, each in targets(board)]
        asked += [(one["name"], one["target"]["refId"], one["expr"]) for one in board["annotations"]["list"]]
        found += [
            PanelQuery(board["uid"], title, ref, substituted(expr, rate_interval, shown, variables))
            for title, ref, expr in asked
        ]
    return found


def targets(board: Json) -> list[tuple[Json, Json]]:
    """(panel, target) pairs."""
    return [(panel, target) for panel in board["panels"] for target in panel.get("targets", [])]
