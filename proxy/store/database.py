"""A private SQLite file: opened for one writer or for reading, brought to the present schema, its errors explained.

Not here: what is in the tables (log.py; scorer/bodies.py). Invariants: a file is readable by its owner alone; a
migration happens whole or not at all; a file of a newer version, or of another program, is left as it is.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias

Step: TypeAlias = Callable[[sqlite3.Connection], None]
"""Brings a file from one version to the next, within a transaction."""

LOCK: Final = "lock"
_BUSY_MS: Final = 5000
_WRITER_PAGES_KIB: Final = 256
"""Of a file, in memory. What is written goes to the end of few tables; the default is 2 MiB, which fill up slowly."""
_STEPS: Final = 10_000
"""Instructions of SQLite between two looks at the clock."""
_HINTS: Final = (
    ("SQLITE_FULL", "free some space on its disk; what was not written is written with the next attempt"),
    ("SQLITE_READONLY", "make the file and its directory writable for the user the proxy runs as"),
    ("SQLITE_CANTOPEN", "make the file and its directory writable for the user the proxy runs as"),
    ("SQLITE_PERM", "make the file and its directory writable for the user the proxy runs as"),
    ("SQLITE_CORRUPT", "move the file away, with its -wal and -shm; a new one is begun, and all evidence starts anew"),
    ("SQLITE_NOTADB", "move the file away, or choose another directory with --state-dir"),
    ("SQLITE_IOERR", "look for errors of its disk in the system's log"),
    ("SQLITE_INTERRUPT", "there is more than can be read in this time; `paramwall evidence` takes the time it needs"),
    ("SQLITE_BUSY", "another program holds the file, such as an open sqlite3 shell: end it"),
)
"""What to do, by the beginning of SQLite's own name of an error."""


class StoreError(Exception):
    """What happened to a file of the state directory; `hint` is the remedy. Nothing of the failed call was written, and
    the call may be made again.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\nhint: {hint}" if hint else message)
        self.message = message
        self.hint = hint


class StoreBusy(StoreError):
    """Another process writes there."""


class StoreMissing(StoreError):
    """There is nothing to read yet."""


@dataclass(frozen=True, slots=True)
class Schema:
    """`application` marks our files (PRAGMA application_id); `steps[n]` leads from version n to n + 1, and version 0 is
    an empty file.
    """

    application: int
    steps: tuple[Step, ...]


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn an error of SQLite or of the file system into a StoreError that begins with `what`."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a mistake of ours, such as the use of a closed store
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        hint = next((hint for beginning, hint in _HINTS if name.startswith(beginning)), "")
        raise StoreError(f"{what}: {error}", hint) from error
    except OSError as error:
        hint = (
            "run this as the user the proxy runs as, and let its --state-dir be a directory which that user can write"
        )
        raise StoreError(f"{what}: {error.strerror}", hint) from error


ODD_VALUES: Final = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What comes of values that no paramwall writes, wherever they are first used."""


@contextmanager
def understood(what: str) -> Iterator[None]:
    """Turn whatever comes of values that no paramwall writes into a StoreError that begins with `what`."""
    try:
        yield
    except ODD_VALUES as error:
        message = f"{what} holds values that this paramwall does not write ({type(error).__name__})"
        raise StoreError(message, "use the paramwall that wrote it, or move the file away") from error


class Opened(ABC):
    """An open file for any thread; `with` closes it. `name` is what its errors call it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._one_call = threading.RLock()

    @abstractmethod
    def close(self) -> None:
        """Let go of the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _using(self, how: str) -> Iterator[None]:
        """One call at a time: two threads would find themselves in one transaction."""
        with self._one_call, explained(f"{self._name} cannot be {how}"):
            yield


