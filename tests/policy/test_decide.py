"""The fold from findings to a verdict, what is remembered of it, and the plan and the decision around it.

Here: what the golden cases (test_cases.py) cannot say: memory, order, counts, a plan that crosses to another process.
Not here: single clauses (test_clauses.py). Invariant: a plan is compiled anew where memory is looked at.
"""

from __future__ import annotations

import json
import pickle
import weakref

import pytest

from proxy.contract.envelope import MalformedBody, Raw
from proxy.contract.mode import SWITCH_MEMBERS, Mode
from proxy.contract.profile import NO_TRANSLATION
from proxy.policy.decide import compile_plan, covers
from proxy.policy.decision import MAX_ACTIONS_BYTES, concluded
from proxy.policy.document import PolicyDocument, parse_policy
from proxy.policy.plan import Plan
from proxy.policy.verdict import Allow, Enforcement, Finding, Reject, Rewrite, Route
from tests.policy.shipped import OTHERS, POLICIES, PROFILES, judged, plan


def fresh(policy: str = "kimi-k2.6", firmly: Enforcement | None = None) -> Plan:
    return compile_plan((POLICIES | OTHERS)[policy], PROFILES["openai-compatible"], firmly)


def _fixing(value: str) -> PolicyDocument:
    clause = {"id": "c", "member": "n", "kind": "fixed", "value": value, "source": "made for the test"}
    said = {"version": 1, "name": "p", "models": ["m"], "mode": {"default": "thinking"}, "clauses": [clause]}
    return PolicyDocument.model_validate(said)


def _listing(kind: str, value: str) -> PolicyDocument:
    values = {"one-of": "values", "forbidden": "neutral"}[kind]
    clause = f"{{id: c, member: top_p, kind: {kind}, {values}: [{value}], source: made for the test}}"
    return parse_policy(f"{{version: 1, name: p, models: [m], mode: {{default: thinking}}, clauses: [{clause}]}}", "p")


def remembered(compiled: Plan) -> int:
    return len(compiled.memory[Route.CHAT])


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ('{"model":"kimi-k2.6","messages":[]}', 1),
        ("{}", 0),
        ('{"n":1,' + ",".join(f'"x{i}":1' for i in range(31)) + "}", 1),
        ('{"n":1,' + ",".join(f'"x{i}":1' for i in range(32)) + "}", 0),
        ('{"user":"' + "u" * 5000 + '"}', 1),
        ('{"zz":"' + "u" * 1022 + '"}', 1),
        ('{"messages":[1],"zz":"' + "u" * 1022 + '"}', 1),
        ('{"zz":"' + "u" * 1023 + '"}', 0),
    ],
)
def test_what_is_worth_remembering(body: str, kept: int) -> None:
    compiled = fresh()
    first = judged(body.encode(), compiled)
    assert remembered(compiled) == kept
    assert judged(body.encode(), compiled) == first
    assert remembered(compiled) == kept


def test_a_full_memory_starts_anew() -> None:
    compiled = fresh()
    for number in range(256):
        judged(b'{"n":%d}' % number, compiled)
    assert remembered(compiled) == 256
    judged(b'{"n":1}', compiled)
    assert remembered(compiled) == 256
    judged(b'{"n":1000}', compiled)
    assert remembered(compiled) == 1
    assert isinstance(judged(b'{"n":1000}', compiled).verdict, Rewrite | Reject)


def test_a_remembered_request_is_judged_by_its_own_messages() -> None:
    compiled = fresh()
    lacking = b'{"messages":[{"role":"assistant","tool_calls":[{"id":"functions.f:0"}]}]}'
    for _ in range(2):
        assert isinstance(judged(b'{"messages":[]}', compiled).verdict, Allow | Rewrite)
        found = judged(lacking, compiled)
        assert isinstance(found.verdict, Rewrite)
        assert [finding.clause for finding in found.findings][-1] == "reasoning-missing-in-history"


