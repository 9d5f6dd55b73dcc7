"""Replies in, findings out: every probe by hand (tests/cases/probes.yaml)."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from proxy.contract.answer import Answer, Flaw, ToolCall, Usage
from proxy.contract.mode import Mode
from proxy.endpoint.reply import Reply
from proxy.probes import PROBES
from proxy.probes.probe import Ask, Probe, Setting
from tests.proxying import configured
from tests.source import ROOT, none_of

CASES: list[dict[str, Any]] = yaml.safe_load((ROOT / "tests/cases/probes.yaml").read_text(encoding="utf-8"))
BY_ID = {probe.id: probe for probe in PROBES}
FAMILIES = {probe.id for probe in PROBES if probe.id.startswith("schema-")}


def setting(contract: str = "exact", profile: str = "moonshot") -> Setting:
    plan = configured("http://127.0.0.1:9/v1", vendor={"profile": profile}).vendors[0].plan
    return Setting("kimi-k2.6", plan, contract)


def reply(said: dict[str, Any], number: int, mode: Mode, ask: Ask) -> Reply:
    """An honest one but for what is said."""
    status = said.get("status", 0 if "reason" in said and said["reason"] != "cut" else 200)
    if status != 200 or said.get("reason") == "timeout":
        reason = said.get("reason", "refused")
        return Reply(reason=reason, status=status, error=str(said.get("error", "")).encode())
    calls = said.get("calls", [])
    prompt, completion = said["usage"] if said.get("usage") else (40, 30)
    answer = Answer(
        content=said.get("content", None if calls else "The crossing takes 155 minutes."),
        reasoning=said.get("reasoning", "From 14:35 to 17:10." if mode is Mode.THINKING else None),
        tool_calls=tuple(
            ToolCall(call[2] if len(call) > 2 else f"functions.{call[0]}:{place}", call[0], call[1])
            for place, call in enumerate(calls, 1)
        ),
        finish_reason=said.get("finish", "tool_calls" if calls else "stop"),
        usage=None
        if "usage" in said and said["usage"] is None
        else Usage(prompt, completion, said.get("total", prompt + completion)),
        id=said.get("id", f"chatcmpl-{number}"),
        model=said.get("model", "kimi-k2.6"),
        choices=said.get("choices", 1),
        stream=b'"stream":true' in ask.body,
        flaws=frozenset(Flaw(flaw) for flaw in said.get("flaws", [])),
    )
    return Reply(answer=answer, reason=said.get("reason", ""), status=status)


def replies(said: list[dict[str, Any]], mode: Mode, asks: tuple[Ask, ...]) -> list[Reply]:
    """One an ask; the last one said stands for the rest."""
    return [reply(said[min(place, len(said) - 1)], place, mode, ask) for place, ask in enumerate(asks)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['probe']}-{case['verdict']}")
def test_findings(case: dict[str, Any]) -> None:
    probe, mode = BY_ID[case["probe"]], Mode(case["mode"])
    asked = setting(case.get("contract", "exact"))
    asks = probe.asks(asked, mode)
    reference = replies(case["reference"], mode, asks) if "reference" in case else []
    found = probe.find(asked, mode, replies(case["replies"], mode, asks), reference)
    assert (found.verdict, case["seen"] in found.seen) == (case["verdict"], True), found.seen
    assert found.allowed
    assert bool(found.hint) == (found.verdict == "fail") or found.verdict in ("skipped", "no-answer")


def test_every_probe_is_seen_to_fail() -> None:
    failing = {case["probe"] for case in CASES if case["verdict"] == "fail"}
    none_of((name for name in BY_ID if name not in failing and name not in FAMILIES), "no case in which it fails")


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.id)
def test_without_an_answer_nothing_is_said(probe: Probe) -> None:
    for mode in probe.modes:
        asked = setting()
        asks = probe.asks(asked, mode)
        for lost in (
            Reply(reason="timeout"),
            Reply(reason="rate_limited", status=429),
            Reply(reason="server_error", status=500),
            Reply(reason="unreachable"),
            Reply(reason="refused", status=401),
            Reply(reason="not_asked"),
        ):
            found = probe.find(asked, mode, [lost] * len(asks), [lost] * len(asks))
            assert found.verdict == ("no-answer" if asks else "skipped"), (mode, lost, found.seen)
