"""From a detector to what is reported of it.

Not here: the values themselves (report.py) and when they are told (watch.py). Invariant: looking changes nothing.
"""

from __future__ import annotations

from proxy.drift.baseline import BaselineDetector
from proxy.drift.detector import Detector, Latch
from proxy.drift.report import Alarm, Recovered, SeriesView
from proxy.drift.rows import Key


def alarm(found: Detector, latch: Latch, key: Key, at_s: float) -> Alarm:
    """The alarm that has just come."""
    series = found.series
    changepoint_s, number, _ = latch.mark
    since = found.since(latch.mark)
    effect = found.effect(since)
    return Alarm(
        at_s,
        key,
        series.name,
        series.kind,
        latch.direction,
        found.log_evidence,
        found.log_threshold,
        changepoint_s,
        number,
        int(since[0]),
        effect.estimate,
        effect.lower,
        effect.upper,
        latch.suspect or series.of_reference,
    )


def recovered(found: Detector, latch: Latch, key: Key, at_s: float) -> Recovered:
    """The end of an alarm."""
    series = found.series
    evidence, threshold = found.log_recovery(latch)
    return Recovered(at_s, key, series.name, series.kind, latch.at_s, latch.mark[0], evidence, threshold)


def series_view(found: Detector, *, suspect: bool) -> SeriesView:
    """How a series stands. `suspect`: its alarm speaks against the reference."""
    series, mark, latch = found.series, found.changepoint(), found.latch
    since = found.totals if mark is None else found.since(mark)
    effect = found.effect(since)
    return SeriesView(
        series.name,
        series.kind,
        series.group,
        series.of_reference,
        int(found.totals[0]),
        found.log_evidence,
        found.log_threshold,
        found.log_cusum,
        found.direction() if latch is None else latch.direction,
        effect.estimate,
        effect.lower,
        effect.upper,
        found.tolerance,
        None if mark is None else mark[0],
        int(since[0]),
        None if latch is None else latch.at_s,
        suspect,
        latch is not None and latch.recovering,
        isinstance(found, BaselineDetector) and found.calibrating,
    )
