"""Panels as Grafana's classic JSON has them: one function for each kind.

Here: the form. Not here: what is asked (promql.py, and a module for each dashboard), where a panel stands and its id
(board.py). Invariants: every panel has a title, a text for whoever is on call, a unit and the chosen data source; one
that may rightly be empty says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]

DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_MISSING_CELL: Final = "-"
_WIDTHS: Final = {"Signal": 210, "Clause": 240, "Parameter": 180}
"""Of columns whose texts are long, in pixels."""
_WIDE: Final = 10
"""From this width on the legend stands beside the graph."""
_SOFT_MOST: Final = {"percentunit": 0.01, "reqps": 1, "none": 1, "locale": 1}
"""The least an axis shows, by unit: else one where all is zero ends at 100, which is 10000 %."""


@dataclass(frozen=True, slots=True)
class Query:
    """One target. `empty`: why a healthy proxy may have nothing to show here; "" when it must have something.
    `look`: overrides of its series, by property (`color`, `custom.lineStyle`).
    """

    expr: str
    legend: str = ""
    empty: str = ""
    look: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel without its place: `body` is what Grafana reads, `w` of 24 columns, `h` rows of 30 pixels."""

    title: str
    queries: Sequence[Query]
    body: Json
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: the value of an instant query; without a `name` only its labels are shown.

    `looks` are further properties, as in an override.
    """

    name: str
    expr: str
    unit: str = "locale"
    empty: str = ""
    looks: Mapping[str, Any] = field(default_factory=dict)


def _override(matcher: str, of: str, properties: Mapping[str, Any]) -> Json:
    return {
        "matcher": {"id": matcher, "options": of},
        "properties": [{"id": name, "value": value} for name, value in properties.items()],
    }


def _targets(queries: Sequence[Query], form: str, *, instant: bool) -> list[Json]:
    return [
        {
            "refId": ref,
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": query.expr,
            "format": form,
            "instant": instant,
            "range": not instant,
            **({"legendFormat": query.legend} if query.legend else {}),
        }
        for ref, query in zip(ascii_uppercase, queries, strict=False)
    ]


def _panel(
    kind: str, title: str, text: str, queries: Sequence[Query], targets: list[Json], defaults: Json, options: Json
) -> Json:
    empty = next((query.empty for query in queries if query.empty), "")
    looks = [
        _override("byFrameRefID", ref, query.look)
        for ref, query in zip(ascii_uppercase, queries, strict=False)
        if query.look
    ]
    return {
        "type": kind,
        "title": title,
        "description": text,
        "datasource": DATASOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": {**({"noValue": empty} if empty else {}), **defaults}, "overrides": looks},
        "options": options,
    }


def levels(first: str, *others: tuple[float, str]) -> Json:
    """Thresholds: the colour from the start, then each colour from a value on."""
    at = [{"color": first, "value": None}, *({"color": color, "value": value} for value, color in others)]
    return {"mode": "absolute", "steps": at}


def words(*said: tuple[float, str, str]) -> list[Json]:
    """Value mappings: the text and the colour of each number."""
    options = {
        f"{value:g}": {"index": at, "text": text, "color": color} for at, (value, text, color) in enumerate(said)
    }
    return [{"type": "value", "options": options}]


def _reduced() -> Json:
    return {"calcs": ["lastNotNull"], "fields": "", "values": False}


def timeseries(
    title: str,
    text: str,
    *queries: Query,
    unit: str,
    w: int = 12,
    h: int = 8,
    limits: Json | None = None,
    stacked: bool = False,
    bars: bool = False,
    least: float | None = 0,
    most: float | None = None,
    calcs: Sequence[str] = ("lastNotNull", "max"),
) -> Panel:
    """Lines over time; `limits` are drawn as dashed lines, `least` and `most` bound the axis."""
    custom: Json = {
        "drawStyle": "bars" if bars else "line",
        "lineWidth": 0 if bars else 1,
        "fillOpacity": 80 if bars else 25 if stacked else 0,
        "gradientMode": "none",
        "lineInterpolation": "linear",
        "showPoints": "auto",
        "pointSize": 4,
        "spanNulls": False,
        "axisPlacement": "auto",
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
        "scaleDistribution": {"type": "linear"},
        "thresholdsStyle": {"mode": "dashed" if limits else "off"},
    }
    if unit in _SOFT_MOST:
        custom["axisSoftMax"] = _SOFT_MOST[unit]
    bounds = {name: value for name, value in (("min", least), ("max", most)) if value is not None}
    defaults = {
        "unit": unit,
        **bounds,
        "color": {"mode": "palette-classic"},
        "thresholds": limits or levels("green"),
        "custom": custom,
    }
    options = {
        "legend": {
            "displayMode": "table",
            "placement": "right" if w >= _WIDE else "bottom",
            "showLegend": True,
            "calcs": list(calcs) if w >= _WIDE else ["lastNotNull"],
            "sortBy": "Last *",
            "sortDesc": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    body = _panel(
        "timeseries", title, text, queries, _targets(queries, "time_series", instant=False), defaults, options
    )
    return Panel(title, queries, body, w, h)


def stat(
    title: str,
    text: str,
    *queries: Query,
    unit: str,
    limits: Json,
    w: int = 4,
    h: int = 4,
    mappings: list[Json] | None = None,
    decimals: int | None = None,
) -> Panel:
    """What holds now, in large letters on a colour. It never shows what held earlier in the time range."""
    defaults = {
        "unit": unit,
        "color": {"mode": "thresholds"},
        "thresholds": limits,
        "mappings": mappings or [],
        **({} if decimals is None else {"decimals": decimals}),
    }
    options = {
        "colorMode": "background_solid",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": _reduced(),
        "textMode": "auto",
        "wideLayout": True,
    }
    body = _panel("stat", title, text, queries, _targets(queries, "time_series", instant=True), defaults, options)
    return Panel(title, queries, body, w, h)


def bargauge(
    title: str, text: str, *queries: Query, unit: str, limits: Json, w: int = 12, h: int = 8, most: float | None = None
) -> Panel:
    """A bar for each series, as it stands now."""
    defaults = {
        "unit": unit,
        "decimals": 0,
        "min": 0,
        **({} if most is None else {"max": most}),
        "color": {"mode": "thresholds"},
        "thresholds": limits,
    }
    options = {
        "displayMode": "basic",
        "orientation": "horizontal",
        "namePlacement": "top",
        "showUnfilled": True,
        "sizing": "manual",
        "text": {"titleSize": 13, "valueSize": 14},
        "valueMode": "color",
        "maxVizHeight": 44,
        "minVizHeight": 28,
        "minVizWidth": 8,
        "reduceOptions": _reduced(),
    }
    body = _panel("bargauge", title, text, queries, _targets(queries, "time_series", instant=True), defaults, options)
    return Panel(title, queries, body, w, h)


def state_timeline(title: str, text: str, query: Query, *, mappings: list[Json], w: int = 24, h: int = 6) -> Panel:
    """A band for each series, coloured by what the number stands for."""
    custom = {"fillOpacity": 85, "lineWidth": 0, "spanNulls": False}
    defaults = {
        "unit": "short",
        "color": {"mode": "thresholds"},
        "thresholds": levels("text"),
        "mappings": mappings,
        "custom": custom,
    }
    options = {
        "alignValue": "left",
        "mergeValues": True,
        "rowHeight": 0.85,
        "showValue": "auto",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    targets = _targets([query], "time_series", instant=False)
    return Panel(title, [query], _panel("state-timeline", title, text, [query], targets, defaults, options), w, h)


def heatmap(title: str, text: str, query: Query, *, unit: str, w: int = 12, h: int = 8) -> Panel:
    """The buckets of a histogram over time; the query is `sum by (le) (increase(...))`."""
    custom = {"scaleDistribution": {"type": "linear"}, "hideFrom": {"legend": False, "tooltip": False, "viz": False}}
    options = {
        "calculate": False,
        "cellGap": 1,
        "cellValues": {"unit": "short"},
        "color": {"mode": "scheme", "scheme": "Oranges", "exponent": 0.5, "fill": "dark-orange", "steps": 64},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "unit": unit},
    }
    targets = _targets([query], "heatmap", instant=False)
    body = _panel("heatmap", title, text, [query], targets, {"unit": unit, "custom": custom}, options)
    return Panel(title, [query], body, w, h)


def table(
    title: str,
    text: str,
    keys: Mapping[str, str],
    *columns: Column,
    w: int = 24,
    h: int = 8,
    sort: str = "",
    links: Mapping[str, Json] | None = None,
) -> Panel:
    """A row for each combination of the labels in `keys` (label to heading), a column for each instant query.

    `sort` is the heading whose largest value comes first; `links` go with a heading.
    """
    queries = [Query(column.expr, empty=column.empty) for column in columns]
    values = (
        ["Value"] if len(columns) == 1 else [f"Value #{ref}" for ref, _ in zip(ascii_uppercase, columns, strict=False)]
    )
    names = {**keys, **dict(zip(values, (column.name for column in columns), strict=True))}
    organize = {
        "excludeByName": {"Time": True, **{name: True for name in names if not names[name]}},
        "indexByName": {name: at for at, name in enumerate(names)},
        "renameByName": {name: heading for name, heading in names.items() if heading},
    }
    custom = {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False, "inspect": False, "minWidth": 70}
    defaults = {"unit": "short", "noValue": _MISSING_CELL, "custom": custom, "thresholds": levels("text")}
    options = {
        "showHeader": True,
        "cellHeight": "sm",
        "footer": {"show": False, "reducer": ["sum"], "fields": "", "countRows": False},
        "sortBy": [{"displayName": sort, "desc": True}] if sort else [],
    }
    body = _panel("table", title, text, queries, _targets(queries, "table", instant=True), defaults, options)
    body["transformations"] = [{"id": "merge", "options": {}}, {"id": "organize", "options": organize}]
    body["fieldConfig"]["overrides"] = [
        *(_override("byName", name, {"custom.width": _WIDTHS[name]}) for name in keys.values() if name in _WIDTHS),
        *(_override("byName", name, {"links": [link]}) for name, link in (links or {}).items()),
        *(_override("byName", column.name, {"unit": column.unit, **column.looks}) for column in columns if column.name),
    ]
    return Panel(title, queries, body, w, h)


def note(title: str, markdown: str, *, w: int = 24, h: int = 4) -> Panel:
    """A text for the reader."""
    body = {
        "type": "text",
        "title": title,
        "description": "",
        "options": {
            "mode": "markdown",
            "content": markdown,
            "code": {"language": "plaintext", "showLineNumbers": False},
        },
    }
    return Panel(title, [], body, w, h)


COLOURED: Final = {"custom.cellOptions": {"type": "color-background", "mode": "basic"}}
"""For a column: its cells have the colour of their threshold or mapping."""
