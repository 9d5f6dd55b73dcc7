"""The dashboard of the shadow: what is mirrored, what becomes of it, what it costs, how the scorer fares.

Not here: what the scores say (drift.py). Invariant: whatever keeps the watch from seeing has a panel, since a blind
watch looks like a healthy vendor.
"""

from __future__ import annotations

from typing import Final

from dashboards.generator.board import Board, Row
from dashboards.generator.panels import Query, bargauge, levels, stat, timeseries
from dashboards.generator.promql import grown, growth, happened, highest, pick, quantile, rate, share, total

_MIRROR: Final = "paramwall_mirror_total"
_REFERENCE: Final = "paramwall_reference_requests_total"
_TOKENS: Final = "paramwall_reference_tokens_total"
_PAIRS: Final = "paramwall_shadow_pairs_total"
_PAIR_SECONDS: Final = "paramwall_shadow_pair_seconds"
_LAST: Final = "paramwall_shadow_last_scored_timestamp_seconds"
_BUDGET: Final = "paramwall_reference_budget_used_ratio"
_SELECTED: Final = 'result="selected"'
_NOT_SCORED: Final = 'result!~"selected|scored"'
_SCORER: Final = 'role="scorer"'
_HOUR: Final = 3600
_NO_REFERENCE: Final = "No call: there is no reference, or nothing was mirrored"
_NO_PAIR: Final = "No pair was scored: there is no reference, or nothing was mirrored"
_NO_BUDGET: Final = "No budget: there is no reference"
_LOST: Final = share(rate(_MIRROR, "", 'result=~"shed|failed|expired"'), rate(_MIRROR, "", _SELECTED))
_AGE: Final = f"time() - {highest(pick(_LAST), 'vendor')}"

_NOW = Row(
    "Now",
    [
        stat(
            "Scorers",
            "Scorers that look at answers, one for each instance. 0: nothing is checked and nobody has an opinion; "
            "clients notice nothing.",
            Query(total(pick("paramwall_scorers")), "scorers"),
            unit="none",
            limits=levels("red", (1, "green")),
        ),
        stat(
            "Oldest last pair",
            "How long ago a pair was last scored, of the vendor that has waited longest. Hours with traffic: the watch "
            "over that vendor is blind.",
            Query(f"max({_AGE})", "ago", empty=_NO_PAIR),
            unit="s",
            limits=levels("green", (3600, "yellow"), (86400, "red")),
        ),
        stat(
            "Lost",
            "Share of the mirrored requests that were shed, failed or came too late. Above 1 % the pairs that are left "
            "may be a choice of easy ones.",
            Query(_LOST, "lost", empty="Nothing was mirrored in the last minutes"),
            unit="percentunit",
            limits=levels("green", (0.01, "yellow"), (0.1, "red")),
        ),
        stat(
            "Reference fails",
            "Share of the calls to the reference that did not succeed. Above 1 % every vendor becomes inconclusive.",
            Query(
                share(rate(_REFERENCE, "", 'outcome!~"ok|cancelled"'), rate(_REFERENCE)), "failed", empty=_NO_REFERENCE
            ),
            unit="percentunit",
            limits=levels("green", (0.01, "yellow"), (0.1, "red")),
        ),
        stat(
            "Tokens at the reference",
            "Tokens spent at the reference within the time range shown, input and output. You pay for them.",
            Query(grown(_TOKENS), "tokens", empty=_NO_REFERENCE),
            unit="short",
            limits=levels("blue"),
        ),
        stat(
            "Fullest budget",
            "The budget that is used most. At 100 % requests are excluded until its minute or day is over.",
            Query(f"max({pick(_BUDGET)})", "used", empty=_NO_BUDGET),
            unit="percentunit",
            limits=levels("green", (0.8, "yellow"), (1, "red")),
        ),
    ],
)

