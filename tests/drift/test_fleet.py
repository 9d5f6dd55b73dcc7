"""The fold as a function of its rows: the same bits however it is cut, clocks, resets, terms, counts."""

from __future__ import annotations

import json
from dataclasses import replace
from math import log
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.drift.fleet import Fleet
from proxy.drift.report import Alarm, Recovered, StateChanged
from proxy.drift.rows import AcknowledgedRow, AnswersRow, LostRow, PairRow, ProbesRow, Row, Terms, TermsRow, Value
from proxy.drift.states import State
from proxy.drift.window import BUCKETS, Window
from tests.drift.folding import (
    KEY,
    KINDS,
    OTHER,
    answers,
    bits,
    fleet_of,
    fold,
    offset,
    only,
    pairs,
    series,
    some_rows,
    terms,
)

ROWS = some_rows(1, 500)


def test_the_rows_of_these_tests_contain_every_event() -> None:
    events = fold(Fleet(), ROWS)
    assert {type(event) for event in events} == {Alarm, Recovered, StateChanged}
    assert len({event.series for event in events if isinstance(event, Alarm)}) >= 5


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 200))
def test_a_restart_anywhere_changes_no_bit(seed: int, cut: int) -> None:
    rows = some_rows(seed, 200)
    whole = Fleet()
    told = fold(whole, rows)
    before = Fleet()
    first = fold(before, rows[:cut])
    after = Fleet.restored(msgspec.msgpack.decode(bits(before)))
    assert bits(after) == bits(before)
    assert first + fold(after, rows[cut:]) == told
    assert bits(after) == bits(whole)
    assert after.view(1e9) == whole.view(1e9)


def test_state_survives_json() -> None:
    fleet = Fleet()
    fold(fleet, ROWS)
    assert bits(Fleet.restored(json.loads(json.dumps(fleet.state(), allow_nan=False)))) == bits(fleet)


def test_state_is_builtins() -> None:
    fleet = Fleet()
    fold(fleet, ROWS)
    allowed = {dict, list, str, int, float}

    def check(value: Any) -> None:  # noqa: ANN401
        assert type(value) in allowed, value
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            check(inner)

    check(fleet.state())


def test_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="fold the rows again"):
        Fleet.restored({**Fleet().state(), "version": 0})


def test_views_do_not_touch_the_state() -> None:
    fleet = Fleet()
    fold(fleet, ROWS)
    kept = bits(fleet)
    fleet.view(ROWS[-1].at_s)
    fleet.view(1e9)
    fleet.wants_more("vendor")
    assert bits(fleet) == kept


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"clock": "days"}, "clock 'days'"),
        ({"budget": 0.0}, "above 0"),
        ({"families": 0}, "above 0"),
        ({"series": (series("swap"), series("swap", "size"))}, "two series"),
        ({"series": (series("rate", tolerance=0.0),)}, "tolerance"),
    ],
)
def test_impossible_terms_change_nothing(wrong: dict[str, Any], match: str) -> None:
    fleet = Fleet()
    fold(fleet, ROWS)
    kept = bits(fleet)
    with pytest.raises(ValueError, match=match):
        fleet.fold(TermsRow(1e9, replace(terms(series("swap")), **wrong)))
    assert bits(fleet) == kept


def test_unknown_series_and_rows_without_terms_count_nowhere() -> None:
    fleet = Fleet()
    fleet.fold(PairRow(1.0, 1, KEY, "r", {"swap": 1}))
    assert only(fleet, 1.0).series == ()
    fleet = fleet_of(series("swap"))
    fleet.fold(PairRow(1.0, 1, KEY, "r", {"else": 1, "rate": 1}))
    fleet.fold(answers("swap", bytes(9), at_s=2.0))
    view = only(fleet, 2.0)
    assert [(one.name, one.n) for one in view.series] == [("swap", 0)]
    assert (view.pairs, view.answers) == (1, 9)


class TestThreshold:
    def test_budget_families_and_weight(self) -> None:
        fleet = fleet_of(series("swap", weight=0.04), clock="hours", budget=2160.0, families=3)
        fleet.fold(PairRow(3600.0, 1, KEY, "r", {"swap": 0}))
        (one,) = only(fleet, 3600.0).series
        assert one.log_threshold == pytest.approx(log(2160 * 3 / 0.04))

    def test_the_alarm_is_at_the_threshold(self) -> None:
        fleet = fleet_of(series("swap", weight=0.5), budget=1e4)
        for row in pairs([{"swap": 1}] * 100):
            events = fleet.fold(row)
            (one,) = only(fleet, row.at_s).series
            alarms = [event for event in events if isinstance(event, Alarm)]
            assert bool(alarms) is (one.log_evidence >= one.log_threshold)
            if alarms:
                assert alarms[0].log_evidence == one.log_evidence
                return
        pytest.fail("no alarm")


