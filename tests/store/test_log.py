"""The log: what is committed is there, in order and once; anchors, retention, readers beside the writer, refusals."""

from __future__ import annotations

import itertools
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.drift.rows import AcknowledgedRow, AnswersRow, Key, LostRow, RequestsRow, Row
from proxy.store import Store, StoreBusy, StoreError, StoreMissing, database, log
from tests.store.rows import KEY, Fold, pair, row, synthetic

DB = log.FILE


def filled(store: Store, count: int, batch: int = 7, seed: int = 1) -> Fold:
    """Append rows 1 to `count`, in batches; the fold of them."""
    fold, rows = Fold(), itertools.islice(synthetic(seed), count)
    while some := list(itertools.islice(rows, batch)):
        for each in some:
            fold.fold(each)
        store.append(some, fold.state())
    return fold


def replayed(store: Store) -> Fold:
    after, state = store.replay_from()
    fold = Fold(state)
    for _, each in store.rows(after):
        fold.fold(each)
    return fold


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    folder = tmp_path / "state" if request.param == "file" else None
    with Store.open(folder, anchor_rows=50) as opened:
        yield opened


def test_a_new_log_is_empty(store: Store) -> None:
    assert list(store.rows()) == []
    assert store.checkpoint() is None
    assert store.replay_from() == (0, None)
    assert store.acknowledgements() == []
    assert store.rows_of(KEY, "empty-answer", 0.0, 10) == []
    assert store.retain(1e10, 1.0, 1) == 0


def test_rows_come_back_in_their_order_with_the_checkpoint(store: Store) -> None:
    fold = filled(store, 2100)
    found = list(store.rows())
    assert [number for number, _ in found] == list(range(1, 2101))
    assert [each for _, each in found] == list(itertools.islice(synthetic(1), 2100))
    assert [number for number, _ in store.rows(2098)] == [2099, 2100]
    assert store.checkpoint() == (2100, fold.state())
    assert replayed(store).state() == fold.state()


def test_a_checkpoint_without_rows(store: Store) -> None:
    store.append([], {"count": 0})
    assert store.checkpoint() == (0, {"count": 0})
    store.append([row(1, 1)], {"count": 1})
    store.append([], {"count": 1, "pages": [1, 2.5, "x", None, True]})
    assert store.checkpoint() == (1, {"count": 1, "pages": [1, 2.5, "x", None, True]})


def test_an_anchor_after_so_many_rows_or_so_long(tmp_path: Path) -> None:
    with Store.open(tmp_path, anchor_rows=50, anchor_s=100.0) as store:
        store.append([pair(number, 0.0) for number in range(49)], 1)
        assert store.anchors() == []
        store.append([pair(50, 0.0)], 2)
        store.append([pair(51, 99.0)], 3)
        assert store.anchors() == [(50, 0.0)]
        store.append([pair(52, 100.0)], 4)
        store.append([pair(53, 100.0)], 5)
        assert store.anchors() == [(50, 0.0), (52, 100.0)]
    for _ in range(2):  # closed twice, but nothing was new
        with Store.open(tmp_path) as store:
            assert store.anchors() == [(50, 0.0), (52, 100.0), (53, 100.0)]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0, 80), st.booleans()), min_size=1, max_size=8))
def test_retention_never_loses_state(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, float, bool]]
) -> None:
    """Whatever is appended, pruned and reopened: a replay from the oldest place gives the state of all rows."""
    folder, fold, number = tmp_path_factory.mktemp("state"), Fold(), 0
    store = Store.open(folder, anchor_rows=20)
    for count, age_s, again in steps:
        rows = [row(3, number + each + 1) for each in range(count)]
        number += count
        for each in rows:
            fold.fold(each)
        store.append(rows, fold.state())
        store.retain(row(3, number).at_s if number else 0.0, age_s, 10**9)
        if again:
            store.close()
            store = Store.open(folder, anchor_rows=20)
        assert replayed(store).state() == fold.state()
        assert store.checkpoint() == (number, fold.state())
    store.close()


def test_retention_by_age_keeps_the_young(store: Store) -> None:
    filled(store, 400, batch=1)
    now_s = row(1, 400).at_s
    assert store.retain(now_s, 1000.0, 10**9) == 0
    assert store.retain(now_s, 50.0, 10**9) == 150  # 50 s are 200 rows; anchors stand at every 50th
    assert [number for number, _ in store.rows()] == list(range(151, 401))
    assert store.replay_from()[0] == 150
    assert store.anchors()[0][0] == 150
    assert store.retain(now_s, 50.0, 10**9) == 0


