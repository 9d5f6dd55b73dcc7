"""Faults in tool calls and finish reasons.

Not here: which tool an answer calls, and whether (accept.py bends that choice). Invariant: the usage counts the calls
that are left, unless the fault is that generated tokens are not shown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from proxy.simulator.faults.defects import Defect
from proxy.simulator.faults.edit import each_call, each_choice
from proxy.simulator.faults.fault import Occasion, PlanFault
from proxy.simulator.plan import LENGTH, STOP, TOOL_CALLS, Call, Choice, Plan, count_pieces, pieces_of
from proxy.simulator.request import ChatRequest

FOREIGN_TOOL: Final = "run_shell_command"


def _first_call_only(choice: Choice, _on: Occasion) -> Choice:
    return replace(choice, calls=choice.calls[:1])


def _broken_arguments(call: Call, _at: int, on: Occasion) -> Call:
    text = "".join(call.arguments)
    cut = text[: on.draw.randrange(1, max(len(text), 2))] if len(text) > 2 else "{"
    return replace(call, arguments=pieces_of(cut))


def _off_schema(call: Call, _at: int, _on: Occasion) -> Call:
    return replace(call, arguments=pieces_of('["not", "the", "declared", "object"]'))


def _wrong_id(call: Call, at: int, on: Occasion) -> Call:
    forms = (f"call_{on.draw.getrandbits(96):024x}", f"{call.name}:{at}", f"chatcmpl-tool-{on.draw.getrandbits(64):x}")
    return replace(call, id=on.draw.choice(forms))


def _used_id(call: Call, _at: int, _on: Occasion) -> Call:
    return replace(call, id=f"functions.{call.name}:0")


def _foreign_tool(call: Call, at: int, _on: Occasion) -> Call:
    number = call.id.rpartition(":")[2] if ":" in call.id else str(at)
    return replace(call, name=FOREIGN_TOOL, id=f"functions.{FOREIGN_TOOL}:{number}")


def _finish_mismatch(choice: Choice, _on: Occasion) -> Choice:
    return replace(choice, finish=STOP) if choice.finish == TOOL_CALLS else choice


def _calls_missing(choice: Choice, _on: Occasion) -> Choice:
    return replace(choice, calls=(), finish=TOOL_CALLS)


def _call_withheld(plan: Plan, request: ChatRequest, _on: Occasion) -> Plan:
    """Tokens are generated up to the limit, so that is what the usage says (vllm#41182)."""
    withheld = [bool(choice.calls) for choice in plan.choices]
    choices = tuple(
        replace(choice, calls=(), content=None, finish=LENGTH) if choice.calls else choice for choice in plan.choices
    )
    if plan.usage is None or not any(withheld):
        return replace(plan, choices=choices)
    completion = sum(
        request.max_tokens if gone else count_pieces(choice) for gone, choice in zip(withheld, choices, strict=True)
    )
    return replace(
        plan, choices=choices, usage=replace(plan.usage, completion=completion, total=plan.usage.prompt + completion)
    )


def _unknown_finish(choice: Choice, on: Occasion) -> Choice:
    return replace(choice, finish=on.draw.choice(("unexpected_state", "abort", "error")))


def _no_finish(choice: Choice, _on: Occasion) -> Choice:
    return replace(choice, finish=None)


CALL_FAULTS: Final = (
    PlanFault(
        name="broken-tool-arguments",
        does="cuts tool arguments so that they are not JSON",
        defect=Defect.ARGUMENTS_CUT,
        act=each_call(_broken_arguments),
    ),
    PlanFault(
        name="off-schema-arguments",
        does="sends tool arguments that are JSON but off the declared schema",
        defect=Defect.OFF_SCHEMA,
        act=each_call(_off_schema),
    ),
    PlanFault(
        name="foreign-tool",
        does=f"calls {FOREIGN_TOOL}, which nobody declared",
        defect=Defect.OFF_SCHEMA,
        act=each_call(_foreign_tool),
    ),
    PlanFault(
        name="wrong-tool-ids",
        does="gives tool calls ids of other forms",
        defect=Defect.IDS_WRONG,
        act=each_call(_wrong_id),
    ),
    PlanFault(
        name="repeated-tool-ids",
        does="numbers every tool call 0, whatever came before it",
        defect=Defect.IDS_WRONG,
        act=each_call(_used_id),
    ),
    PlanFault(
        name="single-tool-call",
        does="sends only the first of several tool calls",
        defect=Defect.OTHER_CALLS,
        act=each_choice(_first_call_only),
    ),
    PlanFault(
        name="finish-mismatch",
        does="sends tool calls with finish reason stop",
        defect=Defect.CALLS_WITH_STOP,
        act=each_choice(_finish_mismatch),
    ),
    PlanFault(
        name="missing-tool-calls",
        does="says finish reason tool_calls without any tool call",
        defect=Defect.CALLS_EMPTY,
        act=each_choice(_calls_missing),
    ),
    PlanFault(
        name="withheld-tool-call",
        does="generates a tool call up to the limit but sends nothing of it, finish reason length",
        defect=Defect.CALL_WITHHELD,
        act=_call_withheld,
    ),
    PlanFault(
        name="unknown-finish-reason",
        does="ends with unexpected_state, abort or error",
        defect=Defect.FINISH_UNKNOWN,
        act=each_choice(_unknown_finish),
    ),
    PlanFault(
        name="missing-finish-reason",
        does="ends without a finish reason (no finish chunk in a stream, null in JSON)",
        defect=Defect.STREAM_UNFINISHED,
        act=each_choice(_no_finish),
    ),
)
