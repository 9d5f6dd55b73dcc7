"""An answer, a pair or a triple -> one number a signal. Pure.

SIGNALS is all of them in the order of the table in docs/signals.md. A new signal is one file and one line here. Not
here: what becomes of the numbers (drift/). Invariant: a name is one series, for ever.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from proxy.signals.calls_finish import CALLS_MISSING, CALLS_WITH_STOP
from proxy.signals.degenerate import DEGENERATE, DEGENERATE_PAIR
from proxy.signals.empty import ANSWER_IN_REASONING, EMPTY, EMPTY_PAIR
from proxy.signals.finish_reason import (
    FINISH_LENGTH,
    FINISH_OTHER,
    FINISH_REASON_MISSING,
    FINISH_REASON_UNKNOWN,
    FINISH_STOP,
)
from proxy.signals.json_format import JSON_FORMAT, JSON_FORMAT_PAIR
from proxy.signals.lengths import CONTENT_LENGTH, CONTENT_LENGTH_TAIL, REASONING_LENGTH, REASONING_LENGTH_TAIL
from proxy.signals.limits import CALL_WITHHELD, OUTPUT_CAPPED
from proxy.signals.logprob import MEAN_LOGPROB
from proxy.signals.markers import LEAKED_MARKERS, THINK_TAGS
from proxy.signals.model_name import MODEL_NAME
from proxy.signals.outcomes import EXCHANGE_FAILED, FIRST_TOKEN_LATE
from proxy.signals.probed import PROBED
from proxy.signals.prompt_token_count import PROMPT_TOKEN_COUNT
from proxy.signals.prompt_tokens import PROMPT_TOKEN_OFFSET
from proxy.signals.readable import ERROR_INSIDE, UNREADABLE_ANSWER
from proxy.signals.reasoning import REASONING_MISSING, REASONING_PRESENT, REASONING_WHEN_OFF
from proxy.signals.refusal import REFUSAL
from proxy.signals.script_mismatch import SCRIPT_MISMATCH
from proxy.signals.signal import Signal
from proxy.signals.stream_end import DONE_MISSING
from proxy.signals.text_agreement import (
    CONTENT_AGREEMENT,
    CONTENT_PREFIX_AGREEMENT,
    REASONING_AGREEMENT,
    REASONING_PREFIX_AGREEMENT,
)
from proxy.signals.text_beside_calls import TEXT_BESIDE_CALLS
from proxy.signals.tokens_per_character import TOKENS_PER_CHARACTER
from proxy.signals.tool_arguments import TOOL_ARGUMENTS, TOOL_ARGUMENTS_PAIR
from proxy.signals.tool_choice import CALLS_COUNT, TOOL_CHOICES, TOOL_SET_AGREEMENT
from proxy.signals.tool_ids import TOOL_ID_FORM, TOOL_INDEX_MISSING
from proxy.signals.tool_trigger import TOOL_TRIGGER, TOOL_TRIGGER_AGREEMENT
from proxy.signals.undeclared_tool import UNDECLARED_TOOL
from proxy.signals.usage import USAGE_INCONSISTENT, USAGE_MISSING

SIGNALS: Final[tuple[Signal, ...]] = (
    PROMPT_TOKEN_OFFSET,
    PROMPT_TOKEN_COUNT,
    UNREADABLE_ANSWER,
    ERROR_INSIDE,
    FINISH_REASON_UNKNOWN,
    FINISH_REASON_MISSING,
    DONE_MISSING,
    USAGE_MISSING,
    USAGE_INCONSISTENT,
    MODEL_NAME,
    TOOL_ID_FORM,
    TOOL_INDEX_MISSING,
    CALLS_WITH_STOP,
    CALLS_MISSING,
    LEAKED_MARKERS,
    THINK_TAGS,
    UNDECLARED_TOOL,
    REASONING_MISSING,
    REASONING_WHEN_OFF,
    OUTPUT_CAPPED,
    CALL_WITHHELD,
    TOOL_ARGUMENTS,
    TOOL_ARGUMENTS_PAIR,
    JSON_FORMAT,
    JSON_FORMAT_PAIR,
    TOOL_TRIGGER,
    TOOL_TRIGGER_AGREEMENT,
    CALLS_COUNT,
    *TOOL_CHOICES,
    TOOL_SET_AGREEMENT,
    TEXT_BESIDE_CALLS,
    EMPTY,
    EMPTY_PAIR,
    ANSWER_IN_REASONING,
    DEGENERATE,
    DEGENERATE_PAIR,
    FINISH_LENGTH,
    FINISH_STOP,
    FINISH_OTHER,
    REASONING_PRESENT,
    REASONING_LENGTH,
    REASONING_LENGTH_TAIL,
    CONTENT_LENGTH,
    CONTENT_LENGTH_TAIL,
    TOKENS_PER_CHARACTER,
    SCRIPT_MISMATCH,
    REFUSAL,
    REASONING_PREFIX_AGREEMENT,
    CONTENT_PREFIX_AGREEMENT,
    REASONING_AGREEMENT,
    CONTENT_AGREEMENT,
    MEAN_LOGPROB,
    EXCHANGE_FAILED,
    FIRST_TOKEN_LATE,
)
"""Contracts, then tools, then the rest; within a group as the answer is made: form, calls, text, length."""

__all__ = ("NAMED", "PROBED", "SELF_TESTS", "SIGNALS")

SELF_TESTS: Final[tuple[Signal, ...]] = tuple(
    replace(signal, name=f"reference-{signal.name}") for signal in (TOOL_TRIGGER, REASONING_LENGTH, CONTENT_LENGTH)
)
"""The reference against itself, its second answer in the vendor's place: an alarm here means a fault of ours or a
reference that drifts, never the vendor."""

NAMED: Final[tuple[Signal, ...]] = (*SIGNALS, *SELF_TESTS, *PROBED)
"""Everything that a row, a metric or a page may name."""
