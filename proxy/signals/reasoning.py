"""Whether there is reasoning where there should be, and none where not.

Not here: how long it is (lengths.py). Invariant: the mode is the request's.
"""

from __future__ import annotations

from proxy.contract.mode import Mode
from proxy.signals.features import Read
from proxy.signals.signal import CONTRACT_TOLERANCE, PAIR_TOLERANCE, Group, Rate, Swap


def _missing(read: Read) -> bool | None:
    if read.asked.mode is not Mode.THINKING or not read.proper or (read.blank and not read.tool_calls):
        return None
    return not read.reasoning


def _when_off(read: Read) -> bool | None:
    if read.asked.mode is not Mode.INSTANT or not read.proper:
        return None
    return bool(read.reasoning) or (read.usage is not None and bool(read.usage.reasoning))


def _present(read: Read) -> bool | None:
    return bool(read.reasoning) if read.ended else None


REASONING_MISSING = Rate(
    name="reasoning-missing",
    violated=_missing,
    unit="share of thinking answers with content or calls",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="thinking on but no reasoning: the switch ignored, the field lost or its text left in the content",
    source="vllm#37397",
)
REASONING_WHEN_OFF = Rate(
    name="reasoning-when-off",
    violated=_when_off,
    unit="share of instant answers",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="thinking although it was switched off",
    source="opencode#25001, SillyTavern#5599",
)
REASONING_PRESENT = Swap(
    name="reasoning-present",
    has=_present,
    unit="difference of shares",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="reasoning shown more or less often than by the reference",
    source="vllm#37397; opencode#25001",
)
