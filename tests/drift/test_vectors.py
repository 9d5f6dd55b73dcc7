"""The test vectors of the design (reference drift.md, end of section 8), to 1e-6."""

from __future__ import annotations

import pytest

from tests.drift.folding import alone, bet, mixture_c, mixture_m, series

RATE = (0, 0, 1, 0, 1, 1, 0, 0, 0, 1)
RATE_M = (
    0.762016,
    1.399606,
    10.795574,
    7.693051,
    49.118426,
    432.180701,
    202.861348,
    116.329429,
    77.493103,
    492.560033,
)
SIGNED = (0.0, 1.0, 0.0, -1.0, 1.0, 1.0, 0.5, 0.0, 1.0, 1.0)


def test_rate_by_single_answers() -> None:
    found = alone(series("rate", tolerance=0.05))
    got = []
    for at, violated in enumerate(RATE):
        found.fold_answers(bytes([violated]), 1.0, float(at))
        got.append(mixture_m(found))
    assert got == pytest.approx(RATE_M, abs=1e-6)


def test_rate_by_one_row() -> None:
    found = alone(series("rate", tolerance=0.05))
    found.fold_answers(bytes(RATE), 1.0, 1.0)
    assert mixture_m(found) == pytest.approx(RATE_M[-1], abs=1e-6)


@pytest.mark.parametrize("kind", ["sign", "triple"])
def test_signed(kind: str) -> None:
    found = alone(series(kind))
    bet(found, SIGNED)
    assert mixture_m(found) == pytest.approx(17.732299, abs=1e-6)
    assert mixture_c(found) == pytest.approx(4.130006, abs=1e-6)


def test_signed_with_a_tolerance() -> None:
    found = alone(series("sign", tolerance=0.02))
    bet(found, SIGNED)
    assert mixture_m(found) == pytest.approx(16.566173, abs=1e-6)


def test_swap_cells_are_signed_payoffs() -> None:
    whole = [g for g in SIGNED if g != 0.5]
    cells, payoffs = alone(series("swap")), alone(series("sign"))
    bet(cells, [{0.0: 3, 1.0: 1, -1.0: 2}[g] for g in whole])
    bet(payoffs, whole)
    assert (cells.mixture.m, cells.mixture.c) == (payoffs.mixture.m, payoffs.mixture.c)
