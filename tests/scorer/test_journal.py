"""The journal's kept bodies: nothing is lost that a file could not take at first, and no key is kept."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy.config.values import Config, Evidence, Secret
from proxy.scorer.bodies import FILE, Bodies
from proxy.scorer.journal import Journal
from proxy.scorer.redaction import REDACTED
from tests.proxying import configured
from tests.scorer.test_keeping import add

CONFIG = configured("http://127.0.0.1:9/v1")
ALL = replace(CONFIG, evidence=Evidence(bodies="all"))
NOT_A_DATABASE = b"no database " * 100


def journal_of(folder: Path, said: list[str]) -> Journal:
    """At the time of the exchanges."""
    journal = Journal(folder, said.append, lambda: 100.0, lambda: 0.0)
    journal.use(ALL)
    return journal


async def keeps(journal: Journal, *numbers: int) -> None:
    """These come, and one attempt is made."""
    for number in numbers:
        add(journal.keeping, number)
    await journal.keep_bodies()


def kept(folder: Path) -> list[int]:
    with Bodies.read(folder) as bodies:
        return list(bodies.request_ids("engine"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose file was opened."""
    found, really = list[Path](), Bodies.open

    def noted(folder: Path, *rest: Any) -> Bodies:  # noqa: ANN401  (as they come)
        found.append(folder)
        return really(folder, *rest)

    monkeypatch.setattr(Bodies, "open", noted)
    return found


def with_key(key: str) -> Config:
    return replace(ALL, vendors=(replace(ALL.vendors[0], api_key=Secret(key)),))


@pytest.mark.parametrize(
    ("config", "times"),
    [(ALL, 1), (replace(ALL, workers=7), 1), (replace(CONFIG, evidence=Evidence(bodies="all", age_s=9e9)), 2)],
    ids=["the same", "another, but for the evidence", "kept for longer"],
)
async def test_a_reload_opens_the_file_anew_only_where_it_is_kept_in_another_way(
    config: Config, times: int, tmp_path: Path, opened: list[Path]
) -> None:
    said = list[str]()
    journal = journal_of(tmp_path, said)
    await keeps(journal, 1)
    journal.use(config)
    await keeps(journal, 2)
    journal.close()
    assert kept(tmp_path) == [1, 2]
    assert opened == [tmp_path] * times
    assert not said


async def test_what_waits_for_a_file_that_cannot_be_opened_is_written_when_it_can(tmp_path: Path) -> None:
    said = list[str]()
    journal = journal_of(tmp_path, said)
    for outage in (1, 2):
        (tmp_path / FILE).write_bytes(NOT_A_DATABASE)
        for attempt in range(3):
            await keeps(journal, 10 * outage + attempt)
        assert len(said) == outage, "each outage is told, once and not with every attempt"
        assert "bodies.db cannot be opened: file is not a database" in said[-1]
        (tmp_path / FILE).unlink()
        await keeps(journal, 10 * outage + 3)
        assert kept(tmp_path) == [10 * outage + n for n in range(4)]
        (tmp_path / FILE).rename(tmp_path / "moved away")
    journal.close()
    assert len(said) == 2


async def test_no_attempt_to_write_costs_a_body(
    tmp_path: Path, opened: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.store.database._BUSY_MS", 0)
    said = list[str]()
    journal = journal_of(tmp_path, said)
    await keeps(journal)
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as beside:
        beside.execute("BEGIN IMMEDIATE")
        await keeps(journal, 1, 2, 3)
    assert len(said) == 1
    assert "another program holds the file" in said[0]
    await keeps(journal, 4)
    assert opened == [tmp_path] * 2, "anew, since nobody knows what a failed write left of the connection"
    journal.close()
    assert kept(tmp_path) == [1, 2, 3, 4]
    assert len(said) == 1


async def test_a_file_that_opens_but_cannot_be_written_costs_nothing_either(tmp_path: Path) -> None:
    said = list[str]()
    journal = journal_of(tmp_path, said)
    await keeps(journal, 1)
    journal.close()
    sound = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(sound[:4096] + b"\xff" * (len(sound) - 4096))
    journal = journal_of(tmp_path, said)
    for number in (2, 3, 4):
        await keeps(journal, number)
    assert len(said) == 1
    assert "bodies.db cannot be written: database disk image is malformed" in said[0]
    (tmp_path / FILE).unlink()
    await keeps(journal)
    journal.close()
    assert kept(tmp_path) == [2, 3, 4]


async def test_a_body_that_is_a_defect_is_lost_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = Bodies.keep

    def odd(self: Bodies, exchange: Any) -> bool:  # noqa: ANN401  (as it comes)
        if exchange.number == 2:
            raise ValueError("a defect")
        return really(self, exchange)

    monkeypatch.setattr(Bodies, "keep", odd)
    journal = journal_of(tmp_path, [])
    with pytest.raises(ValueError, match="a defect"):
        await keeps(journal, 1, 2, 3)
    await keeps(journal, 4)
    journal.close()
    assert kept(tmp_path) == [1, 3, 4]


async def test_what_was_never_written_is_told_at_the_end(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(NOT_A_DATABASE)
    said = list[str]()
    journal = journal_of(tmp_path, said)
    await keeps(journal, 1, 2)
    await keeps(journal, 3)
    journal.close()
    assert said[1:] == ["3 exchanges that were to be kept as evidence were not written"]


async def test_a_file_that_is_removed_or_moved_away_is_begun_anew(tmp_path: Path) -> None:
    said = list[str]()
    journal = journal_of(tmp_path, said)
    await keeps(journal, 1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
        (tmp_path / name).rename(elsewhere / name)
    await keeps(journal, 2)
    journal.close()
    assert kept(elsewhere) == [1]
    assert kept(tmp_path) == [2]
    assert not said


async def test_a_key_that_was_replaced_while_bodies_wait_is_struck_out_all_the_same(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(NOT_A_DATABASE)
    journal = journal_of(tmp_path, [])
    keys = [f"Key{number:013}" for number in range(20)]
    for number, key in enumerate(keys, 1):
        journal.use(with_key(key))
        add(journal.keeping, number, request=msgspec.json.encode({"said": key}))
        await journal.keep_bodies()
    (tmp_path / FILE).unlink()
    await journal.keep_bodies()
    journal.close()
    with Bodies.read(tmp_path) as bodies:
        found = [bodies.find(number) for number in range(1, 21)]
    assert [each and msgspec.json.decode(each.request) for each in found] == [{"said": REDACTED}] * 20
