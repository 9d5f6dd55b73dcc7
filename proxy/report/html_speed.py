"""How fast vendors are, how their requests ended and what tokens they took, where a source tells.

Not here: live traffic, whose log holds none of this. Invariant: a bar is drawn of what was measured only.
"""

from __future__ import annotations

from fractions import Fraction

from proxy.report import charts, wording
from proxy.report.facts import Report, Times, Usage, Vendor
from proxy.report.html_parts import headed, quiet, section, table, tag
from proxy.report.markup import Child, Markup, element, joined
from proxy.report.scales import Scale, of_durations

_COLUMNS = ("vendor", "first token", "whole answer", "requests", "tokens")
_NOTE = "A bar ends at the median, the line behind it at the 95th percentile; each column has an axis of its own."


def speed(report: Report) -> Markup:
    """A row for each vendor and source."""
    told = [vendor for vendor in report.vendors if vendor.times or vendor.usages]
    if not told:
        return Markup()
    scales = {what: _scale(told, what) for what in ("first token", "whole answer")}
    rows = [_row(vendor, source, scales) for vendor in told for source in _sources(vendor)]
    axes = ("", *(charts.axis(scale) for scale in scales.values()), "", "")
    body = table("speed", "Latency, requests and tokens", _COLUMNS, rows, axes)
    return section("speed", "Latency and tokens", element("p", {"class": "quiet small"}, _NOTE), body)


def _sources(vendor: Vendor) -> list[str]:
    return list(dict.fromkeys([*(each.source for each in vendor.times), *(each.source for each in vendor.usages)]))


def _scale(vendors: list[Vendor], what: str) -> Scale:
    found = [times for vendor in vendors for times in vendor.times if times.what == what]
    return of_durations(each for times in found for each in (times.p50, times.p95) if each is not None)


def _row(vendor: Vendor, source: str, scales: dict[str, Scale]) -> tuple[Child, ...]:
    times: dict[str, Times] = {each.what: each for each in vendor.times if each.source == source}
    usage = next((each for each in vendor.usages if each.source == source), None)
    role = None if vendor.role == "vendor" else tag("reference")
    name = joined(element("strong", {}, vendor.name), " ", role, " ", quiet(source))
    return (name, *(_times(times.get(what), scale) for what, scale in scales.items()), _requests(usage), _tokens(usage))


def _times(times: Times | None, scale: Scale) -> Child:
    if times is None:
        return quiet("not known")
    said = f"{times.what}: {wording.quantiles(times)}"
    late = None if times.p95 is None else quiet(f"p95 {wording.duration(times.p95)}")
    return element(
        "div",
        {"class": "figure"},
        headed(element("strong", {}, wording.duration(times.p50)), " ", late, n=times.n, source=times.source),
        charts.quantiles(times, scale, said),
        charts.axis(scale, "axis narrow"),
    )


def _requests(usage: Usage | None) -> Child:
    if usage is not None and usage.requests is not None:
        return element("p", {}, wording.thousands(usage.requests), quiet(" sent"))
    if usage is None or usage.asked is None:
        return quiet("not known")
    answered = f" of {wording.thousands(usage.asked)} answered"
    why = [f"{wording.thousands(count)} {reason.replace('_', ' ')}" for reason, count in usage.failed]
    if usage.retried:
        why.append(f"{wording.thousands(usage.retried)} further attempts")
    return [
        element("p", {}, wording.thousands(usage.answered or 0), quiet(answered)),
        element("p", {"class": "quiet small"}, ", ".join(why)) if why else None,
    ]


def _tokens(usage: Usage | None) -> Child:
    if usage is None:
        return quiet("not known")
    each = ""
    if usage.answered:
        each = f"{wording.thousands(round(Fraction(usage.completion_tokens, usage.answered)))} completion an answer"
    return [
        element("p", {}, wording.thousands(usage.completion_tokens), quiet(" completion")),
        element("p", {}, wording.thousands(usage.prompt_tokens), quiet(" prompt")),
        element("p", {"class": "quiet small"}, each) if each else None,
    ]
