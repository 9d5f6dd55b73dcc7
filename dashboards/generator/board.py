"""A dashboard from rows of panels: places, ids, variables, links, the change points drawn on every graph.

Here: what all five share. Not here: any panel. Invariant: the same rows give the same text, byte for byte, so that the
files in dashboards/grafana can be compared with what is generated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from string import ascii_uppercase
from typing import Final

from dashboards.generator.panels import DATASOURCE, Json, Panel
from dashboards.generator.promql import SERIES, VARIABLES

_COLUMNS: Final = 24
_SCHEMA_VERSION: Final = 39
_TAG: Final = "paramwall"


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels beneath it, from left to right."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard. `name` is its file, and its uid after the prefix. `window` is what it shows at first."""

    name: str
    title: str
    text: str
    rows: Sequence[Row]
    window: str = "now-6h"

    @property
    def uid(self) -> str:
        """By which links find it."""
        return f"paramwall-{self.name}"

    def empty_reasons(self) -> Iterator[tuple[tuple[str, str, str], str]]:
        """(uid, panel title, refId) and the reason, of every query that may rightly be empty."""
        for row in self.rows:
            for panel in row.panels:
                for ref, query in zip(ascii_uppercase, panel.queries, strict=False):
                    if query.empty:
                        yield (self.uid, panel.title, ref), query.empty

    def json(self) -> Json:
        """What Grafana reads."""
        panels = list(_placed(self.rows))
        asked = "".join(query.expr for row in self.rows for panel in row.panels for query in panel.queries)
        variables = [name for name in VARIABLES if f'"${name}"' in asked]
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.text,
            "tags": [_TAG],
            "schemaVersion": _SCHEMA_VERSION,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": self.window, "to": "now"},
            "timepicker": {},
            "timezone": "browser",
            "fiscalYearStartMonth": 0,
            "weekStart": "",
            "annotations": {"list": [_change_points(variables)]},
            "links": [_LINKS],
            "templating": {"list": [_DATASOURCE, *map(_variable, variables)]},
            "panels": panels,
        }


def _placed(rows: Sequence[Row]) -> Iterator[Json]:
    ids, y = count(1), 0
    for row in rows:
        at = {"x": 0, "y": y, "w": _COLUMNS, "h": 1}
        yield {"id": next(ids), "type": "row", "title": row.title, "collapsed": False, "gridPos": at, "panels": []}
        x, y, tallest = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.w > _COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            yield {"id": next(ids), "gridPos": {"x": x, "y": y, "w": panel.w, "h": panel.h}, **panel.body}
            x, tallest = x + panel.w, max(tallest, panel.h)
        y += tallest


_LINKS: Final = {
    "type": "dashboards",
    "tags": [_TAG],
    "title": "Paramwall",
    "asDropdown": False,
    "includeVars": True,
    "keepTime": True,
    "targetBlank": False,
    "icon": "external link",
    "tooltip": "",
    "url": "",
}
_DATASOURCE: Final = {
    "name": "datasource",
    "label": "Data source",
    "type": "datasource",
    "query": "prometheus",
    "regex": "",
    "refresh": 1,
    "hide": 0,
    "multi": False,
    "includeAll": False,
    "options": [],
    "current": {},
    "skipUrlSync": False,
}
_VALUES: Final = {
    "job": "label_values(paramwall_build_info, job)",
    "instance": 'label_values(paramwall_build_info{job=~"$job"}, instance)',
    "vendor": 'label_values(paramwall_requests_in_flight{job=~"$job", instance=~"$instance"}, vendor)',
    "signal": "label_values(paramwall_drift_log_evidence"
    '{job=~"$job", instance=~"$instance", vendor=~"$vendor"}, signal)',
}


def _variable(name: str) -> Json:
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": DATASOURCE,
        "definition": _VALUES[name],
        "query": {"query": _VALUES[name], "refId": f"variable-{name}"},
        "regex": "",
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "options": [],
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "skipUrlSync": False,
    }


def _change_points(variables: Sequence[str]) -> Json:
    """A line on every graph where the evidence says that a vendor changed."""
    chosen = ", ".join(f'{name}=~"${name}"' for name in variables)
    expr = f"(max by ({SERIES}) (paramwall_drift_changepoint_timestamp_seconds{{{chosen}}}) > 0) * 1000"
    return {
        "name": "Change points",
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "expr": expr,
        "step": "60s",
        "titleFormat": "{{vendor}} changed",
        "textFormat": "{{signal}} ({{mode}})",
        "useValueForTime": True,
        "target": {"refId": "change-points", "expr": expr},
    }
