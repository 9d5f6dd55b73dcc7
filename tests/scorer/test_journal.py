"""The journal's kept bodies: opened when that changes, and again when they could not be."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.config.values import Config, Evidence
from proxy.scorer.bodies import FILE, Bodies, Kept
from proxy.scorer.journal import Journal
from tests.proxying import configured
from tests.scorer.test_bodies import exchange

CONFIG = configured("http://127.0.0.1:9/v1")
ALL = replace(CONFIG, evidence=Evidence(bodies="all"))


def waiting(*numbers: int) -> Callable[[], deque[Kept]]:
    return lambda: deque(exchange(number) for number in numbers)


def journal_of(folder: Path, said: list[str]) -> Journal:
    """At the time of the exchanges."""
    return Journal(folder, said.append, lambda: 100.0, lambda: 0.0)


def found(folder: Path, *numbers: int) -> list[bool]:
    with Bodies.read(folder) as bodies:
        return [bodies.find(number) is not None for number in numbers]


@pytest.mark.parametrize(
    ("config", "times"),
    [(ALL, 1), (replace(ALL, workers=7), 1), (replace(CONFIG, evidence=Evidence(bodies="all", age_s=9e9)), 2)],
    ids=["the same", "another, but for the evidence", "kept for longer"],
)
async def test_a_reload_opens_the_file_anew_only_where_it_is_kept_in_another_way(
    config: Config, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, said, really = list[Path](), list[str](), Bodies.open

    def noted(folder: Path, *rest: Any) -> Bodies:  # noqa: ANN401  (as they come)
        opened.append(folder)
        return really(folder, *rest)

    monkeypatch.setattr(Bodies, "open", noted)
    journal = journal_of(tmp_path, said)
    for number, each in enumerate((ALL, config), 1):
        journal.use(each)
        await journal.keep_bodies(waiting(number))
    journal.close()
    assert found(tmp_path, 1, 2) == [True, True]
    assert opened == [tmp_path] * times
    assert not said


async def test_what_waits_for_a_file_that_cannot_be_opened_is_written_when_it_can(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database " * 100)
    said = list[str]()
    journal = journal_of(tmp_path, said)
    journal.use(ALL)
    await journal.keep_bodies(waiting(1, 2))
    for _ in range(3):
        await journal.keep_bodies(waiting(9))
    assert len(said) == 1, "once, not with every attempt"
    assert "bodies.db cannot be opened: file is not a database" in said[0]
    (tmp_path / FILE).unlink()
    await journal.keep_bodies(waiting(9))
    await journal.keep_bodies(waiting(3))
    journal.close()
    assert found(tmp_path, 1, 2, 3, 9) == [True, True, True, False]
    assert len(said) == 1


async def test_a_body_that_cannot_be_written_costs_those_behind_it_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.store.database._BUSY_MS", 0)
    said = list[str]()
    journal = journal_of(tmp_path, said)
    journal.use(ALL)
    await journal.keep_bodies(waiting())
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as beside:
        beside.execute("BEGIN IMMEDIATE")
        await journal.keep_bodies(waiting(1, 2, 3))
    await journal.keep_bodies(waiting(4))
    journal.close()
    assert found(tmp_path, 1, 2, 3, 4) == [False, True, True, False]
    assert len(said) == 1
    assert "another program holds the file" in said[0]
