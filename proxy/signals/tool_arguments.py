"""Whether tool arguments parse and keep to the schema the request declared.

The official API decodes arguments under a grammar and is right every time; open hosts were at 72 % to 100 %
(K2-Vendor-Verifier README, 2025-11). Not here: undeclared tools. Invariant: arguments that the limit cut are not
judged.
"""

from __future__ import annotations

from proxy.signals.features import Read
from proxy.signals.signal import PAIR_TOLERANCE, Group, Rate, Swap


def _bad(read: Read) -> bool | None:
    if not read.tool_calls or not read.ended or read.finish_reason == "length":
        return None
    return read.arguments_bad


def _bad_in_pair(read: Read) -> bool | None:
    if not read.asked.tools or not read.ended:
        return None
    return bool(_bad(read))


TOOL_ARGUMENTS = Rate(
    name="tool-arguments",
    violated=_bad,
    unit="share of answers with calls",
    group=Group.TOOLS,
    tolerance=0.005,
    finds="arguments that are cut, not JSON or off the schema: no guided decoding, quantisation, lost deltas",
    source="vLLM blog 2025-10-28; vllm#36891, #34442, #38579",
)
TOOL_ARGUMENTS_PAIR = Swap(
    name="tool-arguments-pair",
    has=_bad_in_pair,
    unit="difference of shares",
    group=Group.TOOLS,
    tolerance=PAIR_TOLERANCE,
    finds="more answers with bad arguments than the reference gives",
    source="K2-Vendor-Verifier README, schema accuracy of hosts",
)
