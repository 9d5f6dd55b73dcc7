"""One detector for each kind of signal.

Not here: the detectors. Invariant: the kinds are those of signals.signal.Kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from proxy.drift.baseline import BaselineDetector
from proxy.drift.detector import Detector
from proxy.drift.offset import OffsetDetector
from proxy.drift.rate import RateDetector
from proxy.drift.rows import Series, Terms
from proxy.drift.size import SizeDetector
from proxy.drift.swap import SignDetector, SignedDetector, SwapDetector
from proxy.drift.triple import TripleDetector

PairDetector: TypeAlias = SignedDetector | OffsetDetector
"""Takes its values from pairs; the others take them from answers."""

KINDS: Final[Mapping[str, Callable[[Series], Detector]]] = {
    "rate": RateDetector,
    "swap": SwapDetector,
    "size": SizeDetector,
    "sign": SignDetector,
    "triple": TripleDetector,
    "offset": OffsetDetector,
    "baseline": BaselineDetector,
}


def detector(series: Series, terms: Terms) -> Detector:
    """A detector without a past. Raises ValueError on an unknown kind or an impossible tolerance."""
    make = KINDS.get(series.kind)
    if make is None:
        raise ValueError(f"{series.name}: kind {series.kind!r}; allowed are {', '.join(KINDS)}")
    made = make(series)
    made.bind(series, terms)
    return made
