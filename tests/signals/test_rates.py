"""What each rate signal says of an answer: violated, kept, or not for it to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import msgspec
import pytest

from proxy.contract.answer import Answer, Flaw, ToolCall, Usage
from proxy.contract.asked import Asked
from proxy.signals import SIGNALS
from proxy.signals.read import read_rates
from proxy.signals.signal import Kind
from tests.signals.answers import (
    ASKED,
    CALLED,
    CALM,
    INSTANT,
    PLAIN,
    SAID,
    anything,
    call,
    called,
    flawed,
    nothing,
    said,
    usage,
)

MUTE: Final = said(content=None, reasoning=None)
AT_LIMIT: Final = said(finish_reason="length", usage=Usage(prompt=40, completion=1000, total=1040))
COUNTED: Final = replace(ASKED, prompt_tokens=range(39, 42))
JSON: Final = replace(PLAIN, format_kind="json_object", format_accepts=lambda value: isinstance(value, dict))

# signal: (answer, request, violated) ; None: it does not apply
CASES: Final[dict[str, list[tuple[Answer, Asked, bool | None]]]] = {
    "unreadable-answer": [
        (SAID, ASKED, False),
        (Answer(flaws=frozenset({Flaw.EMPTY})), ASKED, True),
        (flawed(Flaw.UNREADABLE), ASKED, True),
        (flawed(Flaw.NOT_AN_ANSWER), ASKED, True),
        (flawed(Flaw.WRONG_TYPES), ASKED, True),
        (flawed(Flaw.EMPTY, Flaw.CUT), ASKED, None),
        (flawed(Flaw.NOT_AN_ANSWER, Flaw.ERROR_INSIDE), ASKED, None),
    ],
    "error-inside-200": [
        (SAID, ASKED, False),
        (flawed(Flaw.ERROR_INSIDE), ASKED, True),
        (flawed(Flaw.ERROR_INSIDE, Flaw.CUT), ASKED, True),
    ],
    "finish-reason-unknown": [
        *((said(finish_reason=word), ASKED, False) for word in ("stop", "length", "tool_calls", "content_filter")),
        *((said(finish_reason=word), ASKED, True) for word in ("unexpected_state", "abort", "error", "", "Stop")),
        (said(finish_reason=None), ASKED, None),
    ],
    "finish-reason-missing": [
        (SAID, ASKED, False),
        (said(finish_reason=None), ASKED, True),
        (flawed(Flaw.NO_DONE, finish_reason=None), ASKED, True),
        (flawed(Flaw.CUT, finish_reason=None), ASKED, None),
        (flawed(Flaw.ERROR_INSIDE, finish_reason=None), ASKED, None),
    ],
    "done-missing": [
        (SAID, ASKED, False),
        (flawed(Flaw.NO_DONE), ASKED, True),
        (said(stream=False), ASKED, None),
        (flawed(Flaw.NO_DONE, Flaw.CUT), ASKED, None),
    ],
    "usage-missing": [
        (SAID, ASKED, False),
        (said(usage=None), ASKED, True),
        (usage(completion=None), ASKED, True),
        (said(usage=None), replace(ASKED, usage_asked=False), None),
        (said(usage=None, stream=False), replace(ASKED, usage_asked=False), True),
    ],
    "prompt-token-count": [
        (SAID, ASKED, None),
        *((usage(prompt=prompt, total=prompt + 25), COUNTED, prompt not in (39, 40, 41)) for prompt in range(37, 44)),
        (said(usage=None), COUNTED, None),
        (usage(prompt=None), COUNTED, None),
        (flawed(Flaw.CUT, usage=Usage(prompt=99)), COUNTED, None),
        (flawed(Flaw.NO_DONE, usage=Usage(prompt=99)), COUNTED, True),
    ],
    "usage-inconsistent": [
        (SAID, ASKED, False),
        (usage(total=None, cached=None, reasoning=None), ASKED, False),
        (usage(prompt=0, completion=0, total=0, cached=0, reasoning=0), ASKED, True),
        (usage(completion=0, total=40, reasoning=0), ASKED, True),
        (usage(total=66), ASKED, True),
        (usage(cached=41), ASKED, True),
        (usage(reasoning=26), ASKED, True),
        (usage(completion=-1, total=39, reasoning=None), ASKED, True),
        (said(usage=None), ASKED, None),
    ],
    "model-name": [
        (SAID, ASKED, False),
        (said(model="MoonshotAI/kimi-k2.6"), ASKED, False),
        (said(model="moonshotai/kimi-k2.5-0127"), ASKED, True),
        (said(model=None), ASKED, True),
        (said(model="any"), replace(ASKED, models=frozenset()), None),
    ],
    "tool-id-form": [
        (CALLED, ASKED, False),
        (called(call(), call("read_file", "{}", 1)), ASKED, False),
        (called(call("a.b-c", at=12)), ASKED, False),
        (called(call(), call("read_file", "{}", 0)), ASKED, True),
        *(
            (called(ToolCall(form, "search", "{}")), ASKED, True)
            for form in (
                None,
                "",
                "call_1",
                "search:2",
                "functions.search",
                "functions.search:0 ",
                "functions.search:x",
            )
        ),
        (SAID, ASKED, None),
    ],
    "tool-index-missing": [
        (CALLED, ASKED, False),
        (called(flaws=frozenset({Flaw.INDEX_MISSING})), ASKED, True),
        (called(stream=False), ASKED, None),
    ],
    "calls-with-stop": [
        (CALLED, ASKED, False),
        (called(finish_reason="stop"), ASKED, True),
        (called(finish_reason="abort"), ASKED, True),
        (called(finish_reason="length"), ASKED, None),
        (called(finish_reason=None), ASKED, None),
        (called(finish_reason="stop"), replace(ASKED, tool_choice="named"), None),
        (called(finish_reason="stop"), replace(ASKED, tool_choice="auto"), True),
        (SAID, ASKED, None),
    ],
    "calls-missing": [
        (CALLED, ASKED, False),
        (said(finish_reason="tool_calls"), ASKED, True),
        (SAID, ASKED, None),
    ],
    "leaked-markers": [
        (SAID, ASKED, False),
        *(
            (said(content=text), ASKED, False)
            for text in (
                "a | b |> c <| d, x <|> y",
                "| the | table |\n|---|---|",
                "see functions.py:12 and functions.search",
                "[BOSS] or [eos]",
            )
        ),
        *(
            (said(content=f"Fine. {text}"), ASKED, True)
            for text in (
                "<|tool_calls_section_begin|>",
                "<|tool_call_begin|>functions.search:0<|tool_call_argument_begin|>{}",
                "<|tool_call",
                "<|tool_calls_sec and more",
                "_argument_begin|> and more",
                "calls_section_end|>",
                "call_end|>",
                "<|im_end|> and more",
                "<|im_user|>user",
                "<|media_pad|>",
                "[EOS]",
                "[BOS]",
                "<|to",
                "<|",
                "functions.search:0",
                'functions.read_file:1{"path": 1}',
            )
        ),
        (said(reasoning="so <|tool_call_begin|>"), ASKED, True),
        (said(reasoning="so functions.search:0"), ASKED, True),
        (called(call(arguments='{"query": "<|tool_call_end|>"}')), ASKED, True),
        (said(content="functions.search:0"), PLAIN, False),
        (flawed(Flaw.CUT), ASKED, None),
    ],
    "think-tags": [
        (SAID, ASKED, False),
        (CALLED, ASKED, False),
        (said(content="They ask.</think>The ferry"), ASKED, True),
        (said(content="<think>"), INSTANT, True),
        (said(reasoning="</think>"), ASKED, False),
        (flawed(Flaw.OVERSIZED), ASKED, None),
    ],
    "undeclared-tool": [
        (CALLED, ASKED, False),
        (called(call("run_shell_command")), ASKED, True),
        (called(call(), call("Search", at=1)), ASKED, True),
        (called(call(None)), ASKED, True),
        (CALLED, PLAIN, True),
        (SAID, ASKED, None),
    ],
    "reasoning-missing": [
        (SAID, ASKED, False),
        (said(reasoning=None), ASKED, True),
        (said(reasoning=""), ASKED, True),
        (called(reasoning=None), ASKED, True),
        (MUTE, ASKED, None),
        (CALM, INSTANT, None),
    ],
    "reasoning-when-off": [
        (CALM, INSTANT, False),
        (said(reasoning=""), INSTANT, True),  # its usage counts reasoning tokens
        (said(usage=None), INSTANT, True),
        (SAID, ASKED, None),
    ],
    "output-capped": [
        (AT_LIMIT, ASKED, False),
        (AT_LIMIT, replace(ASKED, max_tokens=1050), False),
        (AT_LIMIT, replace(ASKED, max_tokens=16000), True),
        (AT_LIMIT, replace(ASKED, max_tokens=None), None),
        (said(finish_reason="length", usage=None), ASKED, None),
        (
            said(finish_reason="length", usage=Usage(prompt=200_000, completion=60_000)),
            replace(ASKED, max_tokens=10**9),
            None,
        ),
        (SAID, replace(ASKED, max_tokens=16000), None),
    ],
    "call-withheld": [
        (AT_LIMIT, ASKED, False),
        (msgspec.structs.replace(AT_LIMIT, content=None, reasoning=None), ASKED, True),
        (msgspec.structs.replace(AT_LIMIT, content=None, reasoning="So I call it."), ASKED, True),
        (msgspec.structs.replace(AT_LIMIT, content=None, reasoning="So I call it. " * 200), ASKED, False),
        (MUTE, ASKED, None),
    ],
    "tool-arguments": [
        (CALLED, ASKED, False),
        (called(call(arguments='{"query": "fer')), ASKED, True),
        (called(call(arguments="")), ASKED, True),
        (called(call(arguments='["ferry"]')), ASKED, True),
        (called(call(), call(arguments='{"query": 1}', at=1)), ASKED, True),
        (called(call("unknowable", "{}")), ASKED, False),
        (called(call("unknowable", "{")), ASKED, True),
        (called(call("undeclared", "{}")), ASKED, False),
        (called(call(arguments='{"query": "fer'), finish_reason="stop"), ASKED, True),
        (called(call(arguments='{"query": "fer'), finish_reason="length"), ASKED, None),
        (SAID, ASKED, None),
    ],
    "json-format": [
        (said(content='{"ferry": 9}'), JSON, False),
        (said(content='```json\n{"ferry": 9}\n```'), JSON, True),
        (said(content="[9]"), JSON, True),
        (said(content=None), JSON, True),
        (said(content='{"ferry": 9}'), replace(JSON, format_accepts=nothing), True),
        (said(content="9"), replace(JSON, format_accepts=anything), False),
        (said(content='{"fer', finish_reason="length"), JSON, None),
        (CALLED, replace(JSON, tools=ASKED.tools), None),
        (SAID, ASKED, None),
    ],
    "empty-answer": [
        (SAID, ASKED, False),
        (CALLED, ASKED, False),
        (MUTE, ASKED, True),
        (said(content=" \n"), ASKED, True),
        (said(content="", finish_reason="length"), ASKED, False),
        (said(content="", finish_reason=None), ASKED, None),
    ],
    "answer-in-reasoning": [
        (SAID, ASKED, False),
        (said(content=None), ASKED, True),
        (MUTE, ASKED, False),
        (said(content=None, finish_reason="length"), ASKED, None),
        (CALLED, ASKED, None),
    ],
    "degenerate": [
        (SAID, ASKED, False),
        (said(content="!" * 400, finish_reason="length"), ASKED, True),
        (said(content=None, reasoning="So. " + "again and then " * 80), ASKED, True),
        (flawed(Flaw.CUT, content="!" * 400), ASKED, None),
    ],
}
NEVER_SILENT: Final = {"error-inside-200"}
SEEN_IN_A_PART: Final = {"error-inside-200", "finish-reason-unknown"}


def each() -> Iterator[tuple[str, Answer, Asked, bool | None]]:
    for name, cases in CASES.items():
        for answer, asked, violated in cases:
            yield name, answer, asked, violated


@pytest.mark.parametrize(("name", "answer", "asked", "violated"), list(each()))
def test_rate(name: str, answer: Answer, asked: Asked, violated: bool | None) -> None:
    assert read_rates(answer, asked).get(name) is violated


def test_every_rate_is_seen_broken_kept_and_silent() -> None:
    assert set(CASES) == {signal.name for signal in SIGNALS if signal.kind is Kind.RATE}
    for name, cases in CASES.items():
        wanted = {True, False} if name in NEVER_SILENT else {True, False, None}
        assert {violated for _, _, violated in cases} == wanted, name


@pytest.mark.parametrize(
    ("answer", "asked"),
    [(SAID, ASKED), (SAID, PLAIN), (CALLED, ASKED), (CALM, INSTANT), (AT_LIMIT, ASKED), (said(stream=False), ASKED)],
)
def test_a_sound_answer_breaks_nothing(answer: Answer, asked: Asked) -> None:
    rates = read_rates(answer, asked)
    assert len(rates) >= 12
    assert not any(rates.values())


@pytest.mark.parametrize("flaw", [Flaw.CUT, Flaw.OVERSIZED])
@pytest.mark.parametrize("answer", [SAID, CALLED, CALM])
def test_a_part_of_an_answer_is_judged_by_what_can_be_seen_in_a_part(answer: Answer, flaw: Flaw) -> None:
    part = msgspec.structs.replace(answer, flaws=frozenset({flaw, Flaw.NO_DONE}))
    assert set(read_rates(part, ASKED)) == SEEN_IN_A_PART
