"""Faults in what an answer reports of itself: usage and the model's name.

Not here: what it says (answer.py, calls.py). Invariant: the text is that of an honest host.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from proxy.simulator.faults.defects import Defect
from proxy.simulator.faults.edit import Act
from proxy.simulator.faults.fault import Number, Occasion, PlanFault
from proxy.simulator.plan import Plan, Usage
from proxy.simulator.request import ChatRequest

FOREIGN_MODEL: Final = "moonshotai/kimi-k2.5-0127"


def _usage(edit: Callable[[Usage, Occasion], Usage | None]) -> Act:
    def act(plan: Plan, _request: ChatRequest, on: Occasion) -> Plan:
        return plan if plan.usage is None else replace(plan, usage=edit(plan.usage, on))

    return act


def _inflated(usage: Usage, on: Occasion) -> Usage:
    completion = round(usage.completion * (on.number or 0))
    return replace(usage, completion=completion, total=usage.prompt + completion)


def _other_model(plan: Plan, _request: ChatRequest, _on: Occasion) -> Plan:
    return replace(plan, model=FOREIGN_MODEL)


REPORT_FAULTS: Final = (
    PlanFault(
        name="wrong-usage",
        does="reports a multiple of the completion tokens, with a total that does not add up",
        defect=Defect.USAGE_WRONG,
        number=Number("the factor", 3),
        act=_usage(lambda usage, on: replace(usage, completion=round(usage.completion * (on.number or 0)))),
    ),
    PlanFault(
        name="inflated-completion-tokens",
        does="reports a multiple of the completion tokens, with a total that adds up",
        defect=Defect.USAGE_WRONG,
        number=Number("the factor", 1.2),
        act=_usage(_inflated),
    ),
    PlanFault(
        name="zero-usage",
        does="reports zero for every count",
        defect=Defect.USAGE_WRONG,
        act=_usage(lambda usage, _on: replace(usage, prompt=0, completion=0, total=0, cached=0)),
    ),
    PlanFault(
        name="missing-usage",
        does="reports no usage anywhere",
        defect=Defect.USAGE_WRONG,
        act=_usage(lambda _usage, _on: None),
    ),
    PlanFault(
        name="misplaced-cached-tokens",
        does="puts cached_tokens where the other kind of host puts it",
        defect=Defect.CACHED_MISPLACED,
        act=_usage(lambda usage, _on: replace(usage, cached_misplaced=True)),
    ),
    PlanFault(
        name="wrong-model-echo",
        does=f"names the model {FOREIGN_MODEL} in the answer",
        defect=Defect.MODEL_MISNAMED,
        act=_other_model,
    ),
)