def test_retention_by_size_makes_the_file_small(tmp_path: Path) -> None:
    with Store.open(tmp_path, anchor_rows=200) as store:
        fold = filled(store, 6000, batch=50)
        before = (tmp_path / DB).stat().st_size
        limit = before // 3
        deleted = store.retain(0.0, 1e12, limit)
        assert 0 < deleted < 6000
        assert (tmp_path / DB).stat().st_size <= limit
        assert [number for number, _ in store.rows()] == list(range(deleted + 1, 6001))
        assert replayed(store).state() == fold.state()


def test_ids_go_on_when_every_row_is_gone(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        filled(store, 30)
    with Store.open(tmp_path) as store:
        assert store.retain(1e12, 1.0, 10**9) == 30
        assert store.checkpoint() is not None
        store.append([row(1, 31)], {"count": 31})
        assert [number for number, _ in store.rows()] == [31]
        assert store.replay_from()[0] == 30


def test_rows_in_which_a_series_speaks(store: Store) -> None:
    other = Key("another", KEY.policy, KEY.mode)
    swaps = [pair(number, 10.0 + number, empty=number) for number in range(4)]
    rows: list[Row] = [
        *swaps,
        pair(5, 20.0, size=[0.0, 0.0], sign=0.0, offset=["long", 3]),
        pair(6, 21.0, size=[0.5, 0.25], sign=-0.5, offset=["long", 4]),
        AnswersRow(22.0, KEY, 2, {"markers": b"\x00\x01"}),
        AnswersRow(23.0, KEY, 2, {"markers": b"\x00\x00"}),
        AnswersRow(24.0, other, 2, {"markers": b"\x01"}),
    ]
    store.append(rows, None)

    def ids(series: str, key: Key = KEY, after_s: float = 0.0, limit: int = 99) -> list[int]:
        return [number for number, _ in store.rows_of(key, series, after_s, limit)]

    assert ids("empty") == [2, 3]
    assert ids("empty", after_s=12.0) == [3]
    assert ids("empty", limit=1) == [2]
    assert ids("size") == ids("sign") == [6]
    assert ids("offset") == [6]
    assert ids("markers") == [7]
    assert ids("markers", other) == [9]
    assert ids("unknown") == []
    assert store.rows_of(KEY, "empty", 0.0, 1) == [(2, swaps[1])]


def test_a_pair_by_its_admission(store: Store) -> None:
    rows: list[Row] = [pair(7, 1.0, sign=0.5), LostRow(2.0, 8, KEY, "proxy", "shed"), AnswersRow(3.0, KEY, 9)]
    store.append(rows, None)
    assert store.pair(7) == rows[0]
    assert store.pair(8) is None
    assert store.pair(9) is None


def test_acknowledgements_are_taken_with_their_row(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        Store.ask_acknowledge(tmp_path, "engine", "", "new engine", at_s=5.0)
        Store.ask_acknowledge(tmp_path, "engine", "empty", "", at_s=6.0)
        first, second = store.acknowledgements()
        assert (first.vendor, first.signal, first.note, first.at_s) == ("engine", "", "new engine", 5.0)
        store.append([AcknowledgedRow(7.0, first.vendor, first.signal, first.note)], 1, taken=[first.id])
        assert store.acknowledgements() == [second]
    with Store.open(tmp_path) as store:
        assert store.acknowledgements() == [second]
        assert Store.is_written(tmp_path)
    assert not Store.is_written(tmp_path)
    with pytest.raises(StoreMissing):
        Store.ask_acknowledge(tmp_path / "elsewhere", "engine", "", "", at_s=1.0)


def test_threads_take_turns(store: Store) -> None:
    """Appending, pruning and reading at once: nothing is lost and nothing fails."""

    def work(name: str) -> None:
        for number in range(30):
            store.append([pair(number, float(number), **{name: 1})], {"by": name})
            store.retain(0.0, 1e9, 10**9)
            with store.snapshot():
                assert (store.checkpoint() or (0, 0))[0] == len(list(store.rows()))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, name) for name in "abcd"]:
            done.result()
    assert [number for number, _ in store.rows()] == list(range(1, 121))


def test_one_writer(tmp_path: Path) -> None:
    with Store.open(tmp_path):
        with pytest.raises(StoreBusy, match=rf"another scorer \(process {os.getpid()}\)\nhint: .*--state-dir"):
            Store.open(tmp_path)
    Store.open(tmp_path).close()


