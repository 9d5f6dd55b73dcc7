"""`paramwall serve` as a process, waited for with more patience than elsewhere: here it starts beside other processes.

Not here: what is asked of it. Invariant: it is ready when the block begins.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.supervisor.running import Running, running

READY_S: Final = 60
"""How long a process may take to start; an idle machine needs two seconds."""


@asynccontextmanager
async def served(folder: Path, *launcher: str) -> AsyncIterator[Running]:
    """With the paramwall.yaml of a folder; `launcher` is what runs the command, if anything does."""
    async with running(*launcher, "-P", "-m", "proxy", "serve", cwd=folder, ready=False) as supervisor:
        await supervisor.hears(r"\bready\b", READY_S)
        yield supervisor
