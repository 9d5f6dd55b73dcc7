"""Probes of the tool-call parser: calls, their ids and ends, and no markers in the text.

All read the same few answers, to requests that name the tool to be called. Not here: whether arguments keep to their
schema (schema.py). Invariant: each defect of a call is one probe's, so that one defect is one failure.
"""

from __future__ import annotations

from typing import Any, Final

from proxy.contract.mode import Mode
from proxy.probes.asks import QUESTION, ROOM, Members, ask, call_ask, plain, tool
from proxy.probes.judging import by_each, by_signals, failed, listed, passed, unjudged
from proxy.probes.probe import Ask, Finding, Layer, Probe, Setting, Told
from proxy.signals.calls_finish import CALLS_MISSING, CALLS_WITH_STOP
from proxy.signals.features import UNREADABLE, Read
from proxy.signals.limits import CALL_WITHHELD
from proxy.signals.markers import LEAKED_MARKERS
from proxy.signals.tool_ids import TOOL_ID_FORM, TOOL_INDEX_MISSING
from proxy.signals.undeclared_tool import UNDECLARED_TOOL

WANTED: Final = "get_weather"
TOOLS: Final[tuple[Members, ...]] = (
    tool(
        WANTED,
        "The weather of a city for some days.",
        {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 7}},
            "required": ["city", "days"],
        },
    ),
    tool(
        "find_train",
        "The next train between two cities.",
        {
            "type": "object",
            "properties": {"origin": {"type": "string"}, "destination": {"type": "string"}},
            "required": ["origin", "destination"],
        },
    ),
)
_TURNS: Final = 2
_USED: Final = f"functions.{WANTED}:0"


def _before() -> list[Any]:
    """A conversation with one call, whose id is _USED; without a thought, so for instant mode."""
    call = {"id": _USED, "type": "function", "function": {"name": WANTED, "arguments": '{"city":"Bergen","days":1}'}}
    return [
        {"role": "user", "content": "What will the weather be in Bergen tomorrow?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": _USED, "content": "Rain, 9 degrees."},
        {"role": "assistant", "content": "Rain, and 9 degrees."},
    ]


def _calls(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    fresh = [
        call_ask(setting, mode, TOOLS, wanted=WANTED, stream=stream, turn=turn)
        for turn in range(_TURNS)
        for stream in (True, False)
    ]
    if mode is Mode.THINKING:
        return tuple(fresh)
    return *fresh, call_ask(setting, mode, TOOLS, wanted=WANTED, stream=True, history=_before())


def _called(told: Told) -> Finding:
    """Another probe's are calls that are said to have been made, answers cut by the limit, and empty ones."""
    judged = [one for one in told.answers if one.finish_reason not in ("tool_calls", "length") and not one.blank]
    calling = [one for one in told.answers if one.tool_calls]
    if not told.answers:
        return unjudged(told, "")
    without = [one for one in judged if not one.tool_calls]
    if without:
        return failed(f"{len(without)} of {len(told.answers)} answers call no tool")
    if not calling:
        return unjudged(told, "no answer with a call")
    others = [one for one in calling if not one.tools_called & {WANTED} and one.tools_called & {"find_train"}]
    if others:
        return failed(f"{len(others)} of {len(calling)} answers call another tool than the named one")
    return passed(f"{len(calling)} answers call it")


def _new_ids(told: Told) -> Finding:
    """The form of the ids, and no id again that the history has."""
    form = by_signals(TOOL_ID_FORM)(told)
    continued = [one for ask, one in zip(told.asks, told.reads, strict=True) if one and _USED.encode() in ask.body]
    if any(call.id == _USED for one in continued for call in one.tool_calls):
        return failed(f"the id {_USED} of an earlier call is given again")
    ids = listed(call.id for one in told.answers for call in one.tool_calls)
    return failed(f"ids {ids}") if form.verdict == "fail" else form


def _not_json(one: Read) -> bool | None:
    if not one.tool_calls or one.finish_reason == "length":
        return None
    return any(value is UNREADABLE for value in one.arguments)


def _none(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    return (ask(setting, mode, QUESTION, limit=ROOM, expected=220, tools=list(TOOLS), tool_choice="none"),)


def _everything(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    return *plain(setting, mode), *_calls(setting, mode)


def _has_call(one: Read) -> bool:
    return bool(one.tool_calls)


TOOL_CALLS: Final = (
    Probe(
        id="tool-called",
        layer=Layer.TOOLS,
        title="a tool is called when told to",
        allowed="every answer calls the named tool: demanded with thinking off, asked for in words with thinking on",
        hint="a parser that loses calls, a template without its generation prompt or without the tools",
        source="vLLM blog 2025-10-28; K2-Vendor-Verifier f1_score.py",
        asks=_calls,
        judge=_called,
    ),
    Probe(
        id="tool-none",
        layer=Layer.TOOLS,
        title="no tool is called when tool_choice is none",
        allowed="text, and no call",
        hint="tool_choice is not read",
        source="Kimi-Vendor-Verifier tests/k3_features",
        asks=_none,
        judge=by_each(_has_call, "call a tool"),
    ),
    Probe(
        id="tool-ids",
        layer=Layer.TOOLS,
        title="ids have K2's form and are new",
        allowed="functions.NAME:COUNT, the count going on from the history",
        hint="an engine's own ids: they poison later turns; start it with --tool-call-parser kimi_k2",
        source="vLLM blog 2025-10-28; kimchi#1063",
        asks=_calls,
        judge=_new_ids,
    ),
    Probe(
        id="tool-index",
        layer=Layer.TOOLS,
        title="streamed calls have an index",
        allowed="each delta of a tool call says which call it belongs to",
        hint="clients merge parallel calls without it",
        source="K2-Vendor-Verifier tool_calls_eval.py",
        asks=_calls,
        judge=by_signals(TOOL_INDEX_MISSING),
    ),
    Probe(
        id="tool-finish",
        layer=Layer.TOOLS,
        title="calls end with finish_reason tool_calls",
        allowed="finish_reason tool_calls with a call, and with nothing else",
        hint="clients do not run calls that end with stop, and wait for calls that do not come",
        source="ai-sdk-provider#420; K2-Instruct card, discussion 48; vllm#41182",
        asks=_calls,
        judge=by_signals(CALLS_WITH_STOP, CALLS_MISSING, CALL_WITHHELD),
    ),
    Probe(
        id="tool-declared",
        layer=Layer.TOOLS,
        title="only declared tools are called",
        allowed="every call names a tool of the request",
        hint="no constrained decoding, or quantisation",
        source="vllm#36891",
        asks=_calls,
        judge=by_signals(UNDECLARED_TOOL),
    ),
    Probe(
        id="tool-json",
        layer=Layer.TOOLS,
        title="arguments are JSON",
        allowed="arguments that parse, streamed or not",
        hint="a stream that loses or cuts pieces of arguments",
        source="vllm#34442, #38579",
        asks=_calls,
        judge=by_each(_not_json, "have arguments that are not JSON"),
    ),
    Probe(
        id="markers-parsed",
        layer=Layer.TOOLS,
        title="no markers of the template in the text",
        allowed="no <|tool_call...|>, no turn marker and no bare call id in content, reasoning or arguments",
        hint="the tool parser is off or missed a call: --tool-call-parser kimi_k2",
        source="Kimi-K2#89, vllm#34955, #36763, #36969",
        asks=_everything,
        judge=by_signals(LEAKED_MARKERS),
    ),
)
