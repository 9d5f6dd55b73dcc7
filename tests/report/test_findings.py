"""What stands against each vendor, in sentences: cases as tables."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from proxy.report.facts import Ended, Origin, Report
from proxy.report.findings import findings_of
from proxy.report.gather import Gathered, report_of
from proxy.report.replayed import replayed
from proxy.report.verified import verified
from proxy.verify.result import VerifyResult
from tests.report import given


def verifications(*results: VerifyResult) -> Report:
    """The last one is the newest."""
    found = Gathered()
    for number, result in enumerate(results, 1):
        made = msgspec.structs.replace(result, at_s=given.MADE_S + number)
        source, vendor = verified(made, "verify.json", f"V{number}")
        found.add(source, (vendor,))
    return report_of(found, "", "0.1.0", given.MADE_S)


def replay(state: str | None, *, suspect: bool = False) -> Report:
    """One of two series of the vendor engine has alarmed, the same as for the others."""
    summary = given.replay()
    engine = next(target for target in summary.targets if target.name == "engine")
    mode = engine.modes[0]
    signals = tuple(msgspec.structs.replace(each, suspect=suspect and each.alarm) for each in mode.signals)
    changed = msgspec.structs.replace(mode, state=state, signals=signals)
    target = msgspec.structs.replace(engine, modes=(changed,))
    found = Gathered()
    found.add(*replayed(msgspec.structs.replace(summary, targets=(target,)), "summary.json", "R1"))
    return report_of(found, "", "0.1.0", given.MADE_S)


def said(report: Report) -> list[tuple[str, str]]:
    return [(one.weight, one.text) for one in findings_of(report)]


FAILED, PASSED = given.verification(unanswered=0), given.verification(failed=0, unanswered=0)
SILENT = msgspec.structs.replace(
    given.verification(failed=0),
    verdict="inconclusive",
    layers=tuple(
        msgspec.structs.replace(layer, verdict="inconclusive", unanswered=1)
        for layer in given.verification(failed=0).layers
    ),
)
NONE_JUDGED = msgspec.structs.replace(PASSED, verdict="inconclusive", probes=())
DRIFTED = "drifted in thinking mode: leaked-markers 0.4\u00a0% [0.1, 0.9\u00a0%] where 0.1\u00a0% is tolerated (R1)"

CASES = {
    "a verification that passed": (
        verifications(PASSED),
        [("good", f"has nothing against it in {mode} mode (V1)") for mode in ("thinking", "instant")],
    ),
    "one that failed before it is no witness": (
        verifications(FAILED, PASSED),
        [("good", f"has nothing against it in {mode} mode (V2)") for mode in ("thinking", "instant")],
    ),
    "the newest failed": (
        verifications(PASSED, FAILED),
        [("bad", "failed its verification: 2 probes in parameters (V2)")],
    ),
    "too little was answered": (
        verifications(SILENT),
        [("open", "verification is inconclusive: 2 probes without an answer (V1)")]
        + [("good", f"has nothing against it in {mode} mode (V1)") for mode in ("thinking", "instant")],
    ),
    "nothing was judged": (
        verifications(NONE_JUDGED),
        [("open", "verification is inconclusive: a layer in which no probe was judged (V1)")],
    ),
    "a replay that drifted": (replay("degraded"), [("bad", DRIFTED)]),
    "a replay without a state": (replay(None), [("bad", DRIFTED)]),
    "a replay whose reference drifted": (
        replay("reference_suspect", suspect=True),
        [("open", "is reference suspect in thinking mode (R1)")],
    ),
    "the same, by a version that told the state alone": (
        replay("reference_suspect"),
        [("open", "is reference suspect in thinking mode (R1)")],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_findings(case: str) -> None:
    report, wanted = CASES[case]
    assert said(report) == wanted


@pytest.mark.parametrize("state", ["inconclusive", "warn"])
def test_a_replay_that_settled_nothing_finds_nothing_in_order(state: str) -> None:
    report = replay(None)
    (vendor,) = report.vendors
    mode = replace(vendor.modes[0], effects=(), ended=(Ended(state, "R1"),))
    changed = replace(report, vendors=(replace(vendor, modes=(mode,)),))
    assert said(changed) == [("open", f"is {state} in thinking mode (R1)")]
    assert {source.origin for source in report.sources} == {Origin.REPLAY}
