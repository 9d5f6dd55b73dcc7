"""Any spelling with any vendor: the vendor's own switch leaves, alone, and it says what the client said."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.contract.envelope import Envelope, Raw, changes
from proxy.contract.mode import SWITCHES, Mode, Path, read_mode
from proxy.contract.profile import NO_TRANSLATION, Profile, Switch, Translation, switch_edits

MOONSHOT = Profile(
    name="moonshot",
    title="",
    hosts=(),
    switches=(Switch(("thinking", "type"), b'"enabled"', b'"disabled"'),),
    default_mode=Mode.THINKING,
    reasoning_field="reasoning_content",
    usage="choice",
    models={},
    max_output_tokens=None,
    source="test",
    keep=("thinking", "keep"),
)
VLLM = replace(
    MOONSHOT,
    name="vllm",
    switches=(Switch(("chat_template_kwargs", "thinking"), b"true", b"false"),),
    keep=("chat_template_kwargs", "preserve_thinking"),
)
EFFORT = replace(MOONSHOT, name="effort", switches=(Switch(("reasoning_effort",), None, b'"none"'),), keep=None)
ASKED = replace(
    MOONSHOT,
    name="asked",
    switches=(Switch(("enable_thinking",), b"true", b"false"),),
    default_mode=Mode.INSTANT,
    keep=None,
)
BOTH = replace(MOONSHOT, name="both", switches=(*MOONSHOT.switches, *VLLM.switches))
TWICE = replace(ASKED, name="twice", switches=(*ASKED.switches, Switch(("reasoning_effort",), b'"high"', b'"none"')))
SILENT = replace(MOONSHOT, name="silent", switches=(), keep=None)
PROFILES = (MOONSHOT, VLLM, EFFORT, ASKED, BOTH, TWICE, SILENT)
SPELLINGS = [(path, value) for path, meanings in SWITCHES.items() for value in meanings]


def _translated(body: dict[str, Any], profile: Profile) -> tuple[dict[str, Any], Translation]:
    envelope = Envelope.parse(json.dumps(body).encode())
    translation = switch_edits(read_mode(envelope, Mode.THINKING), profile)
    sent: dict[str, Any] = json.loads(envelope.encode(changes(translation.edits)))
    return sent, translation


CASES: list[tuple[Profile, str, str, str]] = [
    (MOONSHOT, "{}", "{}", ""),
    (MOONSHOT, '{"thinking":{"type":"disabled"}}', '{"thinking":{"type":"disabled"}}', ""),
    (MOONSHOT, '{"thinking":{"type":"enabled","keep":"all"}}', '{"thinking":{"type":"enabled","keep":"all"}}', ""),
    (
        MOONSHOT,
        '{"chat_template_kwargs":{"thinking":false}}',
        '{"thinking":{"type":"disabled"}}',
        "chat_template_kwargs.thinking->thinking.type(instant)",
    ),
    (
        MOONSHOT,
        '{"chat_template_kwargs":{"thinking":true,"preserve_thinking":true,"x":1.50}}',
        '{"chat_template_kwargs":{"x":1.50},"thinking":{"keep":"all","type":"enabled"}}',
        "chat_template_kwargs.thinking->thinking.type(thinking);chat_template_kwargs.preserve_thinking->thinking.keep",
    ),
    (
        MOONSHOT,
        '{"reasoning":{"effort":"none","exclude":true}}',
        '{"reasoning":{"exclude":true},"thinking":{"type":"disabled"}}',
        "reasoning.effort->thinking.type(instant)",
    ),
    (
        VLLM,
        '{"thinking":{"type":"disabled","keep":null}}',
        '{"chat_template_kwargs":{"thinking":false}}',
        "thinking.type->chat_template_kwargs.thinking(instant)",
    ),
    (
        VLLM,
        '{"thinking":{"type":"disabled"},"chat_template_kwargs":{"n":12345678901234567890,"f":1e2,"o":{"a":[0.10]}}}',
        '{"chat_template_kwargs":{"n":12345678901234567890,"f":1E+2,"o":{"a":[0.10]},"thinking":false}}',
        "thinking.type->chat_template_kwargs.thinking(instant)",
    ),
    (
        VLLM,
        '{"thinking":{"keep":"all"},"chat_template_kwargs":{"thinking":true}}',
        '{"chat_template_kwargs":{"thinking":true,"preserve_thinking":true}}',
        "chat_template_kwargs.thinking->chat_template_kwargs.thinking(thinking);thinking.keep->chat_template_kwargs.preserve_thinking",
    ),
    (
        VLLM,
        '{"thinking":{"keep":"all"}}',
        '{"chat_template_kwargs":{"preserve_thinking":true,"thinking":true}}',
        "default->chat_template_kwargs.thinking(thinking);thinking.keep->chat_template_kwargs.preserve_thinking",
    ),
    (EFFORT, '{"thinking":{"type":"enabled"}}', "{}", "thinking.type->absent(thinking)"),
    (EFFORT, '{"reasoning_effort":"low"}', '{"reasoning_effort":"low"}', ""),
    (
        EFFORT,
        '{"thinking":{"type":"disabled"}}',
        '{"reasoning_effort":"none"}',
        "thinking.type->reasoning_effort(instant)",
    ),
    (ASKED, "{}", '{"enable_thinking":true}', "default->enable_thinking(thinking)"),
    (ASKED, '{"enable_thinking":false}', '{"enable_thinking":false}', ""),
    (
        BOTH,
        '{"thinking":{"type":"disabled"}}',
        '{"thinking":{"type":"disabled"},"chat_template_kwargs":{"thinking":false}}',
        "thinking.type->thinking.type+chat_template_kwargs.thinking(instant)",
    ),
    (
        TWICE,
        '{"reasoning_effort":"low"}',
        '{"reasoning_effort":"low","enable_thinking":true}',
        "reasoning_effort->enable_thinking+reasoning_effort(thinking)",
    ),
    (SILENT, '{"reasoning_effort":"none"}', '{"reasoning_effort":"none"}', ""),
    (
        MOONSHOT,
        '{"model":"m:thinking"}',
        '{"model":"m:thinking","thinking":{"type":"enabled"}}',
        "default->thinking.type(thinking)",
    ),
]


@pytest.mark.parametrize(("profile", "body", "sent", "receipt"), CASES, ids=lambda part: getattr(part, "name", part))
def test_translation(profile: Profile, body: str, sent: str, receipt: str) -> None:
    envelope = Envelope.parse(body.encode())
    translation = switch_edits(read_mode(envelope, Mode.THINKING), profile)
    assert envelope.encode(changes(translation.edits)).decode() == sent
    assert translation.receipt == receipt
    assert (translation is NO_TRANSLATION) is (receipt == "")


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
@pytest.mark.parametrize(
    ("path", "value"), SPELLINGS, ids=lambda part: ".".join(part) if isinstance(part, tuple) else str(part)
)
def test_any_spelling_with_any_vendor(path: Path, value: object, profile: Profile) -> None:
    inner = {path[1]: value} if len(path) == 2 else value
    sent, translation = _translated({"model": "m", path[0]: inner, "user": "x"}, profile)
    envelope = Envelope.parse(json.dumps(sent).encode())
    reading = read_mode(envelope, profile.default_mode)
    assert reading.mode is SWITCHES[path][value]
    assert switch_edits(reading, profile) is NO_TRANSLATION
    wanted = {switch.path for switch in profile.switches if switch.value(reading.mode) is not None}
    if profile.switches:
        assert {p for p in reading.said if "effort" not in p[-1] or p in wanted} == wanted
    assert (sent["model"], sent["user"]) == ("m", "x")
    assert set(translation.edits) <= {path[0], *(p[0] for p in wanted)}


@given(
    st.lists(st.sampled_from(SPELLINGS), max_size=3),
    st.sampled_from(PROFILES),
    st.dictionaries(
        st.sampled_from(["x", "depth", "exclude"]), st.integers() | st.floats(0.001, 1) | st.text(), max_size=2
    ),
)
def test_nothing_else_in_a_switchs_object_changes(
    said: list[tuple[Path, object]], profile: Profile, beside: dict[str, object]
) -> None:
    body: dict[str, Any] = {"chat_template_kwargs": dict(beside)}
    modes = set()
    for path, value in said:
        modes.add(SWITCHES[path][value])
        if len(path) == 1:
            body[path[0]] = value
        else:
            body.setdefault(path[0], {})[path[1]] = value
    if len(modes) > 1:
        return
    envelope = Envelope.parse(json.dumps(body).encode())
    sent, _ = _translated(body, profile)
    assert (
        read_mode(Envelope.parse(json.dumps(sent).encode()), profile.default_mode).mode
        is read_mode(envelope, Mode.THINKING).mode
        or not profile.switches
    )
    kept = sent.get("chat_template_kwargs", {})
    assert {name: kept.get(name) for name in beside} == beside


def test_edits_are_raw_json() -> None:
    envelope = Envelope.parse(b'{"thinking":{"type":"disabled"}}')
    edits = switch_edits(read_mode(envelope, Mode.THINKING), VLLM).edits
    assert edits == {"thinking": None, "chat_template_kwargs": b'{"thinking":false}'}
    assert envelope.members == {"thinking": Raw(b'{"type":"disabled"}')}
