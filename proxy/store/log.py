"""The log: rows in the order they are folded, and the state they were folded to, in one SQLite file.

Not here: the fold (drift/) and the file's opening (database.py). Invariants: rows and the checkpoint that counts them
are committed together, so a crash leaves neither ahead of the other; an id is never used twice; rows after the place
`replay_from` names are complete, and the state at that place is kept.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from proxy.drift.offset import KNOWN_SKEW
from proxy.drift.rows import AnswersRow, Key, PairRow, ProbesRow, RequestsRow, Row, Value
from proxy.store import database
from proxy.store.database import Opened, Schema, StoreError, explained, transaction, understood
from proxy.store.packing import UnknownRow, pack, unpack, vendor_of

FILE: Final = "paramwall.db"
ANCHOR_ROWS: Final = 10_000
ANCHOR_S: Final = 86_400.0
"""An anchor is kept after so many rows, or so many seconds of them, whichever comes first."""

_BATCH: Final = 1000
_INSERT: Final = "INSERT INTO rows (at_s, vendor, number, kind, body) VALUES (?, ?, ?, ?, ?)"


def _version_1(connection: sqlite3.Connection) -> None:
    """`rows.id` is the fold order; `log.complete_after` is the anchor that retention went up to."""
    for statement in (
        # AUTOINCREMENT: an id stays used when retention deletes its row.
        """CREATE TABLE rows (
            id INTEGER PRIMARY KEY AUTOINCREMENT, at_s REAL NOT NULL, vendor TEXT NOT NULL, number INTEGER,
            kind TEXT NOT NULL, body BLOB NOT NULL) STRICT""",
        "CREATE INDEX rows_of_vendor ON rows (vendor, at_s)",
        "CREATE INDEX rows_by_number ON rows (number) WHERE number IS NOT NULL",
        """CREATE TABLE checkpoint (
            id INTEGER PRIMARY KEY CHECK (id = 1), row INTEGER NOT NULL, state BLOB NOT NULL) STRICT""",
        "CREATE TABLE anchors (row INTEGER PRIMARY KEY, at_s REAL NOT NULL, state BLOB NOT NULL) STRICT",
        "CREATE TABLE log (id INTEGER PRIMARY KEY CHECK (id = 1), complete_after INTEGER NOT NULL) STRICT",
        "INSERT INTO log VALUES (1, 0)",
        """CREATE TABLE acknowledgements (
            id INTEGER PRIMARY KEY AUTOINCREMENT, at_s REAL NOT NULL, vendor TEXT NOT NULL, signal TEXT NOT NULL,
            note TEXT NOT NULL, taken INTEGER NOT NULL DEFAULT 0) STRICT""",
    ):
        connection.execute(statement)


SCHEMA: Final = Schema(0x50574C31, (_version_1,))


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What an operator asked for beside the running scorer; `signal` "": all of the vendor's."""

    id: int
    at_s: float
    vendor: str
    signal: str
    note: str


