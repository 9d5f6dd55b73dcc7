"""The scorer's hold on its log: opened, restored, appended to, pruned; with the bodies that are kept beside it.

Not here: what the rows say. Invariants: a row that could not be written waits for the next attempt, in its place; when
too many wait, no more are made, so the log has a gap at its end but never inside what it holds. Nothing is pruned for
its age because the wall clock was set forward: it must have aged by the monotonic clock as well. A body that could not
be written waits likewise, the oldest giving way; a key that was replaced lately is struck out of it as the present are.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from proxy.config.values import Config, Evidence, Retention
from proxy.drift.rows import Row
from proxy.endpoint.striking import SHORTEST
from proxy.scorer.bodies import Bodies, Keep, Kept, Limits
from proxy.scorer.book import Book
from proxy.scorer.keeping import Keeping
from proxy.scorer.redaction import Redactor
from proxy.store import Acknowledgement, Store, StoreBusy, StoreError
from proxy.store.database import ODD_VALUES

IN_MEMORY_BYTES: Final = 64 * 1024 * 1024
"""Size of a log that has no folder."""
MOST_PENDING: Final = 50_000
SALT_FILE: Final = "mirror.key"
_PRUNE_EVERY_S: Final = 600.0
_BUSY_S: Final = 0.5
_BUSY_TRIES: Final = 40
"""A scorer that was killed lets go of the log at once, one that drains within seconds."""
_FORMER_KEYS: Final = 32
"""Each costs a search through every text that is kept."""
_Wanted: TypeAlias = tuple[Evidence, tuple[str, ...]]
"""How bodies are kept, and the keys that are struck out of them."""


class Journal:
    """The log under `folder`; None: in memory. Give it rows that are folded already, and `keeping` what may be kept."""

    def __init__(
        self,
        folder: Path | None,
        say: Callable[[str], None],
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self._wall, self._clock = wall, clock
        self._began_s = wall() - clock()
        self._say = say
        self._store: Store | None = None
        self._bodies: Bodies | None = None
        self._pending: list[Row] = []
        self._taken: list[int] = []
        self.writing_bodies = asyncio.Lock()
        self._prune_s = 0.0
        self._wanted: _Wanted | None = None
        self._bodies_as: _Wanted | None = None
        self._told = ""
        self.keeping = Keeping()

    async def open(self) -> Book:
        """Open the log and take back what was folded. Raises StoreError."""
        for attempt in range(_BUSY_TRIES):
            try:
                self._store = await asyncio.to_thread(Store.open, self.folder)
                break
            except StoreBusy:
                if attempt + 1 == _BUSY_TRIES:
                    raise
                await asyncio.sleep(_BUSY_S)
        assert self._store is not None
        return await asyncio.to_thread(restored, self._store)

    def use(self, config: Config) -> None:
        """Keep bodies as configured, without the keys held or those held before, from the next write on."""
        held, before = keys_held(config), () if self._wanted is None else self._wanted[1]
        former = [key for key in before if key not in held]
        self._wanted = config.evidence, (*former[-_FORMER_KEYS:], *held)
        self.keeping.wanted = Keep(config.evidence.bodies)

    @property
    def full(self) -> bool:
        """Whether too much waits to be written."""
        return len(self._pending) >= MOST_PENDING

    def salt(self) -> bytes:
        """The key of the mirror's hash, kept over restarts where there is a folder. Raises OSError."""
        if self.folder is None:
            return secrets.token_bytes(16)
        path = self.folder / SALT_FILE
        try:
            found = path.read_bytes()
        except FileNotFoundError:
            found = b""
        if len(found) != 16:
            found = secrets.token_bytes(16)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(found)
        return found

    async def commit(self, rows: Sequence[Row], taken: Sequence[int], book: Book) -> bool:
        """Write rows and the state after them; False when that failed, and they wait."""
        self._pending += rows
        self._taken += taken
        if self._store is None or not self._pending:
            return True
        state = book.state()
        try:
            await asyncio.to_thread(self._store.append, self._pending, state, self._taken)
        except StoreError as error:
            self._say(f"{error}; {len(self._pending)} rows wait")
            return False
        self._pending, self._taken = [], []
        return True

    async def acknowledgements(self) -> list[Acknowledgement]:
        """What the operator accepted since."""
        if self._store is None:
            return []
        return [each for each in await asyncio.to_thread(self._store.acknowledgements) if each.id not in self._taken]

    def _aged_to_s(self) -> float:
        """Now, as ages are told by: no later than the wall clock at the start and what has passed since. A clock that
        was wrong at the start and then set right prunes late, within the bound of size, until the next start.
        """
        return min(self._wall(), self._began_s + self._clock())

    async def retain(self, retention: Retention) -> None:
        """Prune rows that are too old or too many."""
        try:
            if self._store is not None:
                size = retention.size_bytes if self.folder is not None else min(retention.size_bytes, IN_MEMORY_BYTES)
                await asyncio.to_thread(self._store.retain, self._aged_to_s(), retention.age_s, size)
        except StoreError as error:
            self._say(str(error))

    def close(self) -> None:
        """Let go."""
        if self.keeping:
            self._say(f"{len(self.keeping)} exchanges that were to be kept as evidence were not written")
        if self._bodies is not None:
            self._bodies.close()
        if self._store is not None:
            self._store.close()

    async def keep_bodies(self) -> None:
        """Write the bodies that wait and prune those that are too old, however long that takes: the log does not wait
        for it. When that fails the file is opened anew for the next attempt, and what is not written waits. Not to be
        cut off while `writing_bodies` is held.
        """
        if self._wanted is None or self.folder is None:
            return
        async with self.writing_bodies:
            waiting = self.keeping.take()
            try:
                await asyncio.to_thread(self._write_bodies, self.folder, self._wanted, waiting, self._aged_to_s())
                self._told = ""
            except Exception as error:
                self.keeping.put_back(waiting)
                self._bodies_as = None
                if not isinstance(error, StoreError):
                    raise
                if str(error) != self._told:
                    self._say(str(error))
                self._told = str(error)

    def _write_bodies(self, folder: Path, wanted: _Wanted, waiting: deque[Kept], now_s: float) -> None:
        bodies = self._bodies
        if bodies is None or wanted != self._bodies_as or not bodies.in_place():
            bodies = self._open_bodies(folder, wanted)
        while waiting:  # whose texts are let go one by one
            first = waiting.popleft()
            try:
                bodies.keep(first)
            except StoreError:
                waiting.appendleft(first)
                raise
        if now_s >= self._prune_s:
            bodies.retain(now_s)
            self._prune_s = now_s + _PRUNE_EVERY_S

    def _open_bodies(self, folder: Path, wanted: _Wanted) -> Bodies:
        former, self._bodies = self._bodies, None
        if former is not None:
            former.close()
        evidence, keys = wanted
        limits = Limits(max_bytes=evidence.size_bytes, max_age_s=evidence.age_s)
        opened = self._bodies = Bodies.open(folder, Keep(evidence.bodies), limits, Redactor(evidence.redact, keys))
        self._bodies_as = wanted
        return opened


def keys_held(config: Config) -> list[str]:
    """Of vendors and the reference, so far as they are too long to be words."""
    held = [vendor.api_key for vendor in config.vendors]
    if config.reference is not None:
        held.append(config.reference.api_key)
    return [text for key in held if key is not None and len(text := key.reveal()) >= SHORTEST]


def restored(store: Store) -> Book:
    """The book as the checkpoint has it, or folded anew where its version is another. Raises StoreError."""
    try:
        found = store.checkpoint()
        return Book() if found is None else Book.restored(found[1])
    except ODD_VALUES:
        return replayed(store)


def replayed(store: Store) -> Book:
    """The book folded from the rows alone, from the oldest state that is kept. Raises StoreError."""
    with store.snapshot():
        after, state = store.replay_from()
        try:
            book = Book() if state is None else Book.restored(state)
        except ODD_VALUES:
            book = Book()
        for _, row in store.rows(after):
            book.fold(row)
        return book
