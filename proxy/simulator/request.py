"""What the host understands of a chat request.

Here: ChatRequest and how it is read from a body, leniently. Not here: whether it is lawful (refusals.py); the reader
takes a default for what it cannot use, so that a host told to accept anything can. Invariant: reading never raises for
a JSON object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, TypeGuard

import orjson

from proxy.contract.mode import Mode
from proxy.simulator.sampler import Sampling, prompt_key
from proxy.simulator.shapes import Shape
from proxy.simulator.tokens import GENERATION_PROMPT, count_prompt

CONTEXT_TOKENS: Final = 262_144
"""Kimi K2.6's context window (vllm-project/recipes, moonshotai/Kimi-K2.6.yaml)."""
DEFAULT_MAX_TOKENS: Final = 32_768
"""Kimi K2.6 quickstart on platform.kimi.ai; the API reference says "such as 1024"."""
MAX_CHOICES: Final = 16

Members = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Habits:
    """How the host's ways differ from the model's own; only faults set them.

    `reasoning` and `content` multiply the lengths. `calls` is added to the mean chance of a tool call (-1..1).
    `opposite`: it calls a tool where the model would not, and the other way round. `other_tool`: it calls another
    declared tool than the model would. `weights` other than 0 is another model: other words, equal chances and lengths.
    """

    reasoning: float = 1.0
    content: float = 1.0
    calls: float = 0.0
    opposite: bool = False
    other_tool: bool = False
    weights: int = 0


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat request as understood. `asked` is the mode the client asked for, `mode` the one the host answers in;
    only a fault makes them differ. `accepts_anything`: the host does not check parameters. `members` is the whole body.
    """

    members: Members = field(repr=False)
    model: str
    asked: Mode
    mode: Mode
    sampling: Sampling
    choices: int
    max_tokens: int
    messages: tuple[Any, ...] = field(repr=False)
    tools: tuple[Members, ...] = field(repr=False)
    stream: bool
    include_usage: bool
    keep_reasoning: bool
    accepts_anything: bool = False
    generation_prompt: bool = True
    """Whether the prompt ends with what makes the assistant speak."""
    template_tokens: int = 0
    """What the host's chat template has more than the model's."""
    habits: Habits = Habits()
    json_schema: Any = None
    """What response_format demands of the content: a JSON schema, True for any JSON, None for text."""
    stop: tuple[str, ...] = ()

    @property
    def prompt_tokens(self) -> int:
        """The documented estimate (tokens.py) over messages and tools."""
        whole = count_prompt(self.messages, self.tools, keep_reasoning=self.keep_reasoning) + self.template_tokens
        return whole if self.generation_prompt else whole - GENERATION_PROMPT

    @property
    def key(self) -> int:
        """What leans the model: messages without their reasoning, and tools; the same on every host and shape."""
        said = [_said(message) for message in self.messages]
        return prompt_key(orjson.dumps([said, self.tools], option=orjson.OPT_SORT_KEYS))

    @property
    def after_tool_result(self) -> bool:
        """Whether the last message is a tool's answer."""
        return bool(self.messages) and _get(self.messages[-1], "role") == "tool"


def read_chat(members: Members, shape: Shape) -> ChatRequest:
    """Read a body; whatever cannot be used takes the host's default."""
    mode = shape.read_mode(members)
    defaults = shape.defaults[mode]
    sampling = Sampling(
        _number(members.get("temperature"), defaults.temperature), _number(members.get("top_p"), defaults.top_p)
    )
    limit = members.get("max_completion_tokens")
    limit = limit if limit is not None else members.get("max_tokens")
    options = members.get("stream_options")
    return ChatRequest(
        members=members,
        model=str(members.get("model")),
        asked=mode,
        mode=mode,
        sampling=sampling,
        choices=_whole(members.get("n"), 1, MAX_CHOICES),
        max_tokens=_whole(limit, DEFAULT_MAX_TOKENS, CONTEXT_TOKENS),
        messages=_sequence(members.get("messages")),
        tools=_declared(members),
        stream=members.get("stream") is True,
        include_usage=_get(options, "include_usage") is True,
        keep_reasoning=shape.keeps_reasoning(members),
        json_schema=_wanted_json(members.get("response_format")),
        stop=_stops(members.get("stop")),
    )


def choice_draw(request: ChatRequest, draw: Random, shape: Shape) -> Random:
    """The draw for the answer: at temperature 0 and for an honoured seed it depends on the request alone."""
    if request.sampling.temperature <= 0.0:
        return Random(request.key)  # noqa: S311  (a simulator's dice, not a secret)
    seed = request.members.get("seed")
    if shape.honours_seed and isinstance(seed, int):
        return Random(f"{seed}/{request.key}")  # noqa: S311
    return draw


def is_number(value: Any) -> TypeGuard[float]:  # noqa: ANN401  (JSON as it came)
    """A JSON number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _declared(members: Members) -> tuple[Members, ...]:
    tools = (tool for tool in _sequence(members.get("tools")) if isinstance(tool, dict))
    return tuple(tool for tool in tools if isinstance(_get(tool.get("function"), "name"), str))


def _wanted_json(response_format: Any) -> Any:  # noqa: ANN401
    kind = _get(response_format, "type")
    if kind == "json_schema":
        schema = _get(response_format["json_schema"], "schema") if "json_schema" in response_format else None
        return schema if isinstance(schema, dict) else True
    return True if kind == "json_object" else None


def _stops(stop: Any) -> tuple[str, ...]:  # noqa: ANN401
    listed = [stop] if isinstance(stop, str) else _sequence(stop)
    return tuple(text for text in listed if isinstance(text, str) and text)


def _said(message: Any) -> Any:  # noqa: ANN401
    if not isinstance(message, dict):
        return message
    return [message.get("role"), message.get("content"), [_get(call, "function") for call in _calls(message)]]


def _calls(message: Members) -> Sequence[Any]:
    return _sequence(message.get("tool_calls"))


def _number(value: Any, default: float) -> float:  # noqa: ANN401
    return float(value) if is_number(value) else default


def _whole(value: Any, default: int, most: int) -> int:  # noqa: ANN401
    return min(max(int(value), 1), most) if is_number(value) else default


def _sequence(value: Any) -> tuple[Any, ...]:  # noqa: ANN401
    return tuple(value) if isinstance(value, list) else ()


def _get(value: Any, name: str) -> Any:  # noqa: ANN401
    return value.get(name) if isinstance(value, dict) else None
