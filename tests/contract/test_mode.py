"""Thinking or instant, from every spelling; contradiction and nonsense are errors."""

from __future__ import annotations

import itertools
import json

import pytest

from proxy.contract.envelope import Envelope, MalformedBody
from proxy.contract.mode import KEEP_SPELLINGS, SWITCH_MEMBERS, SWITCHES, Mode, ModeReading, Path, read_mode

SPELLINGS = [
    pytest.param(path, value, mode, id=f"{'.'.join(path)}={json.dumps(value)}")
    for path, meanings in SWITCHES.items()
    for value, mode in meanings.items()
]


def _body(path: Path, value: object) -> dict[str, object]:
    return {path[0]: value if len(path) == 1 else {path[1]: value}}


def _read(body: dict[str, object] | str, default: Mode = Mode.THINKING) -> ModeReading:
    text = body if isinstance(body, str) else json.dumps(body)
    return read_mode(Envelope.parse(text.encode()), default)


@pytest.mark.parametrize("default", Mode)
@pytest.mark.parametrize("body", [{}, {"temperature": 1}, {"model": "kimi-k2.6"}, {"model": 5}, {"model": None}])
def test_nothing_said_is_the_default(body: dict[str, object], default: Mode) -> None:
    assert _read(body, default) == ModeReading(default)


@pytest.mark.parametrize("default", Mode)
@pytest.mark.parametrize(("path", "value", "mode"), SPELLINGS)
def test_every_spelling(path: Path, value: object, mode: Mode, default: Mode) -> None:
    reading = _read({"model": "m", **_body(path, value), "stream": True}, default)
    assert reading.mode is mode
    assert dict(reading.said) == {path: mode}


def test_the_documented_spellings_are_known() -> None:
    assert {".".join(path) for path in SWITCHES} == {
        "thinking.type", "chat_template_kwargs.thinking", "chat_template_kwargs.enable_thinking",
        "chat_template_args.thinking", "chat_template_args.enable_thinking", "reasoning.enabled", "reasoning.enable",
        "reasoning.effort", "reasoning.reasoning_effort", "reasoning_effort", "enable_thinking",
    }  # fmt: skip
    assert {
        "thinking", "chat_template_kwargs", "chat_template_args", "reasoning", "reasoning_effort", "enable_thinking",
    } == SWITCH_MEMBERS  # fmt: skip


@pytest.mark.parametrize("default", Mode)
@pytest.mark.parametrize("path", SWITCHES, ids=".".join)
def test_null_counts_as_absent(path: Path, default: Mode) -> None:
    assert _read(_body(path, None), default).mode is default
    assert _read({path[0]: None}, default).mode is default


def test_switches_that_agree_are_all_reported() -> None:
    reading = _read({"thinking": {"type": "disabled"}, "enable_thinking": False, "reasoning_effort": "none"})
    assert reading.mode is Mode.INSTANT
    assert set(reading.said) == {("thinking", "type"), ("enable_thinking",), ("reasoning_effort",)}


