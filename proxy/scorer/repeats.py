"""Requests that were mirrored already: one pair for each request and day.

Not here: what is done about them. Invariant: a repeated request tosses the same coin again only after a day, so an
application that asks the same all day long does not decide the verdict by itself; memory is bounded.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Final

DAY_S: Final = 86400.0
MOST: Final = 100_000


class Repeats:
    """Hashes of the last day's requests, the oldest first."""

    def __init__(self) -> None:
        # Of a plain dict the first entry is found by passing over all that were removed before it.
        self._at: OrderedDict[bytes, float] = OrderedDict()

    def seen(self, vendor: str, body: bytes, now_s: float) -> bool:
        """Whether this request was seen within a day; if not, it is from now on."""
        key = hashlib.blake2b(body, digest_size=16, key=vendor.encode()[:64]).digest()
        while self._at and (now_s - next(iter(self._at.values())) > DAY_S or len(self._at) >= MOST):
            self._at.popitem(last=False)
        if key in self._at:
            return True
        self._at[key] = now_s
        return False