class TestClock:
    def test_hours_since_the_previous_pair(self) -> None:
        one = series("swap")
        fleet = fleet_of(one, clock="hours", budget=1e6)
        fold(fleet, [PairRow(at_s, 1, KEY, "r", {"swap": 0}) for at_s in (1800.0, 1800.0, 9000.0)])
        (seen,) = only(fleet, 9000.0).series
        assert seen.log_evidence == pytest.approx(log(0.5 + 0.0 + 2.0))  # without a bet M is the hours

    def test_answers_share_the_hours_of_their_row(self) -> None:
        fleet = fleet_of(series("rate", tolerance=0.5), clock="hours", budget=1e6)
        fleet.fold(AnswersRow(7200.0, KEY, 10, {"rate": bytes([0, 1, 0])}))
        same = fleet_of(series("rate", tolerance=0.5), clock="hours", budget=1e6)
        for k in range(3):
            same.fold(AnswersRow(720.0 * (k + 1), KEY, 1, {"rate": bytes([k == 1])}))
        assert only(fleet, 7200.0).series[0].log_evidence == pytest.approx(only(same, 7200.0).series[0].log_evidence)

    def test_a_drift_that_is_there_with_the_terms_is_seen_in_the_first_row(self) -> None:
        fleet = Fleet()
        fleet.fold(TermsRow(1e9, replace(terms(series("rate", tolerance=0.001)), clock="hours", budget=2160.0)))
        events = fleet.fold(AnswersRow(1e9, KEY, 60, {"rate": b"\1" * 60}))
        assert any(isinstance(event, Alarm) for event in events)

    def test_probes_have_hours_of_their_own_and_are_no_traffic(self) -> None:
        one = series("rate", tolerance=0.5)
        probed, answered = (fleet_of(one, clock="hours", budget=1e6) for _ in range(2))
        for hour in (1, 2, 3):
            if hour > 1:  # the first row of either tells of a second
                answered.fold(AnswersRow(3600.0 * hour, KEY, 1, {"rate": b"\0"}))
            else:
                answered.fold(AnswersRow(1.0, KEY, 1, {"rate": b"\0"}))
                answered.fold(AnswersRow(3600.0, KEY, 1, {}))
            probed.fold(ProbesRow(3600.0 * hour, KEY, {"rate": b"\0"}))
            probed.fold(AnswersRow(3600.0 * hour + 1800.0, KEY, 5, {}))
        seen, same = only(probed, 12600.0), only(answered, 12600.0)
        assert seen.series[0].log_evidence == pytest.approx(same.series[0].log_evidence)
        assert (seen.answers, seen.series[0].n) == (15, 3)

    def test_failing_probes_alone_degrade_a_vendor(self) -> None:
        fleet = fleet_of(series("rate", tolerance=0.02), clock="hours", budget=2160.0)
        for number in range(12):
            fleet.fold(ProbesRow(900.0 * number, KEY, {"rate": b"\1"}))
        assert only(fleet, 9900.0).state is State.DEGRADED
        healthy = fleet_of(series("rate", tolerance=0.02), clock="hours", budget=2160.0, enough=1)
        for number in range(12):
            healthy.fold(ProbesRow(900.0 * number, KEY, {"rate": b"\0"}))
        assert only(healthy, 9900.0).state is State.INCONCLUSIVE, "without traffic nobody can say more"

    def test_one_gap_spends_a_hundredth_of_the_budget_at_most(self) -> None:
        fleet = fleet_of(series("swap"), clock="hours", budget=100.0)
        events = fold(fleet, pairs([{"swap": 1}] * 3, step_s=3600.0 * 24 * 365))
        assert not any(isinstance(event, Alarm) for event in events)
        fleet.fold(PairRow(1e10, 9, OTHER, "r", {"swap": 0}))
        assert fleet.view(1e10)[1].series[0].log_evidence == pytest.approx(log(1.0))

    def test_pairs(self) -> None:
        fleet = fleet_of(series("swap"))
        fold(fleet, pairs([{"swap": 0}] * 7, step_s=5e5))
        assert only(fleet, 7e6).series[0].log_evidence == pytest.approx(log(7))


