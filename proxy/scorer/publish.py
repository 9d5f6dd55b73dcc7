"""What the scorer lets others know: metrics from what is in the log, and the JSON of `/status` and `paramwall status`.

Not here: folding and the log. Invariant: only what is committed is published, so whatever anybody has seen survives a
crash.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import orjson

from proxy.drift.report import Alarm, Event, KeyView, SeriesView
from proxy.drift.rows import AnswersRow, PairRow, ProbesRow, Row
from proxy.metrics.scorer import CELLS, STATES, ScorerMetrics
from proxy.scorer.book import KVV_INVALID, Book, told
from proxy.scorer.pairs import Pairs
from proxy.signals import SIGNALS
from proxy.signals.signal import Kind

ALARMS_TOLD: Final = 20
_SWAPS: Final = frozenset(signal.name for signal in SIGNALS if signal.kind is Kind.SWAP)
_SPEAKING: Final = ("degraded", "reference_suspect", "recovering", "warn")
"""States that stand for a vendor as soon as one of its modes is in it, the first before the others."""
_LEAST_LOG: Final = -50.0
"""Shown for evidence of nothing: the logarithm of 0 is no number that a graph could show."""


class Publisher:
    """Steps metrics and renders the status."""

    def __init__(self, metrics: ScorerMetrics) -> None:
        self._metrics = metrics
        self.detail = b""

    def count(self, row: Row, events: tuple[Event, ...]) -> None:
        """One committed row and what it led to."""
        metrics = self._metrics
        match row:
            case AnswersRow() | ProbesRow():
                self._count_answers(row)
            case PairRow():
                for name, value in row.values.items():
                    if name in _SWAPS and isinstance(value, int):
                        metrics.cells.labels(row.key.vendor, name, CELLS[value]).value += 1
                metrics.last_scored.labels(row.key.vendor).value = row.at_s
        for event in events:
            if isinstance(event, Alarm):
                metrics.alarms.labels(event.key.vendor, event.key.mode, event.series).value += 1

    def show(self, book: Book, vendors: Mapping[str, str], now_s: float, extra: dict[str, Any]) -> None:
        """The state of everything that concerns `vendors`, each with its policy; what is configured no more is left
        out.
        """
        views = [view for view in book.fleet.view(now_s) if vendors.get(view.key.vendor) == view.key.policy]
        for family in self._metrics.of_now:
            family.clear()
        for view in views:
            self._show_series(view)
            self._show_verifier(book, view)
        for vendor in vendors:
            current = state_of([view for view in views if view.key.vendor == vendor])
            for state in STATES:
                self._metrics.state.labels(vendor, state).value = float(state == current)
        # The number is the one that `paramwall evidence` knows an alarm by.
        numbered = [{"number": number, **alarm} for number, alarm in enumerate(book.alarms, 1)]
        alarms = [alarm for alarm in numbered if alarm["key"]["vendor"] in vendors]
        told_views = [told(view) for view in views]
        self.detail = orjson.dumps({"drift": told_views, "alarms": alarms[-ALARMS_TOLD:], **extra}, default=str)

    def _count_answers(self, row: AnswersRow | ProbesRow) -> None:
        vendor, mode = row.key.vendor, row.key.mode
        for name, outcomes in row.outcomes.items():
            if name != KVV_INVALID:
                self._metrics.checked.labels(vendor, mode, name).value += len(outcomes)
                self._metrics.violations.labels(vendor, mode, name).value += len(outcomes) - outcomes.count(0)

    def _show_series(self, view: KeyView) -> None:
        metrics = self._metrics
        for series in view.series:
            if not series.n:
                continue
            labels = (view.key.vendor, view.key.mode, series.name)
            metrics.evidence.labels(*labels).value = max(series.log_evidence, _LEAST_LOG)
            metrics.threshold.labels(*labels).value = series.log_threshold
            metrics.tolerance.labels(*labels).value = series.tolerance
            metrics.observations.labels(*labels).value = series.n
            metrics.active.labels(*labels).value = float(blames_vendor(series))
            metrics.alarms.labels(*labels)  # a counter that is born with its first alarm has no increase
            _show_effect(metrics, labels, series)

    def _show_verifier(self, book: Book, view: KeyView) -> None:
        for family, value in (
            (self._metrics.kvv_f1, book.tool_call_f1(view.key)),
            (self._metrics.kvv_schema, book.schema_accuracy(view.key)),
        ):
            if value is not None:
                family.labels(view.key.vendor, view.key.mode).value = value


def show_mirror(metrics: ScorerMetrics, pairs: Pairs, fractions: Mapping[str, float]) -> dict[str, Any]:
    """What is under way towards the reference, as metrics; and as a member of the status."""
    leg, open_pairs = pairs.leg, len(pairs.ledger)
    metrics.open_pairs.set(open_pairs)
    metrics.reference_in_flight.set(0 if leg is None else leg.in_flight)
    used = {} if leg is None else pairs.budget_used()
    for family in (metrics.budget_used, metrics.fraction):  # a reference or a vendor may be configured no more
        family.clear()
    for budget, share in used.items():
        metrics.budget_used.labels(budget).set(share)
    for vendor, fraction in fractions.items():
        metrics.fraction.labels(vendor).set(fraction)
    return {
        "reference": None if leg is None else f"{leg.reference.name}/{leg.reference.model}",
        "fractions": dict(fractions),
        "open_pairs": open_pairs,
        "paused": leg is not None and leg.paused,
        "budgets_used": {budget: round(share, 4) for budget, share in used.items()},
    }


def _show_effect(metrics: ScorerMetrics, labels: tuple[str, str, str], series: SeriesView) -> None:
    """An effect that is not known any more reads NaN: a gauge that stays would claim what it said last."""
    for family, value in (
        (metrics.effect, series.effect),
        (metrics.effect_lower, series.lower),
        (metrics.effect_upper, series.upper),
        (metrics.changepoint, series.changepoint_s),
    ):
        family.labels(*labels).value = math.nan if value is None else value


def blames_vendor(series: SeriesView) -> bool:
    """Whether it is an alarm that lasts and speaks against the vendor: not against the reference, and not a vendor's
    own past, which makes no state.
    """
    return series.alarmed_at_s is not None and not (series.suspect or series.of_reference or series.kind == "baseline")


def state_of(views: list[KeyView]) -> str:
    """The state of a vendor whose modes may differ: the gravest, else that of the mode with most to go by."""
    states = {str(view.state) for view in views}
    speaking = next((state for state in _SPEAKING if state in states), None)
    if speaking is not None or not views:
        return speaking or "inconclusive"
    return str(max(views, key=lambda view: (view.pairs_in_window, view.answers_in_window)).state)
