"""The dashboard to look at first: every vendor, whether it has drifted, whether it answers, how fast.

Not here: why (drift.py), what the proxy changed (policy.py). Invariant: who has a state, an error ratio and a time to
the first token stands in one row of one table.
"""

from __future__ import annotations

from typing import Final

from dashboards.generator.board import Board, Row
from dashboards.generator.panels import COLOURED, Column, Query, levels, stat, state_timeline, table, timeseries, words
from dashboards.generator.promql import (
    EVIDENCE_USED,
    STATE_NUMBER,
    happened,
    highest,
    pick,
    quantile,
    rate,
    share,
    total,
)

UPSTREAM: Final = "paramwall_upstream_requests_total"
FAILED: Final = 'outcome=~"server_error|timeout|reset|truncated"'
"""What a vendor is to blame for. Its 4xx are the client's, and a client that leaves is no failure."""
FIRST_TOKEN: Final = "paramwall_upstream_time_to_first_token_seconds"
PER_TOKEN: Final = "paramwall_upstream_time_per_output_token_seconds"
GAP: Final = "paramwall_upstream_max_chunk_gap_seconds"
ALARM: Final = "paramwall_drift_alarm_active"
SERIES_ALARM: Final = highest(pick(ALARM), "vendor, mode, signal")

_NO_STREAM: Final = "No stream in the last minutes"
STATE_WORDS: Final = words(
    (0, "ok", "green"),
    (1, "inconclusive", "blue"),
    (2, "warn", "yellow"),
    (3, "recovering", "super-light-orange"),
    (4, "reference suspect", "purple"),
    (5, "degraded", "red"),
)
ERRORS: Final = share(rate(UPSTREAM, "vendor", FAILED), rate(UPSTREAM, "vendor"))
EVIDENCE_LIMITS: Final = levels("green", (0.5, "yellow"), (1, "red"))
STATES_TEXT: Final = (
    "degraded: a signal has alarmed and the vendor is to blame. reference suspect: the alarm speaks against the "
    "reference. recovering: it was degraded, and evidence that it is over grows. warn: some evidence, no alarm. "
    "inconclusive: too few pairs for an opinion, which is not the same as ok."
)

_NOW = Row(
    "Now",
    [
        stat(
            "Degraded vendors",
            "Vendors with an alarm that lasts, on any instance. Anything but 0: open Drift, see which signal, decide "
            "whether to move traffic. Empty: no scorer tells, so nothing is known.",
            Query(total(highest(pick("paramwall_drift_state", 'state="degraded"'), "vendor")), "degraded"),
            unit="none",
            limits=levels("green", (1, "red")),
        ),
        stat(
            "Requests",
            "Requests a second that ended, over all vendors, however they ended.",
            Query(rate("paramwall_requests_total"), "requests"),
            unit="reqps",
            limits=levels("blue"),
        ),
        stat(
            "Failed exchanges",
            "Share of the exchanges with vendors that failed through the vendor: 5xx, too late, broken off. Clients "
            "saw each of them. Above 1 %: look which vendor it is.",
            Query(share(rate(UPSTREAM, "", FAILED), rate(UPSTREAM)), "failed", empty="No exchange with a vendor"),
            unit="percentunit",
            limits=levels("green", (0.01, "yellow"), (0.05, "red")),
        ),
        stat(
            "In flight",
            "Requests under way. A number that only grows means that vendors answer more slowly than clients ask.",
            Query(total(pick("paramwall_requests_in_flight")), "in flight"),
            unit="none",
            limits=levels("blue"),
        ),
        stat(
            "Series in alarm",
            "Series of evidence (vendor, mode, signal) with an alarm against their vendor that lasts. It goes back to "
            "0 when they have recovered or were accepted.",
            Query(total(SERIES_ALARM), "in alarm"),
            unit="none",
            limits=levels("green", (1, "red")),
        ),
        stat(
            "Targets that answer",
            "Share of the scraped targets that answer. Below 100 %: an instance is down, or its admin port is not "
            "reached; what it counts is missing from every graph.",
            Query(f"avg({pick('up')})", "up"),
            unit="percentunit",
            limits=levels("red", (1, "green")),
        ),
    ],
)

