"""How a plan is changed choice by choice or call by call.

Here: what turns such a change into one of a whole plan. Not here: the faults. Invariant: where choices change, the
usage counts what is left, unless keep_usage says that generated tokens are not shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from proxy.simulator.faults.fault import Occasion
from proxy.simulator.plan import Call, Choice, Plan, count_pieces
from proxy.simulator.request import ChatRequest

Act = Callable[[Plan, ChatRequest, Occasion], Plan]


def each_choice(edit: Callable[[Choice, Occasion], Choice]) -> Act:
    """A change of every choice; the usage then counts what is left."""

    def act(plan: Plan, _request: ChatRequest, on: Occasion) -> Plan:
        choices = tuple(edit(choice, on) for choice in plan.choices)
        if plan.usage is None:
            return replace(plan, choices=choices)
        completion = sum(count_pieces(choice) for choice in choices)
        usage = replace(plan.usage, completion=completion, total=plan.usage.prompt + completion)
        return replace(plan, choices=choices, usage=usage)

    return act


def each_call(edit: Callable[[Call, int, Occasion], Call]) -> Act:
    """A change of every tool call, told its place."""

    def act(choice: Choice, on: Occasion) -> Choice:
        return replace(choice, calls=tuple(edit(call, at, on) for at, call in enumerate(choice.calls)))

    return each_choice(act)


def keep_usage(act: Act) -> Act:
    """The change, but with the tokens counted as before it: they were generated, only not shown."""
    return lambda plan, request, on: replace(act(plan, request, on), usage=plan.usage)
