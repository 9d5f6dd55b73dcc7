"""The defects a simulator can be given, by name.

FAULTS is in the order of the life of an answer, and that is the order in which several faults act on one answer. A
further defect is one more entry in the file of its stage. Not here: how one is switched on (parse.py, befall.py).
Invariant: names are unique.
"""

from __future__ import annotations

from typing import Final

from proxy.simulator.faults.accept import ACCEPT_FAULTS
from proxy.simulator.faults.answer import TEXT_FAULTS
from proxy.simulator.faults.calls import CALL_FAULTS
from proxy.simulator.faults.events import EVENTS_FAULTS
from proxy.simulator.faults.fault import Fault
from proxy.simulator.faults.reported import REPORT_FAULTS
from proxy.simulator.faults.status import STATUS_FAULTS
from proxy.simulator.faults.transport import TRANSPORT_FAULTS

FAULTS: Final[tuple[Fault, ...]] = (
    *ACCEPT_FAULTS,
    *STATUS_FAULTS,
    *TEXT_FAULTS,
    *CALL_FAULTS,
    *REPORT_FAULTS,
    *EVENTS_FAULTS,
    *TRANSPORT_FAULTS,
)
