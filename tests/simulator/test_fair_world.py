"""Two honest simulators are exchangeable: given the prompt, only the dice differ, whatever the seeds.

What the drift detectors promise rests on this (the swap null), so a marginal that the seed shifts would be a false
alarm built into every test. The tests are two-sided at 1e-4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any, Final

import pytest

from proxy.simulator import Lengths, Lognormal, parse_faults
from proxy.simulator.faults.befall import Strike, befalling
from proxy.simulator.faults.fault import Occasion
from proxy.simulator.plan import Choice, Plan, plan_answer
from proxy.simulator.request import ChatRequest, choice_draw, read_chat
from proxy.simulator.shapes import MOONSHOT
from tests.simulator.asking import WEATHER, chat, instant_chat

PAIRS: Final = 2000
ALPHA: Final = 1e-4
BRIEF: Final = Lengths(Lognormal(24, 0.7), Lognormal(16, 0.6))
"""Short texts, with the spread of the usual ones."""
CLOCK: Final[dict[str, Any]] = {"type": "function", "function": {"name": "get_time", "parameters": {}}}


@dataclass(frozen=True, slots=True)
class Host:
    """One simulator without its socket: the dice, faults and plan as the server throws and makes them."""

    seed: int
    faults: tuple[str, ...] = ()

    def answers(self, requests: Sequence[dict[str, Any]]) -> list[Plan]:
        settings = parse_faults(*self.faults)
        plans = []
        for count, members in enumerate(requests, start=1):
            dice = f"{self.seed}/{count}"
            occasion = Occasion(Random(f"{dice}/defects"), None, MOONSHOT)
            strike = Strike(befalling(settings, 0.0, Random(f"{dice}/faults")), occasion)
            request = strike.accepted(read_chat(members, MOONSHOT))
            plans.append(strike.plan(self._plan(request, Random(dice)), request))
        return plans

    def _plan(self, request: ChatRequest, draw: Random) -> Plan:
        draw.getrandbits(96)  # the server's draw for the id of the answer
        return plan_answer(request, BRIEF, None, 0, choice_draw(request, draw, MOONSHOT))


@lru_cache(maxsize=2)
def honest(seed: int) -> list[Plan]:
    """An honest host's answers to the traffic."""
    return Host(seed).answers(traffic())


def traffic() -> list[dict[str, Any]]:
    """Both modes, with and without tools, some with a tight max_tokens."""
    requests = []
    for number in range(PAIRS):
        body = (chat if number % 2 else instant_chat)(text=f"question {number}")
        body |= {"tools": [WEATHER, CLOCK]} if number % 3 else {}
        requests.append(body | ({"max_tokens": 40} if number % 5 == 0 else {}))
    return requests


def sign_p(wins: int, losses: int) -> float:
    """Two-sided p of the exact sign test, which is McNemar's for discordant pairs."""
    n, k = wins + losses, min(wins, losses)
    return min(2 * sum(math.comb(n, i) for i in range(k + 1)) / (1 << n), 1.0)


def size(pieces: tuple[str, ...] | None) -> int:
    return len("".join(pieces or ()))


READINGS: Final[dict[str, Callable[[Choice], float]]] = {
    "tool trigger": lambda choice: choice.finish == "tool_calls",
    "finish length": lambda choice: choice.finish == "length",
    "finish stop": lambda choice: choice.finish == "stop",
    "first tool": lambda choice: [call.name for call in choice.calls[:1]] == ["get_time"],
    "calls": lambda choice: len(choice.calls),
    "reasoning": lambda choice: size(choice.reasoning),
    "content": lambda choice: size(choice.content),
}


def compared(one: Host, other: Host) -> dict[str, float]:
    """The p of each reading."""
    answers = (honest(host.seed) if not host.faults else host.answers(traffic()) for host in (one, other))
    pairs = list(zip(*answers, strict=True))
    found = {}
    for name, read in READINGS.items():
        differences = [read(a.choices[0]) - read(b.choices[0]) for a, b in pairs]
        found[name] = sign_p(sum(each > 0 for each in differences), sum(each < 0 for each in differences))
    assert all(a.usage and b.usage and a.usage.prompt == b.usage.prompt for a, b in pairs) or other.faults
    return found


@pytest.mark.parametrize("seeds", [(0, 1), (7, 123456), (2, 2**40)])
def test_no_reading_tells_two_seeds_apart(seeds: tuple[int, int]) -> None:
    found = compared(Host(seeds[0]), Host(seeds[1]))
    assert {name: p for name, p in found.items() if p < ALPHA} == {}


def test_the_answers_are_not_the_same_ones() -> None:
    """Else the test above could not fail."""
    pairs = zip(honest(0), honest(1), strict=True)
    assert sum(a.choices != b.choices for a, b in pairs) > 0.8 * PAIRS


@pytest.mark.parametrize(
    ("fault", "reading"),
    [
        ("shorter-answers", "content"),
        ("shorter-answers", "reasoning"),
        ("longer-reasoning", "reasoning"),
        ("fewer-tool-calls:15", "tool trigger"),
        ("more-tool-calls:15", "tool trigger"),
        ("silent-output-cap:30=0.3", "finish length"),
        ("single-tool-call", "calls"),
    ],
)
def test_the_same_readings_tell_a_faulty_host(fault: str, reading: str) -> None:
    assert compared(Host(0), Host(1, (fault,)))[reading] < ALPHA


@pytest.mark.parametrize("fault", ["scrambled-decisions=0.5", "swapped-model"])
def test_some_faults_leave_the_margins_of_decisions_alone(fault: str) -> None:
    """What they change shows only against a second reference answer."""
    found = compared(Host(0), Host(1, (fault,)))
    assert found["tool trigger"] > ALPHA


def test_a_shift_of_points_moves_the_mean_by_that_much() -> None:
    requests = [instant_chat(text=f"question {number}", tools=[WEATHER]) for number in range(PAIRS)]

    def rate(*faults: str) -> float:
        return sum(plan.choices[0].finish == "tool_calls" for plan in Host(3, faults).answers(requests)) / len(requests)

    # Same dice: the difference is far less noisy than either rate.
    before = rate()
    assert abs(rate("fewer-tool-calls:10") - before + 0.10) < 0.02
    assert abs(rate("more-tool-calls:10") - before - 0.10) < 0.02
    assert abs(rate("more-tool-calls:10=0.5") - before - 0.05) < 0.02
