"""The Kimi Vendor Verifier's own metrics, for comparison with its published tables.

tool_call_f1 and schema_accuracy as K2-Vendor-Verifier computes them (tool_calls_eval.py, f1_score.py), with what they
overlook: an answer with calls but another finish reason is no trigger, a wrong tool is a right one, and the official
API reaches only 0.76 to 0.84 against itself. So nothing here decides about drift; that is tool_trigger.py's and
tool_arguments.py's. Invariant: counts in, numbers out; what has no denominator is 0 for F1, None for an accuracy.
"""

from __future__ import annotations

from enum import StrEnum

from proxy.contract.answer import Answer
from proxy.contract.asked import Asked
from proxy.signals.features import UNREADABLE, read


class Cell(StrEnum):
    """Where a pair falls; positive is a trigger."""

    TP = "tp"
    FP = "fp"
    FN = "fn"
    TN = "tn"


def triggered(answer: Answer) -> bool:
    """By the finish reason alone; an answer without one did not trigger."""
    return answer.finish_reason == "tool_calls"


def tool_calls_valid(answer: Answer, asked: Asked) -> bool | None:
    """Whether all calls name declared tools with arguments their schemas accept; None where the verifier does not look:
    another finish reason, or no calls. A tool declared without a schema makes its calls invalid.
    """
    if not triggered(answer) or not answer.tool_calls:
        return None
    for call, value in zip(answer.tool_calls, read(answer, asked).arguments, strict=True):
        tool = asked.tools.get(call.name or "")
        if tool is None or value is UNREADABLE or not tool.judge(value):
            return False
    return True


def cell(vendor: Answer, reference: Answer) -> Cell:
    """The pair's cell, the reference's trigger taken for the truth."""
    if triggered(vendor):
        return Cell.TP if triggered(reference) else Cell.FP
    return Cell.FN if triggered(reference) else Cell.TN


def f1(tp: int, fp: int, fn: int) -> float:
    """tool_call_f1: the harmonic mean of precision and recall, 0 where either has no meaning."""
    precision = tp / (tp + fp) if tp + fp else 0.0
    recall = tp / (tp + fn) if tp + fn else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def schema_accuracy(valid: int, triggers: int) -> float | None:
    """Answers with valid calls among those that finish with tool_calls, with or without a call."""
    return valid / triggers if triggers else None
