"""The small parts of the scorer: budget, ledger, lateness, repeats."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.values import Mirror
from proxy.contract.answer import Answer
from proxy.contract.asked import Asked
from proxy.contract.mode import Mode
from proxy.drift.rows import AcknowledgedRow, AnswersRow, Key, Series, Terms, TermsRow
from proxy.scorer.book import Book
from proxy.scorer.budget import DAY_S, MINUTE_S, Budget
from proxy.scorer.lateness import ENOUGH, Lateness
from proxy.scorer.ledger import Entry, Ledger
from proxy.scorer.repeats import DAY_S as REPEAT_S
from proxy.scorer.repeats import MOST, Repeats

KEY = Key("sim", "kimi-k2.6", "thinking")
ASKED = Asked(Mode.THINKING)


# Budget


def test_a_budget_refuses_by_the_limit_that_is_reached_and_forgets_in_time() -> None:
    budget = Budget(Mirror(requests_per_minute=2, requests_per_day=3, tokens_per_minute=100, tokens_per_day=1000))
    assert budget.refusal(0.0, 10) == ""
    budget.spend(0.0, 10)
    budget.spend(1.0, 10)
    assert budget.refusal(2.0, 10) == "budget_requests_per_minute"
    assert budget.refusal(2.0 + MINUTE_S, 10) == ""
    budget.spend(2.0 + MINUTE_S, 10)
    assert budget.refusal(3.0 + 2 * MINUTE_S, 10) == "budget_requests_per_day"
    assert budget.refusal(4.0 + 2 * DAY_S, 101) == "budget_tokens_per_minute"
    assert budget.refusal(4.0 + 2 * DAY_S, 100) == ""


def test_what_an_answer_turned_out_to_cost_is_added_without_a_request() -> None:
    budget = Budget(Mirror(requests_per_minute=10, tokens_per_minute=100))
    budget.spend(0.0, 50)
    budget.spend(1.0, 45, requests=0)
    assert budget.refusal(2.0, 10) == "budget_tokens_per_minute"
    budget.spend(3.0, -60, requests=0)
    assert budget.refusal(4.0, 10) == ""


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 500)), max_size=200))
def test_no_minute_spends_more_than_a_budget_and_its_last_slot(spends: list[tuple[float, int]]) -> None:
    budget, now, spent = Budget(Mirror(requests_per_minute=20, tokens_per_minute=2000)), 0.0, list[tuple[float, int]]()
    for pause, tokens in spends:
        now += pause
        if not budget.refusal(now, tokens):
            budget.spend(now, tokens)
            spent.append((now, tokens))
    for at, _ in spent:
        within = [tokens for when, tokens in spent if at - MINUTE_S * 59 / 60 < when <= at]
        assert len(within) <= 20
        assert sum(within) <= 2000


# Ledger


def complete(entry: Entry) -> None:
    entry.vendor, entry.vendor_over = Answer(), True
    entry.reference, entry.reference_over = Answer(), True


@given(st.permutations(range(8)), st.sets(st.integers(0, 7)))
def test_pairs_leave_in_the_order_of_admission_and_the_lost_at_once(order: list[int], lost: set[int]) -> None:
    ledger, left = Ledger(900.0, 1), list[Entry]()
    entries = [ledger.admit(str(number), KEY, 0.0, ASKED, "ref") for number in range(8)]
    for number in order:
        if number in lost:
            ledger.lose(entries[number], "reference", "timeout")
        else:
            complete(entries[number])
        left += ledger.leaving(1.0)
        assert entries[number] in left or number not in lost
    pairs = [entry.number for entry in left if entry.lost is None]
    assert pairs == sorted(pairs)
    assert {entry.number for entry in left} == set(range(1, 9))
    assert len(left) == 8
    assert len(ledger) == 0


def test_a_late_pair_is_given_up_and_what_waited_behind_it_leaves() -> None:
    ledger = Ledger(900.0, 5)
    first = ledger.admit("a", KEY, 0.0, ASKED, "ref")
    second = ledger.admit("b", KEY, 10.0, ASKED, "ref")
    complete(second)
    assert list(ledger.leaving(899.0)) == []
    assert list(ledger.leaving(901.0)) == [second, first]
    assert first.lost == ("proxy", "expired")
    assert [first.number, second.number] == [5, 6]
    assert ledger.find("a") is None


def test_the_first_reason_of_a_loss_stays_and_texts_are_let_go() -> None:
    ledger = Ledger(900.0, 1)
    entry = ledger.admit("a", KEY, 0.0, ASKED, "ref")
    entry.body, entry.vendor = b"text", Answer(content="text")
    ledger.lose(entry, "vendor", "timeout")
    ledger.lose(entry, "reference", "cut")
    assert [each.lost for each in ledger.leaving(0.0)] == [("vendor", "timeout")]
    assert not entry.body
    assert entry.vendor is None


# Lateness


def test_an_answer_is_late_by_the_past_of_its_hour_and_by_nothing_before_there_is_one() -> None:
    lateness = Lateness()
    assert {lateness.late(KEY, 0.0, 1.0) for _ in range(ENOUGH)} == {None}
    assert lateness.late(KEY, 10.0, 1.2) is False
    assert lateness.late(KEY, 20.0, 2.0) is True
    assert lateness.late(KEY, 5 * 3600.0, 2.0) is True, "another hour is judged by all hours"
    for _ in range(ENOUGH):
        lateness.late(KEY, 5 * 3600.0, 4.0)
    assert lateness.late(KEY, 5 * 3600.0, 4.5) is False, "which has its own past now"
    assert lateness.late(Key("other", "kimi-k2.6", "thinking"), 0.0, 9.0) is None


# Repeats


def test_a_request_is_repeated_within_a_day_and_for_its_own_vendor_only() -> None:
    repeats = Repeats()
    assert repeats.seen("sim", b"body", 5.0) is False
    assert repeats.seen("sim", b"other", 6.0) is False
    assert repeats.seen("two", b"body", 6.0) is False
    assert repeats.seen("sim", b"body", REPEAT_S) is True
    assert repeats.seen("sim", b"body", REPEAT_S * 1.25 + 5) is False


@pytest.mark.parametrize("every_s", [60.0, 3600.0, REPEAT_S / 4, REPEAT_S / 2, REPEAT_S - 1])
@pytest.mark.parametrize("began_s", [0.0, 1e9])
def test_it_is_known_for_a_day_and_forgotten_in_another_quarter(every_s: float, began_s: float) -> None:
    """However often others come in between."""
    repeats, count = Repeats(), 0

    def others(until_s: float) -> None:
        nonlocal count
        while began_s + (count + 1) * every_s <= until_s:
            count += 1
            repeats.seen("sim", b"%d" % (count % 1000), began_s + count * every_s)

    assert repeats.seen("sim", b"body", began_s) is False
    others(began_s + REPEAT_S)
    assert repeats.seen("sim", b"body", began_s + REPEAT_S) is True
    others(began_s + REPEAT_S * 1.25)
    assert repeats.seen("sim", b"body", began_s + REPEAT_S * 1.25) is False


def test_repeats_take_no_more_memory_the_more_there_are() -> None:
    repeats = Repeats()
    for number in range(10_000):
        repeats.seen("sim", b"%d" % number, 1.0)
    tracemalloc.start()
    try:
        for number in range(MOST + 10):
            assert repeats.seen("sim", b"%d" % number, 1.0) is (number < 10_000)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 64 * 1024
    assert repeats.seen("sim", b"%d" % (MOST + 9), 1.0) is True
    assert repeats.seen("sim", b"0", 1.0) is False, "the oldest went first"


# Book


def test_an_alarm_lasts_while_another_vendor_is_accepted() -> None:
    book, other = Book(), Key("other", KEY.policy, KEY.mode)
    series = Series("leaked-markers", "rate", "contract", 0.001, 0.1)
    book.fold(TermsRow(0.0, Terms((series,))))
    for key in (KEY, other):
        book.fold(AnswersRow(10.0, key, 60, {series.name: b"\1" * 60}))
    book.fold(AcknowledgedRow(20.0, other.vendor, "", "as agreed"))
    assert {alarm["key"]["vendor"]: alarm["recovered_at_s"] for alarm in book.alarms} == {"sim": None, "other": 20.0}
