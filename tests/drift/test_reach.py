"""Every state, reached by folding rows; and who is blamed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from proxy.drift.fleet import Fleet
from proxy.drift.report import Alarm, Event, Recovered, StateChanged
from proxy.drift.rows import AcknowledgedRow, Key, LostRow, PairRow, Row, Value
from proxy.drift.states import State
from tests.drift.folding import KEY, OTHER, answers, fleet_of, fold, only, pairs, series

HEALTHY = [0, 3, 0, 3, 1, 0, 2, 3, 0, 3]
VENDOR_MORE = [0, 3, 1, 3, 1, 1, 0, 1, 2, 1]


def _swaps(cells: Sequence[int], count: int, at_s: float = 0.0, key: Key = KEY) -> list[Row]:
    return pairs([{"swap": cells[at % len(cells)]} for at in range(count)], at_s=at_s, key=key)


def _path(events: list[Event], key: Key = KEY) -> list[State]:
    return [event.state for event in events if isinstance(event, StateChanged) and event.key == key]


def test_a_life() -> None:
    """From inconclusive -> ok -> warn -> degraded -> recovering -> ok."""
    fleet = fleet_of(series("swap", tolerance=0.02), mirrored=True)
    assert fleet.view(0.0) == ()
    events = fold(fleet, _swaps(HEALTHY, 500))
    assert _path(events) == [State.OK]
    assert events[0].at_s == 50.0
    events = fold(fleet, _swaps(VENDOR_MORE, 200, at_s=500.0))
    assert (_path(events)[0], _path(events)[-1]) == (State.WARN, State.DEGRADED)
    (alarm,) = [event for event in events if isinstance(event, Alarm)]
    assert 490 <= alarm.changepoint_s <= 515
    assert alarm.direction == 1
    assert alarm.effect is not None
    assert alarm.effect > 0.2
    view = only(fleet, 700.0)
    assert (view.state, view.leading, view.series[0].alarmed_at_s) == (State.DEGRADED, "swap", alarm.at_s)
    assert view.at_s == alarm.at_s
    assert not fleet.wants_more("vendor")
    events = fold(fleet, _swaps(HEALTHY, 2000, at_s=700.0))
    assert _path(events) == [State.RECOVERING, State.OK]
    (recovered,) = [event for event in events if isinstance(event, Recovered)]
    assert recovered.alarmed_at_s == alarm.at_s
    assert recovered.log_evidence >= recovered.log_threshold
    assert only(fleet, 2700.0).series[0].alarmed_at_s is None


def test_recovering_falls_back() -> None:
    fleet = fleet_of(series("swap"), mirrored=True)
    rows = _swaps(VENDOR_MORE, 300)
    at_s = 300.0
    fold(fleet, rows)
    for _ in range(300):
        at_s += 1.0
        if State.RECOVERING in _path(list(fleet.fold(PairRow(at_s, 1, KEY, "r", {"swap": 0})))):
            break
    assert only(fleet, at_s).state is State.RECOVERING
    assert State.DEGRADED in _path(fold(fleet, _swaps([1], 20, at_s=at_s)))


def test_a_warning_wants_more() -> None:
    fleet = fleet_of(series("swap"), mirrored=True)
    events = fold(fleet, _swaps([1], 12))
    assert _path(events) == [State.WARN]
    assert fleet.wants_more("vendor")
    assert not fleet.wants_more("another")
    fleet.fold(PairRow(30 * 86_400.0, 99, OTHER, "r", {"swap": 0}))
    assert not fleet.wants_more("vendor")  # nobody asks it any more, so nothing would settle the warning


class TestInconclusive:
    def test_too_few_pairs(self) -> None:
        fleet = fleet_of(series("swap"), mirrored=True, enough=50)
        fold(fleet, _swaps(HEALTHY, 49))
        assert only(fleet, 49.0).state is State.INCONCLUSIVE
        fold(fleet, _swaps(HEALTHY, 1, at_s=49.0))
        assert only(fleet, 50.0).state is State.OK

    def test_too_few_answers_where_nothing_is_mirrored(self) -> None:
        fleet = fleet_of(series("rate"), enough=50)
        fleet.fold(answers("rate", bytes(49), at_s=1.0))
        assert only(fleet, 1.0).state is State.INCONCLUSIVE
        fleet.fold(answers("rate", bytes(1), at_s=2.0))
        assert only(fleet, 2.0).state is State.OK

    def test_never_ok_without_data(self) -> None:
        fleet = fleet_of(series("rate"), enough=0)
        fleet.fold(LostRow(1.0, 1, KEY, "vendor", "timeout"))
        assert only(fleet, 1.0).state is State.INCONCLUSIVE

    def test_silence(self) -> None:
        """As time passes the pairs leave the window; the view says since when."""
        fleet = fleet_of(series("swap"), mirrored=True, window_s=4800.0)
        fold(fleet, _swaps(HEALTHY, 100))
        assert only(fleet, 4799.0).state is State.OK
        late = only(fleet, 50_000.0)
        assert late.state is State.INCONCLUSIVE
        assert 4700.0 <= late.at_s <= 5000.0
        assert late.pairs_in_window == 0
        # another vendor's row brings the time along
        events = fleet.fold(PairRow(50_000.0, 1, OTHER, "r", {"swap": 0}))
        assert _path(list(events)) == [State.INCONCLUSIVE]

    @pytest.mark.parametrize(
        ("side", "reason", "lost", "state"),
        [
            ("reference", "timeout", 2, State.OK),
            ("reference", "timeout", 4, State.INCONCLUSIVE),
            ("proxy", "expired", 4, State.INCONCLUSIVE),
            ("proxy", "shed", 4, State.OK),
            ("vendor", "timeout", 4, State.OK),
        ],
    )
    def test_a_failing_reference(self, side: str, reason: str, lost: int, state: State) -> None:
        fleet = fleet_of(series("swap"), mirrored=True)
        fold(fleet, _swaps(HEALTHY, 300))
        fold(fleet, [LostRow(300.0, at, KEY, side, reason) for at in range(lost)])
        assert only(fleet, 300.0).state is state

    def test_vendor_only_rates_need_no_pairs(self) -> None:
        fleet = fleet_of(series("rate"), mirrored=True)
        events = fold(fleet, [answers("rate", b"\1" * 20, at_s=1.0)])
        assert _path(events) == [State.DEGRADED]


def test_alarm_and_recovery_within_one_row() -> None:
    fleet = fleet_of(series("rate"))
    events = fold(fleet, [answers("rate", b"\1" * 20 + bytes(4000), at_s=1.0)])
    assert [type(event) for event in events][:2] == [Alarm, Recovered]
    assert only(fleet, 1.0).series[0].n == 0


def test_a_baseline_makes_no_state() -> None:
    fleet = fleet_of(series("baseline"), series("rate"))
    fleet.fold(answers("baseline", bytes(2000), at_s=1.0))
    events = fold(fleet, [answers("baseline", b"\1" * 100, at_s=2.0)])
    assert [event.kind for event in events if isinstance(event, Alarm)] == ["baseline"]
    assert only(fleet, 2.0).state is State.OK


def test_an_acknowledgement_ends_an_alarm() -> None:
    fleet = fleet_of(series("swap"), mirrored=True)
    fold(fleet, _swaps([1], 100))
    assert only(fleet, 100.0).state is State.DEGRADED
    assert _path(list(fleet.fold(AcknowledgedRow(101.0, "vendor")))) == [State.OK]


class TestReferenceSuspect:
    def test_only_the_reference_moved(self) -> None:
        """The reference calls no tools any more; the vendor as ever on half of the prompts."""
        fleet = fleet_of(series("swap"), mirrored=True)
        fold(fleet, _swaps([0, 3, 3, 0, 1, 2], 1200))
        events = fold(fleet, _swaps([0, 1], 100, at_s=1200.0))
        assert State.REFERENCE_SUSPECT in _path(events)
        assert only(fleet, 1300.0).state is State.REFERENCE_SUSPECT
        assert only(fleet, 1300.0).series[0].suspect

    def test_only_the_vendor_moved(self) -> None:
        fleet = fleet_of(series("swap"), mirrored=True)
        fold(fleet, _swaps([0, 3, 3, 0, 1, 2], 1200))
        fold(fleet, _swaps([0, 2], 100, at_s=1200.0))
        assert only(fleet, 1300.0).state is State.DEGRADED

    def test_sizes(self) -> None:
        random, fleet = Random(7), fleet_of(series("size"), mirrored=True)

        def sizes(count: int, vendor: float, reference: float) -> list[dict[str, Value]]:
            return [{"size": [random.gauss(vendor, 0.5), random.gauss(reference, 0.5)]} for _ in range(count)]

        fold(fleet, pairs(sizes(1000, 6.0, 6.0)))
        fold(fleet, pairs(sizes(300, 6.0, 5.5), at_s=1000.0))
        assert only(fleet, 1300.0).state is State.REFERENCE_SUSPECT

    def test_two_vendors_at_once(self) -> None:
        fleet = fleet_of(series("swap"), mirrored=True)
        fold(fleet, _swaps([1], 100))
        assert only(fleet, 100.0).state is State.DEGRADED
        events = fold(fleet, _swaps([1], 100, at_s=100.0, key=OTHER))
        assert [event.suspect for event in events if isinstance(event, Alarm)] == [True]
        assert _path(events)[-1] is State.REFERENCE_SUSPECT
        assert State.DEGRADED not in _path(events, OTHER)
        assert {view.state for view in fleet.view(200.0)} == {State.REFERENCE_SUSPECT}

    @pytest.mark.parametrize(
        ("cells", "at_s", "key", "reference"),
        [
            ([2], 100.0, OTHER, "r"),  # the other way
            ([1], 100_000.0, OTHER, "r"),  # a day later
            ([1], 100.0, Key("vendor", "policy", "instant"), "r"),  # the same vendor
            ([1], 100.0, OTHER, "r2"),  # another reference
        ],
    )
    def test_two_alarms_that_do_not_agree(self, cells: list[int], at_s: float, key: Key, reference: str) -> None:
        fleet = fleet_of(series("swap"), mirrored=True)
        fold(fleet, _swaps([1], 100))
        values: list[dict[str, Value]] = [{"swap": cells[0]}] * 100
        fold(fleet, pairs(values, at_s=at_s, key=key, reference=reference))
        assert {view.state for view in fleet.view(at_s + 100.0)} == {State.DEGRADED}

    def test_rates_of_two_vendors_stay_theirs(self) -> None:
        fleet = fleet_of(series("rate"), mirrored=True)
        fold(fleet, [answers("rate", b"\1" * 30, at_s=1.0), answers("rate", b"\1" * 30, at_s=2.0, key=OTHER)])
        assert {view.state for view in fleet.view(2.0)} == {State.DEGRADED}

    def test_the_reference_against_itself(self) -> None:
        fleet = fleet_of(series("self", "swap", of_reference=True), series("swap"), series("rate"), mirrored=True)
        values: list[dict[str, Value]] = [{"self": 1, "swap": 1}] * 100
        events = fold(fleet, pairs(values))
        assert only(fleet, 100.0).state is State.REFERENCE_SUSPECT
        assert State.DEGRADED not in _path(events)
        fleet.fold(answers("rate", b"\1" * 30, at_s=101.0))
        assert only(fleet, 101.0).state is State.DEGRADED
        told = {series.name: series.suspect for series in only(fleet, 101.0).series}
        assert told == {"self": True, "swap": True, "rate": False}, "as the state counts them"


def test_state_and_events_agree() -> None:
    """The last event of a key names the state its view shows."""
    random, fleet, last = Random(4), fleet_of(series("swap"), mirrored=True, budget=200.0), State.INCONCLUSIVE
    for at in range(3000):
        cells = HEALTHY if (at // 300) % 2 else VENDOR_MORE
        row = PairRow(float(at), at, KEY, "r", {"swap": random.choice(cells)})
        for state in _path(list(fleet.fold(row))):
            assert state is not last
            last = state
        assert only(fleet, float(at)).state is last


def test_restored_in_the_middle_of_an_alarm() -> None:
    rows = [*_swaps(VENDOR_MORE, 300), *_swaps(HEALTHY, 3000, at_s=300.0)]
    whole, cut = (fleet_of(series("swap"), mirrored=True) for _ in range(2))
    told = fold(whole, rows)
    first = fold(cut, rows[:400])
    assert first + fold(Fleet.restored(cut.state()), rows[400:]) == told
    assert any(isinstance(event, Recovered) for event in told)
