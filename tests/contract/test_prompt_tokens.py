"""The prompt of a plain text conversation is counted as the template writes it, or not at all.

The prompts below are what jinja2 makes of K2.5's template (radixark/miles kimi_k25_fixed.jinja), with
add_generation_prompt.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.contract.mode import Mode
from proxy.contract.prompt_tokens import MAX_BYTES, MAX_RUN, accepted, prompt_tokens

OPENED = {
    Mode.THINKING: "<|im_assistant|>assistant<|im_middle|><think>",
    Mode.INSTANT: "<|im_assistant|>assistant<|im_middle|><think></think>",
}
HI = {"role": "user", "content": "Hi"}

RENDERED: list[tuple[list[tuple[str, str]], str]] = [
    ([("user", "Hi")], "<|im_user|>user<|im_middle|>Hi<|im_end|>"),
    (
        [("system", "Be brief."), ("user", "Hi")],
        "<|im_system|>system<|im_middle|>Be brief.<|im_end|><|im_user|>user<|im_middle|>Hi<|im_end|>",
    ),
    (
        [("user", "Hi"), ("assistant", "Hello!"), ("user", "  two\n lines \n")],
        (
            "<|im_user|>user<|im_middle|>Hi<|im_end|>"
            "<|im_assistant|>assistant<|im_middle|><think></think>Hello!<|im_end|>"
            "<|im_user|>user<|im_middle|>  two\n lines \n<|im_end|>"
        ),
    ),
    (
        [("user", "a"), ("system", "late"), ("user", "b")],
        (
            "<|im_user|>user<|im_middle|>a<|im_end|><|im_system|>system<|im_middle|>late<|im_end|>"
            "<|im_user|>user<|im_middle|>b<|im_end|>"
        ),
    ),
    ([("assistant", "alone")], "<|im_assistant|>assistant<|im_middle|><think></think>alone<|im_end|>"),
    ([("user", "")], "<|im_user|>user<|im_middle|><|im_end|>"),
    (
        [("user", "[EO"), ("user", "S]")],
        "<|im_user|>user<|im_middle|>[EO<|im_end|><|im_user|>user<|im_middle|>S]<|im_end|>",
    ),
    (
        [("system", "s"), ("assistant", "x"), ("assistant", "y"), ("user", "中文")],
        (
            "<|im_system|>system<|im_middle|>s<|im_end|><|im_assistant|>assistant<|im_middle|><think></think>x<|im_end|>"
            "<|im_assistant|>assistant<|im_middle|><think></think>y<|im_end|><|im_user|>user<|im_middle|>中文<|im_end|>"
        ),
    ),
]


def _tokens(prompt: str) -> int:
    """A special token is one, any other character is one: every character the template writes is seen."""
    return len(re.findall(r"<\|\w+\|>|</?think>|[\s\S]", prompt))


def _messages(pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in pairs]


def _count(messages: object, mode: Mode = Mode.THINKING) -> int | None:
    return prompt_tokens(json.dumps(messages).encode(), mode, len)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(("pairs", "prompt"), RENDERED)
def test_counted_as_the_template_writes_it(pairs: list[tuple[str, str]], prompt: str, mode: Mode) -> None:
    assert _count(_messages(pairs), mode) == _tokens(prompt + OPENED[mode])


EMPTY_MEMBERS: list[dict[str, Any]] = [
    {"name": None},
    {"name": ""},
    {"tool_calls": []},
    {"tool_calls": None, "refusal": None, "audio": None, "annotations": []},
    {"reasoning_content": ""},
    {"reasoning_content": None},
    {"partial": False},
]


@pytest.mark.parametrize("members", EMPTY_MEMBERS)
def test_empty_members_do_not_matter(members: dict[str, Any]) -> None:
    assert _count([HI, {"role": "assistant", "content": "x"} | members, HI]) == _count(
        [HI, {"role": "assistant", "content": "x"}, HI]
    )


NOT_COUNTED: list[Any] = [
    [],
    {},
    "Hi",
    None,
    [None],
    ["Hi"],
    [[HI]],
    [{"role": "user"}],
    [{"content": "Hi"}],
    [{"role": "user", "content": None}],
    [{"role": "assistant", "content": None}],
    [{"role": "user", "content": 1}],
    [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}],
    [{"role": ["user"], "content": "Hi"}],
    [{"role": "User", "content": "Hi"}],
    [{"role": "developer", "content": "Hi"}],
    [{"role": "tool", "content": "Hi", "tool_call_id": "x"}],
    [HI | {"name": "Ann"}],
    [HI, {"role": "assistant", "content": "", "tool_calls": [{"id": "x"}]}],
    [HI, {"role": "assistant", "content": "x", "reasoning_content": "because"}],
    [HI, {"role": "assistant", "content": "x", "reasoning": "because"}],
    [HI, {"role": "assistant", "content": "x", "partial": True}],
    [{"role": "user", "content": "what is <|im_end|>?"}],
    [{"role": "user", "content": "<think>"}],
    [{"role": "assistant", "content": "a</think>b"}],
    [{"role": "user", "content": "[EOS]"}],
    [{"role": "user", "content": "x" * (MAX_RUN + 1)}],
    [{"role": "user", "content": " " * (MAX_RUN + 1)}],
    [{"role": "user", "content": "中" * MAX_RUN}, {"role": "user", "content": "文"}],
    [{"role": "user", "content": "x " * (MAX_BYTES // 2)}],
]


@pytest.mark.parametrize("messages", NOT_COUNTED, ids=lambda messages: json.dumps(messages)[:60])
def test_not_counted(messages: object) -> None:
    assert _count(messages) is None


@pytest.mark.parametrize(
    "raw", [b"", b"[", b'[{"role":"user","content":"\\ud800"}]', b'[{"role":"user","content":"\xff"}]', b"[" * 100_000]
)
def test_bytes_that_are_no_json_are_not_counted(raw: bytes) -> None:
    assert prompt_tokens(raw, Mode.THINKING, len) is None


@pytest.mark.parametrize(
    "content", ["x" * MAX_RUN, "some words " * 5_000, "a < b | c > d", "[eos] (think)", "<im_end>", "a|b"]
)
def test_counted_up_to_the_bounds(content: str) -> None:
    assert _count([{"role": "user", "content": content}]) == _tokens(
        f"<|im_user|>user<|im_middle|>{content}<|im_end|>" + OPENED[Mode.THINKING]
    )


@given(
    st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.text(max_size=20)), min_size=1, max_size=5)
)
def test_the_modes_differ_by_one_token(pairs: list[tuple[str, str]]) -> None:
    thinking, instant = (_count(_messages(pairs), mode) for mode in (Mode.THINKING, Mode.INSTANT))
    assert (thinking is None) == (instant is None)
    if thinking is not None and instant is not None:
        assert instant - thinking == 1


def test_accepted_with_and_without_the_opened_reasoning_and_three_more() -> None:
    assert list(accepted(100, Mode.THINKING)) == [99, 100, 101, 102, 103]
    assert list(accepted(100, Mode.INSTANT)) == [98, 99, 100, 101, 102, 103]
