"""bandwidth: so many bytes a second.

Invariant: no byte is changed or lost; a chunk is at most a tenth of a second's worth, so the rate is even.
"""

from __future__ import annotations

from typing import Final

from proxy.simulator.toxics.toxic import Flow, Occasion, Toxic, Unit, Value

_PER_SECOND: Final = 10


async def _narrow(source: Flow, on: Occasion) -> Flow:
    (rate,) = on.values
    size = max(1, int(rate / _PER_SECOND))
    free_at = 0.0
    async for chunk in source:
        for start in range(0, len(chunk), size):
            piece = chunk[start : start + size]
            now = on.clock()
            if free_at > now:
                await on.sleep(free_at - now)
            free_at = max(free_at, now) + len(piece) / max(rate, 1.0)
            yield piece


BANDWIDTH: Final = Toxic(
    name="bandwidth",
    does="lets so much through in a second",
    values=(Value("bytes a second", Unit.SIZE, 65536.0),),
    flow=_narrow,
)
