"""Offset: a difference that is constant for one shape of request; any other value is a violation (N2).

The constant is learned: the most frequent offset of a bucket's past. Not here: buckets (signals/). Invariant: a pair is
judged by the pairs before it; while an alarm lasts nothing is learned, so that a degraded offset does not become the
normal one.
"""

from __future__ import annotations

from typing import Any, Final

from proxy.drift.detector import NOTHING, Said
from proxy.drift.rate import RateDetector
from proxy.drift.rows import Series, Value

_LEARNED_AT: Final = 5
"""Pairs of a bucket after which its mode is the judge."""
KNOWN_SKEW: Final = range(4)
"""Offsets seen between healthy stacks (vllm #51465, sglang #35776)."""
_MOST_BUCKETS: Final = 256
_MOST_OFFSETS: Final = 32


class _Bucket:
    __slots__ = ("counts", "mode", "pairs")

    def __init__(self, pairs: int = 0, mode: int = 0, counts: dict[int, int] | None = None) -> None:
        self.pairs = pairs
        self.mode = mode
        self.counts = counts or {}

    def learn(self, offset: int) -> None:
        """Count it. The mode changes only for a value that is more frequent; the rarest value makes room."""
        counts = self.counts
        if offset not in counts and len(counts) >= _MOST_OFFSETS:
            del counts[min(counts, key=lambda known: (counts[known], known == self.mode))]
        counts[offset] = count = counts.get(offset, 0) + 1
        self.pairs += 1
        if count > counts.get(self.mode, 0):
            self.mode = offset


class OffsetDetector(RateDetector):
    """Totals: as of a rate."""

    __slots__ = ("_accept", "_buckets")

    PAIRED = True

    def __init__(self, series: Series) -> None:
        super().__init__(series)
        self._accept = False
        self._buckets: dict[str, _Bucket] = {}

    def accept(self) -> None:
        """The operator accepts how the vendor is now: offsets outside the known skew may be learned, and a bucket
        without a mode is not judged.
        """
        self._accept = True

    def fold(self, value: Value, w: float, at_s: float, number: int) -> Said:
        """Take the value of one pair; one that is not as rows.py has it counts nowhere."""
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            return NOTHING
        name, offset = value
        if not isinstance(name, str) or not isinstance(offset, int):
            return NOTHING
        bucket = self._buckets.get(name)
        if bucket is None:
            if len(self._buckets) >= _MOST_BUCKETS:
                return NOTHING
            bucket = self._buckets[name] = _Bucket()
        return self._judge(bucket, offset, w, at_s, number)

    def _judge(self, bucket: _Bucket, offset: int, w: float, at_s: float, number: int) -> Said:
        judged = True
        if bucket.pairs >= _LEARNED_AT:
            violated = offset != bucket.mode
        else:
            violated, judged = offset not in KNOWN_SKEW, not self._accept
        if self.latch is None:
            bucket.learn(offset)
        if not judged:
            return NOTHING
        if self.latch is not None:
            return self.run(int(violated), 1, w, at_s)
        n, violations = totals = self.totals
        self.mixture.step(self._outcomes[violated].factors, w, (at_s, number, totals))
        self.totals = (n + 1, violations + violated)
        return self.judged(at_s)

    def learned(self) -> dict[str, Any]:
        """The offsets seen, by bucket."""
        buckets = [
            [name, bucket.pairs, bucket.mode, [[offset, count] for offset, count in bucket.counts.items()]]
            for name, bucket in self._buckets.items()
        ]
        return {"accept": int(self._accept), "buckets": buckets}

    def relearn(self, learned: dict[str, Any]) -> None:
        """Take them back."""
        self._accept = bool(learned["accept"])
        self._buckets = {name: _Bucket(pairs, mode, dict(counts)) for name, pairs, mode, counts in learned["buckets"]}
