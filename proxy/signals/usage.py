"""The token counts: whether they are there and agree with each other and with the text.

Both places of usage and of cached_tokens are read alike, so where they stand is no signal. Not here: whether the counts
are true (prompt_tokens.py, tokens_per_character.py). Invariant: counts are compared only where both are stated.
"""

from __future__ import annotations

from proxy.contract.answer import Usage
from proxy.signals.features import Read
from proxy.signals.signal import CONTRACT_TOLERANCE, Group, Rate


def _missing(read: Read) -> bool | None:
    if not read.proper or (read.stream and not read.asked.usage_asked):
        return None
    return read.usage is None or read.usage.prompt is None or read.usage.completion is None


def _inconsistent(read: Read) -> bool | None:
    if read.usage is None or not read.proper:
        return None
    return _impossible(read.usage) or (read.usage.completion == 0 and read.characters > 0)


def _impossible(usage: Usage) -> bool:
    prompt, completion = usage.prompt, usage.completion
    if prompt is not None and (prompt <= 0 or (usage.cached or 0) > prompt):
        return True
    if completion is not None and (completion < 0 or (usage.reasoning or 0) > completion):
        return True
    known = prompt is not None and completion is not None and usage.total is not None
    return known and usage.total != (prompt or 0) + (completion or 0)


USAGE_MISSING = Rate(
    name="usage-missing",
    violated=_missing,
    unit="share of answers",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="no prompt or completion count (a stream: where it was asked for)",
    source="pi#2017, Cogtrix#2376, Bike4Mind#1089",
)
USAGE_INCONSISTENT = Rate(
    name="usage-inconsistent",
    violated=_inconsistent,
    unit="share of answers with usage",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="zero for text that is there, a total that does not add up, more cached or reasoning tokens than tokens",
    source="pi#2017, Cogtrix#2376",
)
