"""Readers of JSON that disagree: what each of them understands of the same bytes.

Here: json (the last of two equal names wins), orjson, Node's JSON.parse, SQLite's json_extract (the first wins), and a
lax reader that folds names as Go's encoding/json does and takes the first. Not here: what a body should say
(lawful.py). Invariant: a reader gives its own understanding or says that it cannot read; nothing is smoothed over.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson

from tests.fuzz.lawful import CONTAINERS, JUDGED, SWITCHES, View, lax

SCRIPT: Final = Path(__file__).with_name("reader.mjs")
NODE: Final = shutil.which("node")
_LINE_LIMIT: Final = 64 * 1024 * 1024


class Unreadable(ValueError):
    """The reader makes nothing of the body."""


def _view(reader: str, body: object) -> View:
    if not isinstance(body, dict):
        raise Unreadable("no object")
    return View(reader, tuple(body), {name: value for name, value in body.items() if name in JUDGED})


def read_json(body: bytes) -> View:
    """Python's json, from text: a vendor behind FastAPI."""
    try:
        return _view("json", json.loads(body.decode()))
    except (ValueError, RecursionError) as error:
        raise Unreadable(type(error).__name__) from None


def read_orjson(body: bytes) -> View:
    """Orjson."""
    try:
        return _view("orjson", orjson.loads(body))
    except ValueError as error:
        raise Unreadable(str(error)[:80]) from None


def read_lax(body: bytes) -> View:
    """Names are folded and the first one wins, at every depth."""
    try:
        found = json.loads(body.decode(), object_pairs_hook=_first_of_folded)
    except (ValueError, RecursionError) as error:
        raise Unreadable(type(error).__name__) from None
    return _view("lax", found)


def _first_of_folded(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        found.setdefault(lax(name) if len(name) < 512 else name, value)
    return found


_INNER: Final = tuple(path for path in SWITCHES if len(path) == 2)
_PLAIN: Final = JUDGED - set(CONTAINERS) - {path[0] for path in _INNER}
_database: Final = sqlite3.connect(":memory:", check_same_thread=False, cached_statements=4096)


@cache
def _selected(paths: frozenset[tuple[str, ...]]) -> tuple[tuple[tuple[str, ...], ...], str]:
    """The paths in order, and the query for one row: type and value of every path."""
    order = tuple(sorted(paths))
    spelled = (f"$.{'.'.join(path)}" for path in order)
    return order, "SELECT " + ", ".join(f"json_type(:body, '{at}'), json_extract(:body, '{at}')" for at in spelled)


_NAMES: Final = "SELECT key FROM json_each(:body)"
_WITHIN: Final = "SELECT id, parent, key, type, atom FROM json_tree(:body, :path)"


def read_sqlite(body: bytes) -> View:
    """SQLite: json_extract and json_type take the first of equal names."""
    try:
        given = {"body": body.decode()}
        names = tuple(str(row[0]) for row in _database.execute(_NAMES, given))
        members: dict[str, Any] = {}
        # Asking for what is not there takes most of the time; an escaped name may be there for one function only.
        there = JUDGED if "\\" in "".join(names) else JUDGED.intersection(names)
        order, query = _selected(frozenset([(name,) for name in there & _PLAIN] + [p for p in _INNER if p[0] in there]))
        row = _database.execute(query, given).fetchone() if order else ()
        for at, path in enumerate(order):
            if row[2 * at] is not None:
                holder = members if len(path) == 1 else members.setdefault(path[0], {})
                holder[path[-1]] = _value(row[2 * at], row[2 * at + 1])
        for container in CONTAINERS:
            if container in names:
                members[container] = _tree(given["body"], f"$.{container}")
    except (sqlite3.Error, ValueError) as error:
        raise Unreadable(type(error).__name__) from None
    return View("sqlite", names, members)


def _value(kind: str, value: Any) -> Any:  # noqa: ANN401  (what SQLite gives)
    if kind in ("true", "false"):
        return kind == "true"
    if kind in ("object", "array"):
        return json.loads(value)
    if kind == "real" and value in (float("inf"), float("-inf")):
        return f"number {value}"
    return value


def _tree(body: str, path: str) -> Any:  # noqa: ANN401  (any JSON value)
    """A container, member by member, the first of equal names."""
    built: dict[int, Any] = {}
    root: Any = None
    for at, parent, key, kind, atom in _database.execute(_WITHIN, {"body": body, "path": path}):
        value: Any = {} if kind == "object" else [] if kind == "array" else _value(kind, atom)
        built[at] = value
        holder = built.get(parent)
        if not built.keys() - {at}:
            root = value
        elif isinstance(holder, dict):
            holder.setdefault(str(key), value)
        elif isinstance(holder, list):
            holder.append(value)
    return root


READERS: Final[tuple[Callable[[bytes], View], ...]] = (read_json, read_orjson, read_lax, read_sqlite)
"""The readers within this process."""


class Node:
    """A Node process that reads bodies for as long as it lives."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        self._process = process
        self._stdin = process.stdin
        self._asked: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._count = 0
        self._stdin.write(orjson.dumps(sorted(JUDGED)) + b"\n")
        self._hearing = asyncio.create_task(self._hear())

    async def read(self, body: bytes) -> View:
        """Node's understanding. Raises Unreadable."""
        self._count += 1
        answer = self._asked[self._count] = asyncio.get_running_loop().create_future()
        self._stdin.write(orjson.dumps({"id": self._count, "body": base64.b64encode(body).decode()}) + b"\n")
        found = await answer
        if "error" in found:
            raise Unreadable(str(found["error"]))
        return View("node", tuple(found["names"]), dict(found["members"]))

    async def close(self) -> None:
        self._stdin.close()
        await self._process.wait()
        await self._hearing

    async def _hear(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            try:
                answer = json.loads(line)
            except RecursionError:
                answer = {"id": int(line.split(b":", 1)[1].split(b",", 1)[0]), "error": "deeper than we can read"}
            self._asked.pop(answer["id"]).set_result(answer)
        for pending in self._asked.values():
            pending.set_exception(RuntimeError("node ended"))


@asynccontextmanager
async def node() -> AsyncIterator[Node]:
    """A Node reader, ended with the block."""
    assert NODE is not None
    async with AsyncExitStack() as closing:
        process = await asyncio.create_subprocess_exec(
            NODE, str(SCRIPT), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_LINE_LIMIT
        )
        reader = Node(process)
        closing.push_async_callback(reader.close)
        yield reader
