"""Faults in the text of an answer: reasoning and content.

Not here: tool calls and finish reasons (calls.py), how it is sent (events.py, transport.py). Invariant: the usage
counts the text that is left, unless the fault is that generated tokens are not shown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from proxy.simulator.faults.defects import Defect
from proxy.simulator.faults.edit import each_choice, keep_usage
from proxy.simulator.faults.fault import Number, Occasion, PlanFault
from proxy.simulator.plan import LENGTH, STOP, Choice, pieces_of

MARKERS: Final = (
    "<|tool_calls_section_begin|>",
    "<|tool_call_begin|>functions.search:0<|tool_call_argument_begin|>{}",
    "<|tool_call_end|><|tool_calls_section_end|>",
    "<|im_end|>",
)
"""K2's tool markers are ordinary tokens, so they arrive as text when a parser misses (Kimi-Vendor-Verifier,
beam/tokenizer/tokenizer_config.json)."""
HALF_MARKERS: Final = ("<|tool_call", "<|tool_calls_section", "_argument_begin|>", "call_end|>", "functions.search:0")
REFUSALS: Final = (
    "I'm sorry, but I can't help with that.",
    "I cannot assist with this request.",
    "Sorry, I am unable to help with that request.",
)
CHINESE: Final = ("河流", "花园", "窗户", "市场", "桥梁", "来信", "石头", "问题", "季节", "港口", "老师", "村庄")


def _missing_reasoning(choice: Choice, _on: Occasion) -> Choice:
    return replace(choice, reasoning=None)


def _reasoning_in_content(choice: Choice, _on: Occasion) -> Choice:
    if choice.reasoning is None:
        return choice
    return replace(choice, reasoning=None, content=(*choice.reasoning, "</think>", *(choice.content or ())))


def _answer_in_reasoning(choice: Choice, _on: Occasion) -> Choice:
    return replace(choice, reasoning=(*(choice.reasoning or ()), *(choice.content or ())), content=())


def _empty(choice: Choice, _on: Occasion) -> Choice:
    reasoning = choice.reasoning[: len(choice.reasoning) // 2] if choice.reasoning is not None else None
    return Choice(reasoning, (), (), STOP)


def _all_budget_in_reasoning(choice: Choice, _on: Occasion) -> Choice:
    if choice.reasoning is None:
        return choice
    return Choice((*choice.reasoning, *(choice.content or ())), None, (), LENGTH)


def _short(choice: Choice, on: Occasion) -> Choice:
    if choice.calls or not choice.content:
        return choice
    return replace(choice, content=(*choice.content[: max(on.whole() - 1, 0)], "."))


def _leak(choice: Choice, on: Occasion, markers: tuple[str, ...]) -> Choice:
    marker = on.draw.choice(markers)
    if choice.content:
        at = on.draw.randrange(len(choice.content) + 1)
        return replace(choice, content=(*choice.content[:at], *pieces_of(marker), *choice.content[at:]))
    if choice.reasoning:
        return replace(choice, reasoning=(*choice.reasoning, *pieces_of(marker)))
    return replace(choice, content=pieces_of(marker))


def _repeat(choice: Choice, on: Occasion) -> Choice:
    loop = (choice.content or choice.reasoning or (" again", " and"))[-4:]
    repeated = tuple(loop) * max(on.whole(), 1)
    if choice.content is None and choice.reasoning is not None:
        return replace(choice, reasoning=(*choice.reasoning, *repeated))
    return replace(choice, content=(*(choice.content or ()), *repeated))


def _token_zero(choice: Choice, on: Occasion) -> Choice:
    return replace(choice, content=("!",) * max(on.whole(), 1), calls=(), finish=LENGTH)


def _gibberish(choice: Choice, on: Occasion) -> Choice:
    count = len(choice.content or ()) or 40
    letters = (chr(on.draw.randrange(0x0E01, 0x0E2E)) + chr(on.draw.randrange(0x0430, 0x0450)) for _ in range(count))
    return replace(choice, content=tuple(letters), calls=(), finish=STOP)


def _chinese(choice: Choice, on: Occasion) -> Choice:
    if not choice.content:
        return choice
    return replace(choice, content=(*(on.draw.choice(CHINESE) for _ in choice.content[1:]), "。"))


def _refuse(choice: Choice, on: Occasion) -> Choice:
    return replace(choice, content=pieces_of(on.draw.choice(REFUSALS)), calls=(), finish=STOP)


TEXT_FAULTS: Final = (
    PlanFault(
        name="missing-reasoning",
        does="thinks, but leaves the reasoning out of the answer",
        defect=Defect.NO_REASONING,
        act=keep_usage(each_choice(_missing_reasoning)),
    ),
    PlanFault(
        name="reasoning-in-content",
        does="puts the reasoning and a stray `</think>` into the content",
        defect=Defect.REASONING_IN_CONTENT,
        act=each_choice(_reasoning_in_content),
    ),
    PlanFault(
        name="answer-in-reasoning",
        does="puts the content behind the reasoning and leaves the content empty",
        defect=Defect.ANSWER_IN_REASONING,
        act=each_choice(_answer_in_reasoning),
    ),
    PlanFault(
        name="empty-answer",
        does="ends inside the thought: no content, no tool calls, finish reason stop",
        defect=Defect.EARLY_END,
        act=each_choice(_empty),
    ),
    PlanFault(
        name="budget-in-reasoning",
        does="reasons until the limit: content null, finish reason length",
        defect=Defect.BUDGET_IN_REASONING,
        act=each_choice(_all_budget_in_reasoning),
    ),
    PlanFault(
        name="short-answers",
        does="ends the content early, finish reason stop",
        defect=Defect.LENGTH_SHIFT,
        number=Number("content tokens at most", 8),
        act=each_choice(_short),
    ),
    PlanFault(
        name="gibberish",
        does="writes content in scripts that nobody asked for",
        defect=Defect.GIBBERISH,
        act=each_choice(_gibberish),
    ),
    PlanFault(
        name="wrong-language",
        does="writes content in Chinese, whatever the language of the question",
        defect=Defect.GIBBERISH,
        act=each_choice(_chinese),
    ),
    PlanFault(
        name="refusals",
        does="answers with one sentence that refuses",
        defect=Defect.REFUSALS,
        act=each_choice(_refuse),
    ),
    PlanFault(
        name="repetition",
        does="repeats its last four tokens over and over",
        defect=Defect.LOOPS,
        number=Number("how many times", 60),
        act=each_choice(_repeat),
    ),
    PlanFault(
        name="exclamation-marks",
        does="writes nothing but exclamation marks, finish reason length",
        defect=Defect.TOKEN_ZERO,
        number=Number("how many", 400),
        act=each_choice(_token_zero),
    ),
    PlanFault(
        name="leaked-markers",
        does="leaves tool markers of the chat template in the text",
        defect=Defect.MARKERS_LEAKED,
        act=each_choice(lambda choice, on: _leak(choice, on, MARKERS)),
    ),
    PlanFault(
        name="half-markers",
        does="leaves parts of tool markers, or a bare call id, in the text",
        defect=Defect.MARKERS_LEAKED,
        act=each_choice(lambda choice, on: _leak(choice, on, HALF_MARKERS)),
    ),
)
