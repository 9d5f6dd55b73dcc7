"""Answers that ended at a limit: whether it was the asked one, and whether anything is to be seen.

Not here: how often the limit is met (finish-length). Invariant: only finish_reason length is judged, and only by the
vendor's own count.
"""

from __future__ import annotations

from typing import Final

from proxy.signals.features import Read
from proxy.signals.signal import CONTRACT_TOLERANCE, Group, Rate

SLACK: Final = 0.9
"""Of the asked max_tokens: hosts differ by a few tokens in what they count, not by a tenth."""
SMALLEST_CONTEXT: Final = 131072
"""Tokens. A prompt and an answer that fill it together may have met the context's limit (K2.6: 262144)."""

SHOWN: Final = 0.5
"""Characters a token. No script needs two tokens for a character all along."""


def _capped(read: Read) -> bool | None:
    asked, usage = read.asked.max_tokens, read.usage
    if read.finish_reason != "length" or not read.whole or asked is None or usage is None or not usage.completion:
        return None
    if usage.prompt is None or usage.prompt + usage.completion >= SMALLEST_CONTEXT * SLACK:
        return None
    return usage.completion < asked * SLACK


def _withheld(read: Read) -> bool | None:
    if read.finish_reason != "length" or not read.whole or read.usage is None or not read.usage.completion:
        return None
    return read.blank and not read.tool_calls and read.characters < read.usage.completion * SHOWN


OUTPUT_CAPPED = Rate(
    name="output-capped",
    violated=_capped,
    unit="share of answers that end with length",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="a silent limit below the asked max_tokens",
    source="models.dev, output limits of hosts",
)
CALL_WITHHELD = Rate(
    name="call-withheld",
    violated=_withheld,
    unit="share of answers that end with length",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="tokens counted up to the limit and next to nothing sent: a tool call that the parser kept",
    source="vllm#41182",
)
