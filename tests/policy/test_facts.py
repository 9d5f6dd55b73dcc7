"""Facts: another policy asked later says what it would have said of the body itself, or that it cannot tell."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.contract.envelope import Envelope, MalformedBody
from proxy.policy.anew import Anew, Terms, judged_anew
from proxy.policy.decide import Decision, Plan, decide
from proxy.policy.document import Enforcement, Route
from proxy.policy.facts import Facts, facts_of, lists_of, outline
from proxy.policy.known import KNOWN_MEMBERS
from proxy.policy.verdict import Rewrite
from tests.policy.shipped import OTHERS, POLICIES, plan
from tests.policy.test_properties import CONTAINERS, _bodies, json_values, many


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
    lists = lists_of(of)
    return Terms(lists.models, lists.names)


def truth(body: bytes, by: Plan, route: Route) -> tuple[str, Any, Any]:
    try:
        decision = decide(by, route, Envelope.parse(body))
    except MalformedBody as error:
        return "reject", ((error.code, "reject", ""),), None
    return (
        {"Allow": "pass", "Rewrite": "rewrite", "Reject": "reject"}[type(decision.verdict).__name__],
        (decision.counts),
        edits(decision),
    )


def edits(decision: Decision) -> Any:
    """What would be written, but for what is left of a container and the messages, which are not kept."""
    found = decision.verdict.edits if isinstance(decision.verdict, Rewrite) else {}
    return {
        name: value if value is None or name not in (*CONTAINERS, "messages", "extra_body") else b"..."
        for name, value in found.items()
    } | {"": decision.mode, "changed": sorted(decision.translation.edits)}


def agrees(body: bytes, old: Plan, new: Plan, route: Route) -> Anew:
    facts = kept(body, old, route)
    anew = judged_anew(new, facts, terms(old))
    if not anew.unknown:
        outcome, counts, edited = truth(body, new, route)
        assert (anew.outcome, anew.counts) == (outcome, counts), facts
        assert (None if anew.decision is None else edits(anew.decision)) == edited
    return anew


Names: TypeAlias = tuple[str, str, str | None, str]
plans = st.tuples(
    st.sampled_from(sorted(POLICIES | OTHERS)),
    st.sampled_from(["openai-compatible", "vllm", "moonshot", "alibaba"]),
    st.sampled_from([None, *Enforcement]),
    st.sampled_from(["exact", "range"]),
)


@many
@given(_bodies(), plans, plans, st.sampled_from(Route))
def test_any_policy_judges_the_facts_as_the_body(body: bytes, old: Names, new: Names, route: Route) -> None:
    agrees(body, plan(*old), plan(*new), route)


members = st.dictionaries(
    st.sampled_from(sorted(KNOWN_MEMBERS | {"extra_body", "api_base", "Temperature", "top\u200b_p"})),
    json_values,
    max_size=6,
)


@many
@given(members, plans, plans, st.sampled_from(Route))
def test_any_value_of_any_member(body: dict[str, Any], old: Names, new: Names, route: Route) -> None:
    agrees(json.dumps(body).encode(), plan(*old), plan(*new), route)


def test_most_is_known() -> None:
    known: Counter[str] = Counter()

    @settings(max_examples=400, deadline=None, database=None, derandomize=True)
    @given(_bodies(), st.sampled_from(Enforcement))
    def collect(body: bytes, enforcement: str) -> None:
        known[agrees(body, plan(), plan(enforcement=enforcement), Route.CHAT).unknown] += 1

    collect()
    print(known)
    assert known[""] > 0.9 * known.total(), known