_FATES = Row(
    "What becomes of mirrored requests",
    [
        timeseries(
            "Fates",
            "scored is a pair. excluded: not to be shown to the reference, or the budget is spent. shed: no room or no "
            "scorer. failed: one side gave no answer to compare. expired: not complete in time.",
            Query(rate(_MIRROR, "result", 'result!="selected"'), "{{result}}"),
            unit="reqps",
            stacked=True,
        ),
        bargauge(
            "Why not scored, in the time range shown",
            "The seven most frequent reasons. budget_…: raise the budget or lower the share. outbox_full, no_scorer: "
            "see the scorer below. client_gone in numbers: take alarms on lengths with care.",
            Query(
                f"topk(7, {grown(_MIRROR, 'result, reason', _NOT_SCORED)} > 0)",
                "{{result}}: {{reason}}",
                empty="Everything that was mirrored was scored",
            ),
            unit="locale",
            limits=levels("green", (1, "orange")),
        ),
        timeseries(
            "Share that is mirrored",
            "mirror.fraction of each vendor, as it is now: it rises by itself to mirror.raised_fraction while a vendor "
            "is in warn. Of a vendor with mirror: false the selected are excluded, whatever this says.",
            Query(highest(pick("paramwall_mirror_fraction_ratio"), "vendor"), "{{vendor}}"),
            unit="percentunit",
        ),
        timeseries(
            "Pairs scored",
            "For each vendor; with a second answer of the reference the self-tests and agreement signals get data. A "
            "line at zero while requests come: that vendor's watch is blind.",
            Query(happened(_PAIRS, "vendor, second"), "{{vendor}}, second answer: {{second}}", empty=_NO_PAIR),
            unit="pairs/s",
        ),
        timeseries(
            "Time until a pair is scored",
            "From a request's admission until its pair is folded. It includes the wait for slower pairs before it. "
            "Close to mirror.pair_deadline, pairs expire.",
            Query(quantile(0.95, _PAIR_SECONDS, "vendor"), "{{vendor}} p95", empty=_NO_PAIR),
            Query(quantile(0.5, _PAIR_SECONDS, "vendor"), "{{vendor}} p50", empty=_NO_PAIR),
            unit="s",
        ),
        timeseries(
            "Since the last pair",
            "Seconds since a pair of this vendor was last scored. A straight climb: nothing arrives any more.",
            Query(_AGE, "{{vendor}}", empty=_NO_PAIR),
            unit="s",
        ),
        timeseries(
            "Open pairs",
            "Mirrored exchanges that are not scored yet. Growing without end: the reference is slower than what is "
            "mirrored. At 50,000 no more are opened.",
            Query(total(pick("paramwall_shadow_open_pairs")), "open pairs"),
            unit="locale",
        ),
        timeseries(
            "Answers that did not reach the scorer",
            "Answers dropped by the workers because the outbox was full or there was no scorer. Clients notice "
            "nothing; what is checked becomes a sample.",
            Query(
                happened("paramwall_answers_dropped_total", "vendor, reason"),
                "{{vendor}}: {{reason}}",
                empty="Every answer reached the scorer",
            ),
            unit="answers/s",
        ),
    ],
)

_COST = Row(
    "The reference and its cost",
    [
        timeseries(
            "Calls by outcome",
            "rate_limited: its 429, or the pause it asked for. refused: another status below 500. cut: broken off. "
            "cancelled: broken off by us, since the vendor failed or its client left. Anything but ok and cancelled "
            "above 1 % makes verdicts inconclusive.",
            Query(happened(_REFERENCE, "outcome"), "{{outcome}}", empty=_NO_REFERENCE),
            unit="reqps",
            stacked=True,
        ),
        timeseries(
            "Tokens per hour",
            "Tokens spent at the reference, as it states them, at the pace of the moment. Times its price this is the "
            "cost of the watch.",
            Query(f"{rate(_TOKENS, 'type')} * {_HOUR}", "{{type}}"),
            unit="short",
            stacked=True,
        ),
        timeseries(
            "Budgets used",
            "Share used of each of the four budgets; of several instances the fullest, since each has its own. At "
            "100 % requests are excluded, and the watch sees less.",
            Query(highest(pick(_BUDGET), "budget"), "{{budget}}", empty=_NO_BUDGET),
            unit="percentunit",
            limits=levels("transparent", (1, "red")),
        ),
        timeseries(
            "Calls under way",
            "Calls to the reference under way. Steadily at reference.max_in_flight (8) for each instance: it is the "
            "bottleneck.",
            Query(total(pick("paramwall_reference_in_flight")), "calls"),
            unit="none",
        ),
    ],
)

