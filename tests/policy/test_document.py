"""Reading policies and profiles: every problem at once, with line and hint; what is read is what was written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxy.contract.mode import Mode
from proxy.contract.profile import Switch
from proxy.policy.clauses import CLAUSES, KINDS
from proxy.policy.clauses.clause import PerMode
from proxy.policy.clauses.fixed import Fixed
from proxy.policy.document import DocumentError, parse_policy, parse_profile
from proxy.policy.yaml_text import read_sheet
from tests.policy.shipped import CASES, POLICIES, PROFILES

TEXTS: list[Any] = yaml.safe_load((CASES / "documents.yaml").read_text())


@pytest.mark.parametrize("case", TEXTS, ids=[case["name"] for case in TEXTS])
def test_text(case: dict[str, Any]) -> None:
    read = parse_profile if case.get("kind") == "profile" else parse_policy
    if not case["problems"]:
        read(case["text"], "x.yaml")
        return
    with pytest.raises(DocumentError) as caught:
        read(case["text"], "x.yaml")
    assert [str(problem) for problem in caught.value.problems] == case["problems"]
    assert str(caught.value) == "\n".join(case["problems"])


def test_numbers_keep_their_spelling_and_words_stay_words() -> None:
    text = "a: [1, 1.0, 0.95, -2, 1e3, 010, on, yes, ~, true, '1', 1:30, 2026-01-01]"
    assert read_sheet(text, "x").value["a"] == [
        1, Decimal("1.0"), Decimal("0.95"), -2, Decimal("1e3"), Decimal(10), "on", "yes", None, True, "1", "1:30",
        "2026-01-01",
    ]  # fmt: skip


def test_a_value_may_be_given_once_or_per_mode() -> None:
    clause = POLICIES["kimi-k2.6"].clauses[0]
    assert isinstance(clause, Fixed)
    assert clause.value == PerMode(Decimal("1.0"), Decimal("0.6"))
    assert clause.governed == ("temperature",)


def test_every_kind_is_registered_under_its_own_name() -> None:
    assert tuple(KINDS.values()) == CLAUSES
    assert list(KINDS) == [
        "fixed", "range", "one-of", "type", "forbidden", "nested", "tool-choice", "reasoning-history", "exclusive",
        "unknown-members",
    ]  # fmt: skip


@pytest.mark.parametrize("clause", CLAUSES, ids=KINDS)
def test_every_kind_documents_how_it_is_written(clause: type) -> None:
    module = __import__(clause.__module__, fromlist=["__doc__"])
    kind = next(name for name, known in KINDS.items() if known is clause)
    told = module.__doc__ or ""
    assert told.startswith(f"{kind}: ")
    assert f"kind: {kind}\n" in told


def test_a_profile_as_values() -> None:
    profile = PROFILES["digitalocean"]
    assert profile.switches == (Switch(("reasoning_effort",), None, b'"none"'),)
    assert PROFILES["vllm"].switches == (Switch(("chat_template_kwargs", "thinking"), b"true", b"false"),)
    assert PROFILES["moonshot"].keep == ("thinking", "keep")
    assert PROFILES["alibaba"].default_mode is Mode.INSTANT


def test_no_host_belongs_to_two_profiles() -> None:
    hosts = [host for profile in PROFILES.values() for host in profile.hosts]
    assert len(set(hosts)) == len(hosts)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_has_a_source_and_its_own_name(name: str) -> None:
    assert PROFILES[name].name == name
    assert len(PROFILES[name].source) > 10


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_no_text_does_worse_than_being_refused(text: str) -> None:
    for read in (parse_policy, parse_profile):
        with pytest.raises(DocumentError):
            read(text, "x.yaml")


def test_depth_is_bounded() -> None:
    with pytest.raises(DocumentError, match="nested too deeply"):
        parse_policy("a: " + "[" * 1200 + "]" * 1200, "x.yaml")
