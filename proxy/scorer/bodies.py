"""Kept bodies: requests and answers behind a disagreement, for whoever must look at them.

Not here: which answers disagree, and the log of values, which holds no text. Invariants: nothing is written unless
asked for; what is written is redacted and compressed, in a file only its owner can read, within the limits of size and
age, the oldest removed first; a removed body is overwritten.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from proxy.contract.answer import Answer
from proxy.scorer.redaction import Redactor
from proxy.store import database
from proxy.store.database import Opened, Schema, StoreError, transaction

FILE: Final = "bodies.db"
MIB: Final = 1 << 20


class Keep(StrEnum):
    """Whose bodies are kept: `evidence.bodies` of the configuration."""

    OFF = "off"
    DISAGREEMENTS = "disagreements"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_bytes` is the size of the file, `max_body_bytes` what is kept of one request or one text of an answer."""

    max_bytes: int = 256 * MIB
    max_age_s: float = 30 * 86_400.0
    max_body_bytes: int = MIB


class Kept(msgspec.Struct, frozen=True):
    """One exchange, alone or with what the reference answered. `number` is its admission, 0 when it was not mirrored;
    `why` the signals in which the vendor differed or broke a rule; `cut` names what was too long to be kept whole.
    """

    number: int
    request_id: str
    at_s: float
    vendor: str
    mode: str
    why: tuple[str, ...]
    request: bytes
    vendor_answer: Answer | None = None
    reference_answer: Answer | None = None
    second_answer: Answer | None = None
    cut: tuple[str, ...] = ()


_ANSWERS: Final = ("vendor_answer", "reference_answer", "second_answer")


def _version_1(connection: sqlite3.Connection) -> None:
    connection.execute(
        """CREATE TABLE bodies (
            id INTEGER PRIMARY KEY AUTOINCREMENT, at_s REAL NOT NULL, number INTEGER NOT NULL,
            request_id TEXT NOT NULL, vendor TEXT NOT NULL, why TEXT NOT NULL, record BLOB NOT NULL) STRICT"""
    )
    connection.execute("CREATE INDEX bodies_by_number ON bodies (number)")
    connection.execute("CREATE INDEX bodies_by_request ON bodies (request_id)")


_INSERT: Final = "INSERT INTO bodies (at_s, number, request_id, vendor, why, record) VALUES (?, ?, ?, ?, ?, ?)"
SCHEMA: Final = Schema(0x50574231, (_version_1,))