_FAULTS: Final = {
    "log could not be written": "paramwall_scorer_log_failures_total",
    "defects": "paramwall_scorer_defects_total",
    "answers no signal saw": "paramwall_scorer_unjudged_total",
    "exchanges not kept": "paramwall_scorer_unkept_total",
    "connections of strangers": "paramwall_scorer_garbage_total",
    "log lines dropped": "paramwall_scorer_log_lines_dropped_total",
    "reports missed": "paramwall_scorer_reports_missed_total",
}

_HEALTH = Row(
    "The scorer",
    [
        timeseries(
            "Outbox",
            "What waits in the workers for the scorer, and what may wait (dashed). At capacity, answers are dropped.",
            Query(total(pick("paramwall_outbox_bytes")), "waits"),
            Query(
                total(pick("paramwall_outbox_capacity_bytes")),
                "capacity",
                look={"custom.lineStyle": {"fill": "dash", "dash": [8, 6]}, "custom.fillOpacity": 0},
            ),
            unit="bytes",
        ),
        timeseries(
            "Faults",
            "How often, between two points of the graph. Each of these should stay at zero: log failures keep rows in "
            "memory, a defect costs an exchange, an answer no signal saw is missing from the evidence.",
            *(Query(growth(metric), name) for name, metric in _FAULTS.items()),
            unit="none",
            bars=True,
        ),
        timeseries(
            "Processor time",
            "Cores that each instance's scorer uses. At 1 it does not keep up: lower signals.fraction, or give it a "
            "core.",
            Query(rate("paramwall_process_cpu_seconds_total", "instance", _SCORER), "{{instance}}"),
            unit="cores",
        ),
        timeseries(
            "Resident memory",
            "Of each instance's scorer. It grows with open pairs and with tools in use, and comes back.",
            Query(total(pick("paramwall_process_resident_memory_bytes", _SCORER), "instance"), "{{instance}}"),
            unit="bytes",
        ),
        timeseries(
            "Loop lag",
            "How late the scorer's timers fire. It runs at a lower priority, so it is the first to feel a busy "
            "machine; above a second it does not keep up.",
            Query(quantile(0.99, "paramwall_scorer_loop_lag_seconds"), "p99"),
            Query(quantile(0.5, "paramwall_scorer_loop_lag_seconds"), "p50"),
            unit="s",
        ),
        timeseries(
            "Rows written to the log",
            "Rows a second. Zero while pairs are scored: see faults.",
            Query(rate("paramwall_scorer_log_rows_total", "instance"), "{{instance}}"),
            unit="rows/s",
        ),
        timeseries(
            "Restarts",
            "Scorers that were replaced, by reason, between two points of the graph. killed is often want of memory. "
            "Evidence goes on from where the log ends; open pairs are lost.",
            Query(growth("paramwall_scorer_restarts_total", "instance, reason"), "{{instance}}: {{reason}}"),
            unit="none",
            bars=True,
            w=24,
            h=7,
        ),
    ],
)

MIRROR: Final = Board(
    "mirror",
    "Paramwall: mirror",
    "What is mirrored to the reference, what becomes of it, what it costs, and whether the scorer keeps up.",
    [_NOW, _FATES, _COST, _HEALTH],
)
