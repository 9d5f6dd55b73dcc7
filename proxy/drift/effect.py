"""How large a change is, with bounds that hold at every count (drift.md section 5; coverage in S11).

Not here: since when it is counted (detector.py). Invariant: pure functions of counts and sums, so that effects of parts
merge. Bounds counted from a change point that was chosen from the same data are descriptive.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma, log, pi, sqrt
from typing import Final

ALPHA: Final = 0.05
ENOUGH_FOR_MEAN: Final = 50
"""Non-zero values from which on the asymptotic bounds of a mean are shown."""
_HALVINGS: Final = 50
_TIGHTEST_AT: Final = 1000.0
_LEAST_VARIANCE: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Effect:
    """An estimate between its bounds; NOT_SHOWN: too few values."""

    estimate: float | None
    lower: float | None
    upper: float | None


NOT_SHOWN: Final = Effect(None, None, None)


def share_bounds(plus: float, minus: float) -> tuple[float, float]:
    """Bounds of the probability of a plus: the Beta(1/2, 1/2)-binomial confidence set, exact at every count."""
    n = plus + minus
    if n <= 0:
        return 0.0, 1.0
    level = lgamma(plus + 0.5) + lgamma(minus + 0.5) - log(pi) - lgamma(n + 1.0) + log(ALPHA)

    def inside(q: float) -> bool:
        return level - plus * log(q) - minus * log(1.0 - q) < 0.0

    def edge(outer: float, inner: float) -> float:
        for _ in range(_HALVINGS):
            middle = (outer + inner) / 2.0
            outer, inner = (outer, middle) if inside(middle) else (middle, inner)
        return outer

    q = plus / n
    return (edge(0.0, q) if plus > 0 else 0.0), (edge(1.0, q) if minus > 0 else 1.0)


def of_rate(n: float, violations: float) -> Effect:
    """The rate of violations."""
    if n <= 0:
        return NOT_SHOWN
    return Effect(violations / n, *share_bounds(violations, n - violations))


def of_cells(n: float, vendor_only: float, reference_only: float) -> Effect:
    """The vendor's rate minus the reference's: discordance * (2 q - 1), q the vendor's share of the discordant."""
    if n <= 0:
        return NOT_SHOWN
    discordance = (vendor_only + reference_only) / n
    lower, upper = share_bounds(vendor_only, reference_only)
    return Effect((vendor_only - reference_only) / n, discordance * (2 * lower - 1), discordance * (2 * upper - 1))


def of_mean(n: float, total: float, squares: float, nonzero: float) -> Effect:
    """A mean with the asymptotic confidence sequence of arXiv 2103.06476, tightest at a thousand values."""
    if nonzero < ENOUGH_FOR_MEAN:
        return NOT_SHOWN
    mean = total / n
    variance = max(squares / n - mean * mean, _LEAST_VARIANCE)
    rho = (-2 * log(ALPHA) + log(1 - 2 * log(ALPHA))) / _TIGHTEST_AT
    half = sqrt(variance * 2 * (n * rho + 1) / (n * n * rho) * log(sqrt(n * rho + 1) / ALPHA))
    return Effect(mean, mean - half, mean + half)
