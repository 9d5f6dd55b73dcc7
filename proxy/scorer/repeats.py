"""Requests that were mirrored already: one pair for each request and day.

Not here: what is done about them. Invariants: a repeated request tosses the same coin again only after a day, so an
application that asks the same all day long does not decide the verdict by itself, unless nearly MOST others came since;
all memory is taken at the start and used again, since what lives for a day pins the pages that bursts leave behind.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import deque
from typing import Final

DAY_S: Final = 86400.0
MOST: Final = 125_000
"""Requests that are known at most."""
_GENERATIONS: Final = 5
"""Each takes a quarter of a day: what is forgotten last is known for a day and a quarter."""
_GENERATION_S: Final = DAY_S / (_GENERATIONS - 1)
_SLOTS: Final = 1 << 16
_FREE: Final = 0
_FREE_PAGE: Final = array("Q", (_FREE,)) * 512


class Repeats:
    """Hashes of the last day's requests."""

    def __init__(self) -> None:
        self._known = deque(_Hashes() for _ in range(_GENERATIONS))
        self._due_s = 0.0

    def seen(self, vendor: str, body: bytes, now_s: float) -> bool:
        """Whether this request was seen within a day; if not, it is from now on."""
        over = max(0, int((now_s - self._due_s) // _GENERATION_S) + 1)
        self._due_s += over * _GENERATION_S
        full = self._known[-1].count >= MOST // _GENERATIONS
        for _ in range(min(over or full, _GENERATIONS)):
            self._known[0].clear()
            self._known.rotate(-1)
        digest = hashlib.blake2b(body, digest_size=8, key=vendor.encode()[:64]).digest()
        key = int.from_bytes(digest) or 1
        return any(hashes.holds(key) for hashes in self._known) or not self._known[-1].add(key)


class _Hashes:
    """A set of numbers of 64 bits, with open addressing: never as much as half full."""

    def __init__(self) -> None:
        self.count = 0
        self._slots = array("Q", (_FREE,)) * _SLOTS

    def clear(self) -> None:
        """Forget all, a page at a time: a block as large as the table would be another 512 KiB for a moment."""
        for slot in range(0, _SLOTS, len(_FREE_PAGE)):
            self._slots[slot : slot + len(_FREE_PAGE)] = _FREE_PAGE
        self.count = 0

    def holds(self, key: int) -> bool:
        return self._slots[self._slot(key)] != _FREE

    def add(self, key: int) -> bool:
        """Whether it is new."""
        slot = self._slot(key)
        if self._slots[slot] != _FREE:
            return False
        self._slots[slot] = key
        self.count += 1
        return True

    def _slot(self, key: int) -> int:
        """Where it is, or would be."""
        slot = key % _SLOTS
        while self._slots[slot] not in (_FREE, key):
            slot = (slot + 1) % _SLOTS
        return slot
