"""Any families are written byte for byte as prometheus-client writes them, in both formats."""

from __future__ import annotations

import math
import os
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import exposition as their_plain
from prometheus_client import generate_latest
from prometheus_client.openmetrics import exposition as their_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from proxy.child.snapshot import Family, Snapshot, snapshot
from proxy.metrics.cells import Kind
from proxy.metrics.scorer import ScorerMetrics
from proxy.metrics.worker import Metrics
from proxy.supervisor import exposition
from proxy.supervisor.merge import Totals
from tests.exposed import collected, metric

NAMES = st.from_regex(r"[a-z]{1,6}(_[a-z]{1,6}){0,2}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ('"', "\\", "\n", 'a%s%%\\"b\nc')
)
LARGE = st.integers(0, 2**70).map(float) | st.sampled_from((999999.0, 1e6, 1e6 + 0.5, 1e15, 1e16, 123456789.125, -1e9))
NUMBERS = st.floats() | LARGE | st.sampled_from((0.0, -0.0, math.inf, -math.inf, math.nan))
COUNTS = st.integers(0, 2**52).map(float)
KINDS: st.SearchStrategy[Kind] = st.sampled_from(("counter", "gauge", "histogram"))
BOUNDS = st.lists(st.floats(0, 1e9), max_size=4, unique=True).map(lambda bounds: tuple(sorted(bounds)))


@st.composite
def families(draw: st.DrawFn) -> tuple[Family, list[float]]:
    kind = draw(KINDS)
    labels = draw(st.lists(NAMES.filter(lambda name: name != "le"), max_size=4, unique=True))
    bounds = draw(BOUNDS) if kind == "histogram" else ()
    children = draw(st.lists(st.tuples(*(TEXTS for _ in labels)), max_size=4, unique=True))
    family = Family(f"pw_{draw(NAMES)}", kind, draw(TEXTS), tuple(labels), bounds, tuple(children))
    counts = st.lists(COUNTS, min_size=family.width - 1, max_size=family.width - 1)
    return family, [number for _ in children for number in (*draw(counts), draw(NUMBERS))]


@settings(max_examples=300, deadline=None)
@given(st.lists(families(), max_size=4, unique_by=lambda each: each[0].name))
def test_as_prometheus_client_writes_them(given: list[tuple[Family, list[float]]]) -> None:
    ours = Snapshot(tuple(family for family, _ in given), [number for _, numbers in given for number in numbers])
    theirs = collected(metric(*each) for each in given)
    assert exposition.plain(ours) == generate_latest(theirs)
    assert exposition.openmetrics(ours) == their_openmetrics.generate_latest(theirs)  # type: ignore[no-untyped-call]


def test_the_content_types_are_those_of_the_formats() -> None:
    assert exposition.PLAIN_TYPE == their_plain.CONTENT_TYPE_PLAIN_0_0_4
    assert exposition.OPENMETRICS_TYPE == their_openmetrics.CONTENT_TYPE_LATEST


def real() -> Snapshot:
    metrics, scorer = Metrics(), ScorerMetrics()
    metrics.series("chat", "one", stream=True).duration.observe(0.7)
    scorer.effect.labels("one", "thinking", "empty_answer").set(math.nan)
    return Totals().merged([snapshot(metrics.registry), snapshot(scorer.registry)])


def test_a_parser_reads_it_back() -> None:
    """prometheus-client's OpenMetrics parser is stricter than Prometheus: it checks buckets, counts and names."""
    text = exposition.openmetrics(real()).decode()
    read = {family.name: len(family.samples) for family in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]
    assert read["paramwall_request_duration_seconds"] == 16
    assert read["paramwall_drift_effect_ratio"] == 1


def test_promtool_finds_nothing() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        why = "promtool is not installed; hint: apt-get install prometheus"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    assert promtool is not None
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=exposition.plain(real()), capture_output=True, check=False, timeout=60
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