class Store(Opened):
    """The log, open, for any thread. What fails raises StoreError, changes nothing, and may be called again."""

    def __init__(
        self, connection: sqlite3.Connection, name: str, lock: int | None, anchor_rows: int, anchor_s: float
    ) -> None:
        super().__init__(name)
        self._connection = connection
        self._folder = Path(name).parent
        self._lock = lock
        self._anchor_rows = anchor_rows
        self._anchor_s = anchor_s
        self._writes = True

    @classmethod
    def open(cls, folder: Path | None, *, anchor_rows: int = ANCHOR_ROWS, anchor_s: float = ANCHOR_S) -> Self:
        """For the scorer: alone to write, until closed. None: in memory, gone with the process.

        Raises StoreBusy when another process has it, StoreError for anything else.
        """
        if folder is None:
            return cls(database.open_writing(None, SCHEMA), "the log", None, anchor_rows, anchor_s)
        lock = database.lock(folder)
        try:
            connection = database.open_writing(folder / FILE, SCHEMA)
        except BaseException:
            os.close(lock)
            raise
        return cls(connection, str(folder / FILE), lock, anchor_rows, anchor_s)

    @classmethod
    def read(cls, folder: Path, within_s: float | None = None) -> Self:
        """For a command: reads only, while the scorer runs or not, for `within_s` at most. Raises StoreMissing,
        StoreError.
        """
        connection = database.open_reading(folder / FILE, SCHEMA, within_s)
        opened = cls(connection, str(folder / FILE), None, ANCHOR_ROWS, ANCHOR_S)
        opened._writes = False
        return opened

    def close(self) -> None:
        """Keep an anchor, unless this one only reads, and let go of the file."""
        with self._one_call:
            if self._writes:
                with suppress(sqlite3.Error), transaction(self._connection):  # all that would be lost is an anchor
                    self._anchor(at_once=True)
            self._connection.close()
        if self._lock is not None:
            os.close(self._lock)

    # Writing

    def append(self, rows: Sequence[Row], checkpoint: object, taken: Sequence[int] = ()) -> None:
        """Commit rows, in the order of their fold, and the state after the last of them (builtins only).

        `taken` are the ids of acknowledgements that are among the rows.
        """
        packed = [(float(row.at_s), vendor_of(row), getattr(row, "number", None), *pack(row)) for row in rows]
        state = msgspec.msgpack.encode(checkpoint)
        if self._lock is not None:
            database.in_place(self._lock, self._folder)
        with self._using("written"), transaction(self._connection):
            execute = self._connection.execute
            self._connection.executemany(_INSERT, packed)
            execute("INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?)", (self._last_id(), state))
            for number in taken:
                execute("UPDATE acknowledgements SET taken = 1 WHERE id = ?", (number,))
            self._anchor(at_once=False)

    def retain(self, now_s: float, max_age_s: float, max_bytes: int) -> int:
        """Delete rows older than `max_age_s` or, the oldest first, above `max_bytes`; how many.

        It goes from anchor to anchor, so somewhat more is kept: up to ANCHOR_ROWS rows or ANCHOR_S seconds.
        """
        deleted = 0
        with self._using("pruned"):
            anchors = self._fetch("SELECT row, at_s FROM anchors, log WHERE row > complete_after ORDER BY row")
            for row, at_s in anchors:
                if at_s >= now_s - max_age_s and database.used_bytes(self._connection) <= max_bytes:
                    break
                with transaction(self._connection):
                    deleted += self._connection.execute("DELETE FROM rows WHERE id <= ?", (row,)).rowcount
                    self._connection.execute("DELETE FROM anchors WHERE row < ?", (row,))
                    self._connection.execute("UPDATE log SET complete_after = ?", (row,))
                    self._connection.execute("DELETE FROM acknowledgements WHERE taken AND at_s <= ?", (at_s,))
            database.shrink(self._connection)
        return deleted

    def _last_id(self) -> int:
        last = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'rows'").fetchone()
        return int(last[0]) if last else 0

    def _anchor(self, *, at_once: bool) -> None:
        """Keep the checkpoint, when there are rows since the last one that was kept and enough of them."""
        execute = self._connection.execute
        last = execute("SELECT id, at_s FROM rows ORDER BY id DESC LIMIT 1").fetchone()
        before = execute("SELECT row, at_s FROM anchors ORDER BY row DESC LIMIT 1").fetchone()
        before = before or execute("SELECT 0, at_s FROM rows ORDER BY id LIMIT 1").fetchone()
        if last is None or last[0] <= before[0]:
            return
        if at_once or last[0] - before[0] >= self._anchor_rows or last[1] - before[1] >= self._anchor_s:
            execute("INSERT INTO anchors SELECT row, ?, state FROM checkpoint", (last[1],))

    # Reading

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read within is of one moment, whatever the scorer appends meanwhile. What cannot be made of it is
        a StoreError.
        """
        with self._one_call:
            with self._using("read"):
                self._connection.execute("BEGIN")
            try:
                with understood(self._name):
                    yield
            finally:
                with self._using("read"):
                    self._connection.execute("COMMIT")

    def rows(self, after: int = 0) -> Iterator[tuple[int, Row]]:
        """Every row with an id above `after`, in fold order."""
        while True:
            found = self._fetch("SELECT id, kind, body FROM rows WHERE id > ? ORDER BY id LIMIT ?", after, _BATCH)
            for number, kind, body in found:
                yield number, self._unpacked(number, kind, body)
            if len(found) < _BATCH:
                return
            after = found[-1][0]

    def rows_of(
        self, key: Key, series: str, after_s: float, limit: int
    ) -> list[tuple[int, PairRow | AnswersRow | ProbesRow]]:
        """The first rows of a key, at `after_s` or later, in which a series says anything but that all is alike."""
        found: list[tuple[int, PairRow | AnswersRow | ProbesRow]] = []
        with self._using("read"):
            cursor = self._connection.execute(
                "SELECT id, kind, body FROM rows WHERE vendor = ? AND at_s >= ? ORDER BY at_s, id",
                (key.vendor, after_s),
            )
            for number, kind, body in cursor:
                row = self._unpacked(number, kind, body)
                if isinstance(row, PairRow | AnswersRow | ProbesRow) and row.key == key and _speaks(row, series):
                    found.append((number, row))
                    if len(found) >= limit:
                        break
            cursor.close()
        return found

    def requests(self, after_s: float = 0.0, vendor: str | None = None) -> Iterator[RequestsRow]:
        """What clients asked of all vendors, or of one, at `after_s` or later, the oldest first."""
        statement = (
            "SELECT id, kind, body FROM rows WHERE kind = 'requests' AND id > ? AND at_s >= ?"
            " AND vendor = ifnull(?, vendor) ORDER BY id LIMIT ?"
        )
        after = 0
        while found := self._fetch(statement, after, after_s, vendor, _BATCH):
            for number, kind, body in found:
                row, after = self._unpacked(number, kind, body), number
                assert isinstance(row, RequestsRow)
                yield row

    def pair(self, number: int) -> PairRow | None:
        """The pair of an admission; None when there was none, or its row is gone."""
        found = self._fetch("SELECT id, kind, body FROM rows WHERE number = ? ORDER BY id DESC LIMIT 1", number)
        row = self._unpacked(*found[0]) if found else None
        return row if isinstance(row, PairRow) else None

    def checkpoint(self) -> tuple[int, Any] | None:
        """The id of the last row folded, and the state after it; None in a new log."""
        found = self._fetch("SELECT row, state FROM checkpoint")
        return (found[0][0], msgspec.msgpack.decode(found[0][1])) if found else None

    def anchors(self) -> list[tuple[int, float]]:
        """Ids and times of the rows after which the state is kept."""
        return self._fetch("SELECT row, at_s FROM anchors ORDER BY row")

    def replay_from(self) -> tuple[int, Any | None]:
        """The id after which the rows are complete, and the state there; (0, None): from the very beginning."""
        complete_after = self._fetch("SELECT complete_after FROM log")[0][0]
        if complete_after == 0:
            return 0, None
        state = self._fetch("SELECT state FROM anchors WHERE row = ?", complete_after)
        return complete_after, msgspec.msgpack.decode(state[0][0])

    def _fetch(self, statement: str, *values: object) -> list[Any]:
        with self._using("read"):
            return self._connection.execute(statement, values).fetchall()

    def _unpacked(self, number: int, kind: str, body: bytes) -> Row:
        try:
            return unpack(kind, body)
        except UnknownRow as unknown:
            hint = "use the newer paramwall that wrote it, or another directory with --state-dir"
            raise StoreError(f"{self._name} holds, at {number}, {unknown}", hint) from unknown

    # Acknowledgements

    @staticmethod
    def ask_acknowledge(folder: Path, vendor: str, signal: str, note: str, *, at_s: float) -> None:
        """From any process: ask the scorer to accept how a vendor is now; it takes the request when it next looks.

        Raises StoreMissing where there is no log, or StoreError.
        """
        with (
            explained(f"{folder / FILE} cannot be written"),
            closing(database.open_beside(folder / FILE, SCHEMA)) as connection,
        ):
            connection.execute(
                "INSERT INTO acknowledgements (at_s, vendor, signal, note) VALUES (?, ?, ?, ?)",
                (at_s, vendor, signal, note),
            )

    @staticmethod
    def is_written(folder: Path) -> bool:
        """Whether a scorer has the directory now."""
        return database.is_locked(folder)

    def acknowledgements(self) -> list[Acknowledgement]:
        """What was asked and not yet taken, the oldest first."""
        found = self._fetch("SELECT id, at_s, vendor, signal, note FROM acknowledgements WHERE NOT taken ORDER BY id")
        return [Acknowledgement(*each) for each in found]


def _speaks(row: PairRow | AnswersRow | ProbesRow, series: str) -> bool:
    if isinstance(row, AnswersRow | ProbesRow):
        return 1 in row.outcomes.get(series, b"")
    return series in row.values and not _is_neutral(row.values[series])


def _is_neutral(value: Value) -> bool:
    """Both alike: a swap of neither (0) or both (3), a payoff of 0, two equal sizes. Of an offset, which
    is judged by those before it, one within the skew between healthy stacks.
    """
    if isinstance(value, list):
        if isinstance(value[0], str):
            return value[1] in KNOWN_SKEW
        return value[0] == value[1]
    return value in {0, 3}
