"""How figures, states and times are written, the same in HTML and in Markdown.

Not here: where they stand. Invariants: what is not known is said so and never written as a number; a share that is not
whole is never rounded to 0 % or 100 %.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from proxy.report.facts import Effect, Figure, Origin, Times

SPACE: Final = "\N{NO-BREAK SPACE}"
MINUS: Final = "\N{MINUS SIGN}"
NONE: Final = "\N{EN DASH}"

STATES: Final = {
    "ok": ("✓", "ok", "enough was compared, and nothing speaks against this vendor"),
    "warn": ("!", "warn", "some evidence, no alarm"),
    "degraded": ("▼", "degraded", "it has changed for the worse"),
    "recovering": ("↗", "recovering", "it was degraded, and the evidence that this is over grows"),
    "inconclusive": ("?", "inconclusive", "too little was compared to say anything, or the reference fails"),
    "reference_suspect": ("⚑", "reference suspect", "what has alarmed speaks against the reference"),
}
VERDICTS: Final = {"pass": ("✓", "passed"), "fail": ("▼", "failed"), "inconclusive": ("?", "inconclusive")}
RATES: Final = frozenset({"rate", "offset", "baseline"})
"""Kinds whose effect is a share of violations; that of the others is a difference."""

HOW: Final[tuple[tuple[str, Origin, str], ...]] = (
    (
        "contract",
        Origin.VERIFY,
        "Probes passed among those that were answered. The probes are chosen, not sampled, so there is no interval.",
    ),
    (
        "contract",
        Origin.LIVE,
        (
            "Checked answers in which no contract signal was violated, over the whole log. Where the log does not tell "
            "whether two violations were in one answer, they are counted as two. 95 % bounds that hold at every count."
        ),
    ),
    ("contract", Origin.REPLAY, "Whole answers in which no contract signal was violated, with a 95 % interval."),
    (
        "tool_call_f1",
        Origin.LIVE,
        (
            "The Kimi Vendor Verifier's formula over mirrored pairs; n counts pairs in which either side called tools. "
            "The bounds are those of the share of agreement J among these, F1 = 2J / (1 + J). The noise floor is the "
            "same of the reference's second answers against its first, where calls count whatever the finish reason."
        ),
    ),
    (
        "tool_call_f1",
        Origin.REPLAY,
        "The Kimi Vendor Verifier's formula, with a bootstrap interval. The noise floor is the reference asked twice.",
    ),
    (
        "schema accuracy",
        Origin.LIVE,
        "Answers whose calls are all declared and accepted by their schemas, among those that finish with tool_calls.",
    ),
    ("schema accuracy", Origin.REPLAY, "The same, over the replay's answers."),
    (
        "effect",
        Origin.LIVE,
        (
            "As the drift detectors report it: since the change point where there is an alarm or a warning, else over "
            "all values. Of rates and offsets the share of violations, of the others the difference from the reference."
        ),
    ),
    ("effect", Origin.REPLAY, "The same detectors, over the replay's answers in their order."),
    ("state", Origin.LIVE, "Every row of the log folded again, in its order, up to its last row."),
    ("repairs", Origin.LIVE, "Requests counted by what the policy did to them, and each clause by how often it acted."),
    ("latency", Origin.VERIFY, "Median over the probes, whose answers are short."),
    ("latency", Origin.REPLAY, "Quantiles over all answers, of the attempt that was answered."),
    ("tokens", Origin.VERIFY, "As the vendor's own usage says, repeats included."),
    ("tokens", Origin.REPLAY, "As the vendor's own usage says."),
)
"""How each figure was got, by where it is from."""


def share(value: float) -> str:
    """A share in percent, as exact as it has to be beside 0 % and 100 %."""
    if value in (0.0, 1.0):
        return f"{100 * value:.0f}{SPACE}%"
    percent = 100.0 * value
    distance = min(percent, 100.0 - percent)
    digits = next((digits for digits, least in ((1, 0.995), (2, 0.0995), (3, 0.00995)) if distance >= least), None)
    if digits is None:
        return f"> 99.99{SPACE}%" if value > 0.5 else f"< 0.01{SPACE}%"
    return f"{percent:.{digits}f}{SPACE}%"


def ratio(value: float) -> str:
    """An F1: a number without a unit."""
    return f"{value:.3f}"


def interval(figure: Figure, *, as_ratio: bool = False) -> str:
    """The bounds in brackets; "" without."""
    if figure.lower is None or figure.upper is None:
        return ""
    if as_ratio:
        return f"[{figure.lower:.3f}, {figure.upper:.3f}]"
    return f"[{share(figure.lower)}, {share(figure.upper)}]".replace(f"{SPACE}%,", ",")


def change(value: float) -> str:
    """A difference or a ratio minus 1, with its sign."""
    text = f"{_three(abs(100 * value))}{SPACE}%"
    return text if value == 0 else f"{'+' if value > 0 else MINUS}{text}"


def rate(value: float) -> str:
    """A share of violations."""
    if 0.9995 <= value < 1.0:
        return f"> 99.9{SPACE}%"
    return f"{_three(100 * value)}{SPACE}%"


def effect_text(effect: Effect) -> str:
    """The estimate alone."""
    if effect.effect is None:
        return "too few values"
    return rate(effect.effect) if effect.kind in RATES else change(effect.effect)


def effect_bounds(effect: Effect) -> str:
    """Its bounds in brackets; "" without."""
    if effect.effect is None or effect.lower is None or effect.upper is None:
        return ""
    if no_pair_differs(effect):
        return "no pair differs"
    write = rate if effect.kind in RATES else change
    return f"[{write(effect.lower)}, {write(effect.upper)}]".replace(f"{SPACE}%,", ",")


def no_pair_differs(effect: Effect) -> bool:
    """Not only as often one way as the other."""
    return effect.kind == "swap" and effect.lower == effect.upper == 0.0


def _three(value: float) -> str:
    """Three digits that count, without an exponent."""
    if value == 0:
        return "0"
    if value >= 99.95:
        return f"{value:,.0f}"
    text = f"{value:.{2 if value < 9.995 else 1}f}" if value >= 0.995 else f"{value:.2g}"
    return text.rstrip("0").rstrip(".") if "e" not in text and "." in text else "< 0.001" if "e" in text else text


def duration(seconds: float | None) -> str:
    """Seconds, or milliseconds below one."""
    if seconds is None:
        return NONE
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f}{SPACE}ms"
    return f"{seconds:.2f}{SPACE}s" if seconds < 9.995 else f"{seconds:,.1f}{SPACE}s"


def quantiles(times: Times) -> str:
    """The median and, where it is known, the 95th percentile."""
    late = "" if times.p95 is None else f", p95 {duration(times.p95)}"
    return f"p50 {duration(times.p50)}{late}"


def thousands(number: int) -> str:
    """A count."""
    return f"{number:,}"


def plural(number: int, word: str) -> str:
    """A count and what is counted."""
    return f"{thousands(number)} {word}{'' if number == 1 else 's'}"


def moment(unix_s: float) -> str:
    """A time in UTC, to the minute."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%MZ")


def exactly(unix_s: float) -> str:
    """A time in UTC, to the second."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def state_name(state: str) -> str:
    """As it is read."""
    return STATES.get(state, ("?", state.replace("_", " "), ""))[1]
