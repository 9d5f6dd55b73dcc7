"""Facts: another policy asked later says what it would have said of the body itself, or that it cannot tell."""

from __future__ import annotations

import gc
import json
import weakref
from collections import Counter
from typing import Any, Final, TypeAlias

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.contract.envelope import Envelope, MalformedBody
from proxy.contract.mode import SWITCHES
from proxy.policy.anew import Anew, Terms, judged_anew
from proxy.policy.clauses.tool_choice import _FREE
from proxy.policy.decide import Decision, Plan, compile_plan, decide
from proxy.policy.document import Enforcement, Route, parse_policy
from proxy.policy.facts import WORDS, Facts, facts_of, lists_of, outline
from proxy.policy.known import KNOWN_MEMBERS
from proxy.policy.verdict import Rewrite
from tests.policy.shipped import OTHERS, POLICIES, PROFILES, plan
from tests.policy.test_properties import CONTAINERS, _bodies, json_values

some = settings(max_examples=150, deadline=None)
Names: TypeAlias = tuple[str, str, str | None, str]
"""A policy, a profile, an enforcement and a contract, as `plan` takes them."""


def kept(body: bytes, of: Plan, route: Route = Route.CHAT) -> Facts:
    """What the log would hold of a body that `of` judged, after its way through bytes."""
    left, decision = None, None
    try:
        envelope = Envelope.parse(body)
        left = outline(envelope.members)
        decision = decide(of, route, envelope)
    except MalformedBody as error:
        facts = facts_of(of, route, left, error.code)
    else:
        facts = facts_of(of, route, left, decision)
    return msgspec.json.decode(msgspec.json.encode(facts), type=Facts)


def terms(of: Plan) -> Terms:
    """What facts that `of` made are read by."""
    lists = lists_of(of)
    return Terms(lists.models, lists.names)


def edited(decision: Decision) -> dict[str, Any]:
    """What would be written, but for names that no API has, what is left of a container, and the messages: they are
    not kept.
    """
    edits = decision.verdict.edits if isinstance(decision.verdict, Rewrite) else {}
    unkept = (*CONTAINERS, "messages")
    written = sorted(
        (name if name in KNOWN_MEMBERS else "?", "..." if value and name in unkept else str(value))
        for name, value in edits.items()
    )
    return {"edits": written, "mode": decision.mode, "switched": sorted(decision.translation.edits)}


def truth(body: bytes, by: Plan, route: Route) -> tuple[str, object, object]:
    """What `by` says of the body itself."""
    try:
        decision = decide(by, route, Envelope.parse(body))
    except MalformedBody as error:
        return "reject", ((error.code, "reject", ""),), None
    outcome = {"Allow": "pass", "Rewrite": "rewrite", "Reject": "reject"}[type(decision.verdict).__name__]
    return outcome, decision.counts, edited(decision)


def agreed(body: bytes, old: Plan, new: Plan, route: Route = Route.CHAT) -> Anew:
    """Judge anew, and see that it is the truth unless it is not known."""
    facts = kept(body, old, route)
    anew = judged_anew(new, facts, terms(old))
    if not anew.unknown:
        found = (anew.outcome, anew.counts, None if anew.decision is None else edited(anew.decision))
        assert found == truth(body, new, route), msgspec.json.encode(facts).decode()
    return anew


plans = st.tuples(
    st.sampled_from(sorted(POLICIES | OTHERS)),
    st.sampled_from(["openai-compatible", "vllm", "moonshot", "alibaba"]),
    st.sampled_from([None, *Enforcement]),
    st.sampled_from(["exact", "range"]),
)
members = st.dictionaries(
    st.sampled_from(sorted(KNOWN_MEMBERS | {"extra_body", "api_base", "Temperature", "top\u200b_p", "x" * 300})),
    json_values,
    max_size=6,
)


@some
@given(_bodies(), plans, plans, st.sampled_from(Route))
def test_any_policy_judges_the_facts_as_the_body(body: bytes, old: Names, new: Names, route: Route) -> None:
    agreed(body, plan(*old), plan(*new), route)


@some
@given(members, plans, plans, st.sampled_from(Route))
def test_any_value_of_any_member(body: dict[str, Any], old: Names, new: Names, route: Route) -> None:
    agreed(json.dumps(body).encode(), plan(*old), plan(*new), route)


