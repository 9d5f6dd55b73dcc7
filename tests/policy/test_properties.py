"""Whatever a client writes: an unlawful value never leaves, nothing else changes, and a second judgement finds nothing.

Bodies are made as text, so that spellings (escapes, repetitions, folded names, number forms, white space) are part of
what is generated. What leaves is read back by readers that differ: json and orjson take the last of repeated names,
SQLite's json_extract the first.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.contract.envelope import Envelope, MalformedBody, fold
from proxy.contract.mode import Mode
from proxy.contract.profile import NO_TRANSLATION
from proxy.policy.decide import decide
from proxy.policy.document import Enforcement, Route
from proxy.policy.known import KNOWN_MEMBERS
from proxy.policy.verdict import Allow, Reject, Rewrite
from tests.policy.shipped import PROFILES, emitted, judged, plan

DATABASE = sqlite3.connect(":memory:")
LAWFUL: dict[str, set[object]] = {
    "n": {1, None},
    "presence_penalty": {0, None},
    "frequency_penalty": {0, None},
    "top_p": {0.95},
    "top_k": {0, -1, None},
    "min_p": {0, None},
    "repetition_penalty": {1, None},
}
TEMPERATURE: dict[Mode, set[object]] = {Mode.THINKING: {1.0}, Mode.INSTANT: {0.6}}
JUDGED = [*LAWFUL, "temperature"]


def _sqlite(body: bytes, name: str) -> object:
    found = DATABASE.execute(
        "select json_type(?1, ?2), json_extract(?1, ?2)", (body.decode(), f'$."{name}"')
    ).fetchone()
    kind, value = found
    return {"true": True, "false": False}.get(kind, value)


READERS: dict[str, Callable[[bytes, str], object]] = {
    "json": lambda body, name: json.loads(body).get(name),
    "orjson": lambda body, name: orjson.loads(body).get(name),
    "sqlite": _sqlite,
}

LAWFUL_SPELLINGS = {
    "temperature": ["1", "1.0", "1e0", "10e-1", "0.6", "6E-1"],
    "top_p": ["0.95", "0.950", "95e-2"],
    "n": ["1", "1.0", "null"],
    "presence_penalty": ["0", "-0", "0.0", "0e5"],
    "frequency_penalty": ["0", "-0.0", "null"],
    "top_k": ["0", "-1", "-1.0", "null"],
    "min_p": ["0", "0.00"],
    "repetition_penalty": ["1", "1.0"],
}
numbers = st.one_of(
    st.floats(-3, 3, allow_nan=False).map(repr),
    st.integers(-5, 5).map(str),
    st.sampled_from(["1.00000000000000000001", "1e-400", "0.9499999999999999999", "1" + "0" * 30]),
)
others = st.sampled_from(['"0.5"', '"1.0"', "true", "false", "[]", "[1.0]", "{}", '{"a":1}'])
strange = st.sampled_from(["1e400", "-1e400", "0." + "9" * 70, '{"a":1,"a":2}'])
spaces = st.sampled_from(["", "", "", " ", "\n", "\t ", "\r\n"])
folds: list[Callable[[str], str]] = [
    str.lower,
    str.upper,
    str.title,
    lambda name: name + " ",
    lambda name: name.replace("k", "\u212a"),
    lambda name: name.replace("s", "\u017f"),
    lambda name: name + "\u200b",
    lambda name: name + "\u0000",
    lambda name: chr(ord(name[0]) - 0x61 + 0xFF41) + name[1:],
]


@st.composite
def _escaped(draw: st.DrawFn, text: str) -> str:
    """`text` inside a JSON string, a few of its characters as escapes."""
    places = draw(st.sets(st.integers(0, len(text) - 1), max_size=2))
    return "".join(f"\\u{ord(c):04x}" if i in places or c < " " else c for i, c in enumerate(text))


def _member(name: str) -> st.SearchStrategy[tuple[str, str]]:
    lawful = st.sampled_from(LAWFUL_SPELLINGS[name])
    # Three in four lawful, so that a body of several members can be lawful as a whole.
    return st.tuples(_escaped(name), st.one_of(lawful, lawful, lawful, lawful, lawful, lawful, numbers, others))


SWITCHES = {
    "thinking": ['{"type":"disabled"}', '{"type":"enabled"}', '{"type":"enabled","keep":"all"}', "{}"],
    "chat_template_kwargs": ['{"thinking":false}', '{"thinking":false,"depth":1.50}', '{"preserve_thinking":true}'],
    "enable_thinking": ["false", "true", "null"],
    "reasoning_effort": ['"low"', '"none"'],
    "reasoning": ['{"enabled":false}', '{"effort":"high","exclude":true}'],
}
UNJUDGED = {
    "messages": [
        '[{"role":"user","content":"\\u00e9 \\/ x"}]',
        '[{"role":"assistant","tool_calls":[{}]} , {"a":1.10}]',
    ],
    "user": ['"x\\u0061"'],
    "seed": ["12345678901234567890123", "1.10"],
    "x-tag": ["[1 , 2]", '{"b":1,"a":2,"b":3}'],
}
CONTAINERS = ("extra_body", "sampling_params")


@st.composite
def _bodies(draw: st.DrawFn) -> bytes:
    """A body as text: judged members in any spelling, switches, containers, members that nobody judges, mischief."""
    pairs = [draw(_member(name)) for name in draw(st.lists(st.sampled_from(JUDGED), max_size=5, unique=True))]
    chosen = draw(st.lists(st.sampled_from(sorted(UNJUDGED)), max_size=2, unique=True))
    chosen += draw(st.lists(st.sampled_from(sorted(SWITCHES)), max_size=1))
    pairs += [(name, draw(st.sampled_from((UNJUDGED | SWITCHES)[name]))) for name in chosen]
    if draw(st.integers(0, 3)) == 0:
        inner = draw(st.lists(st.sampled_from(JUDGED).flatmap(_member), max_size=2))
        pairs.append((draw(st.sampled_from(CONTAINERS)), "{" + ",".join(f'"{k}":{v}' for k, v in inner) + "}"))
    if draw(st.integers(0, 3)) == 0:
        name = draw(st.sampled_from(JUDGED))
        folded = draw(st.sampled_from(folds))(name)
        pairs.append((draw(_escaped(folded)), draw(st.one_of(numbers, others, strange))))
    pairs.append(("model", draw(st.sampled_from(['"kimi-k2.6"', '"moonshotai/Kimi-K2.6:free"', "null"]))))
    parts = (
        f'{draw(spaces)}"{name}"{draw(spaces)}:{draw(spaces)}{value}{draw(spaces)}'
        for name, value in draw(st.permutations(pairs))
    )
    return ("{" + ",".join(parts) + "}").encode()


many = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(_bodies(), st.sampled_from(Enforcement), st.sampled_from(Route))
def test_what_is_counted_was_to_be_expected(body: bytes, enforcement: str, route: Route) -> None:
    """Metrics are made for nothing else."""
    compiled = plan(enforcement=enforcement)
    try:
        decision = judged(body, compiled, route)
    except MalformedBody:
        return
    assert set(decision.counts) <= set(compiled.counts)


def _same(value: object, lawful: set[object]) -> bool:
    return not isinstance(value, bool) and any(value is good or (value == good and good is not None) for good in lawful)


def _outcome(body: bytes) -> str:
    try:
        return type(judged(body, plan()).verdict).__name__
    except MalformedBody:
        return "MalformedBody"


def test_the_generated_bodies_reach_every_outcome() -> None:
    outcomes: list[str] = []

    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(_bodies())
    def collect(body: bytes) -> None:
        outcomes.append(_outcome(body))

    collect()
    for outcome in ("Rewrite", "Reject", "MalformedBody"):
        assert outcomes.count(outcome) >= 30, outcome


@many
@given(_bodies(), st.sampled_from(["openai-compatible", "vllm", "moonshot", "digitalocean", "alibaba"]))
def test_no_reader_sees_an_unlawful_value(body: bytes, profile: str) -> None:
    for enforcement in ("repair", "strict"):
        try:
            decision = judged(body, plan(profile=profile, enforcement=enforcement))
        except MalformedBody:
            continue
        if isinstance(decision.verdict, Reject):
            continue
        sent = emitted(body, decision)
        for read in READERS.values():
            assert _same(read(sent, "temperature"), TEMPERATURE[decision.mode])
            for name, lawful in LAWFUL.items():
                assert _same(read(sent, name), lawful), name
        names = [name for name, _ in json.loads(sent, object_pairs_hook=lambda pairs: pairs)]
        assert len(set(names)) == len(names)
        assert not [name for name in names if name not in KNOWN_MEMBERS and fold(name) in KNOWN_MEMBERS]


@many
@given(_bodies(), st.sampled_from(sorted(PROFILES)))
def test_what_left_is_allowed_when_it_is_judged_again(body: bytes, profile: str) -> None:
    compiled = plan(profile=profile)
    try:
        first = judged(body, compiled)
    except MalformedBody:
        return
    if isinstance(first.verdict, Reject):
        return
    sent = emitted(body, first)
    second = judged(sent, compiled)
    assert second.verdict == Allow()
    assert second.mode is first.mode
    assert second.translation == NO_TRANSLATION
    assert emitted(sent, second) == sent


@many
@given(_bodies())
def test_only_what_is_named_changes(body: bytes) -> None:
    try:
        decision = judged(body, plan(profile="vllm"))
    except MalformedBody:
        return
    edits = dict(decision.translation.edits)
    if isinstance(decision.verdict, Rewrite):
        edits |= decision.verdict.edits
    before = {name: bytes(raw) for name, raw in Envelope.parse(body).members.items()}
    after = {name: bytes(raw) for name, raw in Envelope.parse(emitted(body, decision)).members.items()}
    untouched = {name: raw for name, raw in before.items() if name not in edits}
    assert {name: raw for name, raw in after.items() if name not in edits} == untouched
    assert [name for name in after if name in before] == [name for name in before if name in after]
    assert [name for name in after if name not in before] == list(after)[len(before.keys() & after.keys()) :]


@many
@given(_bodies())
def test_observe_changes_nothing(body: bytes) -> None:
    try:
        decision = judged(body, plan(profile="vllm", enforcement="observe"))
        repair = judged(body, plan(profile="vllm", enforcement="repair"))
    except MalformedBody:
        return
    assert isinstance(decision.verdict, Allow)
    assert emitted(body, decision) == Envelope.parse(body).encode({})
    assert bool(decision.verdict.observed) is not isinstance(repair.verdict, Allow)


@many
@given(_bodies(), st.sampled_from(Route))
def test_a_decision_is_a_function_of_its_arguments_remembered_or_not(body: bytes, route: Route) -> None:
    try:
        envelope = Envelope.parse(body)
        once = decide(plan(), route, envelope)
    except MalformedBody:
        return
    assert decide(plan(), route, envelope) == once
    for memory in plan().memory.values():
        memory.clear()
    assert decide(plan(), route, envelope) == once


@many
@given(_bodies())
def test_findings_are_safe_to_show(body: bytes) -> None:
    try:
        verdict = judged(body, plan()).verdict
    except MalformedBody:
        return
    for finding in (*getattr(verdict, "findings", ()), *verdict.observed):
        for text in (finding.receipt, finding.member, finding.message, finding.seen, finding.allowed, finding.hint):
            assert text.isascii()
            assert text.isprintable()
        assert finding.clause in plan().clause_ids


@pytest.mark.parametrize("text", ["1", "1.0", "1.000", "1e0", "1E+0", "10e-1", "0.1e1", "100e-2", "1.0e-0"])
def test_every_spelling_of_one_number_is_that_number(text: str) -> None:
    assert Decimal(text) == 1
    verdict = judged(f'{{"model":"kimi-k2.6","top_p":0.95,"temperature":{text}}}'.encode(), plan()).verdict
    assert verdict == Allow()


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@many
@given(
    st.dictionaries(st.sampled_from(sorted(KNOWN_MEMBERS | {"extra_body", "api_base"})), json_values, max_size=6),
    st.sampled_from(Route),
)
def test_any_value_of_any_known_member_gets_an_answer(members: dict[str, Any], route: Route) -> None:
    body = json.dumps(members).encode()
    answers = []
    for enforcement in ("repair", "strict", "observe"):
        try:
            answers.append(type(judged(body, plan(enforcement=enforcement), route).verdict).__name__)
        except MalformedBody as error:
            answers.append(error.code)
    verdicts = {"Allow", "Rewrite", "Reject"}
    assert set(answers) <= verdicts | {*plan().clause_ids, "body-not-json"}
    assert set(answers) <= verdicts or len(set(answers)) == 1, "what is malformed is so in every enforcement"
