"""The leaderboard of each mode.

Not here: the ranks (rank.py). Invariant: figures of one column share one axis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from proxy.report import charts, wording
from proxy.report.facts import Figure, Mode, Place, Ranking, Report, Vendor
from proxy.report.html_parts import Cell, badge, figure_block, quiet, section, table, tag, verdict
from proxy.report.markup import Child, Markup, element, joined
from proxy.report.rank import RULE, figure_from
from proxy.report.scales import Scale, of_shares

_COLUMNS = ("rank", "vendor", "contract pass rate", "tool_call_f1", "schema accuracy")


def boards(report: Report) -> Markup:
    """A table for each mode that ranks, and the rule."""
    if not report.rankings:
        return Markup()
    rule = element("p", {"class": "quiet small rule"}, RULE)
    return joined([_board(report, ranking) for ranking in report.rankings], rule)


def _board(report: Report, ranking: Ranking) -> Markup:
    named = {vendor.name: vendor for vendor in report.vendors if vendor.role == "vendor"}
    rows = [(place, named[place.vendor]) for place in ranking.places]
    references = [vendor for vendor in report.vendors if vendor.role != "vendor" and _mode(vendor, ranking.mode)]
    rows += [(Place(vendor.name, None, ""), vendor) for vendor in references]
    found = [(place, vendor, mode) for place, vendor in rows if (mode := _mode(vendor, ranking.mode))]
    modes = [mode for _, _, mode in found]
    contract = _scale((figure for mode in modes for figure in mode.contract), _percent)
    f1 = _scale((each for mode in modes for each in (*mode.tool_call_f1, *mode.floors)), _short)
    schema = _scale((figure for mode in modes for figure in mode.schema_accuracy), _percent)
    written = [
        (
            Cell(_rank(place), "rank"),
            Cell(_vendor(vendor, mode, place.why if ranking.source else ""), "name"),
            _figures(mode.contract, contract),
            _figures(mode.tool_call_f1, f1, mode.floors, as_ratio=True),
            _figures(mode.schema_accuracy, schema),
        )
        for place, vendor, mode in found
    ]
    axes = ("", "", *(charts.axis(scale) if scale else None for scale in (contract, f1, schema)))
    ranked = f"ranked by {ranking.source}" if ranking.source else f"not ranked: {ranking.places[0].why}"
    heading = joined("Leaderboard ", quiet(f"{ranking.mode} mode, {ranked}"))
    board = table("board", f"Vendors in {ranking.mode} mode, the best first", _COLUMNS, written, axes)
    return section(f"board-{ranking.mode}", heading, board)


def _rank(place: Place) -> Markup:
    if place.rank is None:
        return element("span", {"class": "quiet"}, wording.NONE)
    return element("strong", {}, str(place.rank))


def _vendor(vendor: Vendor, mode: Mode, why: str) -> Markup:
    states: list[Child] = []
    if mode.past is not None:
        states.append(badge(mode.past.state))
    states += [joined(verdict(run.verdict), " ", quiet("verify "), tag(run.source)) for run in vendor.verifications]
    if vendor.role == "vendor" and not vendor.verifications:
        states.append(quiet("not verified"))
    if why:
        states.append(quiet(f"not ranked: {why}"))
    role = None if vendor.role == "vendor" else tag("reference")
    name = element("p", {}, element("strong", {}, vendor.name), " ", role)
    return joined(name, [element("p", {"class": "small"}, state) for state in states])


def _figures(
    figures: Sequence[Figure], scale: Scale | None, floors: Sequence[Figure] = (), *, as_ratio: bool = False
) -> Child:
    if not figures or scale is None:
        return quiet("not known")
    return [figure_block(each, scale, figure_from(floors, each.source), as_ratio=as_ratio) for each in figures]


def _mode(vendor: Vendor, mode: str) -> Mode | None:
    return next((found for found in vendor.modes if found.mode == mode), None)


def _scale(figures: Iterable[Figure], label: Callable[[float], str]) -> Scale | None:
    """One axis for all of them; None where there are none."""
    found = [each for figure in figures for each in (figure.value, figure.lower) if each is not None]
    return of_shares(found, label) if found else None


def _short(value: float) -> str:
    return f"{value:g}"


def _percent(value: float) -> str:
    return f"{100 * value:g}{wording.SPACE}%"
