"""timeout: nothing comes through, and after a while the connection closes.

Invariant: not one byte passes.
"""

from __future__ import annotations

from typing import Final

from proxy.simulator.toxics.toxic import Closed, Flow, Occasion, Toxic, Unit, Value, swallow


async def _silent(source: Flow, on: Occasion) -> Flow:
    if await swallow(source, on.values[0], on):
        raise Closed
    for nothing in list[bytes]():
        yield nothing


TIMEOUT: Final = Toxic(
    name="timeout",
    does="lets nothing through, then closes the connection",
    values=(Value("until it closes; 0: never", Unit.TIME, 0.0),),
    flow=_silent,
)