class Bodies(Opened):
    """The file of kept bodies, open, for any thread; what fails raises StoreError."""

    def __init__(
        self, connection: sqlite3.Connection | None, name: str, keep: Keep, limits: Limits, redactor: Redactor
    ) -> None:
        super().__init__(name)
        self._connection = connection
        self._keep = keep
        self._limits = limits
        self._redactor = redactor
        self._identity = database.identity(Path(name))

    @classmethod
    def open(cls, folder: Path, keep: Keep, limits: Limits, redactor: Redactor) -> Self:
        """For the scorer, which holds the folder's lock (Store.open). With OFF nothing is made, but what was kept
        before still grows old.
        """
        path = folder / FILE
        connection = database.open_writing(path, SCHEMA) if keep is not Keep.OFF or path.exists() else None
        if connection is not None:
            connection.execute("PRAGMA secure_delete=ON")
            # Not the log: the last bodies before a power cut may be missing, and no commit waits for the disk.
            connection.execute("PRAGMA synchronous=NORMAL")
        return cls(connection, str(path), keep, limits, redactor)

    @classmethod
    def read(cls, folder: Path, within_s: float | None = None) -> Self:
        """For a command; what takes longer than `within_s` fails. Raises StoreMissing when no body was ever kept."""
        path = folder / FILE
        return cls(database.open_reading(path, SCHEMA, within_s), str(path), Keep.OFF, Limits(), Redactor())

    def in_place(self) -> bool:
        """Whether the file at its path is still the one that was opened: SQLite does not notice a file moved away."""
        return self._connection is None or database.identity(Path(self._name)) == self._identity

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()

    def keep(self, exchange: Kept) -> bool:
        """Keep an exchange as it came, if such are kept; redaction and cutting are done here. Whether it was."""
        wanted = self._keep is Keep.ALL or (self._keep is Keep.DISAGREEMENTS and bool(exchange.why))
        if not wanted or self._connection is None:
            return False
        record = zlib.compress(msgspec.msgpack.encode(self._presentable(exchange)))
        why = _listed(exchange.why)
        values = (exchange.at_s, exchange.number, exchange.request_id, exchange.vendor, why, record)
        with self._using("written"), transaction(self._connection):
            self._connection.execute(_INSERT, values)
            self._remove_above_size(self._connection)
        return True

    def retain(self, now_s: float) -> None:
        """Remove what is too old or too much, and give the room back to the disk."""
        if self._connection is None:
            return
        with self._using("pruned"):
            with transaction(self._connection):
                self._connection.execute("DELETE FROM bodies WHERE at_s < ?", (now_s - self._limits.max_age_s,))
                self._remove_above_size(self._connection)
            database.shrink(self._connection)

    def find(self, number: int | None = None, request_id: str | None = None) -> Kept | None:
        """The last exchange kept with this admission number, or request id."""
        found = self._fetch(
            "SELECT record FROM bodies WHERE number = ? OR request_id = ? ORDER BY id DESC LIMIT 1", number, request_id
        )
        return self._unpacked(found[0][0]) if found else None

    def about(self, vendor: str, signal: str, after_s: float, limit: int) -> list[Kept]:
        """The first exchanges of a vendor, at `after_s` or later, that were kept because of a signal."""
        found = self._fetch(
            "SELECT record FROM bodies WHERE vendor = ? AND at_s >= ? AND instr(why, ?) ORDER BY id LIMIT ?",
            *(vendor, after_s, _listed((signal,)), limit),
        )
        return [self._unpacked(record) for (record,) in found]

    def request_ids(self, vendor: str) -> dict[int, str]:
        """The exchanges kept of a vendor: request ids by admission number."""
        return dict(
            self._fetch("SELECT number, request_id FROM bodies WHERE vendor = ? AND number > 0 ORDER BY id", vendor)
        )

    def _unpacked(self, record: bytes) -> Kept:
        try:
            return msgspec.msgpack.decode(zlib.decompress(record), type=Kept)
        except (zlib.error, msgspec.DecodeError) as error:
            raise StoreError(
                f"{self._name} holds a record that cannot be read: {error}", "move the file away"
            ) from error

    def _fetch(self, statement: str, *values: object) -> list[Any]:
        if self._connection is None:
            return []
        with self._using("read"), closing(self._connection.execute(statement, values)) as cursor:
            return cursor.fetchall()

    def _remove_above_size(self, connection: sqlite3.Connection) -> None:
        while database.used_bytes(connection) > self._limits.max_bytes:
            oldest = "DELETE FROM bodies WHERE id = (SELECT min(id) FROM bodies)"
            if connection.execute(oldest).rowcount == 0:
                return

    def _presentable(self, exchange: Kept) -> Kept:
        """Redacted, then cut: a cut through a credential would hide it from the patterns."""
        limit, cut = self._limits.max_body_bytes, []
        request = self._redactor.body(exchange.request)
        if len(request) > limit:
            cut.append("request")
        answers: dict[str, Any] = {}
        for member in _ANSWERS:
            value = self._redactor.value(msgspec.to_builtins(getattr(exchange, member)))
            answers[member] = msgspec.convert(_shortened(value, limit), Answer | None)
            if answers[member] != msgspec.convert(value, Answer | None):
                cut.append(member)
        return msgspec.structs.replace(exchange, request=request[:limit], cut=tuple(cut), **answers)


def _listed(names: Sequence[str]) -> str:
    """Names that one can look for whole."""
    return "".join(f"|{name}|" for name in names)


def _shortened(value: Any, limit: int) -> Any:  # noqa: ANN401  (any JSON value)
    """The value with every text in it cut to `limit` characters."""
    match value:
        case str():
            return value[:limit]
        case dict():
            return {name: _shortened(held, limit) for name, held in value.items()}
        case list() | tuple():
            return [_shortened(each, limit) for each in value]
        case _:
            return value