def test_a_reader_beside_the_writer_sees_one_moment(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        filled(store, 20)
        with Store.read(tmp_path) as reader:
            with reader.snapshot():
                assert len(list(reader.rows())) == 20
                store.append([row(1, 21)], {"count": 21})
                assert len(list(reader.rows())) == 20
                assert reader.checkpoint() == (20, replayed(reader).state())
            assert len(list(reader.rows())) == 21
            with pytest.raises(StoreError, match="readonly"):
                reader.append([row(1, 22)], None)
    with Store.read(tmp_path) as reader:
        assert len(list(reader.rows())) == 21


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with Store.open(folder) as store:
        filled(store, 5)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}
    assert modes == dict.fromkeys([DB, f"{DB}-wal", f"{DB}-shm", database.LOCK], 0o600)


def test_a_full_disk_is_said_and_the_rows_are_written_later(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        fold = filled(store, 20)
        rows = list(itertools.islice(synthetic(1, 21), 2000))
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count={pages + 2}")
        with pytest.raises(StoreError, match=r"full\nhint: free some space"):
            store.append(rows, {"count": 2020})
        assert store.checkpoint() == (20, fold.state())
        store._connection.execute("PRAGMA max_page_count=1000000")
        store.append(rows, {"count": 2020})
        assert [each for _, each in store.rows()] == list(itertools.islice(synthetic(1), 2020))
        assert store.checkpoint() == (2020, {"count": 2020})


def garbage(folder: Path) -> None:
    (folder / DB).write_bytes(b"this is not a database at all, " * 300)


def of_another_program(folder: Path) -> None:
    with sqlite3.connect(folder / DB) as connection:
        connection.execute("CREATE TABLE cookies (name TEXT)")
    connection.close()


def newer(folder: Path) -> None:
    Store.open(folder).close()
    with sqlite3.connect(folder / DB) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()


def damaged(folder: Path) -> None:
    with Store.open(folder) as store:
        filled(store, 500)
    content = bytearray((folder / DB).read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    (folder / DB).write_bytes(content)


def a_directory(folder: Path) -> None:
    (folder / DB).mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (garbage, r"paramwall.db cannot be opened: file is not a database\nhint: move the file away"),
        (of_another_program, r"paramwall.db is another program's database\nhint: choose another directory"),
        (newer, r"is of version 99; this paramwall knows versions up to 1\nhint: use the newer paramwall"),
        (a_directory, r"paramwall.db cannot be opened: .*\nhint: "),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("way", [Store.open, Store.read], ids=["open", "read"])
def test_a_file_that_cannot_be_used_is_said_and_left_alone(
    way: Callable[[Path], Store], spoil: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    spoil(tmp_path)
    before = b"" if (tmp_path / DB).is_dir() else (tmp_path / DB).read_bytes()
    with pytest.raises(StoreError, match=said):
        way(tmp_path)
    assert before == (b"" if (tmp_path / DB).is_dir() else (tmp_path / DB).read_bytes())
    assert not Store.is_written(tmp_path)


def test_damage_within_the_file_is_said(tmp_path: Path) -> None:
    damaged(tmp_path)
    for way in (Store.open, Store.read):
        with pytest.raises(StoreError, match=r"malformed.*\nhint: move the file away"):
            with way(tmp_path) as store:
                list(store.rows())


def test_an_unusable_directory_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/paramwall")):
        with pytest.raises(StoreError, match=f"{folder} cannot be used: .*\nhint: .*--state-dir"):
            Store.open(folder)


def test_nothing_to_read_yet(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing, match=r"does not exist\nhint: "):
        Store.read(tmp_path)
    (tmp_path / DB).touch()
    with pytest.raises(StoreMissing):
        Store.read(tmp_path)


def test_a_row_of_a_newer_kind_is_refused(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        filled(store, 3)
        store._connection.execute("INSERT INTO rows (at_s, vendor, kind, body) VALUES (1, '', 'weather', x'80')")
        with pytest.raises(StoreError, match=r"at 4, a row of kind 'weather'\nhint: use the newer"):
            list(store.rows())


def test_requests_are_read_alone_and_in_their_order(store: Store) -> None:
    told = [
        RequestsRow(float(number), ("a", "b")[number % 2], "p", "repair", "vllm", "", (), "", {"x": number})
        for number in range(2500)
    ]
    mixed: list[Row] = [each for both in zip(told, (row(5, n + 2) for n in range(2500)), strict=True) for each in both]
    store.append(mixed, 1)
    assert list(store.requests()) == told
    assert [each.at_s for each in store.requests(2400.0, "b")] == [float(n) for n in range(2401, 2500, 2)]
    assert list(store.requests(vendor="c")) == []
