"""`paramwall policy list` and `policy show`."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config import shipped
from proxy.policy.document import parse_policy
from tests.cli.running import run

NAMES = shipped.policy_names()


def test_the_list_has_a_line_for_each_policy() -> None:
    ran = run("policy", "list")
    assert (ran.code, ran.err) == (0, "")
    head, *lines = ran.out.splitlines()
    assert head.split() == ["policy", "enforcement", "clauses", "models"]
    assert [line.partition("@")[0] for line in lines] == list(NAMES)


def test_the_list_as_json() -> None:
    (policy,) = (each for each in run("policy", "list", "--json").json if each["name"] == "kimi-k2.6")
    assert policy["label"].startswith("kimi-k2.6@")
    assert "kimi-k2.6" in policy["models"]
    assert policy["enforcement"] == "repair"


@pytest.mark.parametrize("name", NAMES)
def test_show_has_a_line_for_each_clause(name: str) -> None:
    ran = run("policy", "show", name)
    assert (ran.code, ran.err) == (0, "")
    policy = parse_policy(shipped.policy_text(name), name)
    _, _, table = ran.out.partition("\n\n")
    head, *lines = table.splitlines()
    assert head.split() == ["clause", "member", "kind", "thinking", "instant", "absent", "routes", "holds", "source"]
    assert [line.split()[0] for line in lines] == [clause.id for clause in policy.clauses]
    for line, clause in zip(lines, policy.clauses, strict=True):
        assert line.endswith(clause.source)


def test_show_tells_the_value_of_each_mode() -> None:
    lines = {line.split()[0]: line.split() for line in run("policy", "show", "kimi-k2.6").out.splitlines() if line}
    assert lines["temperature-off-contract"][1:6] == ["temperature", "fixed", "1.0", "0.6", "fill"]
    assert lines["top-p-off-contract"][1:6] == ["top_p", "fixed", "0.95", "0.95", "fill"]


def test_show_as_json() -> None:
    clauses = {clause["id"]: clause for clause in run("policy", "show", "kimi-k2.6", "--json").json["clauses"]}
    clause = clauses["temperature-off-contract"]
    assert clause["value"] == {"thinking": 1, "instant": 0.6}
    assert (clause["kind"], clause["absent"], clause["contract"]) == ("fixed", "fill", "exact")
    assert clause["routes"] == ["chat", "completions", "responses", "messages"]
    assert "repair_to" not in clauses["tool-choice-forced"]


def test_show_as_yaml_is_the_file() -> None:
    assert run("policy", "show", "kimi-k2.6", "--yaml").out == shipped.policy_text("kimi-k2.6")


def test_a_policy_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(shipped.policy_text("kimi-k2.6").replace("name: kimi-k2.6", "name: mine"), encoding="utf-8")
    assert run("policy", "show", str(file)).out.startswith(
        "policy mine: repair, exact contract, thinking unless switched"
    )
    assert "name: mine" in run("policy", "show", str(file), "--yaml").out


@pytest.mark.parametrize("name", ["kimi-k2-6", "./none.yaml"])
def test_an_unknown_policy(name: str) -> None:
    ran = run("policy", "show", name)
    assert (ran.code, ran.out) == (2, "")
    assert "  hint: " in ran.err