def numbers(count: int) -> str:
    return "[" + ",".join(["0"] * count) + "]"


@pytest.mark.parametrize(
    ("members", "too_much"),
    [
        *((f'"{name}":{numbers(1025)}', name) for name in sorted(SWITCH_MEMBERS - {"model"})),
        *((f'"{name}":{numbers(1024)}', "") for name in sorted(SWITCH_MEMBERS - {"model"})),
        (f'"tool_choice":{numbers(1025)}', "tool_choice"),
        (f'"tool_choice":{numbers(1024)}', ""),
        (f'"tool_choice":{{"a":{numbers(1023)}}}', ""),
        (f'"tool_choice":{{"a":{numbers(1024)}}}', "tool_choice"),
        (f'"tool_choice":{numbers(600)},"thinking":{numbers(500)}', "thinking"),
        (f'"tool_choice":{numbers(600)},"thinking":{numbers(424)}', ""),
        (f'"logit_bias":{numbers(5000)}', ""),  # forbidden: it goes unread
        (f'"logit_bias":{numbers(100)},"tool_choice":{numbers(1000)}', "tool_choice"),
        (f'"logit_bias":{numbers(5000)},"tool_choice":{numbers(1024)}', ""),
        (f'"metadata":{numbers(5000)}', ""),
        (f'"metadata":{numbers(5000)},"tool_choice":{numbers(1024)}', ""),
    ],
)
def test_what_is_read_strictly_holds_so_many_items(members: str, too_much: str) -> None:
    told = None
    try:
        judged(("{" + members + "}").encode(), fresh())
    except MalformedBody as refusal:
        if refusal.code == "value-too-large":  # otherwise one of the switches, for another reason
            told = (refusal.param, str(refusal), refusal.hint)
    said = f"{too_much} and the judged members before it hold more than 1024 items"
    assert told == ((too_much, said, "send at most 1024") if too_much else None)


def test_names_do_not_stand_for_values() -> None:
    """What is remembered tells `{"a":"b"}` from a request with a member more."""
    compiled = fresh()
    bodies = [
        b'{"n":1}',
        b'{"n":2}',
        b'{"n":1,"temperature":0.3}',
        b'{"temperature":0.3,"n":1}',
        b'{"temperature":1,"n":0.3}',
    ]
    apart = [judged(body, fresh()) for body in bodies]
    assert [judged(body, compiled) for body in bodies * 2] == apart * 2


@pytest.mark.parametrize("members", ['"n":2,"temperature":"hot"', '"temperature":"hot","n":2'])
def test_the_first_fault_is_the_same_in_any_order(members: str) -> None:
    verdict = judged(b"{%b}" % members.encode(), fresh(firmly=Enforcement.STRICT)).verdict
    assert isinstance(verdict, Reject)
    assert [finding.member for finding in verdict.findings] == ["temperature", "n"]


@pytest.mark.parametrize(
    ("model", "covered"),
    [
        ('"kimi-k2.6"', True), ('"KIMI-K2.6"', True), ('"moonshotai/kimi-k2.6"', True), ('"kimi-k2.6:free"', True),
        ('"kimi-k2.6@preset/x:free#2"', True), ('"kimi-k2.6#deployment"', True), ("null", True),
        ('"gpt-4"', False), ('"gpt-4:kimi-k2.6"', False), ('""', False),
        ('":free"', False), ('"' + "x" * 256 + '"', False), ('"kimi-k2.6~free"', False),
    ],
)  # fmt: skip
def test_a_policy_applies_to_its_model(model: str, covered: bool) -> None:
    assert judged(b'{"model":%b}' % model.encode(), fresh()).applies is covered
    assert covers(fresh(), Raw(model.encode())) is covered


