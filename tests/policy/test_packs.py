"""Every shipped pack: each clause has a source and can fire, fills are lawful, the plan says what it holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from proxy.contract.mode import Mode
from proxy.policy.clauses.clause import Clause
from proxy.policy.decide import MALFORMED_CODES, MODEL_NOT_COVERED, Plan, compile_plan
from proxy.policy.document import Contract, Enforcement, Route
from proxy.policy.known import KNOWN_MEMBERS
from proxy.policy.verdict import Allow, Finding, Reject
from tests.policy.shipped import CASES, POLICIES, PROFILES, judged, plan

FIRES: dict[str, Any] = yaml.safe_load((CASES / "fires.yaml").read_text())
CLAUSES = [pytest.param(name, clause, id=f"{name} {clause.id}") for name, p in POLICIES.items() for clause in p.clauses]


def _findings(members: str, compiled: Plan) -> tuple[Finding, ...]:
    body = f'{{"model":"{compiled.name}",{members}}}'.encode()
    verdict = judged(body, compiled).verdict
    assert isinstance(verdict, Allow)
    return verdict.observed


def test_the_expected_packs_are_shipped() -> None:
    assert sorted(POLICIES) == ["kimi-k2-0905", "kimi-k2-thinking", "kimi-k2.5", "kimi-k2.6", "kimi-k3"]


@pytest.mark.parametrize(("name", "clause"), CLAUSES)
def test_every_clause_has_a_source_and_can_fire(name: str, clause: Clause) -> None:
    assert len(clause.source) > 10
    contract = (clause.contract or POLICIES[name].contract).value
    compiled = plan(name, enforcement="observe", contract=contract)
    assert clause.id in compiled.clause_ids
    fired = [f for f in _findings(FIRES[clause.id]["members"], compiled) if f.clause == clause.id and not f.fills]
    assert bool(fired) is not FIRES[clause.id].get("passes", False)
    for finding in fired:
        assert finding.member.partition(".")[0].partition("[")[0] in compiled.params
        assert (clause.id, "observe", finding.member.partition(".")[0].partition("[")[0]) in compiled.counts


def test_every_case_belongs_to_a_clause() -> None:
    assert FIRES.keys() == {clause.id for document in POLICIES.values() for clause in document.clauses}


@pytest.mark.parametrize("name", POLICIES)
def test_a_bare_request_is_lawful_in_strict(name: str) -> None:
    verdict = judged(f'{{"model":"{name}","messages":[]}}'.encode(), plan(name, enforcement="strict")).verdict
    assert not isinstance(verdict, Reject)


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("route", Route)
@pytest.mark.parametrize("mode", Mode)
def test_what_is_filled_in_is_itself_lawful(name: str, route: Route, mode: Mode) -> None:
    table = plan(name, enforcement="strict").tables[route][mode]
    for fill in table.fills:
        assert fill.finding.fills
        assert fill.finding.edits is not None
        raw = fill.finding.edits[fill.member]
        assert raw is not None
        for judge in table.members[fill.member]:
            assert judge.judge(raw) is None
    assert {fill.member for fill in table.fills} == {"temperature", "top_p"}


@pytest.mark.parametrize("name", POLICIES)
def test_every_judged_member_is_known_or_is_a_container(name: str) -> None:
    containers = {m for c in POLICIES[name].clauses if c.id == "sampling-nested" for m in c.governed}
    routing = {m for c in POLICIES[name].clauses if c.id == "routing-overridden" for m in c.governed}
    judged_members = {member for clause in POLICIES[name].clauses for member in clause.governed}
    assert judged_members - KNOWN_MEMBERS <= containers | routing


def test_plan_names_everything_that_metrics_need() -> None:
    compiled = plan()
    assert compiled.label == f"kimi-k2.6@{compiled.hash8}"
    assert len(bytes.fromhex(compiled.hash8)) == 4
    assert {MODEL_NOT_COVERED, *MALFORMED_CODES} <= set(compiled.clause_ids)
    assert len(set(compiled.clause_ids)) == len(compiled.clause_ids)
    assert {"temperature", "messages", "model", "thinking", "extra_body"} <= set(compiled.params)
    assert MODEL_NOT_COVERED not in {clause for clause, _, _ in compiled.counts}
    assert (MODEL_NOT_COVERED, "reject", "model") in plan(enforcement="strict").counts


def test_the_hash_says_what_is_in_force() -> None:
    hashes = {
        plan("kimi-k2.6", "openai-compatible", enforcement, contract).hash8
        for enforcement in Enforcement
        for contract in Contract
    }
    assert len(hashes) == 6
    assert plan("kimi-k2.6", "vllm").hash8 == plan("kimi-k2.6", "moonshot").hash8


def test_the_contract_in_force_decides_which_clauses_exist() -> None:
    assert "temperature-off-contract" not in plan(contract="range").clause_ids
    assert "temperature-out-of-range" not in plan(contract="exact").clause_ids
    with pytest.raises(ValueError, match="loose"):
        plan(contract="loose")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", POLICIES)
def test_a_vendors_own_names_are_covered(name: str, profile: str) -> None:
    compiled = plan(name, profile)
    for alias in (name, *PROFILES[profile].models.get(name, ())):
        assert judged(f'{{"model":"{alias}"}}'.encode(), compiled).applies


def test_an_alias_of_the_vendor_is_covered_though_no_pattern_knows_it() -> None:
    profile = replace(PROFILES["vllm"], models={"kimi-k2.6": ("my-deployment",)})
    body = b'{"model":"My-Deployment","temperature":0.3}'
    assert not judged(body, plan()).applies
    assert judged(body, compile_plan(POLICIES["kimi-k2.6"], profile)).applies


def test_what_a_plan_remembers_is_short_and_little() -> None:
    compiled = compile_plan(POLICIES["kimi-k2.6"], PROFILES["vllm"])
    memory = compiled.memory[Route.CHAT]
    for i in range(1000):
        judged(f'{{"temperature":0.{i}1}}'.encode(), compiled)
        assert 0 < len(memory) <= 256
    for long in ('"zzz":"%s"' % ("x" * 2000), ",".join(f'"a{i}":1' for i in range(40))):
        before = len(memory)
        judged(b"{%b}" % long.encode(), compiled)
        assert len(memory) == before, "long requests are judged anew"


def test_a_conversation_is_neither_remembered_nor_forgotten() -> None:
    compiled = compile_plan(POLICIES["kimi-k2.6"], PROFILES["vllm"])
    lacking = b'{"messages":[{"role":"assistant","tool_calls":[{"id":"1"}]}]}'
    having = b'{"messages":[{"role":"assistant","tool_calls":[{"id":"1"}],"reasoning_content":""}]}'
    for _ in range(2):
        assert "reasoning" in judged(lacking, compiled).actions
        assert "reasoning" not in judged(having, compiled).actions
    assert len(compiled.memory[Route.CHAT]) == 1