PAIRS = [
    (one, other)
    for one, other in itertools.permutations(SWITCHES, 2)
    if (one[0] != other[0] or (len(one) == 2 and len(other) == 2))
]


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=".".join)
def test_switches_that_contradict_each_other_are_an_error(one: Path, other: Path) -> None:
    on = next(value for value, mode in SWITCHES[one].items() if mode is Mode.THINKING)
    off = next(value for value, mode in SWITCHES[other].items() if mode is Mode.INSTANT)
    body = _body(one, on)
    for member, value in _body(other, off).items():
        inner = body.get(member)
        body[member] = {**inner, **value} if isinstance(inner, dict) and isinstance(value, dict) else value
    with pytest.raises(MalformedBody) as caught:
        _read(body)
    assert caught.value.code == "mode-switches-contradict"
    assert "says thinking" in str(caught.value)
    assert "says instant" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ('{"thinking":{"type":"off"}}', "thinking.type"),
        ('{"thinking":{"type":"Disabled"}}', "thinking.type"),
        ('{"thinking":{"type":false}}', "thinking.type"),
        ('{"thinking":{"type":["disabled"]}}', "thinking.type"),
        ('{"thinking":"disabled"}', "thinking"),
        ('{"thinking":false}', "thinking"),
        ('{"thinking":[]}', "thinking"),
        ('{"chat_template_kwargs":{"thinking":"false"}}', "chat_template_kwargs.thinking"),
        ('{"chat_template_kwargs":{"thinking":0}}', "chat_template_kwargs.thinking"),
        ('{"chat_template_kwargs":{"enable_thinking":1}}', "chat_template_kwargs.enable_thinking"),
        ('{"enable_thinking":1}', "enable_thinking"),
        ('{"enable_thinking":"false"}', "enable_thinking"),
        ('{"enable_thinking":{}}', "enable_thinking"),
        ('{"reasoning_effort":"nothing"}', "reasoning_effort"),
        ('{"reasoning_effort":0.5}', "reasoning_effort"),
        ('{"reasoning_effort":false}', "reasoning_effort"),
        ('{"reasoning":{"effort":"NONE"}}', "reasoning.effort"),
        ('{"reasoning":{"enabled":"yes"}}', "reasoning.enabled"),
    ],
)
def test_a_switch_without_a_meaning_is_an_error(body: str, param: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        _read(body)
    assert (caught.value.code, caught.value.param) == ("mode-switch-unknown", param)
    assert caught.value.hint.startswith(f"send {param} as ")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ('{"thinking":{"type":"enabled","type":"disabled"}}', "member-repeated", "thinking"),
        ('{"thinking":{"type":"enabled","\\u0074ype":"disabled"}}', "member-repeated", "thinking"),
        ('{"chat_template_kwargs":{"x":{"y":1,"y":2}}}', "member-repeated", "chat_template_kwargs"),
        ('{"thinking":{"Type":"disabled"}}', "member-folds-to-known", "thinking.type"),
        ('{"thinking":{"type":"enabled","ty\\u200bpe":"disabled"}}', "member-folds-to-known", "thinking.type"),
        ('{"chat_template_kwargs":{"Thin\\u212aing":false}}', "member-folds-to-known", "chat_template_kwargs.thinking"),
        ('{"reasoning":{"EFFORT":"none"}}', "member-folds-to-known", "reasoning.effort"),
        ('{"thinking":{"Keep":"all"}}', "member-folds-to-known", "thinking.keep"),
        ('{"thinking":{"budget":1e400}}', "number-out-of-range", "thinking"),
    ],
)
def test_what_readers_disagree_about_is_an_error(body: str, code: str, param: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        _read(body)
    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize(
    ("model", "mode"),
    [
        ("kimi-k2.6:thinking", Mode.THINKING),
        ("kimi-k2.6:Thinking", Mode.THINKING),
        ("kimi-k2.6:thinking ", Mode.THINKING),
        ("kimi-k2.6:free", Mode.INSTANT),
        ("kimi-k2-thinking", Mode.INSTANT),
        (":thinking-not", Mode.INSTANT),
    ],
)
def test_a_models_suffix_is_a_switch(model: str, mode: Mode) -> None:
    assert _read({"model": model}, Mode.INSTANT).mode is mode


def test_a_suffix_spelled_with_an_escape_is_a_switch() -> None:
    assert _read('{"model":"kimi-k2.6\\u003athinkin\\u0067"}', Mode.INSTANT).mode is Mode.THINKING


def test_a_suffix_may_contradict_a_switch() -> None:
    with pytest.raises(MalformedBody, match=r"thinking\.type says instant, model says thinking"):
        _read({"model": "m:thinking", "thinking": {"type": "disabled"}})


@pytest.mark.parametrize(("path", "value"), KEEP_SPELLINGS.items(), ids=str)
def test_keeping_earlier_reasoning_says_nothing_about_the_mode(path: Path, value: object) -> None:
    for default in Mode:
        reading = _read(_body(path, value), default)
        assert reading.keep
        assert reading.mode is default
        assert not reading.said


@pytest.mark.parametrize("body", ['{"thinking":{"keep":null}}', '{"chat_template_kwargs":{"preserve_thinking":false}}'])
def test_not_keeping(body: str) -> None:
    assert not _read(body).keep


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ('{"thinking":{"\\u0074ype":"disabled"}}', "thinking.type"),
        ('{"chat_template_kwargs":{"a":"\\n","enable_thin\\u006bing" :true}}', "chat_template_kwargs.enable_thinking"),
        ('{"thinking":{"Type":"disabled"}}', "thinking.type"),
    ],
)
def test_a_switch_inside_an_object_is_spelled_plainly(body: str, param: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        _read(body)
    assert (caught.value.code, caught.value.param) == ("member-folds-to-known", param)


@pytest.mark.parametrize(
    "body", ['{"thinking":{"type":"\\u0064isabled"}}', '{"thinking":{"type":"disabled","\\u0061":"type"}}']
)
def test_other_escapes_inside_an_object_are_lawful(body: str) -> None:
    assert _read(body).mode is Mode.INSTANT
