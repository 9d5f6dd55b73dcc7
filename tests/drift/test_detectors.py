"""Each kind by itself: what it bets on, what it learns, what it refuses."""

from __future__ import annotations

from itertools import pairwise
from math import exp, log
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.drift.baseline import CALIBRATION, wilson_upper
from proxy.drift.detector import ALARMED, NOTHING, RECOVERED
from proxy.drift.rows import Value
from tests.drift.folding import alone, bet, series


@pytest.mark.parametrize(
    ("kind", "mirrored"),
    [
        ("swap", lambda value: {1: 2, 2: 1}.get(value, value)),
        ("size", lambda value: [value[1], value[0]]),
        ("sign", lambda value: -value),
        ("triple", lambda value: -value),
    ],
)
def test_exchanging_the_sides_flips_the_direction(kind: str, mirrored: object) -> None:
    random = Random(3)
    draws: dict[str, list[Value]] = {
        "swap": [random.choice([0, 1, 1, 2, 3]) for _ in range(300)],
        "size": [[random.gauss(6.1, 0.4), random.gauss(6.0, 0.4)] for _ in range(300)],
        "sign": [random.uniform(-0.8, 1.0) for _ in range(300)],
        "triple": [random.uniform(-0.8, 1.0) for _ in range(300)],
    }
    assert callable(mirrored)
    one, other = alone(series(kind), budget=1e12), alone(series(kind), budget=1e12)
    bet(one, draws[kind])
    bet(other, [mirrored(value) for value in draws[kind]])
    assert one.direction() == 1
    assert other.direction() == -1
    assert one.log_evidence == pytest.approx(other.log_evidence, rel=1e-9)
    assert one.estimate(one.totals) == pytest.approx(-other.estimate(other.totals))


@given(st.lists(st.floats(0, 20), min_size=2, max_size=30))
def test_a_size_is_judged_by_a_scale_that_does_not_know_it(amounts: list[float]) -> None:
    """The bet on the last value is the same whatever the scale becomes: exchanging its sides mirrors the factors."""
    past: list[Value] = [list(pair) for pair in pairwise(amounts)]
    one, other = alone(series("size")), alone(series("size"))
    bet(one, past)
    bet(other, past)
    if one.latch is not None:
        return
    before = list(one.mixture.m)
    one.fold([5.0, 7.0], 1.0, 0.0, 0)
    other.fold([7.0, 5.0], 1.0, 0.0, 0)
    up = [after / (then + 1.0) for after, then in zip(one.mixture.m, before, strict=True)]
    down = [after / (then + 1.0) for after, then in zip(other.mixture.m, before, strict=True)]
    assert [(a + b) / 2 for a, b in zip(up, down, strict=True)] == pytest.approx([1.0] * 10)


def test_size_effect_is_a_ratio() -> None:
    found = alone(series("size"), budget=1e300)
    bet(found, [[6.0 + log(0.8), 6.0]] * 200)
    assert found.effect(found.totals).estimate == pytest.approx(-0.2)
    far = alone(series("size"), budget=1e300)
    bet(far, [[20.0, 0.0]] * 200)
    assert far.effect(far.totals).estimate == pytest.approx(exp(3.0) - 1.0)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("swap", [4, -1, 0.5, [1], "1"]),
        ("size", [[1.0], [1.0, 2.0, 3.0], [-1.0, 2.0], [float("nan"), 1.0], [float("inf"), 1.0], ["a", 1], 3]),
        ("sign", [1.01, float("nan"), [0.5], "0"]),
        ("triple", [-1.5, float("inf")]),
        ("offset", [3, ["a"], [1, "a"], ["a", 1.5], ["a", 1, 2]]),
    ],
)
def test_values_of_another_form_count_nowhere(kind: str, values: list[Any]) -> None:
    found, fresh = alone(series(kind)), alone(series(kind))
    assert bet(found, values) == [NOTHING] * len(values)
    assert found.state() == fresh.state()


@pytest.mark.parametrize(
    ("kind", "tolerance"), [("rate", 0.0), ("rate", 1.0), ("offset", -0.1), ("swap", 1.0), ("size", -0.01)]
)
def test_impossible_tolerances(kind: str, tolerance: float) -> None:
    with pytest.raises(ValueError, match="tolerance"):
        alone(series(kind, tolerance=tolerance))


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match="allowed are rate, swap"):
        alone(series("x", "else"))


