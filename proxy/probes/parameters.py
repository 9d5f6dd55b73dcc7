"""Probes of the parameters: the pre-check of the Kimi Vendor Verifier, and what else the API accepts and refuses.

Not here: what the accepted answers say. Invariant: only status 400 or 422 refuses a request and only status 200 accepts
one, whatever its content is; 429, 5xx and silence are neither (the verifier takes any error for a refusal).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from proxy.contract.mode import Mode
from proxy.probes.asks import QUESTION, TINY, Members, ask, spellings, tool
from proxy.probes.judging import failed, passed, unjudged
from proxy.probes.probe import Ask, Finding, Layer, Probe, Setting, Told, Verdict, counted, shown

EXACT: Final = "exact"
RANGE: Final = "range"


@dataclass(frozen=True, slots=True)
class Rule:
    """The values that are sent of one member: lawful ones by mode, and unlawful ones for both."""

    thinking: tuple[float, ...]
    instant: tuple[float, ...]
    unlawful: tuple[float, ...]

    def lawful(self, mode: Mode) -> tuple[float, ...]:
        """Those that must be accepted."""
        return self.thinking if mode is Mode.THINKING else self.instant


_FIXED: Final[Mapping[str, Rule]] = {
    "top_p": Rule((0.95,), (0.95,), (0.8,)),
    "presence_penalty": Rule((0,), (0,), (0.5,)),
    "frequency_penalty": Rule((0,), (0,), (0.5,)),
    "n": Rule((1,), (1,), (2,)),
}
RULES: Final[Mapping[str, Mapping[str, Rule]]] = {
    EXACT: {"temperature": Rule((1.0,), (0.6,), (0.5,)), **_FIXED},
    RANGE: {"temperature": Rule((0.6, 0.0, 1.0), (0.6,), (1.1, 2.0, -0.1)), **_FIXED},
}
"""MoonshotAI/Kimi-Vendor-Verifier: exact as in verify_params.py, range as in tests/params/test_params.py."""
_SOURCE: Final = "Kimi-Vendor-Verifier verify_params.py, tests/params"
_REPEATS: Final = 4
_WEATHER: Final = tool(
    "get_weather",
    "The weather of a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


def _sent(setting: Setting, mode: Mode, sampling: Members) -> tuple[Ask, ...]:
    """The question with these members and no other sampling value, in each spelling of the mode by itself."""
    return tuple(
        ask(setting, mode, QUESTION, limit=TINY, said=spelling.members(mode), sampling=sampling)
        for spelling in spellings(setting.plan.profile)
    )


def _lawful(member: str) -> Callable[[Setting, Mode], tuple[Ask, ...]]:
    return lambda setting, mode: tuple(
        one for value in RULES[setting.contract][member].lawful(mode) for one in _sent(setting, mode, {member: value})
    )


def _unlawful(member: str) -> Callable[[Setting, Mode], tuple[Ask, ...]]:
    return lambda setting, mode: tuple(
        one for value in RULES[setting.contract][member].unlawful for one in _sent(setting, mode, {member: value})
    )


def _accepted(told: Told) -> Finding:
    if told.refusals:
        return failed(f"{len(told.refusals)} of {len(told.asks)} refused: {shown(told.refusals[0])}")
    return passed(f"{len(told.asks)} accepted") if not told.lost else unjudged(told, "")


def _rejected(told: Told) -> Finding:
    accepted = [each for each in told.replies if each.status == 200]
    if accepted:
        return failed(f"{len(accepted)} of {len(told.asks)} answered with status 200")
    if len(told.refusals) == len(told.asks):
        return passed(f"{len(told.asks)} refused: {shown(told.refusals[0])}")
    return Finding(Verdict.NO_ANSWER, counted(told.lost, len(told.asks)))


def _pair(member: str) -> tuple[Probe, Probe]:
    name = member.replace("_", "-")
    return (
        Probe(
            id=f"{name}-lawful",
            layer=Layer.PARAMETERS,
            title=f"a lawful {member} is accepted",
            allowed=f"status 200 for {_values(member, lambda rule: {mode: rule.lawful(mode) for mode in Mode})}",
            hint="the host checks against another contract; compare with --contract exact and --contract range",
            source=_SOURCE,
            asks=_lawful(member),
            judge=_accepted,
            reads_refusals=True,
        ),
        Probe(
            id=f"{name}-unlawful",
            layer=Layer.PARAMETERS,
            title=f"an unlawful {member} is refused",
            allowed=f"status 400 (or 422) for {_values(member, lambda rule: dict.fromkeys(Mode, rule.unlawful))}",
            hint="an engine that decodes by whatever is sent; a strict paramwall before it refuses",
            source=_SOURCE,
            asks=_unlawful(member),
            judge=_rejected,
            reads_refusals=True,
        ),
    )


def _values(member: str, of: Callable[[Rule], Mapping[str, tuple[float, ...]]]) -> str:
    """What is sent, for people: by contract and by mode where these matter."""
    parts = {contract: _by_mode(of(RULES[contract][member])) for contract in RULES}
    if len(set(parts.values())) == 1:
        return parts[EXACT]
    return "; ".join(f"{contract}: {part}" for contract, part in parts.items())


def _by_mode(values: Mapping[str, tuple[float, ...]]) -> str:
    texts = {mode: "/".join(f"{value:g}" for value in each) for mode, each in values.items()}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{text} {mode}" for mode, text in texts.items())


def _alike(told: Told) -> Finding:
    """Greedy decoding shows as the same text each time."""
    texts = [(one.reasoning or "") + (one.content or "") for one in told.answers if not one.degenerate]
    if len(texts) < _REPEATS:
        return unjudged(told, "too few answers to compare")
    different = len(set(texts))
    if different == 1 and texts[0]:
        return failed(f"{len(texts)} answers to an open question are the same text")
    return passed(f"{different} different texts in {len(texts)} answers")


def _defaults(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    words = "Invent a town: its name, its river, what is sold on its market, and one old story that is told there."
    return tuple(ask(setting, mode, words, limit=64, sampling={}, turn=turn) for turn in range(_REPEATS))


def _called(*, with_reasoning: bool) -> list[dict[str, Any]]:
    """A conversation in which a tool was called and answered."""
    function = {"name": "get_weather", "arguments": '{"city":"Bergen"}'}
    call = {"id": "functions.get_weather:0", "type": "function", "function": function}
    said: dict[str, Any] = {"role": "assistant", "tool_calls": [call]}
    if with_reasoning:
        said["reasoning_content"] = "I should look up the weather in Bergen."
    return [
        {"role": "user", "content": "What is the weather in Bergen?"},
        said,
        {"role": "tool", "tool_call_id": "functions.get_weather:0", "content": "Rain, 9 degrees."},
    ]


def _history(*, with_reasoning: bool) -> Callable[[Setting, Mode], tuple[Ask, ...]]:
    return lambda setting, mode: (
        ask(setting, mode, _called(with_reasoning=with_reasoning), limit=TINY, tools=[_WEATHER]),
    )


PARAMETERS: Final = (
    Probe(
        id="nothing-set",
        layer=Layer.PARAMETERS,
        title="a request without sampling parameters is accepted",
        allowed="status 200",
        hint="nothing else can be checked before this is accepted",
        source=_SOURCE,
        asks=lambda setting, mode: _sent(setting, mode, {}),
        judge=_accepted,
        reads_refusals=True,
    ),
    *(probe for member in RULES[EXACT] for probe in _pair(member)),
    Probe(
        id="defaults-sample",
        layer=Layer.PARAMETERS,
        title="without a temperature it samples",
        allowed="the default is 1.0 while thinking and 0.6 otherwise, so an open question has different answers",
        hint="a default of temperature 0; send temperature and top_p always, as a paramwall that repairs does",
        source="K2.6 host requirement R2; Moonshot API reference, models overview",
        asks=_defaults,
        judge=_alike,
    ),
    Probe(
        id="reasoning-history-lawful",
        layer=Layer.PARAMETERS,
        title="reasoning in the history is accepted",
        allowed="an assistant message with reasoning_content is accepted",
        hint="a gateway that refuses members it does not know; thinking with tools then loses its thread",
        source="Moonshot API reference, thinking; Fireworks reports",
        asks=_history(with_reasoning=True),
        judge=_accepted,
        modes=(Mode.THINKING,),
        reads_refusals=True,
    ),
    Probe(
        id="reasoning-history-missing",
        layer=Layer.PARAMETERS,
        title="tool calls without their reasoning are refused",
        allowed="status 400 for an assistant message with tool_calls and no reasoning_content, while thinking",
        hint="an engine that renders the turn without its thought; a strict paramwall before it refuses",
        source="K2.6 host requirement R5; kimi-agent-sdk#169",
        asks=_history(with_reasoning=False),
        judge=_rejected,
        modes=(Mode.THINKING,),
        reads_refusals=True,
    ),
)