_VENDORS = Row(
    "Vendors",
    [
        table(
            "Vendors",
            "A row for each vendor. State as on Drift; evidence is the vendor's leading series as a share of what is "
            "an alarm, on a logarithmic scale: 100 % is an alarm. Failed, first token and per token are over the last "
            "minutes; a dash means that nothing was measured. Click a vendor to see its evidence.",
            {"vendor": "Vendor"},
            Column("State", STATE_NUMBER, looks={"mappings": STATE_WORDS, **COLOURED}),
            Column("Evidence", highest(EVIDENCE_USED, "vendor"), "percentunit",
                   looks={"thresholds": EVIDENCE_LIMITS, "decimals": 0, **COLOURED}),
            Column("In alarm", total(SERIES_ALARM, "vendor")),
            Column("Requests", rate("paramwall_requests_total", "vendor"), "reqps", looks={"decimals": 2}),
            Column("Failed", ERRORS, "percentunit", empty="No exchange with a vendor",
                   looks={"thresholds": levels("green", (0.01, "yellow"), (0.05, "red")), "decimals": 2, **COLOURED}),
            Column("First token p95", quantile(0.95, FIRST_TOKEN, "vendor"), "s", empty=_NO_STREAM),
            Column("Per token p50", quantile(0.5, PER_TOKEN, "vendor"), "s", empty=_NO_STREAM),
            Column("Output tokens", rate("paramwall_tokens_total", "vendor", 'type="output"'), "tokens/s",
                   looks={"decimals": 1}),
            h=7,
            sort="State",
            links={"Vendor": {"title": "Its evidence", "targetBlank": False,
                              "url": "/d/paramwall-drift?var-vendor=${__value.raw}&${__url_time_range}"}},
        ),
        state_timeline(
            "State over time",
            f"How each vendor stood; of several instances the worst. {STATES_TEXT}",
            Query(STATE_NUMBER, "{{vendor}}"),
            mappings=STATE_WORDS,
        ),
        timeseries(
            "Evidence of the leading series",
            "The series of each vendor that comes closest to an alarm, as a share of what is one (both as logarithms). "
            "A healthy vendor moves in the lower half; the dashed line is an alarm. While an alarm lasts it stands "
            "still.",
            Query(highest(EVIDENCE_USED, "vendor"), "{{vendor}}"),
            unit="percentunit",
            limits=levels("transparent", (1, "red")),
        ),
        timeseries(
            "Series in alarm by vendor",
            "Series of evidence with an alarm against the vendor that lasts. Several at once are mostly one cause: "
            "read the signals together.",
            Query(total(SERIES_ALARM, "vendor"), "{{vendor}}"),
            unit="none",
        ),
    ],
)  # fmt: skip

_TRAFFIC = Row(
    "Traffic",
    [
        timeseries(
            "Requests by vendor",
            "Requests a second that ended, for each vendor. A sudden end with clients still there: see outcomes.",
            Query(rate("paramwall_requests_total", "vendor"), "{{vendor}}"),
            unit="reqps",
        ),
        timeseries(
            "Failed exchanges by vendor",
            "Share of the exchanges that failed through the vendor: 5xx, too late, reset, cut off. This is what the "
            "error budget is spent on. Above 1 % for minutes is bad.",
            Query(ERRORS, "{{vendor}}", empty="No exchange with a vendor"),
            unit="percentunit",
        ),
        timeseries(
            "Exchanges that were not ok",
            "By vendor, outcome and status. client_error with 429 is the vendor's limit, with 401 or 403 a credential; "
            "status none means that no answer began.",
            Query(happened(UPSTREAM, "vendor, outcome, code", 'outcome!="ok"'), "{{vendor}}: {{outcome}} {{code}}",
                  empty="Every exchange was ok"),
            unit="reqps",
        ),
        timeseries(
            "In flight by vendor",
            "Requests under way at each vendor. Growing while the request rate does not: the vendor has become slower.",
            Query(total(pick("paramwall_requests_in_flight"), "vendor"), "{{vendor}}"),
            unit="none",
        ),
    ],
)  # fmt: skip

_SPEED = Row(
    "Speed",
    [
        timeseries(
            "Time to first token",
            "From the request sent to the first content, reasoning or tool call; streams only. p95 far above p50 means "
            "queues at the vendor. Thinking mode does not make it longer, since reasoning counts.",
            Query(quantile(0.95, FIRST_TOKEN, "vendor"), "{{vendor}} p95", empty=_NO_STREAM),
            Query(quantile(0.5, FIRST_TOKEN, "vendor"), "{{vendor}} p50", empty=_NO_STREAM),
            unit="s",
        ),
        timeseries(
            "Time per output token",
            "Mean time after the first token, by the vendor's own count; streams only. It rises when a vendor packs "
            "more requests onto one machine.",
            Query(quantile(0.95, PER_TOKEN, "vendor"), "{{vendor}} p95", empty=_NO_STREAM),
            Query(quantile(0.5, PER_TOKEN, "vendor"), "{{vendor}} p50", empty=_NO_STREAM),
            unit="s",
        ),
        timeseries(
            "Whole answers, p95",
            "From the request's head to the last byte for the client, and the vendor's part of it. They lie on each "
            "other while the proxy adds nothing.",
            Query(quantile(0.95, "paramwall_request_duration_seconds", "vendor"), "{{vendor}}"),
            Query(quantile(0.95, "paramwall_upstream_duration_seconds", "vendor"), "{{vendor}}: its part"),
            unit="s",
        ),
        timeseries(
            "Longest silence within an answer, p95",
            "p95 of the longest pause within a stream. Close to a client's idle timeout, streams begin to break.",
            Query(quantile(0.95, GAP, "vendor"), "{{vendor}}", empty=_NO_STREAM),
            unit="s",
        ),
        timeseries(
            "Tokens",
            "Tokens a second as the vendors' usage states them. Output that falls with steady requests means shorter "
            "answers; look at the length signals on Drift.",
            Query(happened("paramwall_tokens_total", "vendor, type"), "{{vendor}}: {{type}}",
                  empty="No vendor stated any tokens"),
            unit="tokens/s",
        ),
        timeseries(
            "Answers without usage",
            "Complete answers in which the vendor stated no token counts. They are missing from tokens and costs; any "
            "lasting rate breaks the contract.",
            Query(rate("paramwall_usage_missing_total", "vendor"), "{{vendor}}"),
            unit="reqps",
        ),
    ],
)  # fmt: skip

FLEET: Final = Board(
    "fleet",
    "Paramwall: fleet",
    "All vendors: whether they have drifted, whether they answer, how fast.",
    [_NOW, _VENDORS, _TRAFFIC, _SPEED],
)
