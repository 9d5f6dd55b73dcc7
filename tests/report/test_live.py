"""What the log's rows become: shares between bounds, states over time, alarms."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.drift.rows import AcknowledgedRow, AnswersRow, Key, LostRow, PairRow, Series, Terms, TermsRow
from proxy.report.facts import Mode, Past, Span
from proxy.report.live import Gathering, Tally, contract_rate, f1_of, newest, read_log, share_of
from proxy.scorer.book import KVV_CELL, KVV_INVALID, Book
from proxy.signals.kvv import f1
from proxy.store import Store
from tests.cli.logged import BAD, BEGAN_S, FIRST_BAD, GOOD, PAIRS, RATE, SIZE, SWAP, TERMS, rows, write_log

KEY = Key("engine", "kimi-k2.6@0123abcd", "thinking")
CONTRACTS = frozenset({"a", "b", "c"})


@pytest.mark.parametrize(
    ("outcomes", "checked", "best", "worst"),
    [
        ({"a": bytes(4)}, 4, 0, 0),
        ({"a": b"\1\0\0\0", "b": b"\1\0\0\0"}, 4, 1, 1),  # the same answer, twice
        ({"a": b"\1\0\0\0", "b": b"\0\1\0\0"}, 4, 2, 2),
        ({"a": b"\1\0\0\0", "b": b"\1\0"}, 4, 1, 2),  # b applies to two of the four: to which is not told
        ({"a": bytes(4), "b": b"\1", "c": b"\1\1"}, 4, 2, 3),
        ({"a": b"\1\1", "b": b"\1"}, 2, 2, 2),  # no more than there are
        ({"other": b"\1\1"}, 0, 0, 0),  # no contract
    ],
)
def test_answers_that_broke_a_contract(outcomes: dict[str, bytes], checked: int, best: int, worst: int) -> None:
    tally = Tally()
    tally.add_answers(AnswersRow(0.0, KEY, 8, outcomes), CONTRACTS)
    assert (tally.checked, tally.best, tally.worst) == (checked, best, worst)
    for figure in contract_rate(tally, "L1"):
        assert figure.value == 1 - worst / checked
        assert figure.lower is not None
        assert figure.upper is not None
        assert figure.lower <= figure.value <= 1 - best / checked <= figure.upper


@pytest.mark.parametrize("cells", [(0, 0, 0), (40, 10, 6), (0, 3, 2), (900, 0, 0), (1, 0, 9)])
def test_f1_is_the_verifiers_between_bounds(cells: tuple[int, int, int]) -> None:
    found = f1_of(*cells, "L1")
    if not sum(cells):
        assert found == ()
        return
    assert found[0].value == pytest.approx(f1(*cells))
    assert found[0].lower is not None
    assert found[0].upper is not None
    assert 0 <= found[0].lower <= found[0].value <= found[0].upper <= 1
    assert found[0].upper - found[0].lower > 0
    assert found[0].n == sum(cells)


def test_more_answers_bring_the_bounds_together() -> None:
    widths = []
    for n in (10, 100, 1000):
        (figure,) = share_of(n * 9 // 10, n, "L1")
        assert figure.lower is not None
        assert figure.upper is not None
        widths.append(figure.upper - figure.lower)
    assert widths == sorted(widths, reverse=True)
    assert widths[2] < 0.08


def past_of(mode: Mode) -> Past:
    assert mode.past is not None
    return mode.past


def test_a_log_of_two_vendors(tmp_path: Path) -> None:
    book = write_log(tmp_path)
    told: list[tuple[int, int]] = []
    with Store.read(tmp_path) as store:
        source, modes = read_log(store, "state", "L1", lambda done, of: told.append((done, of)))
    assert (source.from_s, source.at_s) == (BEGAN_S, BEGAN_S + PAIRS * 60)
    assert source.what == f"the live log, {len(list(rows()))} rows"
    assert told[-1] == (len(list(rows())),) * 2
    by_vendor = {vendor: mode for vendor, mode, _ in modes}
    good, bad = past_of(by_vendor["honest"]), past_of(by_vendor["engine"])
    assert (good.state, bad.state) == ("ok", "degraded")
    assert [span.state for span in bad.spans][-1] == "degraded"
    for past in (good, bad):
        assert past.pairs == PAIRS
        assert [one.to_s for one in past.spans[:-1]] == [one.from_s for one in past.spans[1:]], "no gap, no overlap"
        assert past.spans[-1] == Span(past.state, past.since_s, source.at_s)
        times = [at_s for at_s, _ in past.evidence]
        assert times == sorted(times)
        assert 50 <= len(times) <= 300
    (alarm,) = bad.marks
    assert (alarm.what, alarm.text) == ("alarm", SWAP)
    assert alarm.at_s == book.alarms[0]["at_s"] >= BEGAN_S + FIRST_BAD * 60
    before = [share for at_s, share in bad.evidence if at_s < alarm.at_s]
    assert max(before) < 1 <= bad.evidence[-1][1]
    view = next(view for view in book.fleet.view(source.at_s) if view.key == BAD)
    effects = {effect.signal: effect for effect in by_vendor["engine"].effects}
    assert set(effects) == {SWAP, SIZE, RATE}
    for series in view.series:
        shown = effects[series.name]
        assert (shown.effect, shown.lower, shown.upper) == (series.effect, series.lower, series.upper)
        assert shown.n == series.values
        assert shown.alarm == (series.name == SWAP)
    assert by_vendor["engine"].contract[0].n == 8 * PAIRS // 10
    assert by_vendor["honest"].contract == ()


def test_what_the_pairs_say_of_tools() -> None:
    gathering = Gathering(Book(), 1)
    gathering.add(TermsRow(0.0, TERMS))
    for number, (cell, own) in enumerate([(0, 3), (0, 3), (1, 1), (2, 0), (3, 0)], 1):
        gathering.add(PairRow(float(number), number, KEY, "r", {KVV_CELL: cell, "reference-tool-trigger": own}))
    gathering.add(AnswersRow(9.0, KEY, 4, {KVV_INVALID: b"\0\0\0\1"}))
    ((_, mode, _),) = gathering.modes("L1")
    assert mode.tool_call_f1[0].value == pytest.approx(f1(2, 1, 1))
    assert mode.floors[0].value == pytest.approx(f1(2, 1, 0))
    assert mode.schema_accuracy[0].value == 0.75


def test_accepted_changes_are_marked_and_lost_pairs_change_nothing() -> None:
    gathering = Gathering(Book(), 100)
    for row in rows():
        gathering.add(row)
    end_s = BEGAN_S + PAIRS * 60
    gathering.add(LostRow(end_s + 1, 9000, BAD, "reference", "timeout"))
    gathering.add(AcknowledgedRow(end_s + 2, "engine", "", "new engine"))
    by_key = {(vendor, mode.mode): past_of(mode) for vendor, mode, _ in gathering.modes("L1")}
    bad = by_key["engine", "thinking"]
    assert [mark.what for mark in bad.marks] == ["alarm", "accepted"]
    assert bad.marks[-1].text == "every signal: new engine"
    assert bad.state != "degraded"
    assert bad.spans[-2].state == "degraded"
    assert not any(mark.what == "accepted" for mark in by_key["honest", "thinking"].marks)


def test_a_log_that_was_pruned_begins_with_the_state_that_was_kept(tmp_path: Path) -> None:
    book, batch = Book(), list(rows())
    with Store.open(tmp_path, anchor_rows=100) as store:
        for at in range(0, len(batch), 50):
            for row in batch[at : at + 50]:
                book.fold(row)
            store.append(batch[at : at + 50], book.state())
        assert store.retain(BEGAN_S + PAIRS * 60, 60.0 * 20, 1 << 40) > 300
    with Store.read(tmp_path) as store:
        source, modes = read_log(store, "state", "L1", lambda _done, _all: None)
    assert source.from_s is not None
    assert source.from_s > BEGAN_S + 60 * 100
    bad = next(past_of(mode) for vendor, mode, _ in modes if vendor == "engine")
    assert bad.state == "degraded"
    assert bad.pairs == PAIRS, "counts are of the state, which remembers"
    assert bad.spans[0].from_s >= source.from_s - 60
    good = next(past_of(mode) for vendor, mode, _ in modes if vendor == "honest")
    assert good.since_s == next(view.at_s for view in book.fleet.view(source.at_s) if view.key == GOOD)
    assert good.since_s < source.from_s - 60, "it was so before the rows begin"
    assert [span.from_s >= source.from_s - 60 for span in good.spans] == [True]


def test_the_policy_used_last_speaks_for_a_vendor() -> None:
    old, new, other = (Mode("thinking", policy) for policy in ("p@1", "p@2", "p@3"))
    instant = Mode("instant", "p@1")
    found = [("v", old, 1.0), ("v", new, 3.0), ("v", other, 2.0), ("v", instant, 1.0)]
    for order in (found, found[::-1]):
        kept, former = newest(order)
        assert kept == {("v", "thinking"): new, ("v", "instant"): instant}
        assert sorted(mode.policy for _, mode in former) == ["p@1", "p@3"]


def test_evidence_is_that_of_the_views_leading_series() -> None:
    book = Book()
    for row in rows():
        book.fold(row)
    views = {view.key: view for view in book.fleet.view(book.last_at_s)}
    for key, evidence, threshold in book.fleet.evidence():
        leading = next(one for one in views[key].series if one.name == views[key].leading)
        assert (evidence, threshold) == (leading.log_evidence, leading.log_threshold)
    empty = Book()
    empty.fold(TermsRow(0.0, Terms((Series("a", "rate", "contract", 0.1, 1.0),))))
    empty.fold(LostRow(1.0, 1, GOOD, "vendor", "timeout"))
    assert [each[1:] for each in empty.fleet.evidence()] == [(0.0, 0.0)]
