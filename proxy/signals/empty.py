"""Answers that say they are done and say nothing.

Not here: answers cut by the limit (limits.py). Invariant: only what ended with stop counts.
"""

from __future__ import annotations

from proxy.signals.features import Read
from proxy.signals.signal import PAIR_TOLERANCE, Group, Rate, Swap


def _empty(read: Read) -> bool | None:
    if not read.ended:
        return None
    return read.finish_reason == "stop" and read.blank and not read.tool_calls


def _in_reasoning(read: Read) -> bool | None:
    if read.finish_reason != "stop" or not read.whole:
        return None
    return read.blank and not read.tool_calls and bool(read.reasoning)


EMPTY = Rate(
    name="empty-answer",
    violated=_empty,
    unit="share of answers",
    group=Group.REST,
    tolerance=0.002,
    finds="neither content nor calls, finish_reason stop: a parser or an early end",
    source="Fireworks blog on Kimi K2.5; vllm#34955",
)
EMPTY_PAIR = Swap(
    name="empty-answer-pair",
    has=_empty,
    unit="difference of shares",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="more empty answers than the reference gives",
    source="Fireworks blog on Kimi K2.5",
)
ANSWER_IN_REASONING = Rate(
    name="answer-in-reasoning",
    violated=_in_reasoning,
    unit="share of answers that end with stop",
    group=Group.REST,
    tolerance=0.01,
    finds="all output left in the reasoning, or an end inside the thought",
    source="vllm-ascend#9361, smg#1873, ik_llama#1685; K2.6 host requirement R6",
)
