"""What is expected of each defect (tests/cases/defects.yaml), and what a run of it showed.

Not here: running (run.py). Invariant: values only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from proxy.signals import SIGNALS
from proxy.signals.signal import Kind
from tests.source import ROOT

CASES: Final = ROOT / "tests/cases/defects.yaml"
ANSWERS: Final = 200
PAIRS: Final = 100
_KINDS: Final = {signal.name: signal.kind for signal in SIGNALS}


@dataclass(frozen=True, slots=True)
class Case:
    """One fault. `signals`: any of them names it. Without any it is no drift: `metric` with `labels` shows it instead
    (by at least `share` a request), and `why` says why. At most `requests` are sent; a signal of pairs is to name it
    within `pairs`. `fit` is the traffic in which it shows (traffic.py; (): any). `second_answer` and `vendor` are
    settings of the mirror and the vendor in the file. `quick`: run by default.
    """

    symptom: str
    fault: str
    signals: tuple[str, ...] = ()
    metric: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    share: float = 0.0
    why: str = ""
    requests: int = ANSWERS
    pairs: int = PAIRS
    fit: tuple[str, ...] = ()
    second_answer: str = "20%"
    vendor: Mapping[str, Any] = field(default_factory=dict)
    quick: bool = False

    @property
    def name(self) -> str:
        return self.fault.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Named:
    """An alarm: its series, and how many answers and pairs of the vendor were folded since the fault began."""

    series: str
    mode: str
    answers: int
    pairs: int

    def within(self, answers: int, pairs: int) -> bool:
        """Whether it came within the bound of its kind."""
        return self.answers <= answers if _KINDS[self.series] is Kind.RATE else self.pairs <= pairs

    @property
    def after(self) -> str:
        """The count that its kind is measured by."""
        return f"{self.answers} answers" if _KINDS[self.series] is Kind.RATE else f"{self.pairs} pairs"

    def __str__(self) -> str:
        return f"{self.series} ({self.mode}) after {self.after}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one run showed. `alarms` in their order; `early` are those that came before the fault; `answers` and `pairs`
    were folded since, of `requests` sent; `counted` is what the case's metric counted since.
    """

    case: Case
    alarms: tuple[Named, ...]
    early: tuple[str, ...]
    answers: int
    pairs: int
    requests: int = 0
    counted: float = 0.0

    @property
    def expected(self) -> Named | None:
        """The first alarm of an expected signal."""
        return next((alarm for alarm in self.alarms if alarm.series in self.case.signals), None)

    @property
    def faults(self) -> list[str]:
        """What is not as it should be; empty: nothing."""
        case, said = self.case, [f"alarm before the fault: {name}" for name in self.early]
        if case.signals and (self.expected is None or not self.expected.within(ANSWERS, case.pairs)):
            said.append(f"expected {' or '.join(case.signals)}, got {', '.join(map(str, self.alarms)) or 'no alarm'}")
        if not case.signals:
            said += [f"alarm of drift: {alarm}" for alarm in self.alarms]
        if case.metric and self.counted < case.share * self.requests:
            said.append(f"{case.metric} counted {self.counted:g} of {self.requests} requests")
        return said


def cases() -> tuple[Case, ...]:
    """All of them, in the order of the table."""
    rows: list[dict[str, Any]] = yaml.safe_load(CASES.read_text(encoding="utf-8"))
    return tuple(_case(row["symptom"], each) for row in rows for each in row["faults"])


def _case(symptom: str, said: dict[str, Any]) -> Case:
    lists: dict[str, Any] = {name: tuple(said[name]) for name in ("signals", "fit") if name in said}
    return Case(symptom=symptom, **{**said, **lists})
