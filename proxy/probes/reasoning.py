"""Probes of the reasoning parser: the thought in its own field, the answer in its own.

Not here: whether it thinks at all (template.py). Invariant: an answer without text or calls is not judged for a missing
thought.
"""

from __future__ import annotations

from typing import Final

from proxy.contract.mode import Mode
from proxy.probes.asks import plain
from proxy.probes.judging import by_each, by_signals
from proxy.probes.probe import Layer, Probe
from proxy.signals.features import Read
from proxy.signals.markers import THINK_TAGS
from proxy.signals.reasoning import REASONING_MISSING


def _swallowed(one: Read) -> bool | None:
    """Instant alone: while thinking, an end inside the thought looks the same (generation.py)."""
    return one.blank and not one.tool_calls and bool(one.reasoning) if one.finish_reason == "stop" else None


def _untagged(one: Read) -> bool:
    """Reasoning that stands in the content is one defect, and named once."""
    return not THINK_TAGS.violated(one)


REASONING: Final = (
    Probe(
        id="reasoning-present",
        layer=Layer.REASONING,
        title="thinking answers carry their reasoning",
        allowed="reasoning_content or reasoning in every thinking answer",
        hint="the engine runs without its reasoning parser, or a gateway drops the field",
        source="vllm#37397; K2.6 host requirement R5",
        asks=plain,
        judge=by_signals(REASONING_MISSING, when=_untagged),
        modes=(Mode.THINKING,),
    ),
    Probe(
        id="reasoning-apart",
        layer=Layer.REASONING,
        title="no reasoning and no think tags in the content",
        allowed="no <think> or </think> in the content",
        hint="the reasoning parser is off, or believes that thinking is",
        source="privatemode#7",
        asks=plain,
        judge=by_signals(THINK_TAGS),
    ),
    Probe(
        id="answer-apart",
        layer=Layer.REASONING,
        title="the answer is not left in the reasoning",
        allowed="with thinking off, what is said stands in the content",
        hint="a reasoning parser that waits for a </think> which does not come when thinking is off",
        source="vllm-ascend#9361, smg#1873",
        asks=plain,
        judge=by_each(_swallowed, "stand in the reasoning alone"),
        modes=(Mode.INSTANT,),
    ),
)
