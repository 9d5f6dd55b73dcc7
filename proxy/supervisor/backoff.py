"""How long to wait before a worker that died is started again.

Pure: the lifetime is an argument. Invariant: a worker that keeps dying is started at most every `limit_s` seconds, one
that lived for `reset_after_s` is started again at once after `first_s`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class BackOff:
    """Seconds; doubles from `first_s` to `limit_s`."""

    first_s: float = 0.1
    limit_s: float = 10.0
    reset_after_s: float = 30.0
    _next_s: float = 0.0

    def after(self, lifetime_s: float) -> float:
        """The pause after a worker that lived for `lifetime_s`."""
        if self._next_s == 0.0 or lifetime_s >= self.reset_after_s:
            self._next_s = self.first_s
        pause_s = self._next_s
        self._next_s = min(self.limit_s, pause_s * 2)
        return pause_s