class TestAnew:
    """What starts a series anew, and what does not."""

    rows = pairs([{"swap": 1, "size": [5.0, 6.0], "offset": offset("a", 0)} for _ in range(12)])

    def _fleet(self) -> Fleet:
        fleet = fleet_of(series("swap"), series("size"), series("offset"), series("rate"))
        fold(fleet, self.rows)
        fleet.fold(answers("rate", b"\1" * 3 + bytes(30), at_s=12.0))
        return fleet

    def _n(self, fleet: Fleet) -> dict[str, int]:
        return {one.name: one.n for one in only(fleet, 20.0).series}

    def test_another_reference(self) -> None:
        fleet = self._fleet()
        fleet.fold(PairRow(13.0, 99, KEY, "r2", {"swap": 1, "size": [5.0, 6.0], "offset": offset("a", 70)}))
        assert self._n(fleet) == {"swap": 1, "size": 1, "offset": 1, "rate": 33}
        assert only(fleet, 20.0).pairs_in_window == 1

    def test_an_acknowledgement_of_all(self) -> None:
        fleet = self._fleet()
        fleet.fold(AcknowledgedRow(13.0, KEY.vendor))
        assert set(self._n(fleet).values()) == {0}

    def test_an_acknowledgement_of_one_signal(self) -> None:
        fleet = self._fleet()
        fleet.fold(AcknowledgedRow(13.0, KEY.vendor, "size"))
        assert self._n(fleet) == {"swap": 12, "size": 0, "offset": 12, "rate": 33}

    def test_an_acknowledgement_of_another_vendor(self) -> None:
        fleet = self._fleet()
        fleet.fold(AcknowledgedRow(13.0, OTHER.vendor))
        assert self._n(fleet)["swap"] == 12

    def test_terms(self) -> None:
        fleet = self._fleet()
        changed = terms(
            series("swap", weight=0.2), series("size", tolerance=0.03), series("rate", group="contract"), budget=5.0
        )
        fleet.fold(TermsRow(13.0, changed))
        assert self._n(fleet) == {"swap": 12, "size": 0, "rate": 0}
        assert only(fleet, 20.0).series[0].log_threshold == pytest.approx(log(25.0))

    def test_another_clock(self) -> None:
        fleet = self._fleet()
        fleet.fold(TermsRow(13.0, terms(series("swap"), clock="hours")))
        assert self._n(fleet) == {"swap": 0}


def test_an_accepted_offset_is_learned() -> None:
    fleet = fleet_of(series("offset"))
    fold(fleet, pairs([{"offset": offset("a", 50)}] * 20))
    assert only(fleet, 20.0).state is State.DEGRADED
    fleet.fold(AcknowledgedRow(21.0, KEY.vendor, "offset"))
    assert not fold(fleet, pairs([{"offset": offset("a", 50)}] * 100, at_s=22.0))[1:]
    assert only(fleet, 200.0).series[0].alarmed_at_s is None


class TestWindow:
    def test_counts_leave_with_their_buckets(self) -> None:
        window = Window(480.0)
        for at_s in range(0, 4800, 10):
            window.add(float(at_s), pairs=1, answers=2)
            assert window.counts(window.bucket(at_s)).pairs == min(at_s // 10 + 1, BUCKETS)
        assert len(window.state()) <= BUCKETS
        assert window.counts(window.bucket(4790.0 + 240.0)).answers == BUCKETS
        assert window.counts(window.bucket(1e6)).pairs == 0

    def test_another_span_keeps_what_is_inside(self) -> None:
        window = Window(480.0)
        for at_s in range(0, 480, 10):
            window.add(float(at_s), pairs=1)
        other = window.respanned(240.0)
        assert other.counts(other.bucket(479.0)).pairs == BUCKETS // 2


def test_all_kinds_are_seen() -> None:
    fleet = fleet_of(*(series(kind) for kind in KINDS))
    random = Random(2)
    rows: list[Row] = []
    for number in range(300):
        values: dict[str, Value] = {
            "swap": random.choice([0, 1, 2, 3]),
            "size": [random.gauss(6, 0.5), random.gauss(6, 0.5)],
            "sign": random.uniform(-1, 1),
            "triple": random.uniform(-1, 1),
            "offset": offset("a", 1),
        }
        rows.append(PairRow(float(number), number, KEY, "r", values))
    fold(fleet, rows)
    fleet.fold(AnswersRow(300.0, KEY, 3000, {"rate": bytes(3000), "baseline": bytes(3000)}))
    view = only(fleet, 300.0)
    assert [one.name for one in view.series] == list(KINDS)
    for one in view.series:
        assert one.n == {"rate": 3000, "baseline": 1000}.get(one.name, 300)
        assert one.effect is not None
        assert one.lower is not None
        assert one.upper is not None
        assert one.lower <= one.effect <= one.upper
        assert one.changepoint_s is None or one.log_cusum > 0
    assert view.series[-1].tolerance > 0


def test_lost_rows_make_a_key() -> None:
    fleet = fleet_of(series("swap"), mirrored=True)
    fleet.fold(LostRow(5.0, 1, KEY, "reference", "timeout"))
    view = only(fleet, 5.0)
    assert (view.state, view.pairs, view.reference_failures_in_window) == (State.INCONCLUSIVE, 0, 1)


def test_default_terms_are_those_of_the_rows() -> None:
    assert Fleet.restored(Fleet().state()).state() == Fleet().state()
    assert Terms(()).clock == "hours"
