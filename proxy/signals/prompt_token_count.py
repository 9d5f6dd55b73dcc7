"""The host's count of the prompt against our own, where a request is plain enough to be counted for certain.

prompt-token-offset learns a host's constant and misses what was there from the first answer on; this does not. Not
here: counting, and which requests are counted (contract/prompt_tokens.py, scorer/prompts.py). Invariant: what was not
counted is not judged.
"""

from __future__ import annotations

from proxy.signals.features import Read
from proxy.signals.signal import CONTRACT_TOLERANCE, Group, Rate


def _miscounted(read: Read) -> bool | None:
    if read.asked.prompt_tokens is None or read.usage is None or read.usage.prompt is None or not read.whole:
        return None
    return read.usage.prompt not in read.asked.prompt_tokens


PROMPT_TOKEN_COUNT = Rate(
    name="prompt-token-count",
    violated=_miscounted,
    unit="share of answers to counted prompts",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="a prompt that is not the template's: a system prompt injected or dropped, another template or tokenizer",
    source="Kimi-Vendor-Verifier tests/prompt_tokens: at most 3 tokens over",
)
