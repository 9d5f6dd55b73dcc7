"""States over time: a bar for each vendor and mode, on one axis.

Not here: how a state comes about (docs/drift.md). Invariant: what the bars show stands in a table beneath them, too.
"""

from __future__ import annotations

from proxy.report import charts, wording
from proxy.report.facts import Past, Report
from proxy.report.html_parts import badge, details, quiet, section, table
from proxy.report.markup import Markup, element, joined
from proxy.report.scales import Scale, of_times
from proxy.report.unknown import age


def states(report: Report) -> Markup:
    """Everything that the live log tells of the past."""
    told = [(vendor.name, mode.mode, mode.past) for vendor in report.vendors for mode in vendor.modes if mode.past]
    if not told:
        return Markup()
    spans = [span for _, _, past in told for span in past.spans]
    scale = of_times(min(span.from_s for span in spans), max(span.to_s for span in spans))
    seen = [state for state in wording.STATES if any(span.state == state for span in spans)]
    period = f"{wording.exactly(scale.low)} to {wording.exactly(scale.high)}, UTC"
    rows = [_row(name, mode, past, scale) for name, mode, past in told]
    axis = element("div", {"class": "row axis-row", "aria-hidden": "true"}, element("p", {}), charts.axis(scale))
    return section(
        "states",
        joined("States over time ", quiet(period)),
        _legend(seen),
        element("div", {"class": "card past"}, rows, axis),
        details("The same as a table", _table(told)),
    )


def _legend(states: list[str]) -> Markup:
    items = [
        element(
            "li",
            {},
            charts.swatch(state),
            element("strong", {}, f"{wording.STATES[state][1]}:"),
            quiet(wording.STATES[state][2]),
        )
        for state in states
    ]
    triangle = element("path", {"class": "mark alarm", "d": "M9 6L14 15H4Z"})
    sign = element("svg", {"class": "swatch", "width": 18, "height": 20, "aria-hidden": "true"}, triangle)
    alarm = element("li", {}, sign, element("strong", {}, "alarm:"), quiet("a signal's evidence reached its threshold"))
    return element("ul", {"class": "legend"}, items, alarm)


def _row(name: str, mode: str, past: Past, scale: Scale) -> Markup:
    what = f"{name}, {mode} mode"
    said = "; ".join(f"{wording.state_name(span.state)} from {wording.exactly(span.from_s)}" for span in past.spans)
    share = f"{wording.rate(past.evidence[-1][1])} of an alarm at the end" if past.evidence else "no values yet"
    counted = (wording.plural(past.pairs, "pair"), f"{wording.plural(past.answers, 'answer')} checked")
    since = f"for {age(past.spans[-1].to_s - past.since_s)}"
    label = element(
        "div",
        {},
        element("p", {}, element("strong", {}, name), quiet(f" {mode}")),
        element("p", {"class": "small"}, badge(past.state), " ", quiet(since)),
        [element("p", {"class": "quiet small"}, count) for count in counted],
    )
    line = f"evidence of the leading signal of {what}: {share}"
    drawn = element(
        "div",
        {},
        charts.states(past, scale, f"states of {what}: {said}"),
        charts.evidence(past, scale, line),
        element(
            "p",
            {"class": "quiet small"},
            f"evidence: {share}{' (dashed line: alarm)' if len(past.evidence) > 1 else ''}",
        ),
    )
    return element("div", {"class": "row"}, label, drawn)


def _table(told: list[tuple[str, str, Past]]) -> Markup:
    rows = []
    for name, mode, past in told:
        who = f"{name}, {mode}"
        lines = [
            (span.from_s, wording.state_name(span.state), f"until {wording.exactly(span.to_s)}") for span in past.spans
        ]
        lines += [(mark.at_s, mark.what, mark.text) for mark in past.marks]
        rows += [(who, wording.exactly(at_s), what, text) for at_s, what, text in sorted(lines)]
    return table("rows", "States and alarms", ("vendor", "at", "what", ""), rows)
