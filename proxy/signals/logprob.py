"""How sure the model is of its first tokens.

Applies only where both sides give logprobs; K2.6's official API documents none. Not here: which tokens. Invariant: the
amount is never negative.
"""

from __future__ import annotations

from math import fsum, isfinite

from proxy.signals.features import Read
from proxy.signals.signal import PAIR_TOLERANCE, Group, Size


def _surprise(read: Read) -> float | None:
    """Minus the mean logprob."""
    if not read.logprobs or not read.ended or not all(map(isfinite, read.logprobs)):
        return None
    return max(0.0, -fsum(read.logprobs) / len(read.logprobs))


MEAN_LOGPROB = Size(
    name="mean-logprob",
    amount=_surprise,
    unit="squashed log ratio",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="other weights, quantisation, another temperature",
    source="Chauvin and others, arXiv 2512.03816",
)
