"""The recursions: nulls by exact enumeration, runs in closed form, no overflow."""

from __future__ import annotations

from itertools import product
from math import isfinite, prod

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.drift.mixture import (
    CONTRACT_ODDS,
    NO_MARK,
    RATE_ODDS,
    Mark,
    Mixture,
    SignedMixture,
    at_payoff,
    rate_outcomes,
    signed_lines,
)
from proxy.drift.recovery import PayoffRecovery, RateRecovery, bad_payoff, bad_rate

ODDS = (RATE_ODDS, CONTRACT_ODDS)
RATES = (1e-4, 1e-3, 0.005, 0.05, 0.5)


@pytest.mark.parametrize("odds", ODDS)
@pytest.mark.parametrize("p0", RATES)
def test_rate_factors_have_mean_one_at_the_tolerance_and_less_below(p0: float, odds: tuple[float, ...]) -> None:
    conforming, violated = rate_outcomes(p0, odds)
    for p in (0.0, p0 / 3, p0):
        means = [p * one + (1 - p) * zero for zero, one in zip(conforming.factors, violated.factors, strict=True)]
        assert max(means) <= 1 + 1e-12
        if p == p0:
            assert min(means) >= 1 - 1e-12


@pytest.mark.parametrize("odds", ODDS)
@pytest.mark.parametrize("p0", RATES)
def test_rate_factors_are_likelihood_ratios(p0: float, odds: tuple[float, ...]) -> None:
    conforming, violated = rate_outcomes(p0, odds)
    for r, zero, one in zip(odds, conforming.factors, violated.factors, strict=True):
        p1 = r * p0 / (1 - p0 + r * p0)
        assert one == pytest.approx(p1 / p0, rel=1e-12)
        assert zero == pytest.approx((1 - p1) / (1 - p0), rel=1e-12)


@pytest.mark.parametrize("tolerance", [0.0, 0.02, 0.3])
def test_signed_factors_under_the_null(tolerance: float) -> None:
    lines = signed_lines(tolerance)
    for share in (0.0, 0.01, 0.35):  # of each discordant cell, then a mean payoff of the tolerance, both ways
        for plus, minus in ((share, share), (share + tolerance, share), (share, share + tolerance)):
            if plus + minus > 1:
                continue
            factors = zip(*(at_payoff(lines, g) for g in (1.0, -1.0, 0.0)), strict=True)
            means = [plus * up + minus * down + (1 - plus - minus) * none for up, down, none in factors]
            assert max(means) <= 1 + 1e-12
    assert min(min(at_payoff(lines, g)) for g in (-1.0, 1.0)) > 0


def test_recovery_factors_under_their_null() -> None:
    for bad in (0.005, 0.2, 0.9):
        for direction in (1, -1):
            up, down = (_after_one(bad, direction, g) for g in (1.0, -1.0))
            p = (1 + bad) / 2  # mean payoff = bad, in the direction of the alarm
            towards, away = (up, down) if direction == 1 else (down, up)
            assert [p * a + (1 - p) * b for a, b in zip(towards, away, strict=True)] == pytest.approx([1.0] * 5)


def _after_one(bad: float, direction: int, payoff: float) -> list[float]:
    recovery = PayoffRecovery(bad, direction)
    recovery.step(payoff)
    return recovery.mixture.m


def test_sr_is_the_clock_on_average() -> None:
    """M minus the number of values has mean 0 under the null, summed over every sequence."""
    p0, n = 0.05, 8
    conforming, violated = rate_outcomes(p0, RATE_ODDS)
    mean = 0.0
    for sequence in product((0, 1), repeat=n):
        mixture = Mixture(len(RATE_ODDS))
        for outcome in sequence:
            mixture.step((violated if outcome else conforming).factors, 1.0, NO_MARK)
        mean += prod(p0 if outcome else 1 - p0 for outcome in sequence) * mixture.evidence / len(RATE_ODDS)
    assert mean == pytest.approx(n)


def test_bad_is_between_tolerance_and_estimate() -> None:
    assert bad_payoff(0.02, 0.2) == pytest.approx(0.1)
    assert bad_payoff(0.02, 0.03) == 0.02
    assert bad_rate(0.05, 0.2) == pytest.approx(0.1)
    assert bad_rate(0.05, 0.05) > 0.05
    assert bad_rate(0.9, 1.0) < 1.0


runs = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 40)), min_size=1, max_size=6)


@given(runs, st.sampled_from(ODDS), st.sampled_from(RATES), st.sampled_from([1.0, 0.0, 3e-4, 20.0]))
def test_runs_are_their_single_steps(
    drawn: list[tuple[int, int]], odds: tuple[float, ...], p0: float, w: float
) -> None:
    outcomes = rate_outcomes(p0, odds)
    whole, single, at = Mixture(len(odds)), Mixture(len(odds)), 0
    for outcome, length in drawn:
        whole.run(outcomes[outcome], length, w, _place(at), _place(at + length - 1))
        for _ in range(length):
            single.step(outcomes[outcome].factors, w, _place(at))
            at += 1
        if single.evidence > 1e200 or single.heat > 1e200:
            return
    assert whole.m == pytest.approx(single.m, rel=1e-9)
    assert whole.c == pytest.approx(single.c, rel=1e-9)
    for k, c in enumerate(whole.c):
        if abs(c - outcomes[0].factors[k]) > 1e-6:  # at the very edge of a reset either place is right
            assert whole.marks[k] == single.marks[k]


def _place(at: int) -> Mark:
    return (float(at), at, (at,))


@given(st.lists(st.floats(-1, 1), max_size=40), st.sampled_from([0.0, 0.02]))
def test_step_written_out_is_the_loop_to_the_bit(payoffs: list[float], tolerance: float) -> None:
    lines = signed_lines(tolerance)
    fast, plain = SignedMixture(), Mixture(len(lines))
    for at, payoff in enumerate(payoffs):
        for mixture in (fast, plain):
            mixture.step(at_payoff(lines, payoff), 0.25, _place(at))
    assert msgspec.msgpack.encode(fast.state()) == msgspec.msgpack.encode(plain.state())


@pytest.mark.parametrize("w", [0.0, 1.0])
def test_numbers_stay_finite(w: float) -> None:
    outcomes = rate_outcomes(1e-3, CONTRACT_ODDS)
    mixture, signed, recovery = Mixture(4), SignedMixture(), RateRecovery(0.9)
    for at in range(3000):
        mixture.step(outcomes[1].factors, w, _place(at))
        signed.step(at_payoff(signed_lines(0.0), 1.0), w, _place(at))
    for _ in range(3):
        mixture.run(outcomes[1], 10_000, w, NO_MARK, NO_MARK)
        recovery.run(0, 100_000)
    for one in (mixture, signed, recovery.mixture):
        assert all(isfinite(number) for number in (*one.m, *one.c, one.evidence, one.heat))
    mixture.run(outcomes[0], 10_000_000, w, NO_MARK, NO_MARK)
    assert all(isfinite(number) for number in (*mixture.m, *mixture.c))


def test_marks_survive_and_are_shared() -> None:
    mixture = SignedMixture()
    for at, payoff in enumerate((0.3, 1.0, -1.0, 1.0)):
        mixture.step(at_payoff(signed_lines(0.0), payoff), 1.0, _place(at))
    other = SignedMixture()
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(mixture.state())))
    assert other.marks == mixture.marks
    assert other.evidence == mixture.evidence
    assert len(mixture.state()["marks"]) < len(mixture.marks)
