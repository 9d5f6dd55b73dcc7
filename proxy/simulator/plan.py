"""What the host will say: reasoning, content, tool calls, finish reason, usage, as pieces of one token each.

Here: the plan of an honest answer. Not here: its bytes (sending.py) and its defects (faults/answer.py). Invariant: a
plan depends on the request and the draw alone; max_tokens covers reasoning, content and calls together and cuts them in
that order with finish reason length.

The chance of a tool call differs by prompt as Beta(1/3, 1/3): then two honest hosts that answer the same prompt at
temperature 1 agree on the trigger with F1 = E[p^2] / E[p] = 0.8, between the 76 % and 84 % that Moonshot's API reaches
against itself (MoonshotAI/K2-Vendor-Verifier, README.md).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

import orjson

from proxy.contract.mode import Mode
from proxy.simulator.arguments import draw_value
from proxy.simulator.options import Lengths, Lognormal
from proxy.simulator.request import ChatRequest
from proxy.simulator.sampler import draw_words, sharpen

STOP: Final = "stop"
LENGTH: Final = "length"
TOOL_CALLS: Final = "tool_calls"
SHORTEST: Final = 4
LONGEST: Final = 8000
MEAN_CHANCE: Final = 0.5
"""The mean of Beta(1/3, 1/3), at every temperature."""
AFTER_RESULT: Final = 0.3
"""How much less likely a further call is once a tool has answered."""
SECOND_CALL: Final = 0.2
WITHOUT_GENERATION_PROMPT: Final = 1 / 6
"""vLLM blog of 2025-10-28 on Kimi K2: 218 valid calls where more than 1200 were expected."""
_ARGUMENT_PIECE: Final = 6
_TOLD: Final = re.compile(r"[Cc]all the tool ([\w-]+)")
"""What no instructed model leaves undone."""


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call; `arguments` is JSON text in pieces."""

    id: str
    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer. None means that the field is null; an empty tuple that it is the empty text."""

    reasoning: tuple[str, ...] | None
    content: tuple[str, ...] | None
    calls: tuple[Call, ...]
    finish: str | None


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as reported. `cached_misplaced`: the cached ones stand where the host's shape does not put them."""

    prompt: int
    completion: int
    total: int
    cached: int
    cached_misplaced: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole answer: its choices, the usage (None: not reported) and the model's name as echoed."""

    choices: tuple[Choice, ...]
    usage: Usage | None
    model: str


def plan_answer(
    request: ChatRequest, lengths: Lengths, tool_rate: float | None, cached_tokens: int, draw: Random
) -> Plan:
    """An honest answer to `request`. Raises UnusableSchema for a schema nobody could decode by."""
    choices = tuple(_choice(request, lengths, tool_rate, draw) for _ in range(request.choices))
    prompt, completion = request.prompt_tokens, sum(count_pieces(choice) for choice in choices)
    return Plan(choices, Usage(prompt, completion, prompt + completion, min(cached_tokens, prompt)), request.model)


def count_pieces(choice: Choice) -> int:
    """The completion tokens of a choice: one per piece, and three for the markers of each call."""
    calls = sum(3 + len(call.arguments) for call in choice.calls)
    return len(choice.reasoning or ()) + len(choice.content or ()) + calls


def pieces_of(text: str, size: int = _ARGUMENT_PIECE) -> tuple[str, ...]:
    """A text cut into pieces of `size` characters."""
    return tuple(text[at : at + size] for at in range(0, len(text), size))


def cut_to(choice: Choice, budget: int) -> Choice:
    """The choice as max_tokens leaves it: whole, or cut within `budget` pieces with finish reason length."""
    if count_pieces(choice) <= budget:
        return choice
    reasoning = choice.reasoning[:budget] if choice.reasoning is not None else None
    left = budget - len(reasoning or ())
    content = choice.content[:left] if choice.content and left else None
    left -= len(content or ())
    calls: list[Call] = []
    for call in choice.calls:
        if left <= 3:
            break
        calls.append(replace(call, arguments=call.arguments[: left - 3]))
        left -= 3 + len(calls[-1].arguments)
    return Choice(reasoning, content, tuple(calls), LENGTH)


def _choice(request: ChatRequest, lengths: Lengths, tool_rate: float | None, draw: Random) -> Choice:
    reasoning = None
    if request.mode is Mode.THINKING:
        reasoning = _text(request, "reasoning", lengths.reasoning, request.habits.reasoning, draw)
    tools = _called_tools(request, tool_rate, draw)
    if tools:
        first = _calls_so_far(request.messages)
        calls = tuple(_call(tool, first + at, draw) for at, tool in enumerate(tools))
        return cut_to(Choice(reasoning, None, calls, TOOL_CALLS), request.max_tokens)
    content = _content(request, lengths, draw)
    return cut_to(Choice(reasoning, content, (), STOP), request.max_tokens)


def _content(request: ChatRequest, lengths: Lengths, draw: Random) -> tuple[str, ...]:
    if request.json_schema is not None:
        schema = request.json_schema if isinstance(request.json_schema, dict) else None
        return pieces_of(orjson.dumps(draw_value(schema, draw)).decode())
    pieces = _text(request, "content", lengths.content, request.habits.content, draw)
    return _before_stop((*pieces, "."), request.stop)


