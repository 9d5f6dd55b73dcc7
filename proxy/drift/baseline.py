"""Baseline: a rate without a stated tolerance, against the vendor's own past (N3).

What has no twin on the reference's side: HTTP errors, late answers. Not here: anything that decides a state; an outage
is not drift. Invariant: the tolerance is the upper bound of the first outcomes' rate, frozen; the rate itself as the
null would give false alarms 70 times as often (drift.md S1b).
"""

from __future__ import annotations

from math import sqrt
from typing import Any, Final

from proxy.drift.detector import NOTHING, Detector, Said
from proxy.drift.mixture import rate_outcomes
from proxy.drift.rate import RateDetector
from proxy.drift.rows import Series

CALIBRATION: Final = 2000
_Z: Final = 3.09
"""One-sided 99.9 %. With 95 % one calibration in twenty lies below the true rate, and that series then alarms for ever:
an alarm in each of five healthy runs of 5 million answers.
"""


def wilson_upper(n: int, k: int) -> float:
    """The upper bound of a rate seen k times of n (Wilson 1927)."""
    p, zz = k / n, _Z * _Z
    return (p + zz / (2 * n) + _Z * sqrt(p * (1 - p) / n + zz / (4 * n * n))) / (1 + zz / n)


class BaselineDetector(RateDetector):
    """Totals count from the end of the calibration on."""

    __slots__ = ("_seen", "_violated", "p0")

    def __init__(self, series: Series) -> None:
        Detector.__init__(self, series)  # no tolerance is stated that could be checked
        self._seen = self._violated = 0
        self.p0 = 0.0

    @property
    def calibrating(self) -> bool:
        """Whether the first outcomes are still counted."""
        return self._seen < CALIBRATION

    @property
    def tolerance(self) -> float:
        """The frozen bound; 0 while calibrating."""
        return self.p0

    def run(self, violated: int, length: int, w: float, at_s: float) -> Said:
        """Calibrate, then bet."""
        if self._seen < CALIBRATION:
            taken = min(length, CALIBRATION - self._seen)
            self._seen += taken
            self._violated += violated * taken
            length -= taken
            if self._seen == CALIBRATION:
                self._freeze()
        return super().run(violated, length, w, at_s) if length else NOTHING

    def _freeze(self) -> None:
        self.p0 = min(wilson_upper(CALIBRATION, self._violated), 0.999)
        self._outcomes = rate_outcomes(self.p0, self._odds())

    def learned(self) -> dict[str, Any]:
        """The calibration."""
        return {"seen": self._seen, "violated": self._violated}

    def relearn(self, learned: dict[str, Any]) -> None:
        """Take it back; the bound follows."""
        self._seen, self._violated = learned["seen"], learned["violated"]
        if not self.calibrating:
            self._freeze()
