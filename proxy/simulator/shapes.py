"""The two hosts a simulator can be: Moonshot's own API, or the vLLM engine.

Here: how each reads the mode, which defaults it has, where its answer holds reasoning and usage. Not here: what each
refuses (refusals.py). Invariant: a shape is data; the code that reads a request or writes an answer asks it and never
compares names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from proxy.contract.mode import KEEP_SPELLINGS, SWITCHES, Mode, Path
from proxy.simulator.sampler import Sampling


@dataclass(frozen=True, slots=True)
class Shape:
    """How one kind of host spells things.

    `switch` is the only place where the mode is read; other spellings are ignored without a word, as real hosts do.
    `usage_in_choice`: the finish chunk of a stream holds choices[0].usage, asked or not. `null_usage`: with
    include_usage every other chunk holds usage null. `cached_on_top`: usage.cached_tokens; else
    usage.prompt_tokens_details.cached_tokens. `checks_contract`: a fixed parameter with another value is refused.
    `honours_seed`: the member `seed` decides the draw.
    """

    name: str
    switch: Path
    keep: Path
    defaults: Mapping[Mode, Sampling]
    reasoning_field: str
    usage_in_choice: bool
    null_usage: bool
    cached_on_top: bool
    checks_contract: bool
    honours_seed: bool
    fingerprint: str | None
    model_owner: str

    def read_mode(self, members: Mapping[str, Any]) -> Mode:
        """The mode this host reads; thinking unless its own switch says otherwise."""
        value = _at(members, self.switch)
        return SWITCHES[self.switch].get(value, Mode.THINKING) if isinstance(value, str | bool) else Mode.THINKING

    def keeps_reasoning(self, members: Mapping[str, Any]) -> bool:
        """Whether the client asked that earlier reasoning be used."""
        return bool(_at(members, self.keep) == KEEP_SPELLINGS[self.keep])


MOONSHOT: Final = Shape(
    name="moonshot",
    switch=("thinking", "type"),
    keep=("thinking", "keep"),
    defaults={Mode.THINKING: Sampling(1.0, 0.95), Mode.INSTANT: Sampling(0.6, 0.95)},
    reasoning_field="reasoning_content",
    usage_in_choice=True,
    null_usage=True,
    cached_on_top=True,
    checks_contract=True,
    honours_seed=False,
    fingerprint="fpv0_5a1m0001",
    model_owner="moonshot",
)
"""platform.kimi.ai: API reference, models overview; its stream puts usage into the finish chunk's choice."""

VLLM: Final = Shape(
    name="vllm",
    switch=("chat_template_kwargs", "thinking"),
    keep=("chat_template_kwargs", "preserve_thinking"),
    defaults={Mode.THINKING: Sampling(1.0, 1.0), Mode.INSTANT: Sampling(1.0, 1.0)},
    reasoning_field="reasoning",
    usage_in_choice=False,
    null_usage=False,
    cached_on_top=False,
    checks_contract=False,
    honours_seed=True,
    fingerprint=None,
    model_owner="vllm",
)
"""vllm-project/vllm: entrypoints/openai/chat_completion/protocol.py and the kimi_k2 reasoning and tool parsers."""

SHAPES: Final = (MOONSHOT, VLLM)


class UnknownShape(ValueError):
    """No such profile; the message lists those there are."""


def shape_named(name: str) -> Shape:
    """The shape of that name. Raises UnknownShape."""
    for shape in SHAPES:
        if shape.name == name:
            return shape
    known = ", ".join(shape.name for shape in SHAPES)
    raise UnknownShape(f"unknown profile {name!r}: the simulator knows {known}\nhint: --profile {SHAPES[0].name}")


def _at(members: Mapping[str, Any], path: Path) -> Any:  # noqa: ANN401  (JSON as it came)
    inner = members.get(path[0])
    return inner.get(path[1]) if isinstance(inner, dict) else None
