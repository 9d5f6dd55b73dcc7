"""Who stands before whom: cases as tables."""

from __future__ import annotations

from itertools import permutations

import pytest

from proxy.report.facts import Effect, Figure, Mode, Origin, Past, Source, Span, Vendor, Verification
from proxy.report.rank import ENOUGH, ranking_of, standing_against

LIVE = Source("L1", Origin.LIVE, "state", "", 100.0, 0.0)
REPLAY = Source("R1", Origin.REPLAY, "replay", "", 50.0)
VERIFY = Source("V1", Origin.VERIFY, "verify.json", "", 60.0)


def figure(lower: float, upper: float, n: int = 1000, source: str = "L1") -> Figure:
    return Figure((lower + upper) / 2, lower, upper, n, source)


def past(state: str) -> Past:
    return Past(state, 0.0, (Span(state, 0.0, 1.0),), (), (), 1, 1, 1, 1, 0, 50, 86400.0, True, "L1")


def vendor(
    name: str,
    contract: Figure | None,
    f1: Figure | None = None,
    *,
    state: str = "ok",
    verdict: str | None = None,
    effects: tuple[Effect, ...] = (),
) -> Vendor:
    mode = Mode(
        "thinking",
        contract=() if contract is None else (contract,),
        tool_call_f1=() if f1 is None else (f1,),
        effects=effects,
        past=past(state),
    )
    runs = () if verdict is None else (Verification(verdict, "exact", (), (), 0.0, 1.0, "V1"),)
    return Vendor(name, modes=(mode,), verifications=runs)


HIGH, MIDDLE, LOW = figure(0.99, 1.0), figure(0.95, 0.98), figure(0.9, 0.94)
ACROSS = figure(0.93, 0.995)

CASES = {
    "apart": ([vendor("a", HIGH), vendor("b", MIDDLE), vendor("c", LOW)], {"a": 1, "b": 2, "c": 3}),
    "overlapping": ([vendor("a", HIGH), vendor("b", ACROSS), vendor("c", LOW)], {"a": 1, "b": 1, "c": 1}),
    "touching is overlapping": ([vendor("a", figure(0.9, 1.0)), vendor("b", figure(0.8, 0.9))], {"a": 1, "b": 1}),
    "two first, then the third": ([vendor("a", HIGH), vendor("b", HIGH), vendor("c", LOW)], {"a": 1, "b": 1, "c": 3}),
    "F1 tells equals apart": (
        [vendor("a", HIGH, LOW), vendor("b", HIGH, HIGH), vendor("c", LOW, HIGH)],
        {"b": 1, "a": 2, "c": 3},
    ),
    "an unknown F1 tells nothing apart": (
        [vendor("a", HIGH, LOW), vendor("b", HIGH, HIGH), vendor("c", HIGH)],
        {"a": 1, "b": 1, "c": 1},
    ),
    "drift comes last": ([vendor("a", HIGH, state="degraded"), vendor("b", LOW)], {"b": 1, "a": 2}),
    "so does one that recovers": ([vendor("a", HIGH, state="recovering"), vendor("b", LOW)], {"b": 1, "a": 2}),
    "and a failed verification": (
        [vendor("a", HIGH, verdict="fail"), vendor("b", LOW, verdict="pass")],
        {"b": 1, "a": 2},
    ),
    "a suspected reference is nothing against a vendor": (
        [vendor("a", HIGH, state="reference_suspect"), vendor("b", LOW)],
        {"a": 1, "b": 2},
    ),
    "too few are not ranked": (
        [vendor("a", figure(0.5, 1.0, n=ENOUGH - 1)), vendor("b", HIGH), vendor("c", None)],
        {"b": 1, "a": None, "c": None},
    ),
    "nor is who has another source": (
        [vendor("a", figure(0.9, 1.0, source="R1")), vendor("b", HIGH), vendor("c", LOW)],
        {"b": 1, "c": 2, "a": None},
    ),
    "at a tie a replay ranks": (
        [vendor("a", figure(0.9, 1.0, source="R1")), vendor("b", HIGH)],
        {"a": 1, "b": None},
    ),
    "nor is who has no bounds": (
        [vendor("a", Figure(0.5, None, None, 1000, "L1")), vendor("b", HIGH)],
        {"b": 1, "a": None},
    ),
    "probes rank nobody": ([vendor("a", Figure(1.0, None, None, 300, "V1"))], {"a": None}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_ranks(case: str) -> None:
    vendors, wanted = CASES[case]
    for order in permutations(vendors):
        ranking = ranking_of("thinking", order, (LIVE, REPLAY, VERIFY))
        assert ranking is not None
        assert {place.vendor: place.rank for place in ranking.places} == wanted
        ranked = [place.rank for place in ranking.places if place.rank is not None]
        assert ranked == sorted(ranked), "the best first"
        assert all(place.why for place in ranking.places if place.rank is None)


def test_a_mode_that_nobody_was_seen_in_and_references_have_no_ranks() -> None:
    assert ranking_of("instant", [vendor("a", HIGH)], (LIVE,)) is None
    assert ranking_of("thinking", [Vendor("r", "reference", modes=(Mode("thinking"),))], (LIVE,)) is None


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (figure(0.5, 1.0, n=ENOUGH - 1), "49 answers in L1, 50 are needed"),
        (Figure(0.5, None, None, 60, "L1"), "its contract pass rate in L1 has no bounds"),
        (figure(0.5, 1.0, source="V1"), "nothing of it in L1"),
    ],
)
def test_why_a_vendor_is_not_ranked(found: Figure, why: str) -> None:
    ranking = ranking_of("thinking", [vendor("a", found), vendor("b", HIGH)], (LIVE,))
    assert ranking is not None
    assert [place.why for place in ranking.places] == ["", why]


def effect(**changes: object) -> Effect:
    known = {"signal": "s", "kind": "rate", "effect": 0.1, "lower": 0.0, "upper": 0.2, "tolerance": 0.01, "n": 100}
    return Effect(**{**known, "alarm": True, "source": "R1", **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "against"),
    [
        ({}, True),
        ({"alarm": False}, False),
        ({"against_reference": True}, False),
        ({"kind": "baseline"}, False),
        ({"source": "L1"}, False),  # of the live log it is the state that tells
    ],
)
def test_what_stands_against_a_vendor(changes: dict[str, object], against: bool) -> None:
    one = vendor("a", HIGH, effects=(effect(**changes),))
    assert standing_against(one, one.modes[0]) == against


def test_the_newest_verification_counts() -> None:
    runs = tuple(Verification(said, "exact", (), (), 0.0, at_s, "V1") for said, at_s in (("pass", 2.0), ("fail", 1.0)))
    one = Vendor("a", modes=(Mode("thinking"),), verifications=runs)
    assert not standing_against(one, one.modes[0])
