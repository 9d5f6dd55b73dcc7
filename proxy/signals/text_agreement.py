"""How alike the openings of two answers are, against how alike two of the reference's are.

Catches what shifts nothing else: another model behind the same name, another temperature (in either direction). Not
here: comparing one pair by its text, which says nothing at temperature 1. Invariant: symmetric, 1 for equal texts.
"""

from __future__ import annotations

from typing import Final

from proxy.contract.mode import Mode
from proxy.signals.features import Read
from proxy.signals.signal import PAIR_TOLERANCE, Group, Triple

OPENING: Final = 64


def _prefix(one: str, other: str) -> float:
    one, other = one[:OPENING], other[:OPENING]
    most = max(len(one), len(other))
    if one == other:
        return 1.0
    same = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return same / most


def _jaccard(one: frozenset[tuple[str, str, str]], other: frozenset[tuple[str, str, str]]) -> float:
    both = len(one & other)
    either = len(one) + len(other) - both
    return both / either if either else 1.0


def _reasoning_apply(one: Read, other: Read) -> bool:
    return one.asked.mode is Mode.THINKING and one.ended and other.ended


def _content_applies(one: Read, other: Read) -> bool:
    """Not beside calls: there both are mostly empty, and equal by the decision to call rather than by wording."""
    return not one.tool_calls and not other.tool_calls and one.ended and other.ended


def _reasoning_prefix(one: Read, other: Read) -> float | None:
    return _prefix(one.reasoning or "", other.reasoning or "") if _reasoning_apply(one, other) else None


def _content_prefix(one: Read, other: Read) -> float | None:
    return _prefix(one.content or "", other.content or "") if _content_applies(one, other) else None


def _reasoning_grams(one: Read, other: Read) -> float | None:
    return _jaccard(one.reasoning_grams, other.reasoning_grams) if _reasoning_apply(one, other) else None


def _content_grams(one: Read, other: Read) -> float | None:
    return _jaccard(one.content_grams, other.content_grams) if _content_applies(one, other) else None


REASONING_PREFIX_AGREEMENT = Triple(
    name="reasoning-prefix-agreement",
    alike=_reasoning_prefix,
    unit="similarity lost",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="reasoning that begins another way: template, model, temperature",
    source="Gao and others, arXiv 2410.20247",
)
CONTENT_PREFIX_AGREEMENT = Triple(
    name="content-prefix-agreement",
    alike=_content_prefix,
    unit="similarity lost",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="content that begins another way",
    source="Gao and others, arXiv 2410.20247",
)
REASONING_AGREEMENT = Triple(
    name="reasoning-agreement",
    alike=_reasoning_grams,
    unit="similarity lost",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="other wording of the reasoning: another model, temperature or top_p",
    source="Gao and others, arXiv 2410.20247",
)
CONTENT_AGREEMENT = Triple(
    name="content-agreement",
    alike=_content_grams,
    unit="similarity lost",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="other wording of the content: another model, temperature or top_p",
    source="Gao and others, arXiv 2410.20247",
)