def _text(request: ChatRequest, field: str, length: Lognormal, factor: float, draw: Random) -> tuple[str, ...]:
    key = request.key ^ hash_of(field)
    by_prompt = Random(key).gauss()  # noqa: S311  (a simulator's dice, not a secret)
    by_draw = draw.gauss() if request.sampling.temperature > 0 else 0.0
    drawn = factor * length.median * math.exp(length.sigma * (by_prompt + by_draw) / math.sqrt(2))
    count = min(max(round(drawn), SHORTEST), LONGEST)
    return tuple(draw_words(key ^ request.habits.weights, count, request.sampling, draw))


def hash_of(field: str) -> int:
    """A number for a name, the same in every process."""
    return int.from_bytes(field.encode()[:8], "big")


def _before_stop(pieces: tuple[str, ...], stops: Sequence[str]) -> tuple[str, ...]:
    """The text before the first stop string, which is itself left out."""
    if not stops:
        return pieces
    text = "".join(pieces)
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    if not ends:
        return pieces
    kept, left = [], min(ends)
    for piece in pieces:
        if left <= 0:
            break
        kept.append(piece[:left])
        left -= len(piece)
    return tuple(kept)


def _called_tools(request: ChatRequest, tool_rate: float | None, draw: Random) -> list[Any]:
    choice = request.members.get("tool_choice")
    if not request.tools or choice == "none":
        return []
    if isinstance(choice, dict):
        function = choice.get("function")
        wanted = function.get("name") if isinstance(function, dict) else None
        return [tool for tool in request.tools if tool["function"]["name"] == wanted][:1]
    told = _told_to_call(request)
    if choice != "required":
        wants = draw.random() < (_chance_of_call(request, tool_rate) if told is None else _chance_when_told(request))
        if wants == request.habits.opposite:
            return []
    if told is not None:
        return [_another(told, request.tools, draw) if request.habits.other_tool else told]
    by_prompt = Random(request.key ^ hash_of("tool"))  # noqa: S311
    favourite = by_prompt.choice(request.tools)
    picked = [favourite if draw.random() < 0.8 else draw.choice(request.tools)]
    if request.members.get("parallel_tool_calls") is not False and draw.random() < SECOND_CALL:
        picked.append(draw.choice(request.tools))
    return [_another(tool, request.tools, draw) for tool in picked] if request.habits.other_tool else picked


def _told_to_call(request: ChatRequest) -> Any:  # noqa: ANN401  (JSON as it came)
    """The declared tool that the last message says to call, in so many words; None: it says nothing like it."""
    last = request.messages[-1] if request.messages else None
    content = last.get("content") if isinstance(last, dict) and last.get("role") == "user" else None
    found = _TOLD.search(content) if isinstance(content, str) else None
    return next((tool for tool in request.tools if found and tool["function"]["name"] == found[1]), None)


def _chance_when_told(request: ChatRequest) -> float:
    return _share(request) * (1.0 + min(request.habits.calls, 0.0))


def _share(request: ChatRequest) -> float:
    return 1.0 if request.generation_prompt else WITHOUT_GENERATION_PROMPT


def _another(tool: Any, tools: Sequence[Any], draw: Random) -> Any:  # noqa: ANN401  (JSON as it came)
    others = [each for each in tools if each["function"]["name"] != tool["function"]["name"]]
    return draw.choice(others) if others else tool


def _chance_of_call(request: ChatRequest, tool_rate: float | None) -> float:
    share = _share(request)
    if tool_rate is not None:
        return 0.0 if request.after_tool_result else _shifted(tool_rate, tool_rate, request.habits.calls) * share
    by_prompt = Random(request.key ^ hash_of("call")).betavariate(1 / 3, 1 / 3)  # noqa: S311
    if request.after_tool_result:
        by_prompt *= AFTER_RESULT
    sharp = sharpen(by_prompt, request.sampling.temperature)
    return _shifted(sharp, MEAN_CHANCE, request.habits.calls) * share


def _shifted(chance: float, mean: float, by: float) -> float:
    """The chance, moved so that the mean of chances whose mean is `mean` moves by `by`, while all stay in 0..1."""
    if by < 0:
        return chance * max(1.0 + by / mean, 0.0) if mean else chance
    return chance + (1.0 - chance) * min(by / (1.0 - mean), 1.0) if mean < 1 else chance


def _calls_so_far(messages: Sequence[Any]) -> int:
    """How many calls the history holds: the next id goes on from there (vLLM counts the same way)."""
    lists = (message.get("tool_calls") for message in messages if isinstance(message, dict))
    return sum(len(calls) for calls in lists if isinstance(calls, list))


def _call(tool: Any, number: int, draw: Random) -> Call:  # noqa: ANN401  (JSON as it came)
    name = tool["function"]["name"]
    arguments = orjson.dumps(draw_value(tool["function"].get("parameters"), draw)).decode()
    return Call(f"functions.{name}:{number}", name, pieces_of(arguments))
