"""Each signal's effect with its bounds, beside what is tolerated: a forest plot for each vendor and mode.

Not here: what the signals are (docs/signals.md). Invariants: rows of one plot share one axis; what was looked at and
never seen is listed, not left out.
"""

from __future__ import annotations

from typing import Final

from proxy.report import charts, wording
from proxy.report.facts import Effect, Mode, Report, Source
from proxy.report.html_parts import details, quiet, section, tag
from proxy.report.markup import Child, Markup, element, joined
from proxy.report.scales import Scale, of_effects
from proxy.signals import PROBED, SELF_TESTS

_INTRO: Final = (
    "A dot is the estimate, its line the 95 % bounds that hold at every count, the shaded band what is tolerated. A "
    "diamond is an alarm that lasts. Axes are stretched around 0 (square root), so that small rates can be seen. Where "
    "nothing alarms, the plots are folded."
)
_PROBED: Final = frozenset(signal.name for signal in PROBED)
_SELF_TESTS: Final = frozenset(signal.name for signal in SELF_TESTS)
GROUPS: Final = (
    "What no answer should do: share of answers that do",
    "Probes: share that failed",
    "Compared with the reference: more (+) or less (\N{MINUS SIGN})",
    "Compared with its own past",
    "The reference compared with itself",
)


def group_of(effect: Effect) -> str:
    """Where a signal stands."""
    if effect.signal in _PROBED:
        return GROUPS[1]
    if effect.signal in _SELF_TESTS:
        return GROUPS[4]
    if effect.kind == "baseline":
        return GROUPS[3]
    return GROUPS[0] if effect.kind in wording.RATES else GROUPS[2]


def signals(report: Report) -> Markup:
    """A part for each vendor and mode with any value."""
    parts = [
        _part(vendor.name, mode, source)
        for vendor in report.vendors
        if vendor.role == "vendor"
        for mode in vendor.modes
        for source in report.sources
        if any(effect.source == source.id for effect in mode.effects)
    ]
    if not parts:
        return Markup()
    return section("signals", "Signals", element("p", {"class": "quiet small"}, _INTRO), parts)


def _part(name: str, mode: Mode, source: Source) -> Markup:
    effects = [effect for effect in mode.effects if effect.source == source.id]
    told = [effect for effect in effects if effect.effect is not None]
    silent = [effect for effect in effects if effect.effect is None]
    plots = [_plot(title, [one for one in told if group_of(one) == title]) for title in GROUPS]
    heading = element("h3", {}, name, quiet(f" {mode.mode} mode, {source.id}, {_sum(effects)}"))
    unsaid = None
    if silent:
        names = ", ".join(one.signal for one in silent)
        unsaid = element("p", {"class": "quiet small"}, f"Too few values to show an effect: {names}.")
    alarmed = "" if any(effect.alarm for effect in effects) else None
    return element("details", {"class": "card", "open": alarmed}, element("summary", {}, heading), plots, unsaid)


def _sum(effects: list[Effect]) -> str:
    """How many were looked at, and how many alarm."""
    alarms = sum(effect.alarm for effect in effects)
    told = wording.plural(sum(effect.effect is not None for effect in effects), "signal")
    return f"{told}, {wording.plural(alarms, 'alarm') if alarms else 'no alarm'}"


def _plot(title: str, effects: list[Effect]) -> Markup:
    if not effects:
        return Markup()
    silent = [one for one in effects if _silent(one)]
    spoken = [one for one in effects if not _silent(one)]
    spoken.sort(key=lambda one: (not one.alarm, -_over(one)))
    signed = effects[0].kind not in wording.RATES
    parts: list[Child] = [element("h4", {}, title)]
    if spoken:
        parts.append(_forest(title, spoken, signed=signed))
    if silent:
        word = "Never seen" if not signed else "No pair differs"
        parts.append(details(f"{word}: {wording.plural(len(silent), 'signal')}", _forest(title, silent, signed=signed)))
    return joined(*parts)


def _silent(effect: Effect) -> bool:
    """Whether what it looks for was never seen."""
    if effect.kind in wording.RATES:
        return not effect.effect and not effect.alarm
    return wording.no_pair_differs(effect) and not effect.alarm


def _over(effect: Effect) -> float:
    """How far beyond what is tolerated."""
    return abs(effect.effect or 0.0) / max(effect.tolerance, 1e-9)


def _forest(title: str, effects: list[Effect], *, signed: bool) -> Markup:
    values = [each for one in effects for each in (one.effect, one.lower, one.upper, one.tolerance) if each is not None]
    scale = of_effects(values, signed=signed)
    columns = ("signal", charts.axis(scale), "effect", "tolerated", "n")
    head = element("tr", {}, [element("th", {"scope": "col"}, column) for column in columns])
    return element(
        "table",
        {"class": "forest"},
        element("caption", {"class": "unseen"}, title),
        element("thead", {}, head),
        element("tbody", {}, [_row(effect, scale) for effect in effects]),
    )


def _row(effect: Effect, scale: Scale) -> Markup:
    value, bounds = wording.effect_text(effect), wording.effect_bounds(effect)
    marks: list[Child] = []
    if effect.alarm:
        marks.append(tag("alarm against the reference" if effect.against_reference else "alarm"))
    if effect.learning:
        marks.append(tag("still learning"))
    sign = "" if effect.kind in wording.RATES else "±"
    said = f"{effect.signal}: {value} {bounds}, {wording.rate(effect.tolerance)} tolerated"
    cells = (
        ("effect", joined(element("strong", {}, value), " ", quiet(bounds))),
        ("tolerance", quiet(f"{sign}{wording.rate(effect.tolerance)}")),
        ("count", quiet(wording.thousands(effect.n))),
    )
    return element(
        "tr",
        {"class": "alarmed" if effect.alarm else None},
        element("th", {"scope": "row"}, effect.signal, " ", marks),
        element("td", {"class": "drawn"}, charts.effect_row(effect, scale, said)),
        [element("td", {"class": kind}, content) for kind, content in cells],
    )
