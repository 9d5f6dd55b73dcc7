"""Whether a stream says that it is over.

Not here: streams that break off (outcomes.py). Invariant: only a stream that ended in good order is judged.
"""

from __future__ import annotations

from proxy.contract.answer import Flaw
from proxy.signals.features import Read
from proxy.signals.signal import CONTRACT_TOLERANCE, Group, Rate


def _missing(read: Read) -> bool | None:
    return Flaw.NO_DONE in read.flaws if read.stream and read.proper else None


DONE_MISSING = Rate(
    name="done-missing",
    violated=_missing,
    unit="share of streams",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="a stream without `[DONE]`: clients cannot tell that it is complete",
    source="Fireworks blog on Kimi K2.5; K2-Vendor-Verifier tool_calls_eval.py",
)