def test_most_is_known() -> None:
    known: Counter[str] = Counter()

    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    @given(_bodies(), st.sampled_from(Enforcement))
    def collect(body: bytes, enforcement: str) -> None:
        known[agreed(body, plan(), plan(enforcement=enforcement)).unknown] += 1

    collect()
    assert known[""] > 0.85 * known.total(), known


def test_every_word_that_policy_reads_is_kept() -> None:
    words = {word for meanings in SWITCHES.values() for word in meanings if isinstance(word, str)}
    assert words | {*_FREE, "required", "any", "function", "all"} <= WORDS


SHAPES: Final = {
    '{"model":"kimi-k2.6","messages":[{"role":"user","content":"hush"}],"temperature":1e0}': {
        "model": "=kimi-k2.6", "messages": "kept", "temperature": 1.0,
    },
    '{"model":"acme/kimi-k2.6:thinking","messages":[{"role":"assistant","tool_calls":[{}]}]}': {
        "model": "+:thinking", "messages": "missing",
    },
    '{"model":"hush-1","messages":[],"n":2}': {"model": "-", "messages": "..", "n": 2},
    '{"thinking":{"type":"disabled","hush":1},"messages":[],"stop":["hush"],"stop_token_ids":[]}': {
        "thinking": {"type": "disabled", "?": 0}, "messages": "..", "stop": "[?]", "stop_token_ids": [],
    },
    '{"hush":1,"hush2":"hush","temperature":"hush","top_p":null,"user":"hush","seed":77,"n":true}': {
        "?": 2, "temperature": "?", "top_p": None, "user": "?", "seed": "#", "n": True,
    },
    '{"extra_body":{"temperature":0.3,"hush":"hush","Top_P":1,"inner":{"hush":2}},"prompt":"hush"}': {
        "extra_body": {"temperature": 0.3, "?": 0, "~top_p": 0}, "prompt": "..",
    },
    '{"Temperature":"hush","n":1000000000000000000000000001,"top_p":{"a":1,"a":2}}': {
        "~temperature": 0, "n": "#", "top_p": "{!member-repeated}",
    },
    '{"tool_choice":{"type":"function","function":{"name":"hush"}},"reasoning_effort":"hush"}': {
        "tool_choice": {"type": "function", "?": 0}, "reasoning_effort": "?",
    },
    '{"logit_bias":"' + "h" * 300 + '","logprobs":[' + "1," * 200 + '1]}': {"logit_bias": "?", "logprobs": "[.]"},
    '{"n":1,"n":2}': None,
}  # fmt: skip


@pytest.mark.parametrize("body", SHAPES)
def test_what_is_kept(body: str) -> None:
    shape = kept(body.encode(), plan()).shape
    assert (None if shape is None else {name: msgspec.json.decode(raw) for name, raw in shape.items()}) == SHAPES[body]


NEW: Final = """
version: 1
name: kimi-k2.6
models: [MODELS]
mode: {default: thinking}
clauses:
"""


def policy(*clauses: str, models: str | None = None) -> Plan:
    """A policy of one's own, for the models of kimi-k2.6 unless others are named."""
    listed = models or ", ".join(json.dumps(name) for name in POLICIES["kimi-k2.6"].models)
    entries = [f"  - {{id: rule-{number}, {clause}, source: x}}" for number, clause in enumerate(clauses)]
    document = parse_policy(NEW.replace("MODELS", listed) + "\n".join(entries), "own.yaml")
    return compile_plan(document, PROFILES["openai-compatible"])


