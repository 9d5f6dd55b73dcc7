"""What is sent of a record: only what must change does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.contract.envelope import MalformedBody
from proxy.contract.mode import Mode
from proxy.replay.prepare import Destination, Prepared, Settings, prepare
from proxy.replay.presets import PRESETS, Decoding
from proxy.replay.records import read_record
from tests.replay.targets import vendor

MOONSHOT, VLLM = vendor(profile="moonshot"), vendor(profile="vllm")
MESSAGES = [{"role": "user", "content": "Hi"}]


def prepared(
    body: dict[str, Any],
    settings: Settings = Settings(),  # noqa: B008  (frozen)
    target: Destination = MOONSHOT,
    mode: str | None = None,
) -> Prepared:
    """`mode` is the record's own."""
    line = {"format": "paramwall-record/1", "body": {"messages": MESSAGES} | body}
    if mode is not None:
        line["mode"] = mode
    return prepare(read_record(json.dumps(line).encode(), 0, 1), target, settings)


def sent(body: dict[str, Any], settings: Settings = Settings()) -> dict[str, Any]:  # noqa: B008  (frozen)
    members: dict[str, Any] = json.loads(prepared(body, settings).body)
    return members


def test_the_least_that_is_sent() -> None:
    assert sent({"model": "another"}) == {
        "messages": MESSAGES,
        "model": "kimi-k2.6",
        "temperature": 1.0,
        "top_p": 0.95,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_bytes_that_need_no_change_stay() -> None:
    kept = b'"messages":[{"role":"user","content":"\\u00e9 <b>"}],"tools":[ {"a":1.0e0} ],"seed":12345678901234567890'
    line = b'{"format":"paramwall-record/1","body":{"model":"m",' + kept + b"}}"
    assert kept in prepare(read_record(line, 0, 1), MOONSHOT, Settings()).body


def test_the_verifiers_role_input_is_the_systems() -> None:
    messages = [{"role": "_input", "content": "the word _input"}, {"role": "user", "content": '"_input"'}]
    assert sent({"messages": messages})["messages"] == [{"role": "system", "content": "the word _input"}, messages[1]]


@pytest.mark.parametrize("member", ["user", "safety_identifier", "metadata"])
def test_who_asks_stays_here(member: str) -> None:
    assert member not in sent({member: "somebody"})


@pytest.mark.parametrize(
    ("body", "record", "setting", "mode", "moonshot", "vllm"),
    [
        ({}, None, None, "thinking", None, None),
        ({}, "instant", None, "instant", {"type": "disabled"}, {"thinking": False}),
        ({}, None, "instant", "instant", {"type": "disabled"}, {"thinking": False}),
        ({}, "instant", "thinking", "thinking", {"type": "enabled"}, {"thinking": True}),
        ({"thinking": {"type": "disabled"}}, None, None, "instant", {"type": "disabled"}, {"thinking": False}),
        ({"thinking": {"type": "disabled"}}, None, "thinking", "thinking", {"type": "enabled"}, {"thinking": True}),
        ({"reasoning_effort": "none"}, None, None, "instant", {"type": "disabled"}, {"thinking": False}),
        (
            {"chat_template_kwargs": {"thinking": True, "x": 1}},
            "instant",
            None,
            "instant",
            {"type": "disabled"},
            {"x": 1, "thinking": False},
        ),
    ],
)
def test_the_mode_is_said_as_the_target_spells_it(
    body: dict[str, Any],
    record: str | None,
    setting: str | None,
    mode: str,
    moonshot: dict[str, Any] | None,
    vllm: dict[str, Any] | None,
) -> None:
    chosen = None if setting is None else Mode(setting)
    for target, member, expected in ((MOONSHOT, "thinking", moonshot), (VLLM, "chat_template_kwargs", vllm)):
        request = prepared(body, Settings(mode=chosen), target, record)
        assert request.mode == mode
        said = json.loads(request.body)
        if expected is not None and (body or mode == "instant"):
            assert said[member] == expected
        assert said["temperature"] == {"thinking": 1.0, "instant": 0.6}[mode]
        assert "reasoning_effort" not in said


def test_a_preset_by_mode() -> None:
    for name, preset in PRESETS.items():
        for mode in Mode:
            decoding = preset.decoding[mode]
            said = sent({"temperature": 0.3, "max_tokens": 5}, Settings(preset.decoding, mode))
            assert said["temperature"] == decoding.temperature, name
            assert said["max_tokens"] == decoding.max_tokens, name
            assert said["top_p"] == 0.95, name


def test_a_limit_is_laid_over_under_the_name_the_record_uses() -> None:
    settings = Settings({mode: Decoding(max_tokens=9) for mode in Mode})
    said = sent({"max_completion_tokens": 5}, settings)
    assert said["max_completion_tokens"] == 9
    assert "max_tokens" not in said
    assert sent({}, settings)["max_tokens"] == 9


@pytest.mark.parametrize("body", [{"temperature": 0.3}, {"temperature": 0.3, "n": 2, "tool_choice": "required"}])
def test_what_breaks_the_policy_is_told_and_sent_as_it_is(body: dict[str, Any]) -> None:
    as_is = prepared(body)
    assert "temperature-off-contract" in as_is.broken
    assert json.loads(as_is.body) == json.loads(as_is.body) | body


def test_repaired_where_it_can_be() -> None:
    body = {"temperature": 0.3, "n": 2}
    repaired = prepared(body, Settings(repair=True))
    assert set(repaired.broken) == {"temperature-off-contract", "n-above-one"}
    assert json.loads(repaired.body)["temperature"] == 1.0
    assert json.loads(repaired.body).get("n", 1) == 1
    beyond = body | {"tool_choice": "required"}
    said = json.loads(prepared(beyond, Settings(repair=True)).body)
    assert said == said | beyond, "what no repair makes lawful is sent as it is"


def test_what_two_readers_read_differently_is_not_sent() -> None:
    with pytest.raises(MalformedBody):
        prepared({"thinking": {"type": "disabled"}, "enable_thinking": True})
