"""Which tools are called and how many.

Not here: whether any is (tool_trigger.py). Invariant: a tool is its place among the request's declared tools, so that
no name of a client's tool becomes the name of a series.
"""

from __future__ import annotations

from typing import Final

from proxy.signals.features import Read
from proxy.signals.signal import PAIR_TOLERANCE, Group, Sign, Swap, Triple

TOP: Final = 8


def _more_calls(vendor: Read, reference: Read) -> float | None:
    if not vendor.asked.tools or not vendor.ended or not reference.ended:
        return None
    difference = len(vendor.tool_calls) - len(reference.tool_calls)
    return float((difference > 0) - (difference < 0))


def _choice(rank: int) -> Swap:
    def chosen(read: Read) -> bool | None:
        return rank in read.ranks_called if len(read.asked.tools) >= rank and read.ended else None

    return Swap(
        name=f"tool-choice-{rank}",
        has=chosen,
        unit="difference of shares",
        group=Group.TOOLS,
        tolerance=PAIR_TOLERANCE,
        finds=f"declared tool number {rank} called more or less often",
        source="K2-Vendor-Verifier f1_score.py, to which a wrong tool is right",
    )


def _same(one: Read, other: Read) -> float | None:
    if not one.asked.tools or not one.ended or not other.ended:
        return None
    either = one.tools_called | other.tools_called
    return len(one.tools_called & other.tools_called) / len(either) if either else 1.0


CALLS_COUNT = Sign(
    name="calls-count",
    payoff=_more_calls,
    unit="mean sign",
    group=Group.TOOLS,
    tolerance=PAIR_TOLERANCE,
    finds="more or fewer calls in one answer: parallel calls merged, split or lost",
    source="K2-Vendor-Verifier f1_score.py, to which a wrong tool is right",
)
TOOL_CHOICES: Final = tuple(_choice(rank) for rank in range(1, TOP + 1))
TOOL_SET_AGREEMENT = Triple(
    name="tool-set-agreement",
    alike=_same,
    unit="agreement lost",
    group=Group.TOOLS,
    tolerance=PAIR_TOLERANCE,
    finds="other tools for the same request, whatever the totals",
    source="K2-Vendor-Verifier f1_score.py, to which a wrong tool is right",
)
