"""A dataset on disk: read in its order, as often as needed, never held whole.

Here: .jsonl, .gz and evidence bundles (.zip), and the check before anything is sent. Not here: what a line says
(records.py). Invariants: every line that cannot be replayed is named before the first call; what is read again is what
was checked (its hash is that of the lines); memory is one line.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Protocol, cast

from proxy.contract.envelope import MalformedBody
from proxy.replay.records import BadLine, Record, read_record

MAX_LINE: Final = 128 * 1024 * 1024
"""Bytes. Moonshot takes bodies under 100 MB."""
MOST_PROBLEMS: Final = 20
BUNDLED: Final = "requests.jsonl"
_BROKEN: Final = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError)
"""RuntimeError is zipfile's word for an entry that is encrypted, or packed in a way it does not know."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """A line that cannot be used."""

    line: int
    seen: str
    allowed: str


class Digest(Protocol):
    """What hashlib makes."""

    def update(self, data: bytes, /) -> None:
        """Take in some more."""


class UnusableDataset(Exception):
    """`flaws` are the first of `bad` lines that cannot be used; without any, the text says what is wrong with the file,
    and `hint` the remedy.
    """

    def __init__(self, message: str, hint: str, flaws: tuple[Flaw, ...] = (), bad: int = 0) -> None:
        super().__init__(message)
        self.hint = hint
        self.flaws = flaws
        self.bad = bad


@dataclass(frozen=True, slots=True)
class Dataset:
    """A file, of which only the first `limit` records are used."""

    path: Path
    limit: int | None = None

    def records(self) -> Iterator[Record]:
        """Every record in order. Raises UnusableDataset, at the latest at the first line that is none."""
        for index, (line, text) in enumerate(self.lines()):
            try:
                yield read_record(text, index, line)
            except BadLine as error:
                raise unusable(self.path, [Flaw(line, str(error), error.hint)], 1) from None

    def check(self, digest: Digest, take: Callable[[Record], None]) -> int:
        """Give every record to `take`, which raises BadLine or MalformedBody for one that is not to be used; how many
        there are. `digest` takes in the lines. Raises UnusableDataset with all that is wrong.
        """
        flaws: list[Flaw] = []
        bad = index = 0
        for line, text in self.lines():
            digest.update(text + b"\n")
            try:
                take(read_record(text, index, line))
                index += 1
            except (BadLine, MalformedBody) as error:
                bad += 1
                if len(flaws) < MOST_PROBLEMS:
                    flaws.append(Flaw(line, str(error), error.hint))
        if bad:
            raise unusable(self.path, flaws, bad)
        if not index:
            raise UnusableDataset(f"{self.path} has no line", "write one request a line")
        return index

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Numbered from 1; blank ones are left out."""
        number = used = 0
        with _opened(self.path) as file:
            while self.limit is None or used < self.limit:
                try:
                    text = file.readline(MAX_LINE + 1)
                except _BROKEN as error:
                    raise _unreadable(self.path, error) from None
                if not text:
                    return
                number += 1
                if len(text) > MAX_LINE:
                    message = f"{self.path}:{number}: the line is longer than {MAX_LINE} bytes"
                    raise UnusableDataset(
                        message, "requests above 100 MB are refused by every vendor known: leave it out"
                    )
                if text := text.strip():
                    used += 1
                    yield number, text


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with ExitStack() as stack:
        try:
            if path.suffix == ".zip":
                bundle = stack.enter_context(zipfile.ZipFile(path))
                if BUNDLED not in bundle.namelist():
                    hint = "`paramwall evidence --bundle` writes it where evidence.bodies is not off"
                    raise UnusableDataset(f"{path} has no {BUNDLED} in it", hint)
                file = stack.enter_context(bundle.open(BUNDLED))
            elif path.suffix == ".gz":
                file = cast("IO[bytes]", stack.enter_context(gzip.open(path, "rb")))
            else:
                file = stack.enter_context(path.open("rb"))
        except _BROKEN as error:
            raise _unreadable(path, error) from None
        yield file


def _unreadable(path: Path, error: Exception) -> UnusableDataset:
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return UnusableDataset(f"{path} cannot be read: {said}", "name a .jsonl file, a .jsonl.gz or an evidence .zip")


def unusable(path: Path, flaws: list[Flaw], bad: int) -> UnusableDataset:
    """Of a file with `bad` lines that cannot be used, of which `flaws` are the first."""
    lines = "a line" if bad == 1 else f"{bad} lines"
    return UnusableDataset(
        f"{path} has {lines} that cannot be used",
        "mend these lines or take them out; nothing was sent",
        tuple(flaws),
        bad,
    )
