"""What the fold reports: events as they happen, and views of how things stand. Values only.

Not here: how they come about (watch.py). Logarithms are natural; effects are without a unit: a difference of rates or
mean payoffs, a rate of violations, or for sizes a ratio minus 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from proxy.drift.rows import Key
from proxy.drift.states import State


@dataclass(frozen=True, slots=True)
class Alarm:
    """A series has drifted. The change began at `changepoint_s` with admission `changepoint_number` (for answers: that
    many answers of the series before it), `values` values ago. `suspect`: it speaks against the reference.
    """

    at_s: float
    key: Key
    series: str
    kind: str
    direction: int
    log_evidence: float
    log_threshold: float
    changepoint_s: float
    changepoint_number: int
    values: int
    effect: float | None
    lower: float | None
    upper: float | None
    suspect: bool


@dataclass(frozen=True, slots=True)
class Recovered:
    """A degraded series is well again; `log_evidence` is the evidence for that."""

    at_s: float
    key: Key
    series: str
    kind: str
    alarmed_at_s: float
    changepoint_s: float
    log_evidence: float
    log_threshold: float


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The state of a key changed; `series` is the one with the most evidence then, "" if there is none."""

    at_s: float
    key: Key
    before: State
    state: State
    series: str
    log_evidence: float
    log_threshold: float


Event: TypeAlias = Alarm | Recovered | StateChanged


@dataclass(frozen=True, slots=True)
class SeriesView:
    """How one series stands. `n` values in all, `values` since the change point (all, where there is none). Effect and
    bounds are of those `values`, None while they are too few. `direction` 1: the vendor has more, -1: less.
    """

    name: str
    kind: str
    group: str
    of_reference: bool
    n: int
    log_evidence: float
    log_threshold: float
    log_cusum: float
    direction: int
    effect: float | None
    lower: float | None
    upper: float | None
    tolerance: float
    changepoint_s: float | None
    values: int
    alarmed_at_s: float | None
    suspect: bool
    recovering: bool
    calibrating: bool


@dataclass(frozen=True, slots=True)
class KeyView:
    """How one key stands, since `at_s`. `pairs_in_window`, `answers_in_window`: within terms.window_s. `leading` names
    the series that an explanation starts with: alarmed ones first, then by evidence against its threshold; "" without
    any value.
    """

    key: Key
    state: State
    at_s: float
    pairs: int
    answers: int
    pairs_in_window: int
    answers_in_window: int
    reference_failures_in_window: int
    leading: str
    series: tuple[SeriesView, ...]
