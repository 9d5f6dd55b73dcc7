"""Triple: is the vendor as similar to two reference answers as they are to each other (N4).

It finds scrambling that leaves every rate as it was. Two-sided on purpose: a vendor that samples colder agrees with the
reference more than the reference with itself. Not here: similarities (signals/). Invariant: the three answers are
exchangeable under the null, so h has mean 0.
"""

from __future__ import annotations

from proxy.drift.swap import SignDetector


class TripleDetector(SignDetector):
    """As for a sign, of h; direction 1: the vendor is less alike."""

    __slots__ = ()
