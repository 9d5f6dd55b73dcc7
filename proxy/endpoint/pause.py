"""Pause: how long an endpoint that answered 429 is left alone.

Not here: the calls. Invariants: it lasts as long as the endpoint asked, or twice as long as the last time it did not
say; never longer than LONGEST_S; calls that were under way together are refused together, which counts once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FIRST_S: Final = 1.0
LONGEST_S: Final = 600.0


class Pause:
    """`clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = 0.0
        self._next_s = FIRST_S

    @property
    def left_s(self) -> float:
        """How much longer; 0: none."""
        return max(0.0, self._until - self._clock())

    def refused(self, retry_after_s: float | None) -> None:
        """The endpoint answered 429."""
        said = retry_after_s or 0.0
        if not self.left_s:
            said = said or self._next_s
            self._next_s = min(2 * self._next_s, LONGEST_S)
        self._until = max(self._until, self._clock() + min(said, LONGEST_S))

    def answered(self) -> None:
        """The endpoint answered something else."""
        self._next_s = FIRST_S
