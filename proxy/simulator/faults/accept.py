"""Faults at the request's acceptance: what the host understood, and whether it checks it.

Not here: what it then says (answer.py). Invariant: the body itself is never changed, only the reading of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from proxy.contract.mode import Mode
from proxy.simulator.faults.defects import Defect
from proxy.simulator.faults.fault import AcceptFault, Number, Occasion
from proxy.simulator.request import ChatRequest, Habits
from proxy.simulator.sampler import Sampling, draw_words, prompt_key

_WORDS_PER_TOKEN: Final = 0.7
"""The built-in words with their space are 5.8 bytes long on average, the token estimate takes four bytes a token."""
OTHER_WEIGHTS: Final = 0x0DD_0DE1
"""What turns the leanings of the model into those of another; any number but 0."""


def _accept_anything(request: ChatRequest, _on: Occasion) -> ChatRequest:
    return replace(request, accepts_anything=True)


def _ignore_sampling(request: ChatRequest, _on: Occasion) -> ChatRequest:
    return replace(request, sampling=Sampling(1.0, 1.0))


def _wrong_defaults(request: ChatRequest, on: Occasion) -> ChatRequest:
    sampling = request.sampling
    if request.members.get("temperature") is None:
        sampling = replace(sampling, temperature=on.number or 0.0)
    if request.members.get("top_p") is None:
        sampling = replace(sampling, top_p=1.0)
    return replace(request, sampling=sampling)


def _think_anyway(request: ChatRequest, _on: Occasion) -> ChatRequest:
    return replace(request, mode=Mode.THINKING)


def _inject_system_prompt(request: ChatRequest, on: Occasion) -> ChatRequest:
    count = max(round(on.whole() * _WORDS_PER_TOKEN), 1)
    text = "".join(draw_words(prompt_key(b"injected"), count, Sampling(0.0, 1.0), on.draw))
    return replace(request, messages=({"role": "system", "content": text}, *request.messages))


def _drop_system_prompt(request: ChatRequest, _on: Occasion) -> ChatRequest:
    kept = tuple(each for each in request.messages if not (isinstance(each, dict) and each.get("role") == "system"))
    return replace(request, messages=kept)


def _null_as_text(request: ChatRequest, _on: Occasion) -> ChatRequest:
    return replace(request, messages=tuple(_with_null_written(message) for message in request.messages))


def _with_null_written(message: Any) -> Any:  # noqa: ANN401  (JSON as it came)
    if isinstance(message, dict) and "content" in message and message["content"] in (None, []):
        return message | {"content": str(message["content"])}
    return message


def _cap_output(request: ChatRequest, on: Occasion) -> ChatRequest:
    return replace(request, max_tokens=min(request.max_tokens, max(on.whole(), 1)))


def _no_generation_prompt(request: ChatRequest, _on: Occasion) -> ChatRequest:
    return replace(request, generation_prompt=False)


def _longer_template(request: ChatRequest, on: Occasion) -> ChatRequest:
    return replace(request, template_tokens=request.template_tokens + on.whole())


def _no_json(request: ChatRequest, _on: Occasion) -> ChatRequest:
    return replace(request, json_schema=None)


def _habit(change: Callable[[Habits, float], Habits]) -> Callable[[ChatRequest, Occasion], ChatRequest]:
    return lambda request, on: replace(request, habits=change(request.habits, on.number or 0.0))


ACCEPT_FAULTS: Final = (
    AcceptFault(
        name="accept-any-parameters",
        does="answers 200 to every wrong parameter value, and decodes by it",
        defect=Defect.PARAMETERS_ACCEPTED,
        act=_accept_anything,
    ),
    AcceptFault(
        name="ignore-sampling",
        does="decodes at temperature 1 and top_p 1 whatever was sent",
        defect=Defect.WRONG_DEFAULTS,
        act=_ignore_sampling,
    ),
    AcceptFault(
        name="wrong-defaults",
        does="decodes at its own temperature and at top_p 1 where the request is silent",
        defect=Defect.WRONG_DEFAULTS,
        number=Number("the temperature", 0.3),
        act=_wrong_defaults,
    ),
    AcceptFault(
        name="thinking-not-disabled",
        does="thinks although thinking was switched off",
        defect=Defect.THINKING_NOT_DISABLED,
        act=_think_anyway,
    ),
    AcceptFault(
        name="injected-system-prompt",
        does="puts a system prompt of its own before the messages",
        defect=Defect.CHANGED_PROMPT,
        number=Number("its length in tokens, roughly", 40),
        act=_inject_system_prompt,
    ),
    AcceptFault(
        name="dropped-system-prompt",
        does="leaves the client's system prompt out",
        defect=Defect.CHANGED_PROMPT,
        act=_drop_system_prompt,
    ),
    AcceptFault(
        name="missing-generation-prompt",
        does="leaves the generation prompt out: fewer prompt tokens, a sixth of the tool calls",
        defect=Defect.NO_GENERATION_PROMPT,
        act=_no_generation_prompt,
    ),
    AcceptFault(
        name="spaced-chat-template",
        does="renders the prompt by a template with more tokens, always as many",
        defect=Defect.CHANGED_PROMPT,
        number=Number("how many more", 7),
        act=_longer_template,
    ),
    AcceptFault(
        name="null-content-as-text",
        does="renders null or empty content in the history as the words None or []",
        defect=Defect.NULL_CONTENT_AS_TEXT,
        act=_null_as_text,
    ),
    AcceptFault(
        name="silent-output-cap",
        does="stops at its own limit below the asked max_tokens",
        defect=Defect.OUTPUT_CAPPED,
        number=Number("the limit in tokens", 64),
        act=_cap_output,
    ),
    AcceptFault(
        name="json-format-broken",
        does="ignores response_format and writes plain text",
        defect=Defect.FORMAT_IGNORED,
        act=_no_json,
    ),
    AcceptFault(
        name="shorter-answers",
        does="reasons and answers at a fraction of the length, finish reason as ever",
        defect=Defect.LENGTH_SHIFT,
        number=Number("the factor", 0.8),
        act=_habit(lambda habits, by: replace(habits, reasoning=habits.reasoning * by, content=habits.content * by)),
    ),
    AcceptFault(
        name="longer-reasoning",
        does="reasons at a multiple of the length",
        defect=Defect.LENGTH_SHIFT,
        number=Number("the factor", 1.5),
        act=_habit(lambda habits, by: replace(habits, reasoning=habits.reasoning * by)),
    ),
    AcceptFault(
        name="fewer-tool-calls",
        does="calls tools less often, on average over prompts",
        defect=Defect.TRIGGER_SHIFT,
        number=Number("percentage points less", 5),
        act=_habit(lambda habits, by: replace(habits, calls=habits.calls - by / 100)),
    ),
    AcceptFault(
        name="more-tool-calls",
        does="calls tools more often, on average over prompts",
        defect=Defect.TRIGGER_SHIFT,
        number=Number("percentage points more", 5),
        act=_habit(lambda habits, by: replace(habits, calls=habits.calls + by / 100)),
    ),
    AcceptFault(
        name="scrambled-decisions",
        does="calls a tool where the model would not, and answers where it would call one",
        defect=Defect.DECISIONS_SCRAMBLED,
        act=_habit(lambda habits, _by: replace(habits, opposite=True)),
    ),
    AcceptFault(
        name="wrong-tool",
        does="calls another declared tool than the model would, if there is one",
        defect=Defect.OTHER_CALLS,
        act=_habit(lambda habits, _by: replace(habits, other_tool=True)),
    ),
    AcceptFault(
        name="swapped-model",
        does="answers as another model would: other words, equal lengths and chances",
        defect=Defect.MODEL_SWAPPED,
        act=_habit(lambda habits, _by: replace(habits, weights=OTHER_WEIGHTS)),
    ),
)
