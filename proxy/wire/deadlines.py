"""Deadlines of everything under way in one worker, looked at together.

Not here: what is late and what follows (body.py, forward.py). Invariant: one timer serves all, so that a request costs
none of its own; a deadline is noticed at most one sweep after it passed.
"""

from __future__ import annotations

from typing import Protocol


class Watched(Protocol):
    """Something that may be late."""

    def check(self) -> None:
        """End it if it is."""


class Deadlines:
    """What is under way: add it when it starts, discard it when it ends."""

    __slots__ = ("active",)

    def __init__(self) -> None:
        self.active: set[Watched] = set()

    def sweep(self) -> None:
        """Check everything; to be called a few times a second."""
        for watched in tuple(self.active):
            watched.check()
