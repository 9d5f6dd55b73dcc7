"""Ways of judging that several probes share.

Not here: probes. Invariant: what could not be judged is no answer, never a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from proxy.probes.probe import Finding, Judge, Told, Verdict, counted
from proxy.signals.features import Read
from proxy.signals.signal import Rate


def passed(seen: str) -> Finding:
    """It holds."""
    return Finding(Verdict.PASS, seen)


def failed(seen: str, hint: str = "") -> Finding:
    """It does not."""
    return Finding(Verdict.FAIL, seen, hint=hint)


def unjudged(told: Told, why: str) -> Finding:
    """Nothing can be said."""
    return Finding(Verdict.NO_ANSWER, counted(told.lost, len(told.asks)) if told.lost else why)


def by_signals(*rates: Rate, when: Callable[[Read], bool] = lambda _read: True) -> Judge:
    """Fails when a signal finds a violation in any answer for which `when` holds."""

    def judge(told: Told) -> Finding:
        values = [
            (rate, value)
            for one in told.answers
            if when(one)
            for rate in rates
            if (value := rate.violated(one)) is not None
        ]
        if not values:
            return unjudged(told, "no answer to which it applies")
        broken = [rate for rate, violated in values if violated]
        if not broken:
            return passed(f"none of {len(told.answers)} answers")
        return failed(_broken(broken, len(told.answers)))

    return judge


def by_each(violated: Callable[[Read], bool | None], what: str, most: float = 0.0) -> Judge:
    """Fails when more than `most` of the answers to which it applies have it; `what` says what it is, as in "3 of 6
    answers ...".
    """

    def judge(told: Told) -> Finding:
        values = [value for one in told.answers if (value := violated(one)) is not None]
        if not values:
            return unjudged(told, "no answer to which it applies")
        bad = sum(values)
        seen = f"{bad} of {len(values)} answers {what}"
        return failed(seen) if bad > most * len(values) else passed(seen)

    return judge


def prompts(reads: Sequence[Read | None]) -> list[int | None]:
    """The prompt's tokens as each answer states them."""
    return [None if one is None or one.usage is None else one.usage.prompt for one in reads]


def listed(values: Iterable[object], most: int = 6) -> str:
    """The first few, with commas."""
    texts = [str(value) for value in values]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def _broken(broken: Sequence[Rate], answers: int) -> str:
    names = list(dict.fromkeys(rate.name for rate in broken))
    return "; ".join(
        f"{sum(rate.name == name for rate in broken)} of {answers} answers: "
        f"{next(rate.finds for rate in broken if rate.name == name)} ({name})"
        for name in names
    )
