"""Probes of the chat template: the mode switch, and the prompt that the host makes of the messages.

What the prompt is shows in its count of tokens: the same request has the same count, a difference between two requests
is what differs in them, and a reference counts alike (Kimi-Vendor-Verifier tests/prompt_tokens: 0 to 3 more). Not here:
where reasoning stands in the answer. Invariant: only requests of one vendor, or equal ones of two, are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from proxy.contract.mode import Mode
from proxy.contract.prompt_tokens import MAX_OVER
from proxy.probes.asks import QUESTION, ROOM, STREAMED, TINY, Members, ask, plain_body, spellings, tool
from proxy.probes.judging import failed, listed, passed, prompts, unjudged
from proxy.probes.probe import Ask, Finding, Layer, Probe, Setting, Told
from proxy.signals.features import Read

WORD: Final = "Hello"
WORD_TOKENS: Final = 16
"""Most that a prompt of one word may have: K2.6's template makes 9 or 10 of it (contract/prompt_tokens.py), hosts count
up to MAX_OVER more, and a system prompt of the host's own has a dozen at least.
"""
SYSTEM: Final = (
    "You are the night clerk of a small harbour office. You keep the tide tables, the lamp oil and the lost property, "
    "you answer in plain words, and you never promise a berth that is not free."
)
SYSTEM_TOKENS: Final = 20
"""Least that SYSTEM adds: it has 36 words."""
_UNSEEN: Final = 16
"""Tokens of an answer that need not be text."""
_REPEATS: Final = 4
_CLOCK: Final = tool(
    "read_clock", "The time at a place.", {"type": "object", "properties": {"place": {"type": "string"}}}
)


def _thinks(reads: Sequence[Read], mode: Mode) -> bool:
    """Whether there was a thought, shown or not: tokens that the text does not account for were spent on it. To find
    one that should be there a token for four characters is enough; one that should not be needs more.
    """
    if any(one.reasoning or "</think>" in (one.content or "") for one in reads):
        return True
    completion = sum(one.usage.completion or 0 for one in reads if one.usage is not None)
    characters = sum(one.characters for one in reads)
    if mode is Mode.THINKING:
        return completion > _UNSEEN * len(reads) + characters / 4
    return completion > 4 * _UNSEEN * len(reads) + 2 * characters


def _switched(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    """The question in each spelling of the mode; two answers each."""
    if len(spellings(setting.plan.profile)) == 1:
        return plain_body(setting, mode, 0), plain_body(setting, mode, 1)
    return tuple(
        ask(setting, mode, QUESTION, limit=ROOM, expected=220, said=spelling.members(mode), turn=turn)
        for spelling in spellings(setting.plan.profile)
        for turn in range(2)
    )


def _obeys(told: Told) -> Finding:
    """The spelling that works is the vendor's; where the profile knows it, it must be that one."""
    names = [spelling.name for spelling in spellings(told.setting.plan.profile)]
    answers: dict[str, list[Read]] = {}
    for place, one in enumerate(told.reads):
        if one is not None and not _left_in_reasoning(one):
            answers.setdefault(names[place // 2], []).append(one)
    if not answers:
        return unjudged(told, "no answer shows whether it thought")
    wanted = told.mode is Mode.THINKING
    obeyed = [name for name, reads in answers.items() if _thinks(reads, told.mode) == wanted]
    if obeyed:
        return passed(f"{'thinks' if wanted else 'does not think'}, told by {listed(obeyed)}")
    return failed(f"{'does not think' if wanted else 'thinks'}, told otherwise by {listed(answers)}")


def _left_in_reasoning(one: Read) -> bool:
    """The whole answer stands in the reasoning: that says nothing about the mode."""
    return one.blank and not one.tool_calls and bool(one.reasoning) and one.finish_reason == "stop"


def _unsaid(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    if mode is not setting.plan.profile.default_mode:
        return ()
    return tuple(ask(setting, mode, QUESTION, limit=ROOM, expected=220, said={}, turn=turn) for turn in range(2))


def _default(told: Told) -> Finding:
    judged = [one for one in told.answers if not _left_in_reasoning(one)]
    if not judged:
        return unjudged(told, "no answer shows whether it thought")
    thinks = _thinks(judged, told.mode)
    seen = "thinks unasked" if thinks else "does not think unasked"
    return passed(seen) if thinks == (told.mode is Mode.THINKING) else failed(seen)


def _same(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    again = tuple(ask(setting, mode, QUESTION, limit=TINY, turn=turn) for turn in range(_REPEATS - 1))
    return *again, ask(setting, mode, QUESTION, limit=TINY, **STREAMED)


def _constant(told: Told) -> Finding:
    counts = [count for count in prompts(told.reads) if count]
    if len(counts) < 2:
        return unjudged(told, "fewer than two answers state prompt_tokens")
    seen = f"prompt_tokens {listed(sorted(set(counts)))} for the same request, {len(counts)} times"
    return passed(seen) if len(set(counts)) == 1 else failed(seen)


def _short(told: Told) -> Finding:
    counts = [count for count in prompts(told.reads) if count]
    if not counts:
        return unjudged(told, "no answer states prompt_tokens")
    seen = f"prompt_tokens {counts[0]} for the one word {WORD}"
    return failed(seen) if counts[0] > WORD_TOKENS else passed(seen)


def _with_and_without(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    bare: list[Members] = [{"role": "user", "content": WORD}]
    system = {"role": "system", "content": SYSTEM}
    return ask(setting, mode, bare, limit=TINY), ask(setting, mode, [system, *bare], limit=TINY)


def _kept(told: Told) -> Finding:
    bare, with_system = prompts(told.reads)
    if not bare or not with_system:
        return unjudged(told, "the answers do not state prompt_tokens")
    seen = f"a system prompt of {len(SYSTEM.split())} words adds {with_system - bare} prompt tokens"
    return passed(seen) if with_system - bare >= SYSTEM_TOKENS else failed(seen)


def _called(content: Members) -> list[Any]:
    """A conversation with a tool's answer, without a thought, so for instant mode; `content` is what the assistant's
    message has of it.
    """
    call = {"id": "functions.read_clock:0", "type": "function", "function": {"name": "read_clock", "arguments": "{}"}}
    return [
        {"role": "user", "content": "What time is it?"},
        {"role": "assistant", **content, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "functions.read_clock:0", "content": "It is 14:35."},
    ]


def _null_or_absent(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    return tuple(
        ask(setting, mode, _called(content), limit=TINY, tools=[_CLOCK]) for content in ({}, {"content": None})
    )


def _nothing_added(told: Told) -> Finding:
    absent, null = prompts(told.reads)
    if not absent or not null:
        return unjudged(told, "the answers do not state prompt_tokens")
    seen = f"prompt_tokens {absent} without content, {null} with content null"
    return passed(seen) if absent == null else failed(seen)


def _shapes(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    system = {"role": "system", "content": SYSTEM}
    question = {"role": "user", "content": QUESTION}
    asks = (
        ask(setting, mode, WORD, limit=TINY),
        ask(setting, mode, [system, question], limit=TINY),
        ask(setting, mode, [question], limit=TINY, tools=[_CLOCK]),
    )
    if mode is Mode.THINKING:
        return asks
    return *asks, ask(setting, mode, _called({"content": None}), limit=TINY, tools=[_CLOCK])


_SHAPES: Final = ("one word", "a system prompt", "a tool", "a call in the history")


def _as_reference(told: Told) -> Finding:
    theirs = Told(told.setting, told.mode, told.asks, told.reference)
    pairs = zip(_SHAPES, prompts(told.reads), prompts(theirs.reads), strict=False)
    over = {shape: ours - other for shape, ours, other in pairs if ours and other}
    if not over:
        return unjudged(told, "no pair of answers states prompt_tokens")
    seen = "prompt tokens beyond the reference's: " + ", ".join(f"{shape} {by:+d}" for shape, by in over.items())
    wrong = [by for by in over.values() if not 0 <= by <= MAX_OVER]
    if wrong:
        return failed(seen)
    return passed(seen) if len(over) == len(told.asks) else unjudged(told, f"{seen}; the rest was not answered")


def _one_word(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    return (ask(setting, mode, WORD, limit=TINY),)


TEMPLATE: Final = (
    Probe(
        id="mode-switch",
        layer=Layer.TEMPLATE,
        title="the mode switch is obeyed",
        allowed="it thinks when thinking is switched on and does not when it is off, in the profile's spelling; for a "
        "profile that names none, in one of the two usual spellings",
        hint="the switch is spelled otherwise at this host (docs/vendors.md): choose its --profile",
        source="opencode#25001, SillyTavern#5599; K2.6 host requirement R1",
        asks=_switched,
        judge=_obeys,
        reads_refusals=True,
    ),
    Probe(
        id="mode-default",
        layer=Layer.TEMPLATE,
        title="without a switch it is in the profile's default mode",
        allowed="thinking, unless the profile says that this host does not think by default",
        hint="the host has another default than Kimi K2.6; always send the switch, or correct default_mode",
        source="Moonshot API reference, thinking",
        asks=_unsaid,
        judge=_default,
    ),
    Probe(
        id="prompt-constant",
        layer=Layer.TEMPLATE,
        title="the same request has the same prompt tokens",
        allowed="one and the same usage.prompt_tokens, streamed or not",
        hint="a template with the time or a random part in it, or workers of different versions behind one address",
        source="Kimi-Vendor-Verifier tests/prompt_tokens",
        asks=_same,
        judge=_constant,
    ),
    Probe(
        id="prompt-nothing-added",
        layer=Layer.TEMPLATE,
        title="nothing is put before the messages",
        allowed=f"at most {WORD_TOKENS} prompt tokens for one word",
        hint="a system prompt of the host's own, or the template of another model",
        source="K2.6 host requirement R4",
        asks=_one_word,
        judge=_short,
    ),
    Probe(
        id="system-prompt-kept",
        layer=Layer.TEMPLATE,
        title="the system prompt reaches the model",
        allowed=f"a system prompt of {len(SYSTEM.split())} words adds at least {SYSTEM_TOKENS} prompt tokens",
        hint="a gateway or template that leaves the system message out",
        source="Kimi-Vendor-Verifier tests/prompt_tokens",
        asks=_with_and_without,
        judge=_kept,
    ),
    Probe(
        id="null-content",
        layer=Layer.TEMPLATE,
        title="null content in the history is nothing",
        allowed="a message with content null has as many prompt tokens as one without content",
        hint="a template that writes None into the prompt (vLLM blog 2025-10-28)",
        source="vLLM blog 2025-10-28",
        asks=_null_or_absent,
        judge=_nothing_added,
        modes=(Mode.INSTANT,),
    ),
    Probe(
        id="prompt-as-reference",
        layer=Layer.TEMPLATE,
        title="prompts are counted as by the reference",
        allowed=f"usage.prompt_tokens 0 to {MAX_OVER} above the reference's, whatever the request's shape",
        hint="fewer: a missing generation prompt or system prompt; more: an injected prompt or another template",
        source="Kimi-Vendor-Verifier tests/prompt_tokens; vLLM blog 2025-10-28",
        asks=_shapes,
        judge=_as_reference,
        compares=True,
    ),
)
