"""Effects and their bounds: coverage at every count, and the formulas' edges."""

from __future__ import annotations

from math import log
from random import Random

import pytest

from proxy.drift.effect import ALPHA, ENOUGH_FOR_MEAN, NOT_SHOWN, of_cells, of_mean, of_rate, share_bounds
from proxy.drift.moved import only_reference_moved

COUNTS = (5, 20, 50, 100, 200, 400, 800, 1500)


def test_share_bounds_are_where_the_set_ends() -> None:
    lower, upper = share_bounds(30, 10)
    assert 0 < lower < 0.75 < upper < 1
    # ln[(1/2)_30 (1/2)_10 / 40!] by its definition
    level = sum(log(0.5 + k) for n in (30, 10) for k in range(n)) - sum(log(k) for k in range(1, 41))
    for q in (lower, upper):
        assert level - 30 * log(q) - 10 * log(1 - q) == pytest.approx(log(1 / ALPHA), abs=1e-6)


def test_share_bounds_at_the_edges() -> None:
    assert share_bounds(0, 0) == (0.0, 1.0)
    lower, upper = share_bounds(0, 1000)
    assert lower == 0.0
    assert 0 < upper < 0.02
    lower, upper = share_bounds(1000, 0)
    assert 0.98 < lower < 1
    assert upper == 1.0


def test_cells() -> None:
    effect = of_cells(1000, 60, 20)
    assert effect.estimate == pytest.approx(0.04)
    assert effect.lower is not None
    assert effect.upper is not None
    assert 0 < effect.lower < 0.04 < effect.upper < 0.08
    assert of_cells(0, 0, 0) == NOT_SHOWN
    assert of_rate(0, 0) == NOT_SHOWN


def test_means_are_shown_from_fifty_nonzero_values_on() -> None:
    assert of_mean(5000, 30, 30, ENOUGH_FOR_MEAN - 1) == NOT_SHOWN
    assert of_mean(5000, 30, 30, ENOUGH_FOR_MEAN).estimate == pytest.approx(0.006)


def test_half_width_of_a_mean_is_the_published_one() -> None:
    """10 % discordant, effect .02, 2,000 values: .022 (S11)."""
    effect = of_mean(2000, 40, 200, 200)
    assert effect.upper is not None
    assert effect.upper - 0.02 == pytest.approx(0.022, abs=0.0015)


def test_coverage() -> None:
    """Of runs that are looked at again and again, at most a twentieth ever misses the truth (and some chance)."""
    random, runs = Random(11), 300
    missed_rate = missed_cells = missed_mean = 0
    for _ in range(runs):
        n = k = plus = minus = 0
        rate_out = cells_out = mean_out = False
        for count in COUNTS:
            while n < count:
                draw = random.random()
                n += 1
                k += draw < 0.05
                plus += draw < 0.06
                minus += 0.06 <= draw < 0.10
            rate, cells = of_rate(n, k), of_cells(n, plus, minus)
            mean = of_mean(n, plus - minus, plus + minus, plus + minus)
            rate_out |= not _holds(rate.lower, 0.05, rate.upper)
            cells_out |= not _holds(cells.lower, (plus + minus) / n * 0.2, cells.upper)
            mean_out |= mean.estimate is not None and not _holds(mean.lower, 0.02, mean.upper)
        missed_rate += rate_out
        missed_cells += cells_out
        missed_mean += mean_out
    assert max(missed_rate, missed_cells, missed_mean) <= 0.08 * runs


def _holds(lower: float | None, truth: float, upper: float | None) -> bool:
    assert lower is not None
    assert upper is not None
    return lower <= truth <= upper


@pytest.mark.parametrize(
    ("vendor", "reference", "n", "moved"),
    [
        ((0.5, 0.5), (0.5, 0.8), 200, True),
        ((0.5, 0.8), (0.5, 0.8), 200, False),  # the traffic
        ((0.5, 0.8), (0.5, 0.5), 200, False),
        ((0.5, 0.5), (0.5, 0.8), 49, False),
        ((0.0, 0.0), (0.0, 1.0), 50, True),
        ((0.0, 0.0), (0.0, 0.0), 50, False),
    ],
)
def test_who_moved(vendor: tuple[float, float], reference: tuple[float, float], n: int, *, moved: bool) -> None:
    def sides(part: int) -> tuple[float, float, float, float, float]:
        v, r = vendor[part] * n, reference[part] * n
        return n, v, v, r, r

    assert only_reference_moved(sides(0), sides(1)) is moved
