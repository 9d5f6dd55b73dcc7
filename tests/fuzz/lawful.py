"""What a body must look like once it has reached a vendor, said without the proxy's code.

Here: the decoding contract of Kimi K2.6 as predicates over one reader's understanding of a body. Not here: readers
(readers.py) and how a body came to be. Invariant: nothing of proxy/ is imported, so a fault there cannot hide itself
here. Sources: Moonshot's API reference (models overview); MoonshotAI/Kimi-Vendor-Verifier verify_params.py and
tests/params/test_params.py; vllm-project/vllm and sgl-project/sglang, protocol.py of their OpenAI entrypoints.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeGuard

THINKING: Final = "thinking"
INSTANT: Final = "instant"


@dataclass(frozen=True, slots=True)
class Host:
    """A vendor as it reads a mode: the one switch it knows (None: any), and what it does unasked."""

    name: str
    switch: tuple[str, ...] | None
    unasked: str = THINKING
    contract: str = "exact"


_ON_OFF: Final = {"enabled": THINKING, "disabled": INSTANT}
_BOOLEAN: Final = {True: THINKING, False: INSTANT}
_EFFORT: Final = {"none": INSTANT}
SWITCHES: Final[Mapping[tuple[str, ...], Mapping[Any, str]]] = {
    ("thinking", "type"): _ON_OFF,
    ("chat_template_kwargs", "thinking"): _BOOLEAN,
    ("chat_template_kwargs", "enable_thinking"): _BOOLEAN,
    ("chat_template_args", "thinking"): _BOOLEAN,
    ("chat_template_args", "enable_thinking"): _BOOLEAN,
    ("reasoning", "enabled"): _BOOLEAN,
    ("reasoning", "enable"): _BOOLEAN,
    ("reasoning", "effort"): _EFFORT,
    ("reasoning", "reasoning_effort"): _EFFORT,
    ("reasoning_effort",): _EFFORT,
    ("enable_thinking",): _BOOLEAN,
}
TEMPERATURE: Final = {THINKING: 1.0, INSTANT: 0.6}
NEUTRAL: Final[Mapping[str, tuple[Any, ...]]] = {
    "top_k": (0, -1),
    "min_p": (0,),
    "top_a": (0,),
    "repetition_penalty": (1,),
    "length_penalty": (1,),
    "use_beam_search": (False,),
    "watermarking": (False,),
    "logit_bias": ({}, []),
    "allowed_token_ids": ({}, []),
    "bad_words": ({}, []),
    "custom_logit_processor": ({}, []),
    "ignore_eos": (False,),
    "include_stop_str_in_output": (False,),
    "no_stop_trim": (False,),
    "min_tokens": (0,),
    "stop_token_ids": ([],),
    "stop_regex": ([],),
    "skip_special_tokens": (True,),
    "spaces_between_special_tokens": (True,),
    "include_reasoning": (True,),
    "separate_reasoning": (True,),
    "stream_reasoning": (True,),
    "thinking_token_budget": (-1,),
    "structured_outputs": (),
    "guided_json": (),
    "guided_regex": (),
    "guided_choice": (),
    "guided_grammar": (),
    "structural_tag": (),
    "regex": (),
    "ebnf": (),
    "json_schema": (),
    "chat_template": ({}, []),
    "input_ids": ({}, []),
    "documents": ({}, []),
    "mm_processor_kwargs": ({}, []),
    "lora_path": ({}, []),
    "truncate_prompt_tokens": (-1,),
    "api_base": (),
    "base_url": (),
    "api_key": (),
    "user_config": (),
    "bootstrap_host": (),
}
"""Members of engines and gateways, each with the values that do nothing. Null is as good as absent everywhere."""
CONTAINERS: Final = (
    *("extra_body", "sampling_params", "sampling", "generation_config", "parameters", "vllm_xargs", "custom_params"),
)
SAMPLING: Final = ("temperature", "top_p", "n", "best_of", "presence_penalty", "frequency_penalty")
BUDGET: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")
JUDGED: Final = frozenset(
    (*SAMPLING, *NEUTRAL, *CONTAINERS, *BUDGET, "model", "tool_choice", *(path[0] for path in SWITCHES))
)
"""Every name that a reader is asked about."""
_ELSEWHERE: Final = {
    "messages": frozenset(("n", "best_of", "presence_penalty", "frequency_penalty", "max_completion_tokens")),
    "completions": frozenset(("tool_choice",)),
}
"""Names that mean nothing on a route: the Messages API has no choices and penalties, completions have no tools."""
_COVERED: Final = re.compile(r"kimi-k2-6|(.*/)?kimi-k2\.6(-.*)?|.*/kimi-k2p6(-.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class View:
    """A body as one reader understood it: all top-level names, and the values of those that are judged."""

    reader: str
    names: tuple[str, ...]
    members: Mapping[str, Any]


@lru_cache(maxsize=4096)
def lax(name: str) -> str:
    """A name as the laxest reader would match it: compatibility forms, case and everything invisible set aside."""
    kept = (c for c in unicodedata.normalize("NFKC", name).casefold() if unicodedata.category(c)[0] not in "CZ")
    return "".join(kept)


def covered(model: Any) -> bool:  # noqa: ANN401  (JSON as it came)
    """Whether a policy for Kimi K2.6 is about this model; no name means the host's default, which may be it."""
    if model is None:
        return True
    if not isinstance(model, str):
        return False
    parts = re.split(r"([:@#])", lax(model))
    return any(_COVERED.fullmatch("".join(parts[:end])) for end in range(1, len(parts) + 1, 2))