def lock(folder: Path) -> int:
    """Become the one writer of a directory, made 0700 if need be, for as long as the file descriptor returned is open.

    Raises StoreBusy, or StoreError.
    """
    with explained(f"the state directory {folder} cannot be used"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(held, 20).decode(errors="replace").strip() or "unknown"
            os.close(held)
            message = f"{folder} is in use by another scorer (process {holder})"
            raise StoreBusy(message, "end that process, or give this one its own directory with --state-dir") from None
        os.truncate(held, 0)
        os.pwrite(held, f"{os.getpid()}\n".encode(), 0)
    return held


def in_place(held: int, folder: Path) -> None:
    """Raises StoreError where the directory locked is no longer at its path: what is written there would be lost, and
    SQLite does not notice.
    """
    opened = os.fstat(held)
    if identity(folder / LOCK) != (opened.st_dev, opened.st_ino):
        hint = "put it back; or restart, then a new one is begun, and all evidence starts anew"
        raise StoreError(f"the state directory {folder} was removed or replaced while in use", hint)


def identity(path: Path) -> tuple[int, int] | None:
    """What tells this file from another that takes its place; None where there is none, or none that can be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_locked(folder: Path) -> bool:
    """Whether some process writes there now."""
    try:
        held = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(held)
    return False


def open_writing(path: Path | None, schema: Schema) -> sqlite3.Connection:
    """A connection that may write; the file is made if need be and brought to the newest version. None: in memory."""
    with explained(f"{path or 'a database in memory'} cannot be opened"):
        if path is not None:
            _make_private(path)
        connection = _connect("file::memory:" if path is None else f"{path.absolute().as_uri()}?mode=rw")
        try:
            _version(connection, schema, str(path))  # before anything is written into the file
            # Only a file without tables can be told to shrink later.
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA cache_size=-{_WRITER_PAGES_KIB}")
            migrate(connection, schema, str(path))
        except BaseException:
            connection.close()
            raise
    return connection


def open_reading(path: Path, schema: Schema, within_s: float | None = None) -> sqlite3.Connection:
    """A connection that only reads, beside a writer or alone, and fails after `within_s`. Raises StoreMissing where
    nothing was written yet.
    """
    # Where nobody writes and the directory is not ours to write, SQLite must be told that it needs no lock.
    with explained(f"{path} cannot be opened"):
        alone = not path.with_name(f"{path.name}-wal").exists() and not os.access(path.parent, os.W_OK)
    connection = _open_newest(path, schema, "mode=ro&immutable=1" if alone else "mode=ro")
    if within_s is not None:
        end_s = time.monotonic() + within_s
        connection.set_progress_handler(lambda: time.monotonic() > end_s, _STEPS)
    return connection


def open_beside(path: Path, schema: Schema) -> sqlite3.Connection:
    """A connection for a small change beside the one writer. Raises StoreMissing where nothing was written yet."""
    return _open_newest(path, schema, "mode=rw")


def migrate(connection: sqlite3.Connection, schema: Schema, name: str) -> None:
    """Bring a file to the newest version, step by step. Raises StoreError, or whatever a step raises."""
    for version in range(_version(connection, schema, name), len(schema.steps)):
        with transaction(connection):
            schema.steps[version](connection)
            connection.execute(f"PRAGMA application_id={schema.application}")
            connection.execute(f"PRAGMA user_version={version + 1}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is executed within, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have ended the transaction already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def used_bytes(connection: sqlite3.Connection) -> int:
    """What the file would take without its free pages."""
    pages, free, size = (_number(connection, name) for name in ("page_count", "freelist_count", "page_size"))
    return (pages - free) * size


def shrink(connection: sqlite3.Connection) -> None:
    """Give what is free back to the disk."""
    connection.executescript("PRAGMA incremental_vacuum")  # execute() would end it after the first page
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _make_private(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)


def _open_newest(path: Path, schema: Schema, mode: str) -> sqlite3.Connection:
    """A file that exists, of the newest version."""
    missing = StoreMissing(f"{path} does not exist", "is it the --state-dir of a proxy that checked an answer already?")
    with explained(f"{path} cannot be opened"):
        if not path.exists():
            raise missing
        connection = _connect(f"{path.absolute().as_uri()}?{mode}")
        try:
            version = _version(connection, schema, str(path))
            if version == 0:
                raise missing
            if version < len(schema.steps):
                hint = "start the proxy once with this version; it brings the file up to date"
                raise StoreError(f"{path} is of version {version}, this is version {len(schema.steps)}", hint)
        except BaseException:
            connection.close()
            raise
    return connection


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    return connection


def _version(connection: sqlite3.Connection, schema: Schema, name: str) -> int:
    """The version of a file, if it is one of ours and known here."""
    version, application = _number(connection, "user_version"), _number(connection, "application_id")
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application != schema.application and (application or version or tables):
        raise StoreError(f"{name} is another program's database", "choose another directory with --state-dir")
    if version > len(schema.steps):
        message = f"{name} is of version {version}; this paramwall knows versions up to {len(schema.steps)}"
        raise StoreError(message, "use the newer paramwall that wrote it, or another directory with --state-dir")
    return version


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