class TestOffset:
    def test_known_skew_conforms_until_a_mode_is_learned(self) -> None:
        found = alone(series("offset"))
        bet(found, [["a", offset] for offset in (0, 1, 2, 3)])
        assert found.totals == (4, 0)
        bet(found, [["b", -1], ["b", 4]])
        assert found.totals == (6, 2)

    def test_then_the_mode_of_its_bucket_is_the_judge(self) -> None:
        found = alone(series("offset"), budget=1e12)
        bet(found, [["a", 3]] * 5 + [["b", 0]] * 5)
        assert found.totals == (10, 0)
        bet(found, [["a", 0], ["b", 0], ["b", 3], ["a", 3]])
        assert found.totals == (14, 2)

    def test_a_value_is_judged_before_it_is_learned(self) -> None:
        found = alone(series("offset"), budget=1e12)
        bet(found, [["a", 0], ["a", 0], ["a", 1], ["a", 1], ["a", 2]])
        found.fold(["a", 1], 1.0, 0.0, 0)  # makes 1 the mode, but is judged by 0
        assert found.totals == (6, 1)
        found.fold(["a", 1], 1.0, 0.0, 0)
        assert found.totals == (7, 1)

    def test_alarm_in_three_pairs_and_no_learning_from_then_on(self) -> None:
        found = alone(series("offset"))
        bet(found, [["a", 0]] * 100)
        assert bet(found, [["a", 40]] * 3)[-1] == ALARMED
        bet(found, [["a", 40]] * 500)
        assert found.totals == (603, 503)

    def test_recovery_when_the_offset_is_back(self) -> None:
        found = alone(series("offset"))
        bet(found, [["a", 0]] * 100 + [["a", 40]] * 50)
        assert RECOVERED in bet(found, [["a", 0]] * 600)

    def test_accepted_offsets_are_learned(self) -> None:
        found = alone(series("offset"))
        found.accept()
        assert bet(found, [["a", 40]] * 300) == [NOTHING] * 300
        assert found.totals == (295, 0)
        assert ALARMED in bet(found, [["a", 0]] * 5)

    def test_memory_is_bounded(self) -> None:
        found = alone(series("offset"), budget=1e300)
        bet(found, [["a", 7]] * 3 + [["a", offset] for offset in range(1000)] + [[str(n), 0] for n in range(2000)])
        learned = found.learned()["buckets"]
        assert len(learned) == 256
        assert len(learned[0][3]) == 32
        assert learned[0][2] == 7


class TestBaseline:
    def test_wilson(self) -> None:
        assert wilson_upper(2000, 100) == pytest.approx(0.0672, abs=2e-4)
        assert 0 < wilson_upper(2000, 0) < 0.006

    def test_no_bet_before_the_bound_is_frozen(self) -> None:
        found = alone(series("baseline"))
        found.fold_answers(b"\1" + bytes(CALIBRATION - 2), 1.0, 1.0)
        assert found.calibrating
        assert found.totals == (0, 0)
        found.fold_answers(bytes(11), 1.0, 2.0)
        assert not found.calibrating
        assert found.totals == (10, 0)
        assert found.tolerance == wilson_upper(CALIBRATION, 1)

    def test_it_alarms_on_a_rise(self) -> None:
        found = alone(series("baseline"))
        found.fold_answers((b"\1" + bytes(99)) * 40, 1.0, 1.0)
        assert found.latch is None
        frozen = found.tolerance
        assert found.fold_answers((b"\1" + bytes(9)) * 60, 1.0, 2.0) == ALARMED
        assert found.tolerance == frozen


def test_changepoint_is_where_the_leading_component_last_started() -> None:
    found = alone(series("swap"))
    assert ALARMED not in bet(found, [0, 2, 1, 2, 0, 2, 3, 2] * 10)
    base = found.totals[0]
    for at in range(200):
        if found.fold(1, 1.0, 1000.0 + at, 5000 + at) == ALARMED:
            break
    at_s, number, totals = found.changepoint()
    assert (at_s, number, totals[0]) == (1000.0, 5000, base)
    assert found.since(found.latch.mark)[1] == found.totals[0] - base


def test_evidence_and_changepoint_stay_while_an_alarm_lasts() -> None:
    found = alone(series("swap"))
    bet(found, [1] * 60)
    seen = (found.log_evidence, found.log_cusum, found.changepoint())
    assert found.log_evidence >= found.log_threshold
    bet(found, [2, 1, 0] * 30)
    assert (found.log_evidence, found.log_cusum, found.changepoint()) == seen
    assert found.totals[0] == 150


@pytest.mark.parametrize(
    ("kind", "bad", "good"),
    [("swap", 1, 0), ("sign", 1.0, 0.0), ("triple", 0.8, 0.0), ("size", [4.0, 6.0], [6.0, 6.0])],
)
def test_recovery_starts_the_series_anew(kind: str, bad: Value, good: Value) -> None:
    found = alone(series(kind))
    assert ALARMED in bet(found, [bad] * 60)
    said = bet(found, [good] * 500)
    assert said.index(RECOVERED) > 5
    found.restart()
    assert (found.latch, found.totals, found.mixture.evidence) == (None, found.EMPTY, 0.0)


def test_a_series_that_stays_bad_does_not_recover() -> None:
    random, found = Random(5), alone(series("swap"))
    bet(found, [1] * 30)
    assert found.latch is not None
    drawn: list[Value] = [random.choice([1, 1, 1, 1, 1, 2, 0, 0, 0]) for _ in range(3000)]
    bad = found.latch.bad
    assert bad == pytest.approx(0.5)
    assert RECOVERED not in bet(found, [1 if value else 0 for value in drawn])
