"""The signals as a whole: names, shares of the budget, the page that lists them, the known defects they find."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.contract.answer import Answer, Flaw, ToolCall, Usage
from proxy.signals import SELF_TESTS, SIGNALS
from proxy.signals.read import read_pair, read_rates
from proxy.signals.shares import GROUPS, SELF_TESTS_SHARE, shares
from proxy.signals.signal import Group, Kind, Signal
from proxy.signals.table import BEGIN, END, with_table
from tests.signals.answers import ASKED, CALLED, CALM, INSTANT, SAID, call, called, flawed, said, usage
from tests.source import ROOT

PAGE: Final = ROOT / "docs/signals.md"


def test_names_are_kebab_case_and_unique() -> None:
    names = [signal.name for signal in (*SIGNALS, *SELF_TESTS)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", name) for name in names)


def test_every_signal_says_what_it_finds_and_where_that_comes_from() -> None:
    for signal in SIGNALS:
        assert signal.finds, signal.name
        assert signal.source, signal.name
        assert signal.unit, signal.name
        assert (signal.tolerance > 0) == (signal.kind is not Kind.BASELINE), signal.name


# The budget


@given(st.lists(st.sampled_from(SIGNALS), unique_by=id), st.booleans())
def test_shares_of_any_choice_of_signals_sum_to_one(chosen: list[Signal], tested: bool) -> None:
    tests = SELF_TESTS if tested else ()
    given_shares = shares(chosen, tests)
    counted = [signal.name for signal in chosen if signal.kind is not Kind.BASELINE]
    assert set(given_shares) == {*counted, *(signal.name for signal in tests)}
    if given_shares:
        assert sum(given_shares.values()) == pytest.approx(1)
        assert min(given_shares.values()) > 0


def test_shares_of_all_signals() -> None:
    found = shares(SIGNALS, SELF_TESTS)
    for group, part in GROUPS.items():
        members = {found[one.name] for one in SIGNALS if one.group is group and one.kind is not Kind.BASELINE}
        total = sum(found[one.name] for one in SIGNALS if one.group is group and one.kind is not Kind.BASELINE)
        assert len(members) == 1, group
        assert total == pytest.approx(part - (SELF_TESTS_SHARE if group is Group.REST else 0))
    assert sum(found[one.name] for one in SELF_TESTS) == pytest.approx(SELF_TESTS_SHARE)


# The page


def test_the_page_is_fresh() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert with_table(text) == text, "hint: python -m proxy.signals.table < docs/signals.md, and put it in its place"


def test_the_command_prints_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    stale = text.replace("| `prompt-token-offset`", "| `old-name`")
    assert stale != text
    command = [sys.executable, "-m", "proxy.signals.table"]
    done = subprocess.run(command, input=stale, capture_output=True, encoding="utf-8", cwd=ROOT, check=True)
    assert done.stdout == text


def test_a_page_without_marks_is_refused() -> None:
    for page in ("", BEGIN, END, END + BEGIN):
        with pytest.raises(ValueError, match="hint:"):
            with_table(page)


# The known defects of hosts: each is given away by the vendor's answer alone, or else by the pair.

ALONE: Final = {
    "tool markers in content": (said(content="I see.<|tool_call_begin|>"), {"leaked-markers"}),
    "finish tool_calls without calls": (said(finish_reason="tool_calls"), {"calls-missing"}),
    "calls with stop": (called(finish_reason="stop"), {"calls-with-stop"}),
    "calls without finish reason": (called(finish_reason=None), {"finish-reason-missing"}),
    "unknown finish reason": (said(finish_reason="unexpected_state"), {"finish-reason-unknown"}),
    "stream without end": (
        flawed(Flaw.NO_DONE, finish_reason=None),
        {"done-missing", "finish-reason-missing"},
    ),
    "arguments cut": (called(call(arguments='{"query": "' + "a" * 8192)), {"tool-arguments"}),
    "call withheld": (
        said(content=None, reasoning=None, finish_reason="length", usage=Usage(prompt=40, completion=1000, total=1040)),
        {"call-withheld"},
    ),
    "undeclared tool": (called(call("run_shell_command", "{}")), {"undeclared-tool"}),
    "arguments off schema": (called(call(arguments='["no", "object"]')), {"tool-arguments"}),
    "wrong ids": (called(ToolCall("call_1", "search", '{"query": ""}')), {"tool-id-form"}),
    "no reasoning field": (said(reasoning=None), {"reasoning-missing"}),
    "all output in reasoning": (said(content=None), {"empty-answer", "answer-in-reasoning"}),
    "reasoning in content": (
        said(content="They ask.</think>At nine.", reasoning=None),
        {"think-tags", "reasoning-missing"},
    ),
    "token zero": (said(content="!" * 400, finish_reason="length", usage=Usage(40, 1000, 1040)), {"degenerate"}),
    "loops": (said(reasoning="So I look at it again, and then " * 60), {"degenerate"}),
    "empty body": (Answer(flaws=frozenset({Flaw.EMPTY})), {"unreadable-answer"}),
    "error inside": (Answer(flaws=frozenset({Flaw.ERROR_INSIDE, Flaw.NOT_AN_ANSWER})), {"error-inside-200"}),
    "usage missing": (said(usage=None), {"usage-missing"}),
    "usage zero": (usage(prompt=0, completion=0, total=0, cached=0, reasoning=0), {"usage-inconsistent"}),
    "output capped": (
        said(finish_reason="length", usage=Usage(prompt=40, completion=512, total=552)),
        {"output-capped"},
    ),
    "other model": (said(model="moonshotai/kimi-k2.5-0127"), {"model-name"}),
    "index missing": (called(flaws=frozenset({Flaw.INDEX_MISSING})), {"tool-index-missing"}),
}


@pytest.mark.parametrize("defect", ALONE)
def test_a_defect_shows_in_the_answer_and_in_nothing_else(defect: str) -> None:
    answer, signals = ALONE[defect]
    assert {name for name, violated in read_rates(answer, ASKED).items() if violated} == signals


def test_thinking_although_switched_off_shows_in_the_answer() -> None:
    assert {name for name, violated in read_rates(SAID, INSTANT).items() if violated} == {"reasoning-when-off"}
    assert not any(read_rates(CALM, INSTANT).values())


LONG: Final = said(content=" ".join(f"Ferry {number} leaves." for number in range(99)))
IN_PAIR: Final = {
    "generation prompt missing": (usage(prompt=37, total=62), CALLED, {"prompt-token-offset", "tool-trigger"}),
    "system prompt injected": (usage(prompt=80, total=105), SAID, {"prompt-token-offset"}),
    "text before calls lost": (CALLED, called(content="I look."), {"text-beside-calls"}),
    "budget used up": (said(content=None, finish_reason="length"), SAID, {"finish-length", "content-length"}),
    "gibberish": (said(content="ฟกดмир" * 9), SAID, {"script-mismatch"}),
    "short answers": (said(content="At nine."), LONG, {"content-length", "content-length-tail"}),
    "inflated usage": (usage(completion=75, total=115), SAID, {"tokens-per-character"}),
    "refusal": (said(content="I'm sorry, but I can't help with that."), SAID, {"refusal"}),
    "one of two calls": (CALLED, called(call(), call("read_file", "{}", 1)), {"calls-count", "tool-choice-2"}),
}  # fmt: skip


@pytest.mark.parametrize("defect", IN_PAIR)
def test_a_defect_shows_in_the_pair(defect: str) -> None:
    vendor, reference, signals = IN_PAIR[defect]
    same, other = read_pair(reference, reference, ASKED), read_pair(vendor, reference, ASKED)
    assert {name for name in other if other[name] != same.get(name)} >= signals
    assert not any(read_rates(reference, ASKED).values())


def test_order_of_tools_is_the_requests() -> None:
    turned = replace(ASKED, tools={name: ASKED.tools[name] for name in reversed(list(ASKED.tools))})
    assert read_pair(CALLED, SAID, turned)["tool-choice-3"] == 1
    assert read_pair(msgspec.structs.replace(CALLED, tool_calls=()), SAID, turned)["tool-choice-3"] == 0
