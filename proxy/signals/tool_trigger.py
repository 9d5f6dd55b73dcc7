"""Whether an answer calls tools at all.

The official API agrees with itself only to a tool_call_f1 of 0.76 (0.84 for K2-0905; K2-Vendor-Verifier README): what
leans to one side is the swap's to find, what is merely scrambled the triple's. Not here: which tool. Invariant: calls
count as a trigger whatever the finish reason says; KVV's own reading of it is in kvv.py.
"""

from __future__ import annotations

from proxy.signals.features import Read
from proxy.signals.signal import PAIR_TOLERANCE, Group, Swap, Triple


def _triggered(read: Read) -> bool | None:
    if not read.asked.tools or not read.ended:
        return None
    return bool(read.tool_calls) or read.finish_reason == "tool_calls"


def _agree(one: Read, other: Read) -> float | None:
    first, second = _triggered(one), _triggered(other)
    return None if first is None or second is None else float(first == second)


TOOL_TRIGGER = Swap(
    name="tool-trigger",
    has=_triggered,
    unit="difference of shares",
    group=Group.TOOLS,
    tolerance=PAIR_TOLERANCE,
    finds="tools called more or less often: a broken chat template, quantisation, a call withheld",
    source="vLLM blog 2025-10-28; K2-Vendor-Verifier f1_score.py",
)
TOOL_TRIGGER_AGREEMENT = Triple(
    name="tool-trigger-agreement",
    alike=_agree,
    unit="agreement lost",
    group=Group.TOOLS,
    tolerance=PAIR_TOLERANCE,
    finds="scrambled decisions at the same overall share",
    source="K2-Vendor-Verifier README, the official API against itself",
)
