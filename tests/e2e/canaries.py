"""Keys that must not be found anywhere, and the search for them in whatever was said or written, however encoded.

Not here: what says or writes it, and what is searched after every test (tests/canary_sweep.py). Invariants: no two keys
share a window of WINDOW characters; a key is found whole, quoted, escaped, in base64, in hex, in any case, and in part.
"""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote

HELD_BY_ENVIRONMENT: Final = "sk-held-Zq7XbW3nLk9RtV2m+/=env"
HELD_BY_FILE: Final = "sk-held-Gy4HpD8sQe6JxA1c-file"
CLIENT: Final = "sk-client-Uf5KwM0vTz3BnR7j"
PASSED: Final = "sk-passed-Oi2YgC9lEa6XhS4d"
UNKNOWN: Final = "sk-unknown-Nb8QrF1tJm5PkZ0u"
ASKED: Final = "ak/asked-Wd6LcV4xHs9GyI2o"
"""The key of a vendor that a command asks; not of a form that gives it away as a key."""
REFERENCE: Final = "rk.reference-Tp3MjE7bKf0DnU8q"
KEYS: Final = (HELD_BY_ENVIRONMENT, HELD_BY_FILE, CLIENT, PASSED, UNKNOWN, ASKED, REFERENCE)
WINDOW: Final = 8
"""Characters of a key's random part that may not be found in a row."""
MOST_READ: Final = 32 * 1024 * 1024
"""Bytes of one file, or of one part of it when unpacked, that are searched."""


@cache
def encodings(key: str) -> tuple[str, ...]:
    """A whole key in every way it may be spelled, in lower case, as the search has it."""
    raw = key.encode()
    spelled = [key, quote(key, safe=""), quote(key), json.dumps(key)[1:-1], key.replace("/", "\\/"), raw.hex()]
    for before, unknown in ((0, 0), (1, 2), (2, 3)):
        # Of base64 only those characters that no neighbour of the key has a share in.
        encoded = base64.b64encode(b"\0" * before + raw).decode()[unknown : (before + len(raw)) * 8 // 6]
        spelled += [encoded, encoded.replace("+", "-").replace("/", "_")]
    return tuple(dict.fromkeys(each.lower() for each in spelled))


@cache
def windows(key: str) -> tuple[str, ...]:
    """Every part of a key's random part, in lower case."""
    random = key.split("-", 2)[-1].lower()
    return tuple(random[i : i + WINDOW] for i in range(len(random) - WINDOW + 1))


def traces(text: str, key: str) -> list[str]:
    """What of a key is found in `text`."""
    lower = text.lower()
    return [form for form in (*encodings(key), *windows(key)) if form in lower]


def files_under(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and bytes, as text, of every file, of what is in an archive, and of what is packed in a database."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_symlink():
            for name, data in parts_of(file, str(file.relative_to(folder))):
                yield name, data.decode("latin-1")


def parts_of(file: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """A file as it is, and once more as it is read; what is torn is searched as far as it goes."""
    with file.open("rb") as opened:
        data = opened.read(MOST_READ)
    yield name, data
    with suppress(OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, sqlite3.Error):
        if data.startswith(b"SQLite format 3\0"):
            for number, value in enumerate(_values(file)):
                yield f"{name}:{number}", value
        elif data.startswith(b"\x1f\x8b"):
            with gzip.open(file) as packed:
                yield f"{name}:unpacked", packed.read(MOST_READ)
        elif zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                for entry in archive.namelist():
                    with archive.open(entry) as packed:
                        yield f"{name}:{entry}", packed.read(MOST_READ)


def _values(file: Path) -> Iterator[bytes]:
    """Every text and every blob in a database, those packed by zlib unpacked."""
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
        database.text_factory = bytes
        tables = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in database.execute(f'SELECT * FROM "{table.decode()}"'):
                for value in row:
                    if isinstance(value, bytes):
                        yield _unpacked(value)


def _unpacked(value: bytes) -> bytes:
    if value[:1] != b"\x78":
        return value
    with suppress(zlib.error):
        return zlib.decompressobj().decompress(value, MOST_READ)
    return value