SEED, USER, STOP = (f"member: {name}, kind: forbidden" for name in ("seed", "user", "stop"))
LISTED: Final = "member: service_tier, kind: one-of, values: [auto, gold]"
UNKNOWN: Final = [
    ('{"seed":5}', SEED, ""),
    ('{"seed":5}', f"{SEED}, neutral: [5]", "rule-0"),
    ('{"seed":null}', f"{SEED}, neutral: [5]", ""),
    ('{"seed":true}', f"{SEED}, neutral: [5]", ""),
    ('{"user":"hush"}', f"{USER}, neutral: ['hush']", "rule-0"),
    ('{"user":"hush"}', f"{USER}, neutral: [1]", ""),
    ('{"stop":["hush"]}', f"{STOP}, neutral: [[]]", ""),
    ('{"stop":["hush"]}', f"{STOP}, neutral: [['hush']]", "rule-0"),
    ('{"service_tier":"auto"}', LISTED, ""),
    ('{"service_tier":"gold"}', LISTED, "rule-0"),
    ('{"service_tier":"hush"}', LISTED, "rule-0"),
    ('{"service_tier":5}', LISTED, ""),
    ('{"tools":[]}', "member: tools, kind: type, type: array", "rule-0"),
    ('{"n":1,"seed":1}', "members: [n, seed], kind: exclusive", "rule-0"),
    ('{"n":1,"user":"hush"}', "members: [n, user], kind: exclusive", ""),
    ('{"n":1,"temperature":2}', "members: [n, temperature], kind: exclusive", ""),
    ('{"gold":1}', "member: gold, kind: forbidden", "names"),
    ('{"n":1}', "member: gold, kind: forbidden", ""),
    ('{"model":"kimi-k2.6","n":1}', "member: n, kind: forbidden", ""),
    ('{"model":"KIMI-k2.6","n":1}', "member: n, kind: forbidden", ""),
    ('{"thinking":{"type":"' + "e" * 300 + '"}}', "member: n, kind: forbidden", "thinking"),
    ('{"messages":[{"a_b":1}]}', "kind: reasoning-history", ""),
    ('{"thinking":{"type":"disabled"},"messages":[{"a_b":1}]}', "kind: reasoning-history", ""),
]


@pytest.mark.parametrize(("body", "clause", "unknown"), UNKNOWN)
def test_what_was_not_kept_is_not_guessed(body: str, clause: str, unknown: str) -> None:
    assert agreed(body.encode(), plan(), policy(clause)).unknown == unknown


def test_a_plan_that_nobody_uses_any_more_is_let_go() -> None:
    """A reload makes new plans, and each remembers megabytes of requests."""
    used = policy("kind: reasoning-history")
    assert lists_of(used) is lists_of(used)
    there = weakref.ref(used)
    del used
    gc.collect()
    assert there() is None


def test_a_history_that_nobody_looked_through_is_not_known() -> None:
    body = b'{"messages":[{"role":"assistant","tool_calls":[{}]}]}'
    never, always = policy("member: n, kind: forbidden"), policy("kind: reasoning-history")
    assert agreed(body, never, always).unknown == "rule-0"
    assert agreed(body, always, always).outcome == "rewrite"
    refused = b'{"temperature":"hush","messages":[{"role":"assistant","tool_calls":[{}]}]}'
    assert agreed(refused, plan(), plan(enforcement="strict")).counts == (
        ("temperature-off-contract", "reject", "temperature"),
        ("reasoning-missing-in-history", "reject", "messages"),
    )


@pytest.mark.parametrize(
    ("body", "models", "unknown", "outcome"),
    [
        ('{"model":"kimi-k2.6","n":2}', "kimi-k2.6", "", "rewrite"),
        ('{"model":"kimi-k2.6","n":2}', "kimi-k3", "", "pass"),
        ('{"n":2}', "kimi-k3", "", "rewrite"),
        ('{"model":"KIMI-k2.6","n":2}', "kimi-k3", "models", ""),
        ('{"model":"hush","n":2}', "hush", "models", ""),
    ],
)
def test_other_models(body: str, models: str, unknown: str, outcome: str) -> None:
    anew = agreed(body.encode(), plan(), policy("member: n, kind: forbidden", models=models))
    assert (anew.unknown, anew.outcome) == (unknown, outcome)


def test_facts_of_another_version_are_read_as_far_as_they_go() -> None:
    of = plan()
    other = terms(of)._replace(vocabulary="00000000")
    assert judged_anew(of, kept(b'{"temperature":0.3}', of), other).outcome == "rewrite"
    assert judged_anew(of, kept(b'{"temperature":"hush"}', of), other).unknown == "lists"
    assert judged_anew(of, kept(b'{"hush":1}', of), other).unknown == "lists"
