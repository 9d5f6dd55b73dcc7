"""A worker's families: names and labels that a dashboard relies on, zeros from the start, and closed sets of values."""

from __future__ import annotations

import re
from functools import partial

from proxy.child.snapshot import snapshot
from proxy.metrics.worker import CONNECTION_EVENTS, TOKEN_TYPES, UPSTREAM_OUTCOMES, Metrics, code_label
from tests.exposed import exposition, value

VENDORS = ("one", "two")


def prepared() -> Metrics:
    metrics = Metrics()
    metrics.prepare(VENDORS, ("chat", "models"), [("temperature-off-contract", "temperature")])
    return metrics


def series(metrics: Metrics) -> list[str]:
    return [line for line in exposition(metrics.registry).splitlines() if not line.startswith("#")]


def test_names_follow_the_rules_of_prometheus() -> None:
    """Prefix, base units, `_total` on counters and on nothing else."""
    for family in snapshot(prepared().registry):
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
    metrics.prepare(("two",), ("chat",), [])
    assert series(metrics) == before


def test_any_status_is_a_label_of_a_closed_set() -> None:
    labels = {code_label(status) for status in range(1000)}
    assert {"none", "other", "200", "429", "503"} <= labels
    assert len(labels) < 60
    assert code_label(0) == "none"
    assert code_label(299) == "other"


def test_a_series_counts_what_the_families_show() -> None:
    metrics = prepared()
    cells = metrics.series("chat", "one", stream=True)
    cells.count("ok", 200, None, 0)
    cells.count("ok", 200, "server_error", 599)
    cells.first_token.observe(0.2)
    labels = {"route": "chat", "vendor": "one", "stream": "true", "outcome": "ok", "code": "200"}
    read = partial(value, metrics.registry)
    assert read("paramwall_requests_total", **labels) == 2
    labels = {"vendor": "one", "outcome": "server_error", "code": "other"}
    assert read("paramwall_upstream_requests_total", **labels) == 1
    name = "paramwall_upstream_time_to_first_token_seconds_bucket"
    assert [read(name, vendor="one", stream="true", le=le) for le in ("0.1", "0.25", "+Inf")] == [0, 1, 1]
