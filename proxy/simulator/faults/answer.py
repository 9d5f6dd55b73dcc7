"""Faults in what is said: fields, tool calls, usage, names.

Not here: how it is sent (events.py, transport.py). Invariant: where a fault changes the text, the usage counts the text
that is left, unless the fault is that generated tokens are not shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from proxy.simulator.faults.defects import Defect
from proxy.simulator.faults.fault import Number, Occasion, PlanFault
from proxy.simulator.plan import LENGTH, STOP, TOOL_CALLS, Call, Choice, Plan, count_pieces, pieces_of
from proxy.simulator.request import ChatRequest

FOREIGN_TOOL: Final = "run_shell_command"
FOREIGN_MODEL: Final = "moonshotai/kimi-k2.5-0127"
MARKERS: Final = (
    "<|tool_calls_section_begin|>",
    "<|tool_call_begin|>functions.search:0<|tool_call_argument_begin|>{}",
    "<|tool_call_end|><|tool_calls_section_end|>",
    "<|im_end|>",
)
"""K2's tool markers are ordinary tokens, so they arrive as text when a parser misses (Kimi-Vendor-Verifier,
beam/tokenizer/tokenizer_config.json)."""
Act = Callable[[Plan, ChatRequest, Occasion], Plan]


def _each_choice(edit: Callable[[Choice, Occasion], Choice]) -> Act:
    """A change of every choice; the usage then counts what is left."""

    def act(plan: Plan, _request: ChatRequest, on: Occasion) -> Plan:
        choices = tuple(edit(choice, on) for choice in plan.choices)
        if plan.usage is None:
            return replace(plan, choices=choices)
        completion = sum(count_pieces(choice) for choice in choices)
        usage = replace(plan.usage, completion=completion, total=plan.usage.prompt + completion)
        return replace(plan, choices=choices, usage=usage)

    return act


def _each_call(edit: Callable[[Call, int, Occasion], Call]) -> Act:
    """A change of every tool call, told its place."""

    def act(choice: Choice, on: Occasion) -> Choice:
        return replace(choice, calls=tuple(edit(call, at, on) for at, call in enumerate(choice.calls)))

    return _each_choice(act)


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


def _leak_markers(choice: Choice, on: Occasion) -> Choice:
    marker = on.draw.choice(MARKERS)
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


def _broken_arguments(call: Call, _at: int, on: Occasion) -> Call:
    text = "".join(call.arguments)
    cut = text[: on.draw.randrange(1, max(len(text), 2))] if len(text) > 2 else "{"
    return replace(call, arguments=pieces_of(cut))


def _off_schema(call: Call, _at: int, _on: Occasion) -> Call:
    return replace(call, arguments=pieces_of('["not", "the", "declared", "object"]'))


def _wrong_id(call: Call, at: int, on: Occasion) -> Call:
    forms = (f"call_{on.draw.getrandbits(96):024x}", f"{call.name}:{at}", f"chatcmpl-tool-{on.draw.getrandbits(64):x}")
    return replace(call, id=on.draw.choice(forms))


def _foreign_tool(call: Call, at: int, _on: Occasion) -> Call:
    number = call.id.rpartition(":")[2] if ":" in call.id else str(at)
    return replace(call, name=FOREIGN_TOOL, id=f"functions.{FOREIGN_TOOL}:{number}")


def _finish_mismatch(choice: Choice, _on: Occasion) -> Choice:
    return replace(choice, finish=STOP) if choice.finish == TOOL_CALLS else choice


def _calls_missing(choice: Choice, _on: Occasion) -> Choice:
    return replace(choice, calls=(), finish=TOOL_CALLS)


def _call_withheld(choice: Choice, _on: Occasion) -> Choice:
    return choice if not choice.calls else replace(choice, calls=(), content=None, finish=LENGTH)


def _unknown_finish(choice: Choice, on: Occasion) -> Choice:
    return replace(choice, finish=on.draw.choice(("unexpected_state", "abort", "error")))


def _no_finish(choice: Choice, _on: Occasion) -> Choice:
    return replace(choice, finish=None)


def _keep_usage(act: Act) -> Act:
    """The change, but with the tokens counted as before it: they were generated, only not shown."""
    return lambda plan, request, on: replace(act(plan, request, on), usage=plan.usage)


def _usage(edit: Callable[[Any, Occasion], Any]) -> Act:
    def act(plan: Plan, _request: ChatRequest, on: Occasion) -> Plan:
        return plan if plan.usage is None else replace(plan, usage=edit(plan.usage, on))

    return act


def _other_model(plan: Plan, _request: ChatRequest, _on: Occasion) -> Plan:
    return replace(plan, model=FOREIGN_MODEL)


PLAN_FAULTS: Final = (
    PlanFault(
        name="missing-reasoning",
        does="thinks, but leaves the reasoning out of the answer",
        defect=Defect.NO_REASONING,
        act=_keep_usage(_each_choice(_missing_reasoning)),
    ),
    PlanFault(
        name="reasoning-in-content",
        does="puts the reasoning and a stray `</think>` into the content",
        defect=Defect.REASONING_IN_CONTENT,
        act=_each_choice(_reasoning_in_content),
    ),
    PlanFault(
        name="answer-in-reasoning",
        does="puts the content behind the reasoning and leaves the content empty",
        defect=Defect.ANSWER_IN_REASONING,
        act=_each_choice(_answer_in_reasoning),
    ),
    PlanFault(
        name="empty-answer",
        does="ends inside the thought: no content, no tool calls, finish reason stop",
        defect=Defect.EARLY_END,
        act=_each_choice(_empty),
    ),
    PlanFault(
        name="budget-in-reasoning",
        does="reasons until the limit: content null, finish reason length",
        defect=Defect.BUDGET_IN_REASONING,
        act=_each_choice(_all_budget_in_reasoning),
    ),
    PlanFault(
        name="short-answers",
        does="ends the content early, finish reason stop",
        defect=Defect.LENGTH_SHIFT,
        number=Number("content tokens at most", 8),
        act=_each_choice(_short),
    ),
    PlanFault(
        name="gibberish",
        does="writes content in scripts that nobody asked for",
        defect=Defect.GIBBERISH,
        act=_each_choice(_gibberish),
    ),
    PlanFault(
        name="repetition",
        does="repeats its last four tokens over and over",
        defect=Defect.LOOPS,
        number=Number("how many times", 60),
        act=_each_choice(_repeat),
    ),
    PlanFault(
        name="exclamation-marks",
        does="writes nothing but exclamation marks, finish reason length",
        defect=Defect.TOKEN_ZERO,
        number=Number("how many", 400),
        act=_each_choice(_token_zero),
    ),
    PlanFault(
        name="leaked-markers",
        does="leaves tool markers of the chat template in the text",
        defect=Defect.MARKERS_LEAKED,
        act=_each_choice(_leak_markers),
    ),
    PlanFault(
        name="broken-tool-arguments",
        does="cuts tool arguments so that they are not JSON",
        defect=Defect.ARGUMENTS_CUT,
        act=_each_call(_broken_arguments),
    ),
    PlanFault(
        name="off-schema-arguments",
        does="sends tool arguments that are JSON but off the declared schema",
        defect=Defect.OFF_SCHEMA,
        act=_each_call(_off_schema),
    ),
    PlanFault(
        name="foreign-tool",
        does=f"calls {FOREIGN_TOOL}, which nobody declared",
        defect=Defect.OFF_SCHEMA,
        act=_each_call(_foreign_tool),
    ),
    PlanFault(
        name="wrong-tool-ids",
        does="gives tool calls ids of other forms",
        defect=Defect.IDS_WRONG,
        act=_each_call(_wrong_id),
    ),
    PlanFault(
        name="finish-mismatch",
        does="sends tool calls with finish reason stop",
        defect=Defect.CALLS_WITH_STOP,
        act=_each_choice(_finish_mismatch),
    ),
    PlanFault(
        name="missing-tool-calls",
        does="says finish reason tool_calls without any tool call",
        defect=Defect.CALLS_EMPTY,
        act=_each_choice(_calls_missing),
    ),
    PlanFault(
        name="withheld-tool-call",
        does="generates a tool call but never sends it, finish reason length",
        defect=Defect.CALL_WITHHELD,
        act=_keep_usage(_each_choice(_call_withheld)),
    ),
    PlanFault(
        name="unknown-finish-reason",
        does="ends with unexpected_state, abort or error",
        defect=Defect.FINISH_UNKNOWN,
        act=_each_choice(_unknown_finish),
    ),
    PlanFault(
        name="missing-finish-reason",
        does="ends without a finish reason (no finish chunk in a stream, null in JSON)",
        defect=Defect.STREAM_UNFINISHED,
        act=_each_choice(_no_finish),
    ),
    PlanFault(
        name="wrong-usage",
        does="reports a multiple of the completion tokens, with a total that does not add up",
        defect=Defect.USAGE_WRONG,
        number=Number("the factor", 3),
        act=_usage(lambda usage, on: replace(usage, completion=round(usage.completion * (on.number or 0)))),
    ),
    PlanFault(
        name="zero-usage",
        does="reports zero for every count",
        defect=Defect.USAGE_WRONG,
        act=_usage(lambda usage, _on: replace(usage, prompt=0, completion=0, total=0, cached=0)),
    ),
    PlanFault(
        name="missing-usage",
        does="reports no usage anywhere",
        defect=Defect.USAGE_WRONG,
        act=_usage(lambda _usage, _on: None),
    ),
    PlanFault(
        name="misplaced-cached-tokens",
        does="puts cached_tokens where the other kind of host puts it",
        defect=Defect.CACHED_MISPLACED,
        act=_usage(lambda usage, _on: replace(usage, cached_misplaced=True)),
    ),
    PlanFault(
        name="wrong-model-echo",
        does=f"names the model {FOREIGN_MODEL} in the answer",
        defect=Defect.MODEL_MISNAMED,
        act=_other_model,
    ),
)
