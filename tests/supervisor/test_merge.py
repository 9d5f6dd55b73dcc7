"""Adding up snapshots: cases as data, and the promise that no counter goes back as a property."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from proxy.child.snapshot import Family, Sample, Snapshot, families
from proxy.supervisor.merge import MergedCollector, Totals

Labels = tuple[tuple[str, str], ...]

A: Labels = (("vendor", "a"),)
B: Labels = (("vendor", "b"),)


def family(name: str, kind: str, **values: dict[Labels, float]) -> Family:
    """A family whose samples are given by ending: `total={A: 1.0}` is `<name>_total{vendor="a"} 1`."""
    samples: list[Sample] = [
        (f"{name}_{ending}" if ending != "plain" else name, dict(labels), value)
        for ending, by_labels in values.items()
        for labels, value in by_labels.items()
    ]
    return Family(name, kind, "Text.", tuple(samples))


def merged(totals: Totals, *living: Snapshot) -> dict[tuple[str, Labels], float]:
    return {
        (sample.name, tuple(sample.labels.items())): sample.value
        for metric in totals.merged(living)
        for sample in metric.samples
    }


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    dead: tuple[Family, ...]
    living: tuple[Family, ...]
    expected: dict[tuple[str, Labels], float]


CASES = (
    Case(
        "counters are added, with those of the dead",
        (family("c", "counter", total={A: 5.0}),),
        (family("c", "counter", total={A: 1.0}), family("c", "counter", total={A: 2.0, B: 4.0})),
        {("c_total", A): 8.0, ("c_total", B): 4.0},
    ),
    Case(
        "a counter that only the dead had stays",
        (family("c", "counter", total={B: 3.0}),),
        (family("c", "counter", total={A: 1.0}),),
        {("c_total", A): 1.0, ("c_total", B): 3.0},
    ),
    Case(
        "histograms are added bucket by bucket",
        (family("h", "histogram", bucket={(("le", "+Inf"),): 1.0}, count={(): 1.0}, sum={(): 0.5}),),
        (family("h", "histogram", bucket={(("le", "+Inf"),): 2.0}, count={(): 2.0}, sum={(): 0.25}),),
        {("h_bucket", (("le", "+Inf"),)): 3.0, ("h_count", ()): 3.0, ("h_sum", ()): 0.75},
    ),
    Case(
        "a gauge is the sum over the living alone",
        (family("in_flight", "gauge", plain={A: 7.0}),),
        (family("in_flight", "gauge", plain={A: 1.0}), family("in_flight", "gauge", plain={A: 2.0})),
        {("in_flight", A): 3.0},
    ),
    Case(
        "of times the latest counts, whoever has died since",
        (family("x_timestamp_seconds", "gauge", plain={A: 30.0, B: 10.0}),),
        (family("x_timestamp_seconds", "gauge", plain={A: 20.0}),),
        {("x_timestamp_seconds", A): 30.0, ("x_timestamp_seconds", B): 10.0},
    ),
    Case(
        "info stays 1 and leaves with the last who has it",
        (family("x_info", "gauge", plain={B: 1.0}),),
        (family("x_info", "gauge", plain={A: 1.0}), family("x_info", "gauge", plain={A: 1.0})),
        {("x_info", A): 1.0},
    ),
    Case(
        "a share is not added up",
        (),
        (family("x_ratio", "gauge", plain={A: 0.25}), family("x_ratio", "gauge", plain={A: 0.5})),
        {("x_ratio", A): 0.5},
    ),
    Case("nobody has anything", (), (), {}),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    totals = Totals()
    for dead in case.dead:
        totals.bury((dead,))
    assert merged(totals, *((living,) for living in case.living)) == case.expected


def test_a_family_keeps_its_place_when_a_worker_dies() -> None:
    totals, worker = Totals(), (family("g", "gauge", plain={A: 1.0}), family("c", "counter", total={A: 1.0}))
    before = [metric.name for metric in totals.merged([worker])]
    totals.bury(worker)
    assert [metric.name for metric in totals.merged([worker])] == before == ["g", "c"]


STEPS = st.lists(
    st.tuples(st.sampled_from(("count", "die", "scrape")), st.integers(0, 3), st.floats(0.0, 1e6)), max_size=60
)


@given(STEPS)
def test_no_counter_ever_goes_back(steps: list[tuple[str, int, float]]) -> None:
    """Four workers count and die in any order; every scrape shows at least what the one before did, and the last one
    shows what was counted.
    """
    totals, counts, everything = Totals(), [0.0] * 4, [0.0]
    shown = 0.0
    for action, worker, amount in [*steps, ("scrape", 0, 0.0)]:
        if action == "count":
            counts[worker] += amount
            everything.append(amount)
        elif action == "die":
            totals.bury((family("c", "counter", total={A: counts[worker]}),))
            counts[worker] = 0.0
        else:
            living = [(family("c", "counter", total={A: count}),) for count in counts]
            now = merged(totals, *living)[("c_total", A)]
            assert now >= shown
            shown = now
    assert math.isclose(shown, math.fsum(everything), rel_tol=1e-9)


def test_the_order_of_deaths_cannot_make_a_sum_smaller() -> None:
    """0.1 + 0.2 + 0.3 is one ulp more than 0.1 + (0.2 + 0.3): Prometheus would take the step back for a restart."""
    totals = Totals()
    workers = {
        name: (family("c", "counter", total={A: value}),) for name, value in (("x", 0.1), ("y", 0.2), ("z", 0.3))
    }
    first = merged(totals, workers["x"], workers["y"], workers["z"])[("c_total", A)]
    totals.bury(workers["y"])
    totals.bury(workers["z"])
    assert first > 0.2 + 0.3 + 0.1
    assert merged(totals, workers["x"])[("c_total", A)] == first


def test_two_registries_are_rendered_as_one_would_be() -> None:
    """A real registry's snapshot, twice, through prometheus-client's own renderer."""
    registry = CollectorRegistry()
    Counter("c", "Counts.", ("vendor",), registry=registry).labels("a").inc(2)
    Gauge("g", "Now.", registry=registry).set(1.5)
    Histogram("h_seconds", "Lasts.", buckets=(1, 2), registry=registry).observe(1.5)
    Info("build", "What.", registry=registry).info({"version": "1"})
    one = tuple(families(registry))
    collected = CollectorRegistry()
    collected.register(MergedCollector(Totals(), lambda: [one, one]))
    lines = generate_latest(collected).decode().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'c_total{vendor="a"} 4.0',
        "g 3.0",
        'h_seconds_bucket{le="1.0"} 0.0',
        'h_seconds_bucket{le="2.0"} 2.0',
        'h_seconds_bucket{le="+Inf"} 2.0',
        "h_seconds_count 2.0",
        "h_seconds_sum 3.0",
        'build_info{version="1"} 1.0',
    ]
    assert "# TYPE h_seconds histogram" in lines
    assert "# HELP c_total Counts." in lines
