"""The bench's worlds are what they say, and its table says what was measured."""

from __future__ import annotations

from itertools import islice
from multiprocessing import get_context
from multiprocessing.pool import ThreadPool
from random import Random

import pytest

from bench.drift import Figure, cases, measured, table
from bench.drift_worlds import logit_shift, outcomes, rate_runs, sizes, triggers
from proxy.signals.signal import Kind
from tests.drift.folding import KINDS

N = 20_000


def test_every_kind_of_signal_has_a_detector() -> None:
    assert set(KINDS) == {str(kind) for kind in Kind}


def test_rates() -> None:
    drawn = list(rate_runs(Random(1), 0.05, 0.2, N, 2 * N))
    assert sum(length for _, length in drawn) == 2 * N
    assert sum(outcome for outcome, _ in drawn) == pytest.approx(0.25 * N, rel=0.05)
    drawn_bytes = outcomes(Random(1), 0.05, N)
    assert len(drawn_bytes) == N
    assert sum(drawn_bytes) == pytest.approx(0.05 * N, rel=0.1)
    assert list(rate_runs(Random(1), 0.5, 1.0, 0, 3)) == [(1, 1)] * 3


def test_triggers() -> None:
    worlds = list(islice(triggers(Random(2), 0.05), N))
    assert sum(world.reference != world.again for world in worlds) == pytest.approx(0.05 * N, rel=0.08)
    assert sum(world.vendor for world in worlds) == pytest.approx(0.5 * N, rel=0.03)
    assert {(world.vendor, world.reference): world.cell for world in worlds} == {
        (False, False): 0,
        (True, False): 1,
        (False, True): 2,
        (True, True): 3,
    }
    more = list(islice(triggers(Random(3), 0.05, logit_shift(0.05, 0.53)), N))
    assert sum(world.vendor for world in more) - sum(world.reference for world in more) == pytest.approx(
        0.03 * N, rel=0.3
    )
    scrambled = list(islice(triggers(Random(4), 0.05, scrambled=0.3), N))
    assert sum(world.h for world in scrambled) > 0.2 * N
    assert abs(sum(world.h for world in worlds)) < 0.015 * N


def test_sizes() -> None:
    drawn = list(islice(sizes(Random(5), shift=-0.2), N))
    assert sum(a - b for a, b in drawn) / N == pytest.approx(-0.2, abs=0.03)


def test_table() -> None:
    kept = Figure("S1", "a", 100.0, 200.0, 110.0, 210.0, 85.0, 115.0, 20, 0)
    lost = Figure("S2", "b", 100.0, None, 130.0, None, 85.0, 115.0, 20, 3)
    lines = table([kept, lost]).splitlines()
    assert lines[2] == "| S1 | a | 100 / 200 | 110 / 210 | 1.10 | 85 .. 115 | 20 | ok |"
    assert lines[3] == "| S2 | b | 100 | 130; 3 not found | 1.30 | 85 .. 115 | 20 | MISSED |"


@pytest.mark.parametrize("section", ["S10", "S12"])
def test_quick_sections_come_near_their_figures(section: str) -> None:
    with ThreadPool(1) as pool:  # a fork of this process, whose threads hold locks, could hang
        for case in cases():
            if case.section == section:
                figure = measured(case, 10, pool)
                assert figure.missed == 0
                assert 0.5 * figure.design <= figure.ours <= 1.7 * figure.design


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("section", ["S1", "S2", "S8", "S10", "S12"])
def test_bars(section: str) -> None:
    with get_context("fork").Pool(2) as pool:
        figures = [measured(case, 200, pool) for case in cases() if case.section == section]
    assert [figure for figure in figures if not figure.kept] == []
