"""When the configuration is loaded anew, and what came of it.

Not here: putting it to use. Invariants: what is given out was loaded and validated whole, or is only an error; attempts
come one after another, and signals that arrive during one make one more, not many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from proxy.config.load import ConfigError, Loaded, spelled
from proxy.supervisor.watch import Watch

Load: TypeAlias = Callable[[], Loaded]
"""Reads flags, environment and files anew. Raises ConfigError. Blocking."""

SETTLE_STEP_S: Final = 0.1
SETTLE_STEPS: Final = 10
"""A changed file is loaded once it has not changed for one step, or after all steps: an editor may still be at it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to load; exactly one of `loaded` and `error` is there."""

    cause: str
    loaded: Loaded | None
    error: str = ""


class Reloading:
    """Attempts, each when it is due: asked for by `ask`, or because a watched file has another content."""

    def __init__(self, load: Load, loaded: Loaded, watch_every_s: float = 1.0) -> None:
        self._load = load
        self._watch = Watch(loaded.config.watched)
        self._watch_every_s = watch_every_s
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Make an attempt soon."""
        self._asked.set()

    async def next(self) -> Attempt:
        """Wait until an attempt is due, and make it."""
        while True:
            asked = await self._asked_in_time()
            changed = await asyncio.to_thread(self._watch.changed)
            if asked:
                return await self._attempt("SIGHUP")
            if changed:
                await self._settle()
                return await self._attempt("file change")

    async def _asked_in_time(self) -> bool:
        try:
            async with asyncio.timeout(self._watch_every_s):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    async def _settle(self) -> None:
        for _ in range(SETTLE_STEPS):
            await asyncio.sleep(SETTLE_STEP_S)
            if not await asyncio.to_thread(self._watch.changed):
                return

    async def _attempt(self, cause: str) -> Attempt:
        try:
            loaded = await asyncio.to_thread(self._load)
        except ConfigError as exc:
            return Attempt(cause, None, "; ".join(spelled(problem) for problem in exc.problems))
        except Exception as exc:  # a defect of the loader must not end what serves
            return Attempt(cause, None, f"{type(exc).__name__}: {exc}")
        await asyncio.to_thread(self._watch.follow, loaded.config.watched)
        return Attempt(cause, loaded)