def faults(view: View, route: str, host: Host) -> Iterator[str]:
    """Everything in the body that the contract forbids, as this reader sees it."""
    members = view.members
    if not covered(members.get("model")):
        return
    yield from _twins(view)
    modes = set(_said(members))
    if len(modes) > 1:
        yield "switches that contradict"
    said = modes.pop() if modes else None
    mode = said or THINKING
    if route == "chat" and host.switch is not None:
        read = _read(members, host.switch)
        mode = read or host.unasked
        if said is not None and read is None and said != host.unasked:
            yield f"the host does not see that {said} was asked for"
    yield from _sampling_faults(members, mode, route, host)
    yield from _engine_faults(members, route)
    judged = JUDGED - _ELSEWHERE.get(route, frozenset())
    for container in CONTAINERS:
        for path in _hidden(members.get(container), container, judged):
            yield f"hidden in a container: {path}"


def _said(members: Mapping[str, Any]) -> Iterator[str]:
    """What every switch says, wherever some host reads it."""
    for path in SWITCHES:
        mode = _read(members, path) if path[0] in members else None
        if mode is not None:
            yield mode
    model = members.get("model")
    if isinstance(model, str) and lax(model).endswith(":thinking"):
        yield THINKING


def _read(members: Mapping[str, Any], path: tuple[str, ...]) -> str | None:
    """The mode one switch says; None: it is absent, or says nothing a host would understand."""
    value: Any = members
    for name in path:
        value = value.get(name) if isinstance(value, dict | Mapping) else None
    meanings = SWITCHES[path]
    if isinstance(value, str):
        # An effort of any other strength still thinks.
        return meanings.get(value, THINKING if meanings is _EFFORT else None)
    return meanings.get(value) if isinstance(value, bool) else None


def _twins(view: View) -> Iterator[str]:
    for name in view.names:
        if name not in JUDGED and lax(name) in JUDGED:
            yield f"a twin of {lax(name)}"


def _is_number(value: Any) -> TypeGuard[float]:  # noqa: ANN401  (JSON as it came)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sampling_faults(members: Mapping[str, Any], mode: str, route: str, host: Host) -> Iterator[str]:
    temperature = members.get("temperature")
    low = high = TEMPERATURE[mode]
    if host.contract == "range" and mode == THINKING:
        low, high = 0.0, 1.0
    if not (_is_number(temperature) and low <= temperature <= high):
        yield f"temperature {temperature!r} in {mode} mode"
    if not (_is_number(members.get("top_p")) and members["top_p"] == 0.95):
        yield f"top_p {members.get('top_p')!r}"
    if route == "messages":
        return
    for name, value in {"n": 1, "best_of": 1, "presence_penalty": 0, "frequency_penalty": 0}.items():
        seen = members.get(name)
        if seen is not None and not (_is_number(seen) and seen == value):
            yield f"{name} {seen!r}"


def _engine_faults(members: Mapping[str, Any], route: str) -> Iterator[str]:
    for name in members.keys() & NEUTRAL.keys():
        seen = members[name]
        if seen is not None and not any(_same(seen, value) for value in NEUTRAL[name]):
            yield f"{name} {seen!r}"
    for name in BUDGET:
        seen = members.get(name)
        if seen is not None and not (_is_number(seen) and seen >= 1 and seen == int(seen)):
            yield f"{name} {seen!r}"
    budgets = {members.get(name) for name in ("max_tokens", "max_completion_tokens") if _is_number(members.get(name))}
    if route == "chat" and len(budgets) > 1:
        yield f"two budgets {budgets}"


def _same(seen: Any, value: Any) -> bool:  # noqa: ANN401  (JSON as it came)
    return bool(seen == value) and isinstance(seen, bool) == isinstance(value, bool)


def _hidden(value: Any, path: str, judged: frozenset[str]) -> Iterator[str]:  # noqa: ANN401  (JSON as it came)
    """Judged names inside an object that a gateway may merge into the body, however deep in such objects."""
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        known = lax(name)
        if known in CONTAINERS:
            yield from _hidden(inner, f"{path}.{name}", judged)
        if known in judged and (inner is not None or name != known) and (known not in CONTAINERS or name != known):
            yield f"{path}.{name}"
