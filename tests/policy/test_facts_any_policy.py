"""Facts asked by policies that nobody ships: any kind of clause on any member, with values that look like stand-ins."""

from __future__ import annotations

import json
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.policy.decide import Plan, compile_plan
from proxy.policy.document import DocumentError, Enforcement, Route, parse_policy
from tests.policy.shipped import PROFILES
from tests.policy.test_facts import NEW, agreed
from tests.policy.test_properties import _bodies

MEMBERS: Final = (
    "temperature", "top_p", "n", "seed", "user", "stop", "service_tier", "tool_choice", "max_tokens",
    "max_completion_tokens", "response_format", "stream", "extra_body", "thinking", "chat_template_kwargs",
    "reasoning_effort", "gold", "logit_bias", "messages", "model", "tools",
)  # fmt: skip
LISTED: Final[list[Any]] = [
    1, 0, -1, 0.5, 100, 1e22, 12345678.5, "auto", "none", "required", "gold", "", "?", "#", "+", True, False,
    [], [1], ["a"], {}, {"a": 1}, {"type": "function"},
]  # fmt: skip
"""Values that a clause may list, and a request may hold."""
ASKED: Final[list[Any]] = [
    *LISTED, None, ["x"], "low", "x" * 300, ["y" * 300], {"z": "y" * 300}, 10**30, {"type": "disabled"},
    {"type": "enabled", "keep": "all"}, {"thinking": False}, {"thinking": True, "x": 1}, {"temperature": 0.5},
    {"Temperature": 1}, {"model": "x"}, {"in": {"top_p": 1}}, "kimi-k2.6", "acme/Kimi-K2.6:thinking", "gpt-9", "k",
    [{"role": "assistant", "tool_calls": [{}]}], [{"role": "user", "content": "x_"}],
]  # fmt: skip
MODELS: Final = ('"kimi-k2.6", "*/kimi-k2.6"', 'kimi-k3, "gpt*"', '"*"', '"?"')
MODES: Final = ("{default: thinking}", "{default: instant}", "{default: instant, fixed: true}")

one = st.sampled_from(MEMBERS)
numbers = st.sampled_from([1, 0.5, 5])
types = st.sampled_from(["boolean", "string", "number", "integer", "array", "object"])
lists = st.lists(st.sampled_from(LISTED), min_size=1, max_size=3).map(json.dumps)
unknown = st.tuples(st.sampled_from(["pass", "drop", "reject"]), st.sampled_from(["", "gold", "silver"]))
clauses = st.one_of(
    st.builds("member: {}, kind: fixed, value: {}, absent: fill".format, one, numbers),
    st.builds("member: {}, kind: range, minimum: 0, maximum: {}, repair_to: 0".format, one, numbers),
    st.builds("member: {}, kind: one-of, values: {}".format, one, lists),
    st.builds("member: {}, kind: forbidden, neutral: {}".format, one, lists),
    st.builds("member: {}, kind: type, type: {}".format, one, types),
    st.builds("member: {}, kind: type, type: integer, minimum: 1".format, one),
    st.builds("member: {}, kind: nested".format, one),
    st.builds("members: [{}, {}], kind: exclusive".format, one, one),
    unknown.map(lambda said: f"kind: unknown-members, action: {said[0]}, known: [{said[1]}]"),
    st.sampled_from(["kind: tool-choice", "kind: reasoning-history"]),
)


@st.composite
def _plans(draw: st.DrawFn) -> Plan | None:
    """A policy of up to four clauses; None: they exclude each other."""
    said = enumerate(draw(st.lists(clauses, min_size=1, max_size=4)))
    entries = [f"  - {{id: rule-{number}, {clause}, routes: [chat, responses], source: x}}" for number, clause in said]
    head = NEW.replace("MODELS", draw(st.sampled_from(MODELS))).replace(MODES[0], draw(st.sampled_from(MODES)))
    try:
        document = parse_policy(head + "\n".join(entries), "drawn.yaml")
    except DocumentError:
        return None
    profile = PROFILES[draw(st.sampled_from(["openai-compatible", "vllm", "alibaba"]))]
    return compile_plan(document, profile, draw(st.sampled_from([None, *Enforcement])))


names = st.sampled_from([*MEMBERS, "silver", "Top_P", "golD", "x" * 300])
plain = st.dictionaries(names, st.sampled_from(ASKED), max_size=6).map(json.dumps)
spoilt = st.sampled_from(
    [
        ('"a": 1', '"a":1,"a":2'),
        ("100", "1e999"),
        ('"thinking": ', '"th\\u0069nking": '),
        (" 1,", " 1.000000000000000000000000000,"),
    ]
)
texts = plain | st.tuples(plain, spoilt).map(lambda each: each[0].replace(*each[1]))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts.map(str.encode) | _bodies(), _plans(), _plans(), st.sampled_from(["chat", "responses", "messages"]))
def test_any_policy_is_told_the_truth_or_nothing(body: bytes, old: Plan | None, new: Plan | None, route: str) -> None:
    if old is not None and new is not None:
        agreed(body, old, new, Route(route))
