"""Schema versions: one step after the other, each whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from proxy.store import StoreError, StoreMissing, database
from proxy.store.database import Schema


def first(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE notes (text TEXT)")
    connection.execute("INSERT INTO notes VALUES ('old')")


def second(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE notes ADD COLUMN mood TEXT DEFAULT 'good'")


def broken(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE notes ADD COLUMN weather TEXT")
    connection.execute("INSERT INTO nowhere VALUES (1)")


def notes(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM notes").fetchall()


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_a_file_is_brought_up_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.touch()  # an empty file is version 0
    database.open_writing(path, Schema(7, (first,))).close()
    assert (version(path), notes(path)) == (1, [("old",)])
    database.open_writing(path, Schema(7, (first, second))).close()
    assert (version(path), notes(path)) == (2, [("old", "good")])
    database.open_writing(path, Schema(7, (first, second))).close()
    assert (version(path), notes(path)) == (2, [("old", "good")])


def test_a_step_that_fails_leaves_the_file_at_the_version_before(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    with pytest.raises(StoreError, match="nowhere"):
        database.open_writing(path, Schema(7, (first, broken, second)))
    assert (version(path), notes(path)) == (1, [("old",)])
    database.open_writing(path, Schema(7, (first, second))).close()
    assert version(path) == 2


@pytest.mark.parametrize("way", [database.open_reading, database.open_beside])
def test_only_the_writer_migrates(way: Callable[[Path, Schema], sqlite3.Connection], tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    with pytest.raises(StoreMissing):
        way(path, Schema(7, (first,)))
    database.open_writing(path, Schema(7, (first,))).close()
    with pytest.raises(StoreError, match=r"of version 1, this is version 2\nhint: start the proxy once"):
        way(path, Schema(7, (first, second)))
    assert version(path) == 1


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    database.open_writing(path, Schema(7, (first,))).close()
    with pytest.raises(StoreError, match="another program"):
        database.open_writing(path, Schema(8, (first,)))
