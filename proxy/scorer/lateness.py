"""Whether a first token is late by the vendor's own past: later than 1.5 times the 90th percentile of its hour.

Not here: what follows from it (drift's baseline detector). Invariants: an answer is judged by what came before it only;
memory does not grow. Load is slow to change and differs by the hour of the week, so each hour has its own past; until
it has 200 answers, all hours together stand for it.
"""

from __future__ import annotations

import math
from typing import Final

from proxy.drift.rows import Key

ENOUGH: Final = 200
LATER: Final = 1.5
QUANTILE: Final = 0.9
_PER_DECADE: Final = 20
_BUCKETS: Final = 6 * _PER_DECADE
_LEAST_S: Final = 1e-3
_HOUR_S: Final = 3600
_HOURS: Final = 24 * 7
_WHOLE_WEEK: Final = _HOURS


class Lateness:
    """Histograms of the time to the first token by key and hour of the week, in steps of 12 %."""

    def __init__(self) -> None:
        self._seen: dict[tuple[Key, int], list[int]] = {}

    def late(self, key: Key, unix_s: float, first_token_s: float) -> bool | None:
        """Judge one answer, then count it; None while there is too little past."""
        hour = int(unix_s // _HOUR_S) % _HOURS
        bucket = _bucket(first_token_s)
        judged = None
        for which in (hour, _WHOLE_WEEK):
            seen = self._seen.setdefault((key, which), [0] * _BUCKETS)
            if judged is None and sum(seen) >= ENOUGH:
                judged = first_token_s > LATER * _quantile(seen)
            seen[bucket] += 1
        return judged


def _bucket(seconds: float) -> int:
    return min(max(int(math.log10(max(seconds, _LEAST_S) / _LEAST_S) * _PER_DECADE), 0), _BUCKETS - 1)


def _quantile(seen: list[int]) -> float:
    """The upper end of the bucket in which the quantile lies, in seconds."""
    left = QUANTILE * sum(seen)
    for bucket, count in enumerate(seen):
        left -= count
        if left <= 0:
            return _LEAST_S * 10 ** ((bucket + 1) / _PER_DECADE)
    return math.inf
