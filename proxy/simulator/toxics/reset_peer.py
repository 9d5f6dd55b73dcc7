"""reset-peer: nothing comes through, and after a while the connection is reset.

Invariant: not one byte passes, and the end is an RST, never a FIN.
"""

from __future__ import annotations

from typing import Final

from proxy.simulator.toxics.toxic import Flow, Occasion, Reset, Toxic, Unit, Value, swallow


async def _reset(source: Flow, on: Occasion) -> Flow:
    seconds = on.values[0]
    if seconds > 0:
        await swallow(source, seconds, on)
    for nothing in list[bytes]():
        yield nothing
    raise Reset


RESET_PEER: Final = Toxic(
    name="reset-peer",
    does="lets nothing through, then resets the connection (RST)",
    values=(Value("until the reset; 0: at once", Unit.TIME, 0.0),),
    flow=_reset,
)
