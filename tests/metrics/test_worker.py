"""A worker's families: names and labels that a dashboard relies on, zeros from the start, and closed sets of values."""

from __future__ import annotations

import re
from functools import partial

from proxy.child.snapshot import snapshot
from proxy.metrics.worker import CODES, CONNECTION_EVENTS, TOKEN_TYPES, UPSTREAM_OUTCOMES, Metrics, code_label
from tests.exposed import exposition, value

VENDORS = ("one", "two")


def prepared() -> Metrics:
    metrics = Metrics()
    for vendor in VENDORS:
        metrics.prepare(vendor, ("chat", "models"), ("chat",), [("temperature-off-contract", "rewrite", "temperature")])
    return metrics


def series(metrics: Metrics) -> list[str]:
    return [line for line in exposition(snapshot(metrics.registry)).splitlines() if not line.startswith("#")]


def test_names_follow_the_rules_of_prometheus() -> None:
    """Prefix, base units, `_total` on counters and on nothing else."""
    for family in snapshot(prepared().registry).layout:
        assert re.fullmatch(r"paramwall(_[a-z]+)+", family.name)
        assert family.text.endswith(".")
        assert not family.name.endswith("_total")
        if family.kind == "histogram":
            assert family.name.endswith("_seconds")


def test_what_never_happened_reads_as_zero() -> None:
    metrics = prepared()
    read = partial(value, metrics.registry)
    for vendor in VENDORS:
        for outcome in UPSTREAM_OUTCOMES:
            code = "200" if outcome == "ok" else "none"
            labels = {"vendor": vendor, "outcome": outcome, "code": code}
            assert read("paramwall_upstream_requests_total", **labels) == 0
        for event in CONNECTION_EVENTS:
            assert read("paramwall_upstream_connection_events_total", vendor=vendor, event=event) == 0
        for kind in TOKEN_TYPES:
            assert read("paramwall_tokens_total", vendor=vendor, type=kind) == 0
        assert read("paramwall_upstream_connections", vendor=vendor) == 0
        assert read("paramwall_usage_missing_total", vendor=vendor) == 0
    assert all(line.endswith(" 0.0") for line in series(metrics))


def test_preparing_again_changes_nothing() -> None:
    """A reload keeps what was counted, and the children of vendors that are gone."""
    metrics = prepared()
    metrics.requests("chat", "one", False, "ok", 200).inc()
    metrics.series("chat", "one", stream=False).duration.observe(1.0)
    before = series(metrics)
    metrics.prepare("two", ("chat",), (), [])
    assert series(metrics) == before


def test_any_status_is_a_label_of_a_closed_set() -> None:
    assert {code_label(status) for status in range(1000)} == set(CODES)
    named = {
        0: "none",
        200: "200",
        299: "2xx",
        302: "3xx",
        418: "4xx",
        429: "429",
        599: "5xx",
        100: "other",
        999: "other",
    }
    assert {status: code_label(status) for status in named} == named


def test_only_streams_have_what_only_streams_fill() -> None:
    """And a route on which no stream can be asked for has none. A vendor that streams unasked adds no series."""
    metrics = prepared()
    before = series(metrics)
    labels = [line.partition(" ")[0] for line in before]
    stream_only = [line for line in labels if re.search("first_token|output_token|chunk_gap", line)]
    assert stream_only
    assert not [line for line in stream_only if 'stream="true"' not in line]
    assert not [line for line in labels if 'route="models"' in line and 'stream="true"' in line]
    metrics.series("chat", "one", stream=False).first_token.observe(0.2)
    assert len(series(metrics)) == len(before)
    assert (
        value(metrics.registry, "paramwall_upstream_time_to_first_token_seconds_count", vendor="one", stream="true")
        == 1
    )


def test_a_request_that_came_nowhere_is_one_series() -> None:
    metrics = prepared()
    before = len(series(metrics))
    metrics.series("none", "none", stream=False).count("rejected", 404, None, 0)
    assert len(series(metrics)) == before + 1


def test_a_series_counts_what_the_families_show() -> None:
    metrics = prepared()
    cells = metrics.series("chat", "one", stream=True)
    cells.count("ok", 200, None, 0)
    cells.count("ok", 200, "server_error", 599)
    cells.first_token.observe(0.2)
    labels = {"route": "chat", "vendor": "one", "stream": "true", "outcome": "ok", "code": "200"}
    read = partial(value, metrics.registry)
    assert read("paramwall_requests_total", **labels) == 2
    labels = {"vendor": "one", "outcome": "server_error", "code": "5xx"}
    assert read("paramwall_upstream_requests_total", **labels) == 1
    name = "paramwall_upstream_time_to_first_token_seconds_bucket"
    assert [read(name, vendor="one", stream="true", le=le) for le in ("0.1", "0.25", "+Inf")] == [0, 1, 1]
