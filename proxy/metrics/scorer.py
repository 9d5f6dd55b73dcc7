"""The metrics of the scorer: signals, pairs, the reference, drift.

Not here: when something is counted. Invariants: every label value comes from configuration or from SIGNALS; what was
never published is absent rather than zero where zero would be a claim (evidence, effect), and zero where it is none
(counters).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from proxy.metrics.cells import Cell, Counters, Gauges, Histograms, Registry
from proxy.metrics.shadow import mirror_counters

STATES: Final = ("ok", "warn", "degraded", "recovering", "inconclusive", "reference_suspect")
CELLS: Final = ("neither", "vendor_only", "reference_only", "both")
"""In the order of the log's encoding, 0 to 3."""
_LAG_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_PAIR_BUCKETS: Final = (0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 240, 480, 960)


class ScorerMetrics:
    """The scorer's registry and its families."""

    def __init__(self) -> None:
        registry = self.registry = Registry()

        def counters(name: str, text: str, *labels: str) -> Counters:
            return Counters(name, text, labels, registry)

        def gauges(name: str, text: str, *labels: str) -> Gauges:
            return Gauges(name, text, labels, registry)

        series = ("vendor", "mode", "signal")
        self.mirror = mirror_counters(registry)
        self.checked = counters("paramwall_signal_checked", "Answers a signal was read from.", *series)
        self.violations = counters("paramwall_signal_violations", "Answers that violate a signal.", *series)
        self.pairs = counters(
            "paramwall_shadow_pairs", "Scored pairs, by whether the reference answered twice.", "vendor", "second"
        )
        self.cells = counters(
            "paramwall_shadow_cells", "Pairs by which side has a feature.", "vendor", "signal", "cell"
        )
        self.reference = counters(
            "paramwall_reference_requests", "Calls to the reference by how they ended.", "outcome"
        )
        self.reference_tokens = counters(
            "paramwall_reference_tokens", "Tokens spent at the reference, as it states them.", "type"
        )
        self.reference_in_flight = gauges("paramwall_reference_in_flight", "Calls under way to the reference.").labels()
        self.pair_seconds = Histograms(
            "paramwall_shadow_pair_seconds",
            "From a request's admission until its pair is complete.",
            ("vendor",),
            _PAIR_BUCKETS,
            registry,
        )
        self.budget_used = gauges(
            "paramwall_reference_budget_used_ratio", "The share of a budget for the reference that is spent.", "budget"
        )
        self.open_pairs = gauges("paramwall_shadow_open_pairs", "Mirrored exchanges that are not folded yet.").labels()
        self.last_scored = gauges(
            "paramwall_shadow_last_scored_timestamp_seconds", "When a pair was last folded.", "vendor"
        )
        self.fraction = gauges(
            "paramwall_mirror_fraction_ratio", "The share of the traffic that is selected for the mirror now.", "vendor"
        )
        self._make_probes(counters, gauges)
        self._make_drift(gauges, series)
        self.alarms = counters("paramwall_drift_alarms", "Alarms raised.", *series)
        self._make_own(counters)

    def _make_probes(self, counters: Callable[..., Counters], gauges: Callable[..., Gauges]) -> None:
        """Scheduled probes; without them there is no series."""
        self.probes = counters(
            "paramwall_probes", "Scheduled probes by what they found.", "vendor", "mode", "layer", "result"
        )
        self.probe_tokens = counters(
            "paramwall_probe_tokens",
            "Tokens that probes cost, as the vendor states them; estimated where it does not.",
            "vendor",
            "type",
        )
        self.probed_at = gauges("paramwall_probe_timestamp_seconds", "When a vendor was last probed.", "vendor")
        self.probe_budget_used = gauges(
            "paramwall_probe_budget_used_ratio",
            "The share of a vendor's daily tokens for probes that is spent.",
            "vendor",
        )

    def _make_drift(self, gauges: Callable[..., Gauges], series: tuple[str, ...]) -> None:
        """What the evidence says now. `of_now` are those that are shown anew each time."""
        self.kvv_f1 = gauges(
            "paramwall_kvv_tool_call_f1_ratio",
            "tool_call_f1 as the Kimi Vendor Verifier defines it, over all pairs of the log; it decides nothing.",
            "vendor",
            "mode",
        )
        self.kvv_schema = gauges(
            "paramwall_kvv_schema_accuracy_ratio",
            "schema_accuracy as the Kimi Vendor Verifier defines it, over all checked answers; it decides nothing.",
            "vendor",
            "mode",
        )
        self.state = gauges(
            "paramwall_drift_state", "1 for the state of a vendor's worst mode, else 0.", "vendor", "state"
        )
        self.evidence = gauges(
            "paramwall_drift_log_evidence",
            "Natural logarithm of the evidence; it stands still while an alarm lasts.",
            *series,
        )
        self.threshold = gauges(
            "paramwall_drift_log_threshold", "Natural logarithm of the evidence that is an alarm.", *series
        )
        self.active = gauges(
            "paramwall_drift_alarm_active", "Whether an alarm that speaks against the vendor lasts: 1 or 0.", *series
        )
        self.effect = gauges(
            "paramwall_drift_effect_ratio", "The effect since the change point; NaN while it is not known.", *series
        )
        self.effect_lower = gauges("paramwall_drift_effect_lower_ratio", "Its lower 95 % bound.", *series)
        self.effect_upper = gauges("paramwall_drift_effect_upper_ratio", "Its upper 95 % bound.", *series)
        self.tolerance = gauges("paramwall_drift_tolerance_ratio", "The effect that is no drift.", *series)
        self.changepoint = gauges(
            "paramwall_drift_changepoint_timestamp_seconds",
            "When the change began; NaN while there is neither an alarm nor a warning.",
            *series,
        )
        self.observations = gauges(
            "paramwall_drift_observations", "Pairs or answers folded into a series since it began.", *series
        )
        self.of_now = (
            self.state, self.evidence, self.threshold, self.active, self.effect, self.effect_lower, self.effect_upper,
            self.tolerance, self.changepoint, self.observations, self.kvv_f1, self.kvv_schema,
        )  # fmt: skip

    def _make_own(self, counters: Callable[..., Counters]) -> None:
        """How the scorer itself fares."""
        self.defects = counters("paramwall_scorer_defects", "Exchanges lost to a defect of the scorer.").labels()
        self.garbage = counters(
            "paramwall_scorer_garbage", "Connections closed because they did not speak the protocol."
        ).labels()
        self.log_failures = counters(
            "paramwall_scorer_log_failures", "Times the log could not be written; the rows wait."
        ).labels()
        self.unjudged = counters(
            "paramwall_scorer_unjudged",
            "Answers that no signal saw: a part of them, or what they were asked, is missing.",
        ).labels()
        self.unkept = counters(
            "paramwall_scorer_unkept", "Exchanges that were to be kept as evidence and gave way to newer ones."
        ).labels()
        self.log_rows = counters("paramwall_scorer_log_rows", "Rows written to the log.").labels()
        self.log_lines_dropped = counters(
            "paramwall_scorer_log_lines_dropped", "Lines of the scorer's own log that were dropped."
        ).labels()
        self.loop_lag = Histograms(
            "paramwall_scorer_loop_lag_seconds",
            "How late a timer of the scorer fired, once a second.",
            (),
            _LAG_BUCKETS,
            self.registry,
        ).labels()

    def prepare(
        self, vendors: Sequence[str], mirror: Iterable[tuple[str, str]], reference_outcomes: Iterable[str]
    ) -> None:
        """Make the children of a configuration, so that what never happened reads as zero."""
        for vendor in vendors:
            for result, reason in mirror:
                self.mirror.labels(vendor, result, reason)
            for second in ("false", "true"):
                self.pairs.labels(vendor, second)
            self.pair_seconds.labels(vendor)
        for outcome in reference_outcomes:
            self.reference.labels(outcome)

    def mirrored(self, vendor: str, result: str, reason: str) -> Cell:
        """`paramwall_mirror_total`."""
        return self.mirror.labels(vendor, result, reason)
