"""Whether a called tool was declared.

Not here: its arguments. Invariant: the name alone is judged, letter by letter, as clients look it up.
"""

from __future__ import annotations

from proxy.signals.features import Read
from proxy.signals.signal import CONTRACT_TOLERANCE, Group, Rate


def _undeclared(read: Read) -> bool | None:
    if not read.tool_calls or not read.whole:
        return None
    return any(call.name not in read.asked.tools for call in read.tool_calls)


UNDECLARED_TOOL = Rate(
    name="undeclared-tool",
    violated=_undeclared,
    unit="share of answers with calls",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="a call of a tool that the request does not declare",
    source="vLLM blog 2025-10-28; vllm#36891",
)
