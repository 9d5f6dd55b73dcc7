"""Probes of what an answer says about itself: usage, finish reason, ids, model.

Not here: what the prompt's count says about the template (template.py). Invariant: both places of usage count.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from proxy.contract.mode import Mode
from proxy.probes.asks import LONG_QUESTION, STREAMED, TINY, ask, plain
from proxy.probes.judging import by_signals, failed, listed, passed, unjudged
from proxy.probes.probe import Ask, Finding, Layer, Probe, Setting, Told
from proxy.signals.finish_reason import FINISH_REASON_MISSING, FINISH_REASON_UNKNOWN
from proxy.signals.model_name import MODEL_NAME
from proxy.signals.usage import USAGE_INCONSISTENT, USAGE_MISSING

SLACK: Final = 2
"""Tokens: some engines count the end of the turn."""


def limited(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    """What cannot be answered within its limit, streamed and not."""
    return (
        ask(setting, mode, LONG_QUESTION, limit=TINY, **STREAMED),
        ask(setting, mode, LONG_QUESTION, limit=TINY),
    )


def _within(told: Told) -> Finding:
    counts = [one.usage.completion for one in told.answers if one.usage is not None and one.usage.completion]
    if not counts:
        return unjudged(told, "no answer states completion_tokens")
    seen = f"completion_tokens {listed(counts)} under max_tokens {TINY}"
    return failed(seen) if max(counts) > TINY + SLACK else passed(seen)


def _ids(told: Told) -> Finding:
    if not told.answers:
        return unjudged(told, "")
    missing = sum(one.id is None for one in told.answers)
    if missing:
        return failed(f"{missing} of {len(told.answers)} answers have no id")
    twice = [name for name, count in Counter(one.id for one in told.answers).items() if count > 1]
    return failed(f"the id {twice[0]} is given twice") if twice else passed(f"{len(told.answers)} ids, all different")


ACCOUNTING: Final = (
    Probe(
        id="usage-present",
        layer=Layer.ACCOUNTING,
        title="usage is stated",
        allowed="prompt and completion tokens, in bodies and in streams that ask for them",
        hint="a gateway that does not pass stream_options on: nothing can be billed or compared",
        source="pi#2017, Cogtrix#2376; K2.6 host requirement R9",
        asks=plain,
        judge=by_signals(USAGE_MISSING),
    ),
    Probe(
        id="usage-consistent",
        layer=Layer.ACCOUNTING,
        title="usage adds up",
        allowed="total = prompt + completion, no zero for text that is there, no part larger than the whole",
        hint="counts made up by a gateway",
        source="pi#2017, Cogtrix#2376",
        asks=plain,
        judge=by_signals(USAGE_INCONSISTENT),
    ),
    Probe(
        id="usage-within-limit",
        layer=Layer.ACCOUNTING,
        title="no more completion tokens than were allowed",
        allowed=f"completion_tokens at most max_tokens (and {SLACK} more)",
        hint="inflated counts: you are billed for tokens that were not generated",
        source="Kimi-Vendor-Verifier tests/prompt_tokens",
        asks=limited,
        judge=_within,
    ),
    Probe(
        id="finish-reason",
        layer=Layer.ACCOUNTING,
        title="every answer says why it stopped",
        allowed="finish_reason stop, length, tool_calls or content_filter, in bodies and in streams",
        hint="an engine's own word (abort, unexpected_state), or a stream without its last chunk",
        source="Kimi-Vendor-Verifier kimi_model.py; SGLang",
        asks=plain,
        judge=by_signals(FINISH_REASON_MISSING, FINISH_REASON_UNKNOWN),
    ),
    Probe(
        id="answer-id",
        layer=Layer.ACCOUNTING,
        title="every answer has an id of its own",
        allowed="an id in each answer, no two alike",
        hint="without it neither side can find a request again",
        source="OpenAI API reference, chat completions; K2.6 host requirement R8",
        asks=plain,
        judge=_ids,
    ),
    Probe(
        id="model-name",
        layer=Layer.ACCOUNTING,
        title="the answer names the model",
        allowed="the name that was asked for, or another name of the same model",
        hint="another model was served, or the gateway writes a name of its own: name it in the profile's models",
        source="charmbracelet/fantasy, recorded exchanges",
        asks=plain,
        judge=by_signals(MODEL_NAME),
    ),
)
