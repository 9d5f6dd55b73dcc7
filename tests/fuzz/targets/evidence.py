"""Fuzz target: what a state directory, a replay's directory and a bundle hold, for the commands that read them.

Invariant: whatever the files hold, torn or made by somebody else, a command shows it or ends with exit code 2, what was
seen and a hint; only errors that are declared come out of a reader.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec

from proxy.contract.answer import Answer
from proxy.drift.rows import AcknowledgedRow, AnswersRow, LostRow, ProbesRow, RequestsRow, TermsRow
from proxy.replay import checkpoint
from proxy.replay.checkpoint import AnotherReplay, Call, Checkpoint
from proxy.replay.dataset import BUNDLED, Dataset, UnusableDataset
from proxy.scorer import bodies
from proxy.store import StoreError, log
from proxy.store.packing import pack
from tests.cli import logged
from tests.cli.running import run
from tests.fuzz.target import Target, option

_LOG, _BODIES, _REPLAY, _BUNDLE = log.FILE, bodies.FILE, checkpoint.FILE, "bundle.zip"
_FILES: Final = (_LOG, _BODIES, _REPLAY, _BUNDLE)
_PLAN: Final = {"dataset": "0" * 64, "targets": ["a", "b"], "settings": {"temperature": 1.0}}
_KINDS: Final = ("pair", "answers", "probes", "lost", "terms", "ack", "requests")
_ROWS: Final = 60


@cache
def _sound() -> Path:
    """Files as they are written, once in each process."""
    folder = Path(tempfile.mkdtemp(prefix="paramwall-fuzz-evidence-"))
    logged.write_log(folder, _ROWS)
    logged.keep_bodies(folder)
    with closing(Checkpoint.open(folder, _PLAN, logged.BEGAN_S)) as calls:
        for record in range(3):
            calls.add(0, Call(record, 0, "", 200, Answer("Reeds.", finish_reason="stop"), at_s=logged.BEGAN_S))
    ran = run("evidence", "--state-dir", str(folder), "--vendor", "engine", "--bundle", str(folder / _BUNDLE))
    assert ran.code == 0, ran.err
    return folder


def check(data: bytes) -> None:
    chosen, rest = option(data)
    damage, reads = _DAMAGES[chosen % len(_DAMAGES)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in _FILES:
            shutil.copy(_sound() / file, folder / file)
        file = damage(folder, rest) or ""
        for read in reads or _READS[file]:
            read(folder)


# Damage


def _torn(folder: Path, data: bytes) -> str:
    """A file, a place in it, and what stands there instead; nothing: it ends there."""
    file = _FILES[(data[0] if data else 0) % len(_FILES)]
    whole = bytearray((folder / file).read_bytes())
    at = int.from_bytes(data[1:4], "big") % len(whole)
    whole[at : at + len(data[4:]) or None] = data[4:]
    (folder / file).write_bytes(whole)
    return file


def _changed(file: str, statement: str, packed: Callable[[bytes], object] = bytes) -> Callable[[Path, bytes], str]:
    def change(folder: Path, data: bytes) -> str:
        with closing(sqlite3.connect(folder / file)) as database, database:
            database.execute(statement, (packed(data),))
        return file

    return change


def _row(folder: Path, data: bytes) -> str:
    """A row of some kind, after the sound ones."""
    chosen, body = option(data)
    statement = "INSERT INTO rows (at_s, vendor, number, kind, body) VALUES (?, 'engine', 153, ?, ?)"
    with closing(sqlite3.connect(folder / _LOG)) as database, database:
        database.execute(statement, (logged.BEGAN_S + 90_000, _KINDS[chosen % len(_KINDS)], body))
        database.execute("UPDATE checkpoint SET row = row + 1")
    return _LOG


def _anchor(folder: Path, data: bytes) -> str:
    """The state from which the rows are folded."""
    with closing(sqlite3.connect(folder / _LOG)) as database, database:
        database.execute("UPDATE anchors SET state = ?", (data,))
        database.execute("UPDATE log SET complete_after = (SELECT max(row) FROM anchors)")
    return _LOG


def _bundled(folder: Path, data: bytes) -> str:
    (folder / _BUNDLE).write_bytes(data)
    return _BUNDLE


def _summary(folder: Path, data: bytes) -> str:
    (folder / "summary.json").write_bytes(data)
    return "summary.json"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


# Reading


def _ends(*words: object) -> None:
    """A command ends as it should."""
    ran = run(*map(str, words))
    assert ran.code in (0, 1, 2), ran
    assert ran.code != 2 or "hint: " in ran.err, f"{words[0]} gives no remedy: {ran.err}"


def _statused(folder: Path) -> None:
    _ends("status", "--state-dir", folder, "--replay", "--json")


def _evident(folder: Path) -> None:
    _ends("evidence", "--state-dir", folder)
    _ends("evidence", "--state-dir", folder, "--pair", "153")
    _ends("evidence", "--state-dir", folder, "--vendor", "engine", "--bundle", folder / "new.zip")
    if (folder / "new.zip").exists():
        _dataset(folder / "new.zip")


def _reported(folder: Path) -> None:
    _ends("report", "--state-dir", folder, "--html", folder / "a.html")


def _resumed(folder: Path) -> None:
    try:
        with Checkpoint.open(folder, _PLAN, 0.0) as found:
            assert found.count() >= 0
            assert all(isinstance(call, Call) for call in found.calls(0))
            assert list(found.ended(0)) is not None
    except (AnotherReplay, StoreError) as error:
        assert str(error)


def _replayed(folder: Path) -> None:
    _dataset(folder / _BUNDLE)
    _ends("replay", folder / _BUNDLE, "--vendor", "http://127.0.0.1:9/v1", "--estimate")


def _dataset(path: Path) -> None:
    try:
        assert Dataset(path).check(hashlib.sha256(), lambda record: None) > 0
    except UnusableDataset as error:
        assert str(error)
        assert error.hint


def _summed(folder: Path) -> None:
    _ends("report", "--replay", folder, "--html", folder / "a.html")


_Read = Callable[[Path], None]
_READS: Final[dict[str, tuple[_Read, ...]]] = {
    _LOG: (_statused, _evident, _reported),
    _BODIES: (_evident,),
    _REPLAY: (_resumed,),
    _BUNDLE: (_replayed,),
    "summary.json": (_summed,),
}
_DAMAGES: Final[tuple[tuple[Callable[[Path, bytes], str], tuple[_Read, ...]], ...]] = (
    (_torn, ()),
    (_row, ()),
    (_changed(_LOG, "UPDATE checkpoint SET state = ?"), ()),
    (_anchor, ()),
    (_changed(_BODIES, "UPDATE bodies SET record = ?", zlib.compress), ()),
    (_changed(_BODIES, "UPDATE bodies SET record = ?"), ()),
    (_changed(_REPLAY, "UPDATE calls SET ended = ?", zlib.compress), ()),
    (_changed(_REPLAY, "UPDATE replay SET plan = ?", _text), ()),
    (_bundled, ()),
    (_summary, ()),
)


# Making


def make(draw: Random) -> bytes:
    """Something that was packed well, with one value in it that is another."""
    chosen = draw.choice((1, 1, 2, 3, 4, 6))
    if chosen == 1:
        row = draw.choice(_ROWS_OF_EACH)
        kind, body = pack(row)
        start = bytes((chosen, _KINDS.index(kind)))
    else:
        start, body = bytes((chosen,)), _packed_in(chosen)
    members = msgspec.msgpack.decode(body)
    return start + msgspec.msgpack.encode(_spoilt(draw, members))


def _spoilt(draw: Random, value: Any) -> Any:  # noqa: ANN401  (any builtins)
    """The value with another one somewhere inside, or in its own place."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        name = draw.choice(sorted(value))
        if draw.random() < 0.1:
            return {each: held for each, held in value.items() if each != name}
        return {**value, name: _spoilt(draw, value[name])}
    if isinstance(value, list) and value and draw.random() < 0.9:
        at = draw.randrange(len(value))
        return [*value[:at], _spoilt(draw, value[at]), *value[at + draw.choice((1, 1, 2)) :]]
    return draw.choice(_ODD)


