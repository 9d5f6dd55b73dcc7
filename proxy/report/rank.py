"""Who stands before whom in one mode.

Not here: how a place is drawn. Invariants: two vendors whose intervals overlap in what ranks them share a rank; a
vendor without a figure of the source that ranks, or with one of too few values, is not ranked; the order of the input
changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final

from proxy.report.facts import Effect, Figure, Mode, Origin, Place, Ranking, Source, Vendor, Verification

ENOUGH: Final = 50
"""Values from which on a figure ranks."""
RULE: Final = (
    "Within a mode, vendors that nothing stands against (no drift alarm that lasts, no failed verification) come "
    "first; among equals a vendor ranks lower only where its whole interval lies below, first in the contract pass "
    "rate, then in tool-call F1, and vendors whose intervals overlap share a rank."
)
_AGAINST: Final = ("degraded", "recovering")


def ranking_of(mode: str, vendors: Sequence[Vendor], sources: Sequence[Source]) -> Ranking | None:
    """The places of all vendors that are known in a mode; None where there is none."""
    known = [(vendor, found) for vendor in vendors if vendor.role == "vendor" and (found := _mode(vendor, mode))]
    if not known:
        return None
    source = _ranking_source([found for _, found in known], sources)
    ranked = [(vendor, found) for vendor, found in known if _ranks(found, source)]
    places, rank = [], 1
    for group in _ordered(ranked, source):
        places += [Place(name, rank, "") for name in sorted(vendor.name for vendor, _ in group)]
        rank += len(group)
    left = [(vendor, found) for vendor, found in known if not _ranks(found, source)]
    unranked = [Place(vendor.name, None, _why(found, source)) for vendor, found in left]
    return Ranking(mode, source, (*places, *sorted(unranked, key=lambda place: place.vendor)))


def standing_against(vendor: Vendor, mode: Mode) -> bool:
    """Whether something was found against a vendor in a mode."""
    live = "" if mode.past is None else mode.past.source
    drifted = mode.past is not None and mode.past.state in _AGAINST
    drifted = drifted or any(blames(effect) and effect.source != live for effect in mode.effects)
    run = newest(vendor)
    return drifted or (run is not None and run.verdict == "fail")


def newest(vendor: Vendor) -> Verification | None:
    """The verification that counts."""
    return max(vendor.verifications, key=lambda run: run.at_s, default=None)


Ranked = tuple[Vendor, Mode]


def _ordered(ranked: Sequence[Ranked], source: str) -> list[list[Ranked]]:
    """Groups of one rank, the first first."""
    groups = []
    by_finding = sorted(ranked, key=lambda one: standing_against(*one))
    for _, some in groupby(by_finding, key=lambda one: standing_against(*one)):
        for alike in _apart(list(some), lambda one: figure_from(one[1].contract, source)):
            groups += _apart(alike, lambda one: figure_from(one[1].tool_call_f1, source))
    return groups


def _apart(ranked: list[Ranked], figure: Callable[[Ranked], Figure | None]) -> list[list[Ranked]]:
    """Groups that no interval reaches over, the highest first. Without a figure an interval is everything."""
    bounds = {id(one): _bounds(figure(one)) for one in ranked}
    groups: list[list[Ranked]] = []
    lowest = 0.0
    for one in sorted(ranked, key=lambda one: bounds[id(one)][1], reverse=True):
        lower, upper = bounds[id(one)]
        if groups and upper >= lowest:
            groups[-1].append(one)
            lowest = min(lowest, lower)
        else:
            groups.append([one])
            lowest = lower
    return groups


def _bounds(figure: Figure | None) -> tuple[float, float]:
    if figure is None or figure.lower is None or figure.upper is None or figure.n < ENOUGH:
        return 0.0, 1.0
    return figure.lower, figure.upper


def _mode(vendor: Vendor, mode: str) -> Mode | None:
    return next((found for found in vendor.modes if found.mode == mode), None)


def _ranking_source(modes: Sequence[Mode], sources: Sequence[Source]) -> str:
    """The one that ranks most vendors; at a tie a replay, which sent all of them the same, then the newest. "" where
    none ranks any.
    """
    best = max(
        (
            (sum(_ranks(mode, one.id) for mode in modes), one.origin is Origin.REPLAY, one.at_s, one.id)
            for one in sources
        ),
        default=None,
    )
    return best[3] if best is not None and best[0] else ""


def _ranks(mode: Mode, source: str) -> bool:
    figure = figure_from(mode.contract, source)
    return figure is not None and figure.lower is not None and figure.n >= ENOUGH


def figure_from(figures: Sequence[Figure], source: str) -> Figure | None:
    """The figure of a source."""
    return next((figure for figure in figures if figure.source == source), None)


def _why(mode: Mode, source: str) -> str:
    figure = figure_from(mode.contract, source)
    if not source:
        return f"no source has a contract pass rate with bounds and {ENOUGH} answers"
    if figure is None:
        return f"nothing of it in {source}"
    if figure.n >= ENOUGH:
        return f"its contract pass rate in {source} has no bounds"
    return f"{figure.n} answers in {source}, {ENOUGH} are needed"


def blames(effect: Effect) -> bool:
    """Whether a signal speaks against the vendor."""
    return effect.alarm and not effect.against_reference and effect.kind != "baseline"
