"""The state of a run: every reply, written as it comes, so that an interrupted run goes on where it stopped.

Not here: asking. Invariants: a reply is in the file before it counts; a file of another run is refused; half a line at
its end, which a killed run leaves, is passed over; the file is its owner's alone, for it holds the vendor's texts.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import msgspec

from proxy.endpoint.reply import Reply

FORMAT: Final = "paramwall-verify-state/1"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What a file belongs to: its first line."""

    format: str = FORMAT
    vendor: str
    model: str
    profile: str
    contract: str
    reference: str | None = None


class Entry(msgspec.Struct, frozen=True):
    """One reply, by the key of its request; `attempts` counts the calls it took."""

    key: str
    attempts: int
    reply: Reply


class StateError(ValueError):
    """The file cannot be used; `hint` is the remedy."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


_run: Final = msgspec.json.Decoder(Run)
_entry: Final = msgspec.json.Decoder(Entry)


class State:
    """The file, open and locked. `entries` are those read, by key: the last one counts."""

    def __init__(self, path: Path, run: Run) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        self._file = self._opened(path)
        try:
            self._read(run)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, entry: Entry) -> None:
        """Write one reply. Raises StateError."""
        try:
            self._file.write(msgspec.json.encode(entry) + b"\n")
            self._file.flush()
        except OSError as error:
            raise StateError(f"{self.path} cannot be written: {error.strerror}", "make room, or use --state") from error
        self.entries[entry.key] = entry

    def remove(self) -> None:
        """The run is over: there is nothing to go on with."""
        self.path.unlink(missing_ok=True)

    @staticmethod
    def _opened(path: Path) -> IO[bytes]:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
        except OSError as error:
            raise StateError(f"{path} cannot be written: {error.strerror}", "name another with --state FILE") from error
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise StateError(f"{path} is no regular file", "name another with --state FILE")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise StateError(f"{path} is used by another run", "wait for it, or use --state FILE") from error
        return file

    def _read(self, run: Run) -> None:
        head, *lines = self._file.read().split(b"\n")
        self._file.seek(0)
        if not head:
            self._file.write(msgspec.json.encode(run) + b"\n")
            self._file.flush()
            return
        _require(self.path, head, run)
        whole = len(head) + 1
        for line in lines[:-1]:
            try:
                entry = _entry.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass  # asked again
            else:
                self.entries[entry.key] = entry
            whole += len(line) + 1
        self._file.seek(whole)
        self._file.truncate()


def _require(path: Path, head: bytes, run: Run) -> None:
    remove = f"go on with that one, name another file with --state FILE, or remove {path} to start anew"
    try:
        found = _run.decode(head)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise StateError(f"{path} is no state of paramwall verify", "name another file with --state FILE") from None
    for name in run.__struct_fields__:
        was, now = getattr(found, name), getattr(run, name)
        if was != now:
            raise StateError(f"{path} holds a run with {name} {was}, not {now}", remove)
