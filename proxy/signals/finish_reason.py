"""Why an answer stopped, in the vendor's word.

Not here: whether tool calls agree with it (calls_finish.py). Invariant: a word that is absent is one signal, a word
that nobody knows another, and only known ends are compared with the reference's.
"""

from __future__ import annotations

from typing import Final

from proxy.signals.features import Read
from proxy.signals.signal import CONTRACT_TOLERANCE, PAIR_TOLERANCE, Group, Rate, Swap

LEGAL: Final = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
"""Kimi-Vendor-Verifier kimi_model.py."""
_USUAL: Final = ("stop", "length", "tool_calls")


def _unknown(read: Read) -> bool | None:
    return None if read.finish_reason is None else read.finish_reason not in LEGAL


def _missing(read: Read) -> bool | None:
    return read.finish_reason is None if read.proper else None


def _length(read: Read) -> bool | None:
    return read.finish_reason == "length" if read.ended else None


def _stop(read: Read) -> bool | None:
    return read.finish_reason == "stop" if read.ended else None


def _other(read: Read) -> bool | None:
    return read.finish_reason not in _USUAL if read.ended else None


FINISH_REASON_UNKNOWN = Rate(
    name="finish-reason-unknown",
    violated=_unknown,
    unit="share of answers",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="a finish_reason outside the legal set: unexpected_state, abort, error",
    source="Kimi-Vendor-Verifier kimi_model.py; SGLang",
)
FINISH_REASON_MISSING = Rate(
    name="finish-reason-missing",
    violated=_missing,
    unit="share of answers",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="an answer that ends in good order without a finish_reason",
    source="K2-Vendor-Verifier tool_calls_eval.py, which takes it for stop",
)
FINISH_LENGTH = Swap(
    name="finish-length",
    has=_length,
    unit="difference of shares",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="a lower token limit, loops, a budget used up by the reasoning",
    source="workers-sdk#13239; K2-Vendor-Verifier compute_summary",
)
FINISH_STOP = Swap(
    name="finish-stop",
    has=_stop,
    unit="difference of shares",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="answers that end early or never",
    source="K2-Vendor-Verifier compute_summary",
)
FINISH_OTHER = Swap(
    name="finish-other",
    has=_other,
    unit="difference of shares",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="a content filter, ends of the engine's own",
    source="K2-Vendor-Verifier compute_summary",
)
