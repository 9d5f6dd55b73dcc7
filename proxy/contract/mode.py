"""Thinking or instant, read from every spelling a client may use.

Here: the spellings (reference: the table of hosts in docs/vendors.md) and what each one says. Not here: which spelling
a vendor understands (profile.py). Invariant: two switches that disagree are an error, never a choice; a value that is
no switch at all is an error too, since one host would ignore what another obeys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeAlias

from proxy.contract.envelope import (
    MAX_NAME_CHARACTERS,
    Envelope,
    Json,
    MalformedBody,
    Raw,
    fold,
    folds_to_known,
    strict,
    twin,
)


class Mode(StrEnum):
    """The two ways Kimi K2.5 and K2.6 answer; each has decoding values of its own."""

    THINKING = "thinking"
    INSTANT = "instant"


Path: TypeAlias = tuple[str, ...]
"""Where a switch stands: a top-level member, or a member of a top-level object."""

_ON_OFF: Final = {"enabled": Mode.THINKING, "disabled": Mode.INSTANT, "adaptive": Mode.THINKING}
"""`adaptive`, which Claude Code sends, leaves it to the model; Kimi has no third way and thinks unless told not to."""
_EFFORTS: Final = {"none": Mode.INSTANT} | dict.fromkeys(
    ("minimal", "low", "medium", "high", "xhigh", "max", "auto"), Mode.THINKING
)
_BOOLEAN: Final = {True: Mode.THINKING, False: Mode.INSTANT}

SWITCHES: Final[dict[Path, Mapping[Any, Mode]]] = {
    ("thinking", "type"): _ON_OFF,  # Moonshot's API reference
    ("chat_template_kwargs", "thinking"): _BOOLEAN,  # model card: vLLM, SGLang, KTransformers
    ("chat_template_kwargs", "enable_thinking"): _BOOLEAN,  # ignored by the K2 template, written by many clients
    ("chat_template_args", "thinking"): _BOOLEAN,
    ("chat_template_args", "enable_thinking"): _BOOLEAN,  # Baseten
    ("reasoning", "enabled"): _BOOLEAN,  # Together, OpenRouter
    ("reasoning", "effort"): _EFFORTS,  # OpenRouter, /v1/responses
    ("reasoning", "enable"): _BOOLEAN,  # SGLang, srt/entrypoints/openai/protocol.py
    ("reasoning", "reasoning_effort"): _EFFORTS,  # SGLang, as above
    ("reasoning_effort",): _EFFORTS,  # DigitalOcean, NVIDIA, SGLang; OpenAI's own name
    ("enable_thinking",): _BOOLEAN,  # Alibaba
}
SWITCH_MEMBERS: Final = frozenset(path[0] for path in SWITCHES)
KEEP_SPELLINGS: Final[Mapping[Path, object]] = {
    ("thinking", "keep"): "all",  # Moonshot: earlier reasoning is used
    ("chat_template_kwargs", "preserve_thinking"): True,  # model card
}
SUFFIX: Final = ":thinking"
"""nano-gpt and some routers switch by the model's name."""

_INNER: Final = {
    member: {fold(path[1]): path[1] for path in (*SWITCHES, *KEEP_SPELLINGS) if path[0] == member and len(path) == 2}
    for member in SWITCH_MEMBERS
}
"""The names judged inside each switch's object, by their folds."""
_STRING: Final = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?')
"""A string within JSON text; with its colon it is a name."""


@dataclass(frozen=True, slots=True)
class ModeReading:
    """What the request says about its mode. `said` holds every switch found; `objects` the nested ones, parsed
    strictly.
    """

    mode: Mode
    said: Mapping[Path, Mode] = field(default_factory=dict)
    keep: bool = False
    objects: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)


_UNSAID: Final = {mode: ModeReading(mode) for mode in Mode}
"""The readings of requests that say nothing."""


def read_mode(envelope: Envelope, default: Mode) -> ModeReading:
    """The mode of a request; `default` when no switch says anything (null counts as absent).

    Raises MalformedBody when a switch has no known meaning, or when two switches disagree.
    """
    members = envelope.members
    suffixed = "model" in members and _suffixed(bytes(members["model"]))
    if not suffixed and SWITCH_MEMBERS.isdisjoint(members):
        return _UNSAID[default]
    objects, said, keep = _collect(members)
    if suffixed:
        said[("model",)] = Mode.THINKING
    modes = set(said.values())
    if len(modes) > 1:
        raise _contradiction(said)
    return ModeReading(modes.pop() if modes else default, said, keep, objects)


def _collect(members: Mapping[str, Raw]) -> tuple[dict[str, dict[str, Json]], dict[Path, Mode], bool]:
    values = {name: strict(members[name], name) for name in SWITCH_MEMBERS & members.keys()}
    objects = {name: value for name, value in values.items() if isinstance(value, dict)}
    for name, inner in objects.items():
        _require_plain_names(name, inner, bytes(members[name]))
    said: dict[Path, Mode] = {}
    for path, meanings in SWITCHES.items():
        value = values.get(path[0])
        if len(path) == 2 and value is not None:
            if not isinstance(value, dict):
                raise _unknown_switch((path[0],), "an object")
            value = value.get(path[1])
        if value is None:
            continue
        if isinstance(value, Decimal | list | dict) or value not in meanings:
            raise _unknown_switch(path, " or ".join(_shown(meaning) for meaning in meanings))
        said[path] = meanings[value]
    keep = any(objects.get(path[0], {}).get(path[1]) == wanted for path, wanted in KEEP_SPELLINGS.items())
    return objects, said, keep


def _suffixed(model: bytes) -> bool:
    if ord(":") not in model and ord("\\") not in model:  # a byte is found five times as fast as bytes
        return False
    name = strict(model, "model")
    return isinstance(name, str) and fold(name[-MAX_NAME_CHARACTERS:]).endswith(SUFFIX)


def _require_plain_names(member: str, inner: Mapping[str, Json], raw: bytes) -> None:
    judged = _INNER[member]
    for name in inner:
        known = twin(name, judged)
        if known not in (None, name):
            raise folds_to_known(str(known), member)
    for name in _escaped_names(raw, member):
        if name in judged.values():
            raise folds_to_known(name, member)


def _escaped_names(raw: bytes, member: str) -> Iterator[str]:
    """The names that are spelled with an escape. Some readers (SQLite's json_extract) do not know them again, and an
    object that no rule edits keeps its bytes.
    """
    if b"\\" not in raw:
        return
    for text, colon in _STRING.findall(raw.decode()):
        if colon and "\\" in text:
            yield str(strict(text.encode(), member))


def _shown(meaning: object) -> str:
    return str(meaning).lower() if isinstance(meaning, bool) else f'"{meaning}"'


def _unknown_switch(path: Path, allowed: str) -> MalformedBody:
    name = ".".join(path)
    return MalformedBody(
        "mode-switch-unknown",
        f"invalid {name}: it has no meaning as a thinking switch",
        f"send {name} as {allowed}",
        name,
    )


def _contradiction(said: Mapping[Path, Mode]) -> MalformedBody:
    listed = ", ".join(f"{'.'.join(path)} says {mode}" for path, mode in said.items())
    name = ".".join(next(iter(said)))
    return MalformedBody(
        "mode-switches-contradict", f"invalid thinking: {listed}", "send one switch, or switches that agree", name
    )