@pytest.mark.parametrize("model", ["5", "true", "{}", "[]", '"' + "x" * 257 + '"'])
def test_a_model_is_a_name(model: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        judged(b'{"model":%b}' % model.encode(), fresh())
    error = caught.value
    assert (error.code, error.param) == ("model-not-a-name", "model")
    assert (str(error), error.hint) == (
        "model is not a string of at most 256 characters", "send model as the name of one model",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["Temperature", "MODEL", "thinKing"])
def test_a_twin_is_refused_whatever_the_model(name: str) -> None:
    for model in ("kimi-k2.6", "gpt-4"):
        with pytest.raises(MalformedBody) as caught:
            judged(b'{"model":"%b","unheard_of":1,"%b":1}' % (model.encode(), name.encode()), fresh())
        assert (caught.value.code, caught.value.param) == ("member-folds-to-known", name.lower())


@pytest.mark.parametrize("firmly", [Enforcement.STRICT, Enforcement.OBSERVE, Enforcement.REPAIR])
def test_another_model(firmly: Enforcement) -> None:
    found = judged(b'{"model":"gpt-4","temperature":9}', fresh(firmly=firmly))
    told = Finding(
        "model-not-covered",
        "model",
        "invalid model: policy kimi-k2.6 does not cover it",
        "another model",
        "kimi-k2.6",
        "send model as kimi-k2.6, or a name the policy lists; `other_models: pass` forwards every model",
        None,
        "model=?->refused",
    )
    assert found.verdict == (Reject((told,)) if firmly is Enforcement.STRICT else Allow())
    assert (found.mode, found.applies, found.changes, found.actions) == (Mode.THINKING, False, {}, "")
    assert found.translation == NO_TRANSLATION


def test_a_plan_crosses_to_another_process() -> None:
    compiled = compile_plan(POLICIES["kimi-k2.6"], PROFILES["openai-compatible"], Enforcement.STRICT)
    other = pickle.loads(pickle.dumps(compiled))
    assert other is not compiled
    assert (other.label, other.enforcement, other.counts) == (compiled.label, compiled.enforcement, compiled.counts)
    body = b'{"temperature":0.3}'
    assert judged(body, other) == judged(body, compiled)


def test_a_plan_that_crosses_again_is_the_one_in_use() -> None:
    frame = pickle.dumps(compile_plan(_fixing("0.123"), PROFILES["openai-compatible"]))  # which nobody else holds
    first = pickle.loads(frame)
    judged(b'{"temperature":0.3}', first)
    again = pickle.loads(frame)
    assert again is first
    assert remembered(again) == 1
    gone = weakref.ref(first)
    del first, again
    assert gone() is None


@pytest.mark.parametrize(
    "changed",
    [
        ("kimi-k2.6", "openai-compatible", "strict", None),
        ("kimi-k2.6", "openai-compatible", None, "range"),
        ("kimi-k2.6", "moonshot", None, None),
        ("kimi-k2.5", "openai-compatible", None, None),
    ],
    ids=str,
)
def test_a_plan_made_from_anything_else_is_another(changed: tuple[str, str, str | None, str | None]) -> None:
    policy, profile, firmly, contract = changed
    first = pickle.loads(pickle.dumps(fresh()))
    other = compile_plan(POLICIES[policy], PROFILES[profile], Enforcement(firmly) if firmly else None, contract)
    crossed = pickle.loads(pickle.dumps(other))
    assert crossed is not first
    assert (crossed.label, crossed.profile, crossed.counts) == (other.label, other.profile, other.counts)


def test_values_that_python_calls_equal_make_other_plans() -> None:
    crossed = [pickle.loads(pickle.dumps(compile_plan(_fixing(value), PROFILES["moonshot"]))) for value in ("1", "1.0")]
    assert crossed[0] is not crossed[1]
    assert crossed[0].hash8 != crossed[1].hash8


@pytest.mark.parametrize("kind", ["one-of", "forbidden"])
def test_a_number_and_the_text_of_it_make_other_plans(kind: str) -> None:
    made = [compile_plan(_listing(kind, value), PROFILES["moonshot"]) for value in ("0.5", '"0.5"')]
    number, text = (pickle.loads(pickle.dumps(each)) for each in made)
    assert number is not text


@pytest.mark.parametrize("policy", sorted(POLICIES | OTHERS))
def test_a_plan_that_crosses_counts_as_it_did(policy: str) -> None:
    compiled = fresh(policy)
    crossed = pickle.loads(pickle.dumps(compiled))
    assert (crossed.counts, crossed.clause_ids, crossed.hash8) == (compiled.counts, compiled.clause_ids, compiled.hash8)


def finding(member: str, receipt: str, *, fills: bool = False, edits: dict[str, bytes | None] | None = None) -> Finding:
    return Finding("c", member, "m", "s", "a", "h", edits or {member: b"1"}, receipt, fills=fills)


@pytest.mark.parametrize(
    ("receipts", "joined"),
    [
        (["a", "b"], "a;b"),
        (["x" * 1023, "y" * 1024], "x" * 1023 + ";" + "y" * 1024),
        (["x" * 1023, "y" * 1025], "x" * 1023 + ";+1 more"),
        (["x" * 2049, "y"], "+2 more"),
        (["x" * 900, "y" * 900, "z" * 900, "z"], f"{'x' * 900};{'y' * 900};+2 more"),
        (["x" * 2031, "y" * 20], "x" * 2031 + ";+1 more"),
        (["x" * 2032, "y" * 20], "+2 more"),
        (["x" * 1000, "y" * 1030, "z" * 30], f"{'x' * 1000};{'y' * 1030};+1 more"),
        (["x" * 1000, "y" * 1031, "z" * 30], f"{'x' * 1000};+2 more"),
    ],
)
def test_a_receipt_fits_into_a_header(receipts: list[str], joined: str) -> None:
    findings = tuple(finding("n", receipt) for receipt in receipts)
    made = concluded((), Rewrite({"n": b"1"}, findings), Mode.INSTANT, NO_TRANSLATION, applies=True)
    assert made.actions == joined
    assert len(made.actions) <= MAX_ACTIONS_BYTES == 2048
    assert made.findings == findings


def test_what_is_counted() -> None:
    seen = (finding("n", "r"), finding("m[3].x", "r"), finding("sk-secret", "r"))
    dropped = finding("d.e", "r", edits={"d": None})
    rewrite = Rewrite({}, (finding("n", "r", fills=True), dropped, finding("m", "r")), seen)
    made = concluded(("n", "m", "d"), rewrite, Mode.THINKING, NO_TRANSLATION, applies=True)
    assert made.counts == (
        ("c", "observe", "n"), ("c", "observe", "m"), ("c", "observe", "other"),
        ("c", "fill", "n"), ("c", "drop", "d"), ("c", "rewrite", "m"),
    )  # fmt: skip
    assert made.observed == ("c", "c", "c")
    refused = concluded(("n",), Reject((finding("n", "r"),)), Mode.THINKING, NO_TRANSLATION, applies=True)
    assert (refused.counts, refused.actions, refused.findings) == ((("c", "reject", "n"),), "", (finding("n", "r"),))
    allowed = concluded((), Allow(seen[:1]), Mode.THINKING, NO_TRANSLATION, applies=True)
    assert (allowed.findings, allowed.observed, allowed.counts) == ((), ("c",), (("c", "observe", "other"),))


def test_a_switch_is_spelled_as_the_vendor_does_on_chat_alone() -> None:
    body = json.dumps({"thinking": {"type": "disabled"}}).encode()
    for firmly, route, translated in (
        ("repair", Route.CHAT, True), ("strict", Route.CHAT, True),
        ("observe", Route.CHAT, False), ("repair", Route.RESPONSES, False),
    ):  # fmt: skip
        compiled = plan("kimi-k2.6", "vllm", firmly)
        assert bool(judged(body, compiled, route).translation.receipt) is translated
    assert not judged(b'{"thinking":{"type":"disabled"},"tool_choice":5,"n":"x"}', plan("kimi-k2.6", "vllm")).changes
