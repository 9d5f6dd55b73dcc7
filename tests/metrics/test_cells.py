"""Cells say what prometheus-client's own children would say, line by line of both expositions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from proxy.child.snapshot import snapshot
from proxy.metrics.cells import Counters, Gauges, Histograms, Registry
from proxy.supervisor import exposition
from tests.exposed import value

LABELS = ("vendor", "mode")
VALUES = st.tuples(st.text(max_size=5), st.text(max_size=5))
AMOUNTS = st.floats(min_value=0, max_value=1e15, allow_nan=False)
BOUNDS = st.lists(st.floats(min_value=0, max_value=1e6, allow_nan=False), min_size=1, max_size=8, unique=True).map(
    sorted
)


def lines(text: bytes) -> list[str]:
    """An exposition without start times, which cells do not keep: a sum of two start times means nothing."""
    return [line for line in text.decode().split("\n") if "_created" not in line]


def alike(ours: Registry, theirs: CollectorRegistry) -> bool:
    plain = lines(exposition.plain(snapshot(ours))) == lines(generate_latest(theirs))
    return plain and lines(exposition.openmetrics(snapshot(ours))) == lines(openmetrics(theirs))  # type: ignore[no-untyped-call]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(VALUES, AMOUNTS), max_size=12))
def test_counters(steps: list[tuple[tuple[str, str], float]]) -> None:
    ours, theirs = Registry(), CollectorRegistry()
    cells = Counters("pw_requests", 'Help with "quotes" and \\ and a\nline.', LABELS, ours)
    counter = Counter("pw_requests", 'Help with "quotes" and \\ and a\nline.', LABELS, registry=theirs)
    for values, amount in steps:
        cells.labels(*values).inc(amount)
        counter.labels(*values).inc(amount)
    assert alike(ours, theirs)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(VALUES, st.booleans(), st.floats()), max_size=12))
def test_gauges(steps: list[tuple[tuple[str, str], bool, float]]) -> None:
    ours, theirs = Registry(), CollectorRegistry()
    cells, gauge = Gauges("pw_open", "Open.", LABELS, ours), Gauge("pw_open", "Open.", LABELS, registry=theirs)
    for values, up, amount in steps:
        cell, child = cells.labels(*values), gauge.labels(*values)
        if up:
            cell.inc(amount)
            child.inc(amount)
        else:
            cell.dec()
            child.dec()
    assert alike(ours, theirs)


def test_a_gauge_that_is_asked() -> None:
    ours, theirs = Registry(), CollectorRegistry()
    Gauges("pw_lag", "Lag.", (), ours).labels().set_function(lambda: 1.5)
    Gauge("pw_lag", "Lag.", registry=theirs).set_function(lambda: 1.5)
    assert alike(ours, theirs)


@settings(max_examples=100, deadline=None)
@given(BOUNDS, st.data())
def test_histograms(bounds: list[float], data: st.DataObject) -> None:
    """Values on a bound, beside one, and beyond all of them."""
    near = st.sampled_from(bounds).flatmap(
        lambda bound: st.sampled_from([bound, math.nextafter(bound, -math.inf), math.nextafter(bound, math.inf)])
    )
    values = data.draw(st.lists(near | st.floats(min_value=-1e7, max_value=1e7), max_size=20))
    ours, theirs = Registry(), CollectorRegistry()
    cell = Histograms("pw_seconds", "Seconds.", ("vendor",), bounds, ours).labels("a")
    child = Histogram("pw_seconds", "Seconds.", ("vendor",), buckets=bounds, registry=theirs).labels("a")
    for seen in values:
        cell.observe(seen)
        child.observe(seen)
    texts = exposition.plain(snapshot(ours)), generate_latest(theirs)
    without_sums = [[line for line in lines(text) if "_sum" not in line] for text in texts]
    assert without_sums[0] == without_sums[1]
    assert value(ours, "pw_seconds_sum", vendor="a") == pytest.approx(
        theirs.get_sample_value("pw_seconds_sum", {"vendor": "a"})
    )


def test_families_without_labels_and_without_children() -> None:
    ours, theirs = Registry(), CollectorRegistry()
    Counters("pw_a", "A.", (), ours).labels().inc()
    Counter("pw_a", "A.", registry=theirs).inc()
    Counters("pw_b", "B.", LABELS, ours)
    Counter("pw_b", "B.", LABELS, registry=theirs)
    Histograms("pw_c", "C.", LABELS, (1.0,), ours)
    Histogram("pw_c", "C.", LABELS, buckets=(1.0,), registry=theirs)
    assert alike(ours, theirs)


def test_a_child_is_made_once() -> None:
    registry = Registry()
    counters = Counters("pw_a", "A.", LABELS, registry)
    assert counters.labels("a", "b") is counters.labels("a", "b")
    assert counters.labels("a", "b") is not counters.labels("b", "a")