@cache
def _packed_in(chosen: int) -> bytes:
    """What the sound files hold in such a place."""
    file, query = {
        2: (_LOG, "SELECT state FROM checkpoint"),
        3: (_LOG, "SELECT state FROM anchors"),
        4: (_BODIES, "SELECT record FROM bodies"),
        6: (_REPLAY, "SELECT ended FROM calls"),
    }[chosen]
    with closing(sqlite3.connect(_sound() / file)) as database:
        found = bytes(database.execute(query).fetchone()[0])
    return zlib.decompress(found) if chosen in (4, 6) else found


_ODD: Final[tuple[Any, ...]] = (
    *(None, True, 0, -1, 4, 2**63 - 1, 2**63, -(2**63), 0.0, -0.5, 1e308, float("nan"), float("inf"), float("-inf")),
    *("", "x", "engine", "thinking", "\ud7ff\x1b[2J\0", "swap", [], [0], [[]], {}, {"": 0}, b"", b"\xff\x01"),
)
_AT_S: Final = logged.BEGAN_S + 80_000
_ROWS_OF_EACH: Final = (
    *list(logged.rows())[:3],
    AnswersRow(_AT_S, logged.BAD, 3, {logged.RATE: b"\0\1\0", "kvv-invalid": b"\1"}),
    ProbesRow(_AT_S, logged.BAD, {logged.RATE: b"\1"}),
    LostRow(_AT_S, 900, logged.BAD, "vendor", "timeout"),
    AcknowledgedRow(_AT_S, "engine", "", "known"),
    TermsRow(_AT_S, logged.TERMS),
    RequestsRow(_AT_S, "engine", logged.POLICY, "strict", "moonshot", "kimi-k2.6", ("temperature",), "1", {"0": 2}),
)
WORDS = (
    *(
        b"\x80",
        b"\x90",
        b"\xa0",
        b"\xc0",
        b"\xc3",
        b"\xcb\x7f\xf8\0\0\0\0\0\0",
        b"\xcf" + b"\xff" * 8,
        b"\xd3\x80" + b"\0" * 7,
    ),
    *(b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xa6vendor", b"\xa4at_s", b"\x93", b"\x83", b"PK\x03\x04"),
    *(b'"format":"paramwall-replay/1"', b'"targets":[', b'"value":', b"1e400", b"NaN", b"null", b"{", b"}", b"[", b'"'),
    *(b"SQLite format 3\0", b"\0" * 16, b"\x0d", b"\x05", BUNDLED.encode()),
)
TARGET = Target("evidence", check, WORDS, make, longest=16_000)
