"""latency: every chunk arrives later, and so does the end.

Invariant: no byte is changed, lost or put before another; a chunk waits from when it came, so many of them may be on
their way at once, as on a long wire.
"""

from __future__ import annotations

import asyncio
from typing import Final

from proxy.simulator.toxics.toxic import Flow, Occasion, Toxic, Unit, Value

_ON_THE_WAY: Final = 256
"""Chunks. Beyond them the sender is held back, as a full wire holds it back."""


async def _late(source: Flow, on: Occasion) -> Flow:
    delay_s, jitter_s = on.values
    wire: asyncio.Queue[tuple[float, bytes | BaseException | None]] = asyncio.Queue(_ON_THE_WAY)

    async def send() -> None:
        end: BaseException | None = None
        try:
            async for chunk in source:
                await wire.put((due(), chunk))
        except Exception as error:  # the far end of the wire hears of it when its time has come
            end = error
        await wire.put((due(), end))

    def due() -> float:
        return on.clock() + max(0.0, delay_s + on.draw.uniform(-jitter_s, jitter_s))

    sending = asyncio.ensure_future(send())
    try:
        while True:
            due_s, chunk = await wire.get()
            wait_s = due_s - on.clock()
            if wait_s > 0:
                await on.sleep(wait_s)
            if chunk is None:
                return
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


LATENCY: Final = Toxic(
    name="latency",
    does="delays every chunk, and the end",
    values=(Value("delay", Unit.TIME, 0.1), Value("jitter, more or less", Unit.TIME, 0.0)),
    flow=_late,
)
