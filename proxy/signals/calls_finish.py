"""Whether tool calls and finish reason agree.

Not here: whether the calls are right. Invariants: calls that the limit or a filter cut are no disagreement, nor is stop
after a call the request forced by name (OpenAI's API says stop there).
"""

from __future__ import annotations

from typing import Final

from proxy.signals.features import Read
from proxy.signals.signal import CONTRACT_TOLERANCE, Group, Rate

_CUT: Final = (None, "length", "content_filter")
_UNFORCED: Final = (None, "auto", "none", "required")


def _with_stop(read: Read) -> bool | None:
    if not read.tool_calls or not read.whole or read.finish_reason in _CUT:
        return None
    return read.finish_reason != "tool_calls" if read.asked.tool_choice in _UNFORCED else None


def _missing(read: Read) -> bool | None:
    return not read.tool_calls if read.finish_reason == "tool_calls" and read.whole else None


CALLS_WITH_STOP = Rate(
    name="calls-with-stop",
    violated=_with_stop,
    unit="share of answers with calls",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="tool calls with finish_reason stop: clients do not run them",
    source="ai-sdk-provider#420",
)
CALLS_MISSING = Rate(
    name="calls-missing",
    violated=_missing,
    unit="share of answers that end with tool_calls",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="finish_reason tool_calls without a call",
    source="K2-Instruct card, discussion 48",
)
