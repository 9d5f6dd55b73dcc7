"""Adding up snapshots: cases as data, and the promise that no counter goes back as a property."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.child.snapshot import Family, Snapshot, snapshot
from proxy.metrics.cells import Counters, Gauges, Histograms, Kind, Registry
from proxy.supervisor import exposition
from proxy.supervisor.merge import Totals

A, B = ("a",), ("b",)
Counted = dict[tuple[str, ...], list[float]]


def family(name: str, kind: Kind, children: Counted, bounds: tuple[float, ...] = ()) -> Snapshot:
    numbers = [number for counted in children.values() for number in counted]
    return Snapshot((Family(name, kind, "Text.", ("vendor",), bounds, tuple(children)),), numbers)


def together(*snapshots: Snapshot) -> Snapshot:
    layout = tuple(family for one in snapshots for family in one.layout)
    return Snapshot(layout, [number for one in snapshots for number in one.numbers])


def merged(totals: Totals, *living: Snapshot) -> dict[str, Counted]:
    return {
        family.name: {
            values: list(numbers[place * family.width : (place + 1) * family.width])
            for place, values in enumerate(family.children)
        }
        for family, numbers in totals.merged(living).families()
    }


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    dead: tuple[Snapshot, ...]
    living: tuple[Snapshot, ...]
    expected: dict[str, Counted]


CASES = (
    Case(
        "counters are added, with those of the dead",
        (family("c", "counter", {A: [5.0]}),),
        (family("c", "counter", {A: [1.0]}), family("c", "counter", {A: [2.0], B: [4.0]})),
        {"c": {A: [8.0], B: [4.0]}},
    ),
    Case(
        "a counter that only the dead had stays",
        (family("c", "counter", {B: [3.0]}),),
        (family("c", "counter", {A: [1.0]}),),
        {"c": {A: [1.0], B: [3.0]}},
    ),
    Case(
        "histograms are added bucket by bucket",
        (family("h", "histogram", {A: [1.0, 0.0, 0.5]}, (1.0,)),),
        (family("h", "histogram", {A: [2.0, 3.0, 9.25], B: [0.0, 1.0, 2.0]}, (1.0,)),),
        {"h": {A: [3.0, 3.0, 9.75], B: [0.0, 1.0, 2.0]}},
    ),
    Case(
        "a gauge is the sum over the living alone",
        (family("in_flight", "gauge", {A: [7.0]}),),
        (family("in_flight", "gauge", {A: [1.0]}), family("in_flight", "gauge", {A: [2.0]})),
        {"in_flight": {A: [3.0]}},
    ),
    Case(
        "of times the latest counts, whoever has died since",
        (family("x_timestamp_seconds", "gauge", {A: [30.0], B: [10.0]}),),
        (family("x_timestamp_seconds", "gauge", {A: [20.0]}),),
        {"x_timestamp_seconds": {A: [30.0], B: [10.0]}},
    ),
    Case(
        "info stays 1 and leaves with the last who has it",
        (family("x_info", "gauge", {B: [1.0]}),),
        (family("x_info", "gauge", {A: [1.0]}), family("x_info", "gauge", {A: [1.0]})),
        {"x_info": {A: [1.0]}},
    ),
    Case(
        "a share is not added up",
        (),
        (family("x_ratio", "gauge", {A: [0.25]}), family("x_ratio", "gauge", {A: [0.5]})),
        {"x_ratio": {A: [0.5]}},
    ),
    Case(
        "what one scorer thinks is not added up while its successor thinks the same",
        (),
        (family("x_state", "gauge", {A: [1.0], B: [0.0]}), family("x_state", "gauge", {A: [1.0], B: [0.0]})),
        {"x_state": {A: [1.0], B: [0.0]}},
    ),
    Case(
        "of processes of two versions, with other labels or bounds, the first stands: they cannot be added",
        (family("h", "histogram", {A: [1.0, 0.0, 0.5]}, (1.0,)),),
        (family("h", "histogram", {A: [2.0, 3.0, 9.25]}, (2.0,)), family("h", "counter", {A: [3.0]})),
        {"h": {A: [2.0, 3.0, 9.25]}},
    ),
    Case("nobody has anything", (), (), {}),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    totals = Totals()
    for dead in case.dead:
        totals.bury(dead)
    assert merged(totals, *case.living) == case.expected


def test_a_family_keeps_its_place_when_a_worker_dies() -> None:
    totals, worker = Totals(), together(family("g", "gauge", {A: [1.0]}), family("c", "counter", {A: [1.0]}))
    before = [family.name for family in totals.merged([worker]).layout]
    totals.bury(worker)
    assert [family.name for family in totals.merged([worker]).layout] == before == ["g", "c"]


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
            totals.bury(family("c", "counter", {A: [counts[worker]]}))
            counts[worker] = 0.0
        else:
            living = [family("c", "counter", {A: [count]}) for count in counts]
            now = merged(totals, *living)["c"][A][0]
            assert now >= shown
            shown = now
    assert math.isclose(shown, math.fsum(everything), rel_tol=1e-9)


def test_the_order_of_deaths_cannot_make_a_sum_smaller() -> None:
    """0.1 + 0.2 + 0.3 is one ulp more than 0.1 + (0.2 + 0.3): Prometheus would take the step back for a restart."""
    totals = Totals()
    workers = {name: family("c", "counter", {A: [value]}) for name, value in (("x", 0.1), ("y", 0.2), ("z", 0.3))}
    first = merged(totals, workers["x"], workers["y"], workers["z"])["c"][A][0]
    totals.bury(workers["y"])
    totals.bury(workers["z"])
    assert first > 0.2 + 0.3 + 0.1
    assert merged(totals, workers["x"])["c"][A][0] == first


def test_a_count_of_a_histogram_never_goes_back() -> None:
    """Not even when a worker says less than before: Prometheus would take it for a restart."""
    totals = Totals()
    assert merged(totals, family("h", "histogram", {A: [5.0, 1.0, 7.0]}, (1.0,)))["h"][A] == [5.0, 1.0, 7.0]
    assert merged(totals, family("h", "histogram", {A: [4.0, 2.0, 6.0]}, (1.0,)))["h"][A] == [5.0, 2.0, 7.0]


def test_two_workers_are_written_as_one_would_be() -> None:
    registry = Registry()
    Counters("c", "Counts.", ("vendor",), registry).labels("a").inc(2)
    Gauges("g", "Now.", (), registry).labels().set(1.5)
    Histograms("h_seconds", "Lasts.", (), (1, 2), registry).labels().observe(1.5)
    one = snapshot(registry)
    lines = exposition.plain(Totals().merged([one, one])).decode().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'c_total{vendor="a"} 4.0',
        "g 3.0",
        'h_seconds_bucket{le="1.0"} 0.0',
        'h_seconds_bucket{le="2.0"} 2.0',
        'h_seconds_bucket{le="+Inf"} 2.0',
        "h_seconds_count 2.0",
        "h_seconds_sum 3.0",
    ]
    assert "# TYPE h_seconds histogram" in lines
    assert "# HELP c_total Counts." in lines
