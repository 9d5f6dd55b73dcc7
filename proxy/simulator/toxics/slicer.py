"""slicer: small pieces, one after another.

Invariant: no byte is changed, lost or put before another; a piece is at least one byte.
"""

from __future__ import annotations

from typing import Final

from proxy.simulator.toxics.toxic import Flow, Occasion, Toxic, Unit, Value


async def _sliced(source: Flow, on: Occasion) -> Flow:
    size, variation, delay_s = on.values
    async for chunk in source:
        start = 0
        while start < len(chunk):
            end = start + max(1, round(size + on.draw.uniform(-variation, variation)))
            yield chunk[start:end]
            start = end
            await on.sleep(delay_s)


SLICER: Final = Toxic(
    name="slicer",
    does="cuts what is sent into small pieces",
    values=(
        Value("bytes of a piece", Unit.SIZE, 64.0),
        Value("variation, more or less", Unit.SIZE, 32.0),
        Value("pause after each", Unit.TIME, 0.0),
    ),
    flow=_sliced,
)
