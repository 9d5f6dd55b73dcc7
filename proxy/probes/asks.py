"""The requests that probes make: questions, tools, and how a mode is spelled for a vendor.

Not here: what the answers must be like. Invariants: every request is lawful unless its probe is about an unlawful one:
it sends the contract's sampling values, and a limit; two probes that want the same get an equal Ask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson

from proxy.contract.mode import Mode
from proxy.contract.profile import Profile
from proxy.probes.probe import Ask, Setting

Members: TypeAlias = Mapping[str, Any]

SAMPLING: Final[Mapping[Mode, Members]] = {
    Mode.THINKING: {"temperature": 1.0, "top_p": 0.95},
    Mode.INSTANT: {"temperature": 0.6, "top_p": 0.95},
}
"""Lawful under both contracts."""
STREAMED: Final[Members] = {"stream": True, "stream_options": {"include_usage": True}}
TINY: Final = 16
"""max_tokens where only the status or the prompt's count matters."""
ROOM: Final = 1024
"""max_tokens for a short answer and the thought before it."""
QUESTION: Final = (
    "A ferry leaves at 14:35 and arrives at 17:10 on the same day. How many minutes does the crossing take? Answer in "
    "one short sentence."
)
LONG_QUESTION: Final = "Write the numbers from 1 to 2000 in words, separated by commas. Do not stop before 2000."
STREAMS: Final = 4
"""How often the plain question is streamed; the first of them serve all probes of plain answers."""
BODIES: Final = 2


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way to say the mode; `name` for people."""

    name: str
    thinking: Members
    instant: Members

    def members(self, mode: Mode) -> Members:
        """What says `mode`; empty where the vendor is told by silence."""
        return self.thinking if mode is Mode.THINKING else self.instant


KIMI: Final = Spelling("thinking.type", {"thinking": {"type": "enabled"}}, {"thinking": {"type": "disabled"}})
OPEN_SOURCE: Final = Spelling(
    "chat_template_kwargs.thinking",
    {"chat_template_kwargs": {"thinking": True}},
    {"chat_template_kwargs": {"thinking": False}},
)


def spellings(profile: Profile) -> tuple[Spelling, ...]:
    """How a vendor may be told its mode: as its profile says, or both ways of the Kimi Vendor Verifier where that says
    nothing.
    """
    if not profile.switches:
        return KIMI, OPEN_SOURCE
    name = " and ".join(".".join(switch.path) for switch in profile.switches)
    return (Spelling(name, _switched(profile, Mode.THINKING), _switched(profile, Mode.INSTANT)),)


def spelled(profile: Profile, mode: Mode) -> Members:
    """The mode in all its spellings for this vendor at once: they agree, and hosts pass over those they do not know."""
    members: dict[str, Any] = {}
    for spelling in spellings(profile):
        members |= spelling.members(mode)
    return members


def ask(
    setting: Setting,
    mode: Mode,
    messages: str | Sequence[Members],
    *,
    limit: int,
    expected: int | None = None,
    turn: int = 0,
    said: Members | None = None,
    sampling: Members | None = None,
    **members: Any,  # noqa: ANN401  (any JSON)
) -> Ask:
    """One request. A text is the user's only message. `said` spells the mode another way than `spelled`, `sampling`
    replaces the lawful values; None leaves either as it is.
    """
    listed = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
    body: dict[str, Any] = {"model": setting.model, "messages": listed}
    body |= spelled(setting.plan.profile, mode) if said is None else said
    body |= SAMPLING[mode] if sampling is None else sampling
    body |= {"max_tokens": limit, **members}
    return Ask(orjson.dumps(body), limit, limit if expected is None else expected, turn)


def plain_stream(setting: Setting, mode: Mode, turn: int) -> Ask:
    """The plain question, streamed."""
    return ask(setting, mode, QUESTION, limit=ROOM, expected=_answer(mode), turn=turn, **STREAMED)


def plain_body(setting: Setting, mode: Mode, turn: int) -> Ask:
    """The plain question, answered in one body."""
    return ask(setting, mode, QUESTION, limit=ROOM, expected=_answer(mode), turn=turn)


def streams(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    """The plain question in STREAMS streams."""
    return tuple(plain_stream(setting, mode, turn) for turn in range(STREAMS))


def bodies(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    """The plain question in BODIES bodies."""
    return tuple(plain_body(setting, mode, turn) for turn in range(BODIES))


def plain(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    """Both."""
    return (*streams(setting, mode), *bodies(setting, mode))


def tool(name: str, description: str, parameters: Members) -> Members:
    """A declared tool."""
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def call_ask(
    setting: Setting,
    mode: Mode,
    tools: Sequence[Members],
    *,
    wanted: str,
    stream: bool,
    turn: int = 0,
    history: Sequence[Members] = (),
) -> Ask:
    """A request that can only be met by a call of `wanted`: demanded where that is lawful, asked for in words in both
    modes, since thinking admits no tool_choice but auto and none.
    """
    words = f"Call the tool {wanted} now, once, with arguments of your choice that fit its schema. Write no text."
    return ask(
        setting,
        mode,
        [*history, {"role": "user", "content": words}],
        limit=2 * ROOM,
        expected=_answer(mode) + 20,
        turn=turn,
        tools=list(tools),
        tool_choice="required" if mode is Mode.INSTANT else "auto",
        **(STREAMED if stream else {}),
    )


def _answer(mode: Mode) -> int:
    return 220 if mode is Mode.THINKING else 30


def _switched(profile: Profile, mode: Mode) -> Members:
    members: dict[str, Any] = {}
    for switch in profile.switches:
        raw = switch.value(mode)
        if raw is None:
            continue
        if len(switch.path) == 1:
            members[switch.path[0]] = orjson.loads(raw)
        else:
            members.setdefault(switch.path[0], {})[switch.path[1]] = orjson.loads(raw)
    return members
