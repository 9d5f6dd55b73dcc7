"""What may be spent on the reference: requests and tokens, per minute and day.

Not here: who spends it (reference.py). Invariants: nothing is spent beyond a limit but what a single request turns out
to cost more than was estimated; a refusal depends on what was spent before, never on an answer.
"""

from __future__ import annotations

from typing import Final

from proxy.config.values import Mirror

MINUTE_S: Final = 60.0
DAY_S: Final = 86400.0
_SLOTS: Final = 60


class Window:
    """Amounts of the last `length_s` seconds, in 60 slots."""

    def __init__(self, length_s: float) -> None:
        self._slot_s = length_s / _SLOTS
        self._amounts = [0.0] * _SLOTS
        self._at = 0
        self.total = 0.0

    def add(self, now_s: float, amount: float) -> None:
        """Count `amount` now."""
        self.turn(now_s)
        self._amounts[self._at % _SLOTS] += amount
        self.total += amount

    def turn(self, now_s: float) -> None:
        """Forget what is older than the window."""
        at = int(now_s / self._slot_s)
        if at - self._at >= _SLOTS:
            self._amounts = [0.0] * _SLOTS
            self.total = 0.0
        else:
            for slot in range(self._at + 1, at + 1):
                self.total -= self._amounts[slot % _SLOTS]
                self._amounts[slot % _SLOTS] = 0.0
        self._at = max(at, self._at)


class Budget:
    """The budgets of one mirror. Times are seconds on any clock that does not go back."""

    def __init__(self, mirror: Mirror) -> None:
        self.limits = mirror
        self._requests = {MINUTE_S: Window(MINUTE_S), DAY_S: Window(DAY_S)}
        self._tokens = {MINUTE_S: Window(MINUTE_S), DAY_S: Window(DAY_S)}

    def refusal(self, now_s: float, tokens: int) -> str:
        """Why a request of about `tokens` tokens cannot be made now; "" when it can."""
        for name, windows, amount, limits in self._all(tokens):
            for length, limit in limits.items():
                windows[length].turn(now_s)
                if windows[length].total + amount > limit:
                    return f"budget_{_limit_name(name, length)}"
        return ""

    def used(self, now_s: float) -> dict[str, float]:
        """The share of each limit that is spent, by the limit's name in the configuration."""
        shares = {}
        for name, windows, _, limits in self._all(0):
            for length, limit in limits.items():
                windows[length].turn(now_s)
                shares[_limit_name(name, length)] = windows[length].total / limit if limit else 1.0
        return shares

    def spend(self, now_s: float, tokens: int, requests: int = 1) -> None:
        """Count a request, or with 0 requests a correction of its tokens."""
        for name, windows, _, limits in self._all(tokens):
            for length in limits:
                windows[length].add(now_s, tokens if name == "tokens" else requests)

    def _all(self, tokens: int) -> tuple[tuple[str, dict[float, Window], int, dict[float, int]], ...]:
        limits = self.limits
        return (
            ("requests", self._requests, 1, {MINUTE_S: limits.requests_per_minute, DAY_S: limits.requests_per_day}),
            ("tokens", self._tokens, tokens, {MINUTE_S: limits.tokens_per_minute, DAY_S: limits.tokens_per_day}),
        )


def _limit_name(name: str, length_s: float) -> str:
    return f"{name}_per_{'minute' if length_s == MINUTE_S else 'day'}"
