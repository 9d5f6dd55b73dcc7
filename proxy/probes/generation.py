"""Probes of what is generated: early ends, loops, gibberish, refusals.

Not here: how alike two vendors' texts are, which takes many more answers (drift/). Invariant: a share is judged by what
the number of runs can show, and the finding says what that is.
"""

from __future__ import annotations

from typing import Final

from proxy.contract.mode import Mode
from proxy.probes.asks import plain, plain_stream
from proxy.probes.judging import by_each, by_signals, failed, passed, unjudged
from proxy.probes.probe import Ask, Finding, Layer, Probe, Setting, Told, Verdict, counted
from proxy.probes.share import lower, runs_to_show, upper
from proxy.signals.degenerate import DEGENERATE
from proxy.signals.features import Read
from proxy.signals.refusal import REFUSAL
from proxy.signals.script_mismatch import SCRIPT_MISMATCH

MOST_EMPTY: Final = 0.01
"""K2.6 host requirement R6: of the answers that end with stop, fewer have no content."""


def _runs(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    return tuple(plain_stream(setting, mode, turn) for turn in range(setting.early_end))


def _empty(told: Told) -> Finding:
    """Some lost runs do not matter: the share is of those that ended."""
    ended = [one for one in told.answers if one.finish_reason == "stop"]
    if not ended:
        return unjudged(told, "no answer ends with stop")
    empty, runs = sum(one.blank and not one.tool_calls for one in ended), len(ended)
    seen = f"{empty} of {runs} answers are empty, so their share is "
    if lower(empty, runs) > MOST_EMPTY:
        return failed(f"{seen}over {lower(empty, runs):.1%} (with 95 % confidence)")
    seen += f"below {upper(empty, runs):.1%} (with 95 % confidence)"
    enough = runs_to_show(MOST_EMPTY)
    if runs < enough:
        seen += f"; {enough} runs without an empty one would show 1 %"
    if empty:
        return Finding(Verdict.NO_ANSWER, seen, hint=f"too few runs to tell: --early-end {enough} or more")
    return passed(seen) if 2 * len(told.lost) <= len(told.asks) else unjudged(told, counted(told.lost, len(told.asks)))


def _other_script(one: Read) -> bool | None:
    return SCRIPT_MISMATCH.has(one)


def _refuses(one: Read) -> bool | None:
    return REFUSAL.has(one)


GENERATION: Final = (
    Probe(
        id="early-end",
        layer=Layer.GENERATION,
        title="thinking does not end before the answer",
        allowed="of the answers that end with stop, fewer than 1 % have no content",
        hint="an end inside the thought, or a parser that leaves the answer in the reasoning",
        source="K2.6 host requirement R6; Fireworks blog on Kimi K2.5",
        asks=_runs,
        judge=_empty,
        modes=(Mode.THINKING,),
    ),
    Probe(
        id="no-loops",
        layer=Layer.GENERATION,
        title="no loops, no endless character",
        allowed="no answer repeats itself",
        hint="numeric faults or a broken kernel: token 0 runs (vllm#42426), loops (Kimi-K2.5#46)",
        source="vllm#42426; Kimi-K2.5#46, Kimi-K2#70",
        asks=plain,
        judge=by_signals(DEGENERATE),
    ),
    Probe(
        id="right-script",
        layer=Layer.GENERATION,
        title="an English question has an answer in its script",
        allowed="at most 5 % of the letters in a script that the question has not",
        hint="quantisation, a wrong tokenizer, or another model",
        source="reports on INT4 variants",
        asks=plain,
        judge=by_each(_other_script, "hold letters of other scripts"),
    ),
    Probe(
        id="no-refusal",
        layer=Layer.GENERATION,
        title="a harmless question is not refused",
        allowed="an answer",
        hint="a moderation layer or a system prompt of the host's own",
        source="K2.6 host requirement R4",
        asks=plain,
        judge=by_each(_refuses, "open with a refusal"),
    ),
)
