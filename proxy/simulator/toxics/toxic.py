"""What a toxic is: a name, what it does, the values it takes, and how it changes one direction of a connection.

Here: the shape of a toxic and the two broken ends. Not here: the toxics (one file each), their syntax (parse.py) and
the sockets (relay.py). Invariant: a toxic is a stream of chunks made of another: it reads no socket and no clock of its
own, so it stands before any vendor and in any test alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

Flow = AsyncGenerator[bytes]
"""The chunks of one direction; its end is the end of that direction (FIN)."""


class Towards(StrEnum):
    """Who receives the direction that a toxic acts on."""

    CLIENT = "client"
    VENDOR = "vendor"


class Unit(StrEnum):
    """What a value of a toxic counts."""

    TIME = "time"
    SIZE = "size"


class Closed(Exception):
    """The connection ends here, in both directions; what was sent before arrives."""


class Reset(Exception):
    """The connection is reset here (RST), in both directions."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a toxic, in words, and its default; in seconds or bytes."""

    means: str
    unit: Unit
    default: float


@dataclass(frozen=True, slots=True)
class Occasion:
    """One connection that a toxic befalls: its values, dice, a clock in seconds and a wait."""

    values: tuple[float, ...]
    draw: Random
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxic:
    """`does` is one plain part of a sentence for the table; `flow` is the stream that comes of the one it is given."""

    name: str
    does: str
    values: tuple[Value, ...]
    flow: Callable[[Flow, Occasion], Flow]


async def swallow(source: Flow, seconds: float, on: Occasion) -> bool:
    """Let nothing through for so long (0: for ever); whether the time is over, rather than the source."""
    emptied = asyncio.ensure_future(_drop(source))
    over = asyncio.ensure_future(on.sleep(seconds) if seconds > 0 else asyncio.Event().wait())
    try:
        await asyncio.wait((emptied, over), return_when=asyncio.FIRST_COMPLETED)
        if not emptied.done():
            return True
        emptied.result()
        return False
    finally:
        for task in (emptied, over):
            task.cancel()
        await asyncio.gather(emptied, over, return_exceptions=True)


async def _drop(source: Flow) -> None:
    async for _ in source:
        pass
