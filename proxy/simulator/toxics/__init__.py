"""What a network does to connections, by name: the seven classic toxics, and a relay that stands before any vendor.

TOXICS is in the order in which several act on one direction. A further toxic is one more file and one more entry. Not
here: what a vendor says (faults/); a toxic knows bytes and connections, never a request. Invariant: names are unique.
"""

from __future__ import annotations

from typing import Final

from proxy.simulator.toxics.bandwidth import BANDWIDTH
from proxy.simulator.toxics.latency import LATENCY
from proxy.simulator.toxics.limit_data import LIMIT_DATA
from proxy.simulator.toxics.reset_peer import RESET_PEER
from proxy.simulator.toxics.slicer import SLICER
from proxy.simulator.toxics.slow_close import SLOW_CLOSE
from proxy.simulator.toxics.timeout import TIMEOUT
from proxy.simulator.toxics.toxic import Toxic

TOXICS: Final[tuple[Toxic, ...]] = (
    LATENCY,
    BANDWIDTH,
    SLOW_CLOSE,
    TIMEOUT,
    RESET_PEER,
    SLICER,
    LIMIT_DATA,
)
