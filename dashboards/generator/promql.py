"""PromQL as the dashboards spell it: selectors that follow the variables, rates, quantiles, shares.

Here: expressions as text. Not here: which panel shows them. Invariants: a metric that the catalogue does not have is a
KeyError; every selector follows $job and $instance, and $vendor and $signal where the metric has those labels; what a
worker counts is added up over instances, what one scorer says of its own evidence never is.
"""

from __future__ import annotations

from typing import Final

from proxy.metrics.catalogue import catalogue

VARIABLES: Final = ("job", "instance", "vendor", "signal")
"""Those of the dashboards that are labels too."""

_EVERY_TARGET: Final = ("job", "instance")
_LABELS: Final[dict[str, tuple[str, ...]]] = {
    **{sample: entry.labels for entry in catalogue() for sample in entry.samples},
    "up": (),
    "scrape_duration_seconds": (),
}


def pick(metric: str, *matchers: str) -> str:
    """The selector of a metric's series, with further matchers such as `state="ok"`."""
    known = (*_EVERY_TARGET, *_LABELS[metric])
    follows = [f'{name}=~"${name}"' for name in VARIABLES if name in known]
    return f"{metric}{{{', '.join([*follows, *matchers])}}}"


def total(expr: str, by: str = "") -> str:
    """The sum, by labels."""
    return f"sum by ({by}) ({expr})" if by else f"sum({expr})"


def highest(expr: str, by: str) -> str:
    """The largest, by labels: what is right for the gauges of scorers, of which each instance has one."""
    return f"max by ({by}) ({expr})"


def rate(metric: str, by: str = "", *matchers: str) -> str:
    """How often in a second, over the instances."""
    return total(f"rate({pick(metric, *matchers)}[$__rate_interval])", by)


def grown(metric: str, by: str = "", *matchers: str) -> str:
    """By how much within the time range shown, over the instances."""
    return total(f"increase({pick(metric, *matchers)}[$__range] @ end())", by)


def growth(metric: str, by: str = "", *matchers: str) -> str:
    """By how much between two points of the graph: for what should never happen, where a rate says little."""
    return total(f"increase({pick(metric, *matchers)}[$__rate_interval])", by)


def happened(metric: str, by: str, *matchers: str) -> str:
    """`rate`, of those series alone that grew within the time range shown: no lines at zero for what never happens."""
    return f"{rate(metric, by, *matchers)} and on ({by}) {grown(metric, by, *matchers)} > 0"


def share(part: str, whole: str) -> str:
    """One as a share of the other: 0 while the part has never happened, absent where there is nothing to share."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def quantile(q: float, histogram: str, by: str = "", *matchers: str) -> str:
    """A quantile of a histogram, over the instances; absent (and not NaN) where nothing was measured."""
    return f"histogram_quantile({q}, {rate(f'{histogram}_bucket', f'{by}, le' if by else 'le', *matchers)}) >= 0"


STATES: Final = ("ok", "inconclusive", "warn", "recovering", "reference_suspect", "degraded")
"""From good to bad: the place of a state is the number that stands for it."""
_STATE: Final = "paramwall_drift_state"


def _is(state: str) -> str:
    return f'state="{state}"'


STATE_NUMBER: Final = highest(
    " or ".join(f"{number} * {pick(_STATE, _is(state))}" for number, state in enumerate(STATES)), "vendor"
)
"""A vendor's state as a number; the worst over the instances."""

SERIES: Final = "vendor, mode, signal"
_EVIDENCE: Final = pick("paramwall_drift_log_evidence")
_THRESHOLD: Final = pick("paramwall_drift_log_threshold")
EVIDENCE_USED: Final = f"clamp_min({_EVIDENCE} / {_THRESHOLD}, 0)"
"""The evidence as a share of what is an alarm, both as logarithms; a series of each instance. Below 0 %, that is
evidence of health, is 0 %."""
_PEAK: Final = f"max_over_time({_EVIDENCE}[$__range] @ end()) / ({_THRESHOLD} @ end())"


def leading(expr: str, most: int) -> str:
    """Of an expression by vendor, mode and signal: the series whose evidence was highest in the time range shown.

    `@ end()` makes the choice the same at every point, so no line begins or ends because another overtook it.
    """
    return f"{expr} and on ({SERIES}) topk({most}, {highest(_PEAK, SERIES)})"


def first(expr: str) -> str:
    """The one series, of one instance, whose evidence was highest in the time range shown."""
    return f"{expr} and on (job, instance, {SERIES}) topk(1, {_PEAK})"
