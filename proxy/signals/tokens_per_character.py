"""How many tokens a vendor counts for its text.

Not here: whether the counts agree with each other (usage.py). Invariant: the tokens are the vendor's, the characters
our own count of all that it generated and showed.
"""

from __future__ import annotations

from proxy.signals.features import Read
from proxy.signals.signal import PAIR_TOLERANCE, Group, Size


def _tokens(read: Read) -> float | None:
    """For a thousand characters, so that the log of one plus it is the log of it."""
    if read.usage is None or not read.usage.completion or read.usage.completion < 0 or not read.ended:
        return None
    return 1000 * read.usage.completion / read.characters if read.characters else None


TOKENS_PER_CHARACTER = Size(
    name="tokens-per-character",
    amount=_tokens,
    unit="squashed log ratio",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="inflated usage, another tokenizer, generated text that is not shown",
    source="Kimi-Vendor-Verifier beam/tokenizer; vllm#41182",
)
