"""Text beside tool calls: some parsers lose what is said before the section of calls.

Not here: the calls. Invariant: only pairs in which both sides call tools count, since only there the text may be lost.
"""

from __future__ import annotations

from proxy.signals.features import Read
from proxy.signals.signal import PAIR_TOLERANCE, Group, Swap


def _present(read: Read) -> bool | None:
    return not read.blank if read.tool_calls and read.ended else None


TEXT_BESIDE_CALLS = Swap(
    name="text-beside-calls",
    has=_present,
    unit="difference of shares",
    group=Group.TOOLS,
    tolerance=PAIR_TOLERANCE,
    finds="content before the tool calls lost by a parser",
    source="vllm#34442, #38579",
)
