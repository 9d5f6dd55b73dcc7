"""What a host's prompt_tokens say about the prompt it really built.

Two hosts count the same request alike but for a constant, one for each shape of request (+3 and the like: vllm#51465,
sglang#35776, Kimi-Vendor-Verifier tests/prompt_tokens). Another difference is another prompt: an injected or dropped
system prompt, an altered chat template, another tokenizer. Not here: learning the constant. Invariant: the shape comes
from the request alone.
"""

from __future__ import annotations

from proxy.contract.asked import Asked
from proxy.signals.features import Read
from proxy.signals.signal import CONTRACT_TOLERANCE, Group, Offset


def _offset(vendor: Read, reference: Read) -> tuple[str, int] | None:
    if vendor.usage is None or reference.usage is None or not vendor.whole or not reference.whole:
        return None
    ours, theirs = vendor.usage.prompt, reference.usage.prompt
    return (bucket(vendor.asked), ours - theirs) if ours and theirs else None


def bucket(asked: Asked) -> str:
    """The shape of a request, as far as hosts render shapes differently: `thinking+tools+json_object`."""
    parts = (
        str(asked.mode),
        "tools" if asked.tools else "",
        asked.format_kind if asked.format_kind != "text" else "",
        "images" if asked.images else "",
        "reasoning" if asked.reasoning_history else "",
    )
    return "+".join(part for part in parts if part)


PROMPT_TOKEN_OFFSET = Offset(
    name="prompt-token-offset",
    offset=_offset,
    unit="share of pairs",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="an injected or dropped system prompt, an altered chat template, another tokenizer",
    source="Kimi-Vendor-Verifier tests/prompt_tokens; vLLM blog 2025-10-28",
)
