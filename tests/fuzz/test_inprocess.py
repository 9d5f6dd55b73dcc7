"""A hundred thousand generated bodies through the gate, and the proof that the judges see what gets by it."""

from __future__ import annotations

import asyncio
import sys

import pytest

from proxy.policy.plan import Plan
from proxy.policy.verdict import Route
from proxy.wire.judge import Judged, judge
from tests.fuzz import inprocess
from tests.fuzz.inprocess import fuzz
from tests.source import ROOT


@pytest.mark.usefixtures("needs_node")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [61, 62])
async def test_nothing_gets_by_in_fifty_thousand(seed: int) -> None:
    tally = await fuzz(50_000, seed)
    assert not tally.found, "\n".join([*map(str, tally.found[:3]), *tally.lines()])
    assert tally.requests == 50_000
    assert tally.forwarded > 12_000, "too little was let through to prove anything"
    assert tally.compared > tally.forwarded * 0.8
    assert tally.unread.total() < tally.forwarded * 0.01
    assert tally.unread["node"] == 0, "every body that leaves is JSON to a reader without limits"
    assert set(tally.statuses) == {200, 400}


async def test_what_is_not_enforced_is_found() -> None:
    tally = await fuzz(300, 3, with_node=False, enforcement="observe")
    assert sum(each.kind == "bypass" for each in tally.found) > 200


async def test_a_body_that_is_repaired_once_more_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def lengthened(plan: Plan, route: Route, body: bytes) -> Judged:
        judged = judge(plan, route, body)
        return Judged(judged.body.replace(b":1.0", b":1.00"), judged.decision, judged.stream, judged.envelope)

    monkeypatch.setattr(inprocess, "judge", lengthened)
    tally = await fuzz(400, 3, with_node=False)
    assert "not settled" in {each.kind for each in tally.found}


@pytest.mark.usefixtures("needs_node")
async def test_by_hand() -> None:
    command = (sys.executable, "-m", "tests.fuzz.inprocess", "--requests", "300", "--seed", "2")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert process.returncode == 0, out + err
    assert b"bypasses 0 of 300" in out.splitlines()


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("needs_node")
async def test_nothing_gets_by_in_a_million() -> None:
    tally = await fuzz(1_000_000, 63)
    assert not tally.found, "\n".join([*map(str, tally.found[:3]), *tally.lines()])
