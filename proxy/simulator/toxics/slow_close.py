"""slow-close: the end comes late.

Invariant: no byte is changed, lost or delayed.
"""

from __future__ import annotations

from typing import Final

from proxy.simulator.toxics.toxic import Flow, Occasion, Toxic, Unit, Value


async def _lingering(source: Flow, on: Occasion) -> Flow:
    async for chunk in source:
        yield chunk
    await on.sleep(on.values[0])


SLOW_CLOSE: Final = Toxic(
    name="slow-close",
    does="delays the end of the connection",
    values=(Value("delay", Unit.TIME, 1.0),),
    flow=_lingering,
)
