"""What came in lately: counts of pairs, answers and lost exchanges in a ring of time buckets.

Not here: what the counts mean (states.py). Invariant: at most BUCKETS + 1 entries, whatever the traffic.
"""

from __future__ import annotations

from typing import Final, NamedTuple

BUCKETS: Final = 48


class Counts(NamedTuple):
    """Within one window: pairs, answers, mirrored exchanges without a pair, and of these the reference's failures."""

    pairs: int
    answers: int
    lost: int
    failed: int


class Window:
    """Counts by bucket of span_s / BUCKETS seconds; a bucket counts until the whole of it is older than the window."""

    __slots__ = ("_ring", "bucket_s")

    def __init__(self, span_s: float) -> None:
        self.bucket_s = span_s / BUCKETS
        self._ring: list[list[int]] = []

    def bucket(self, at_s: float) -> int:
        """The number of the bucket a time is in."""
        return int(at_s // self.bucket_s)

    def add(self, at_s: float, pairs: int = 0, answers: int = 0, lost: int = 0, failed: int = 0) -> None:
        """Count what came in at a time that is not before the last."""
        ring, bucket = self._ring, self.bucket(at_s)
        if not ring or ring[-1][0] < bucket:
            ring.append([bucket, 0, 0, 0, 0])
            while ring[0][0] <= bucket - BUCKETS:
                del ring[0]
        last = ring[-1]
        last[1] += pairs
        last[2] += answers
        last[3] += lost
        last[4] += failed

    def counts(self, bucket: int) -> Counts:
        """The counts as of a bucket."""
        inside = [entry for entry in self._ring if entry[0] > bucket - BUCKETS]
        return Counts(*(sum(entry[at] for entry in inside) for at in (1, 2, 3, 4)))

    def forget_pairs(self) -> None:
        """Keep the answers alone."""
        for entry in self._ring:
            entry[1] = entry[3] = entry[4] = 0

    def respanned(self, span_s: float) -> Window:
        """The same counts in buckets of another width."""
        other = Window(span_s)
        for bucket, *counts in self._ring:
            other.add(bucket * self.bucket_s, *counts)
        return other

    def state(self) -> list[list[int]]:
        """The ring, oldest first."""
        return [list(entry) for entry in self._ring]

    def restore(self, state: list[list[int]]) -> None:
        """Take back what `state` gave."""
        self._ring = [list(entry) for entry in state]
