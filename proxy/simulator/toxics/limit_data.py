"""limit-data: so many bytes, then the connection closes.

Invariant: exactly so many bytes pass, or all there are if these are fewer.
"""

from __future__ import annotations

from typing import Final

from proxy.simulator.toxics.toxic import Closed, Flow, Occasion, Toxic, Unit, Value


async def _limited(source: Flow, on: Occasion) -> Flow:
    left = int(on.values[0])
    if left <= 0:
        raise Closed
    async for chunk in source:
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            raise Closed


LIMIT_DATA: Final = Toxic(
    name="limit-data",
    does="closes the connection after so many bytes",
    values=(Value("bytes", Unit.SIZE, 1024.0),),
    flow=_limited,
)
