"""Size: an amount of each answer; the log ratio, squashed by its own running scale (N1).

Not here: amounts themselves (signals/). Invariant: the scale of a value is known before the value, so any scale keeps
the null.
"""

from __future__ import annotations

from math import exp, tanh
from typing import Any, Final

from proxy.drift.detector import NOTHING, Said
from proxy.drift.effect import Effect, of_mean
from proxy.drift.mixture import Totals
from proxy.drift.moved import Sides
from proxy.drift.rows import Series, Value
from proxy.drift.swap import SignedDetector

_FIRST_SCALE: Final = 0.5
_FIRST_WEIGHT: Final = 50.0
_CLIP: Final = 3.0
"""Log ratios count up to a factor of 20 in the effect that is shown."""
_MOST: Final = 100.0
"""ln(1 + amount) of any real amount is far below."""


class SizeDetector(SignedDetector):
    """Totals: values, sum and squares of the vendor's ln(1 + amount), of the reference's, of the clipped log ratio, its
    non-zero values, and the sum of payoffs.
    """

    __slots__ = ("_scale", "_weight")

    EMPTY = (0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0.0)

    def __init__(self, series: Series) -> None:
        super().__init__(series)
        self._scale, self._weight = _FIRST_SCALE, _FIRST_WEIGHT

    def fold(self, value: Value, w: float, at_s: float, number: int) -> Said:
        """Take the value of one pair."""
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            return NOTHING
        a, b = value
        if isinstance(a, str) or isinstance(b, str) or not (0.0 <= a <= _MOST and 0.0 <= b <= _MOST):
            return NOTHING
        d = a - b
        payoff = tanh(d / self._scale)
        self._weight += 1.0
        self._scale += (abs(d) - self._scale) / self._weight
        n, va, vaa, rb, rbb, dd, dsq, nonzero, gain = self.totals
        shown = -_CLIP if d < -_CLIP else min(d, _CLIP)
        nonzero += d != 0.0
        after = (
            n + 1,
            va + a,
            vaa + a * a,
            rb + b,
            rbb + b * b,
            dd + shown,
            dsq + shown * shown,
            nonzero,
            gain + payoff,
        )
        return self.bet(payoff, w, at_s, number, after)

    def estimate(self, totals: Totals) -> float:
        """The mean payoff."""
        return totals[8] / totals[0] if totals[0] else 0.0

    def effect(self, totals: Totals) -> Effect:
        """How much more, as a ratio: -0.2 is a fifth less."""
        found = of_mean(totals[0], totals[5], totals[6], totals[7])
        return Effect(*(None if at is None else exp(at) - 1.0 for at in (found.estimate, found.lower, found.upper)))

    def sides(self, totals: Totals) -> Sides:
        """Sums of each side's own feature."""
        return totals[0], totals[1], totals[2], totals[3], totals[4]

    def learned(self) -> dict[str, Any]:
        """The scale."""
        return {"scale": self._scale, "weight": self._weight}

    def relearn(self, learned: dict[str, Any]) -> None:
        """Take the scale back."""
        self._scale, self._weight = learned["scale"], learned["weight"]
