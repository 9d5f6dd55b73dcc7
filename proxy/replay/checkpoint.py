"""The checkpoint and the results in one: a private SQLite file with a row for each call that came to an end.

Here: what is in it. Not here: opening such a file (store/database.py), the calls (run.py). Invariants: a call is in it
once, by target, record and epoch, and was committed by itself when it ended; a file holds one replay, so another
dataset, target or setting is refused; one process writes at a time.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from proxy.contract.answer import Answer
from proxy.store import StoreBusy, StoreError, database
from proxy.store.database import Opened, Schema, transaction

FILE: Final = "replay.db"
MAX_ERROR: Final = 2000
"""Bytes kept of a refusal's body."""


class Call(msgspec.Struct, frozen=True, array_like=True):
    """How one call ended, as Reply and Outcome have it. `at_s` is Unix time at its end; `former` why there was no
    answer before.
    """

    record: int
    epoch: int
    reason: str
    status: int
    answer: Answer | None
    error: str = ""
    former: tuple[str, ...] = ()
    first_token_s: float | None = None
    total_s: float | None = None
    at_s: float = 0.0

    @property
    def whole(self) -> Answer | None:
        """The answer, where all of it came."""
        return None if self.reason else self.answer


class AnotherReplay(Exception):
    """The directory holds another replay; `differing` says in what, as (what, there, here)."""

    def __init__(self, differing: tuple[tuple[str, str, str], ...]) -> None:
        super().__init__("another replay")
        self.differing = differing


def _version_1(connection: sqlite3.Connection) -> None:
    """`target` is its place in the plan; `ended` a Call, packed and compressed, `reason` "" for one with an answer."""
    for statement in (
        """CREATE TABLE calls (
            target INTEGER NOT NULL, record INTEGER NOT NULL, epoch INTEGER NOT NULL, reason TEXT NOT NULL,
            ended BLOB NOT NULL, PRIMARY KEY (target, record, epoch)) STRICT, WITHOUT ROWID""",
        "CREATE TABLE replay (id INTEGER PRIMARY KEY CHECK (id = 1), plan TEXT NOT NULL, at_s REAL NOT NULL) STRICT",
    ):
        connection.execute(statement)


SCHEMA: Final = Schema(0x50575031, (_version_1,))
_INSERT: Final = "INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?, ?)"
_packed: Final = msgspec.msgpack.Encoder().encode
_unpacked: Final = msgspec.msgpack.Decoder(Call).decode


class Checkpoint(Opened):
    """The file, open for the one writer. What fails raises StoreError."""

    def __init__(self, connection: sqlite3.Connection, name: str, lock: int, at_s: float) -> None:
        super().__init__(name)
        self._connection = connection
        self._lock = lock
        self.at_s = at_s
        """When the replay was begun."""

    @classmethod
    def open(cls, folder: Path, plan: Mapping[str, Any], now_s: float) -> Self:
        """Begin the replay of `plan` in a directory, or go on with it. Raises AnotherReplay, or StoreError."""
        try:
            lock = database.lock(folder)
        except StoreBusy:
            message = f"{folder} is in use by another replay that still runs"
            raise StoreBusy(message, "wait for its end, or name another directory with --output") from None
        try:
            connection = database.open_writing(folder / FILE, SCHEMA)
            try:
                at_s = _agreed(connection, plan, now_s)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            os.close(lock)
            raise
        return cls(connection, str(folder / FILE), lock, at_s)

    def close(self) -> None:
        """Let go of the file; another process may then go on."""
        with self._using("closed"):
            self._connection.close()
            os.close(self._lock)

    def add(self, target: int, call: Call) -> None:
        """A call came to its end; it is on the disk when this returns."""
        ended = zlib.compress(_packed(call), 1)
        with self._using("written"), transaction(self._connection):
            self._connection.execute(_INSERT, (target, call.record, call.epoch, call.reason, ended))

    def count(self) -> int:
        """How many calls have ended."""
        with self._using("read"):
            return int(self._connection.execute("SELECT count(*) FROM calls").fetchone()[0])

    def ended(self, target: int) -> Iterator[tuple[int, int, bool]]:
        """Record and epoch of every call that ended, and whether with an answer."""
        query = "SELECT record, epoch, reason FROM calls WHERE target = ?"
        with self._using("read"), closing(self._connection.execute(query, (target,))) as cursor:
            for record, epoch, reason in cursor:
                yield record, epoch, not reason

    def calls(self, target: int) -> Iterator[Call]:
        """All of a target's that ended, in the order of records and epochs."""
        query = "SELECT ended FROM calls WHERE target = ? ORDER BY record, epoch"
        with self._using("read"), closing(self._connection.execute(query, (target,))) as cursor:
            for (ended,) in cursor:
                yield _call(ended, self._name)


def _call(ended: bytes, name: str) -> Call:
    try:
        return _unpacked(zlib.decompress(ended))
    except (zlib.error, msgspec.DecodeError) as error:
        raise StoreError(
            f"{name} holds a call that cannot be read: {error}", "begin anew in another --output"
        ) from error


def _agreed(connection: sqlite3.Connection, plan: Mapping[str, Any], now_s: float) -> float:
    """When this replay was begun; it is the one of the file."""
    row = connection.execute("SELECT plan, at_s FROM replay").fetchone()
    if row is None:
        connection.execute("INSERT INTO replay VALUES (1, ?, ?)", (json.dumps(plan, sort_keys=True), now_s))
        return now_s
    try:
        there = json.loads(row[0])
    except (ValueError, RecursionError):
        there = None
    if not isinstance(there, dict):
        raise StoreError(f"{FILE} holds no plan of a replay", "begin anew in another --output")
    differing = tuple(
        (name, *_shown(there.get(name), plan.get(name)))
        for name in sorted(there.keys() | plan.keys())
        if there.get(name) != plan.get(name)
    )
    if differing:
        raise AnotherReplay(differing)
    return float(row[1])


def _shown(there: Any, here: Any) -> tuple[str, str]:  # noqa: ANN401  (JSON)
    """Two values that differ; of two lists what only one of them has."""
    if isinstance(there, list) and isinstance(here, list):
        there, here = [each for each in there if each not in here], [each for each in here if each not in there]
        return "; ".join(there) or "nothing else", "; ".join(here) or "nothing else"
    return _text(there), _text(here)


def _text(value: object) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name} {each}" for name, each in value.items())
    return "none" if value in (None, "") else str(value)
