"""What a probe is: requests, what their answers must be like, and which layer of the vendor's stack it is about.

Here: the values, and what holds for every probe. Not here: the probes (one file a family) and the asking (verify/,
scorer/). Invariants: asks and judge are pure, so the same replies always give the same finding; a request that was not
answered never makes a probe pass, and never makes it fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Final, TypeAlias

import msgspec

from proxy.contract.asked import Asked
from proxy.contract.asking import read_asked
from proxy.contract.envelope import Envelope, fold_short
from proxy.contract.mode import Mode
from proxy.endpoint.reply import Reply
from proxy.policy.plan import Plan
from proxy.signals.features import Read, read

REJECTED: Final = (400, 422)
"""The statuses that refuse a request for what it says (422: FastAPI hosts). Any other error says nothing about it."""
BYTES_PER_TOKEN: Final = 4
_SHOWN: Final = 160


class Layer(StrEnum):
    """A layer of the vendor's stack, from the outside inwards: the first that is broken may break those after it."""

    CONNECTION = "connection"
    """Gateway and transport: answers arrive, whole, as a chat completion."""
    PARAMETERS = "parameters"
    """The check of the request: what is accepted, what is refused, what holds by default."""
    TEMPLATE = "template"
    """The chat template: the mode switch, and the prompt that is made of the messages."""
    REASONING = "reasoning"
    """The reasoning parser: the thought is in its own field, the answer in its own."""
    TOOLS = "tools"
    """The tool-call parser: calls, their ids and ends, no markers in the text."""
    SCHEMA = "schema"
    """Constrained decoding: arguments and JSON answers keep to their schemas."""
    ACCOUNTING = "accounting"
    """What the answer says about itself: usage, finish reason, ids, model."""
    LIMITS = "limits"
    """The token limit: obeyed, and not undercut."""
    GENERATION = "generation"
    """The engine and its weights: no early ends, no loops, no gibberish."""


class Verdict(StrEnum):
    """What a probe found. A skipped one could not be applied to this vendor."""

    PASS = "pass"  # noqa: S105  (no password)
    FAIL = "fail"
    NO_ANSWER = "no-answer"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Setting:
    """Whom the probes are for. `model` is the name to ask for; `plan` holds the policy and the vendor's profile;
    `contract` is "exact" or "range"; `early_end` is how often the same is asked to see how often nothing comes.
    """

    model: str
    plan: Plan
    contract: str = "exact"
    early_end: int = 10

    def models(self, answered: str | None) -> frozenset[str]:
        """The names the vendor may give in an answer, as far as it matters for this one."""
        profile = self.plan.profile
        names = {self.model, self.plan.name, *profile.models.get(self.plan.name, ())}
        if answered is not None and self.plan.model_pattern.match(fold_short(answered[:256])):
            names.add(answered)
        return frozenset(names)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. `limit` is its max_tokens, `expected` the completion tokens an honest answer has, about.

    Equal asks may be asked once for all probes; `turn` keeps those apart that are meant to be asked again.
    `stop_after_bytes`: leave once so much of the answer is there.
    """

    body: bytes
    limit: int
    expected: int
    turn: int = 0
    stop_after_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens of one ask: the prompt, the completion as it may well be, and the most it can be."""

    prompt: int
    completion: int
    most: int


def estimate(ask: Ask) -> Estimate:
    """From the body's length, and the limit."""
    return Estimate(len(ask.body) // BYTES_PER_TOKEN, min(ask.expected, ask.limit), ask.limit)


@dataclass(frozen=True, slots=True)
class Finding:
    """`seen` and `allowed` are sentences without a full stop; `hint` says what usually is to blame, or what to do."""

    verdict: Verdict
    seen: str
    allowed: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Told:
    """The replies to a probe's asks, one each in their order, and those of the reference where it was asked too."""

    setting: Setting
    mode: Mode
    asks: Sequence[Ask]
    replies: Sequence[Reply]
    reference: Sequence[Reply] = ()

    @cached_property
    def reads(self) -> tuple[Read | None, ...]:
        """Each answer as the signals read it; None where there was none, or what came is no answer in form."""
        return tuple(self._read(ask, reply) for ask, reply in zip(self.asks, self.replies, strict=True))

    @property
    def answers(self) -> list[Read]:
        """Those that there are."""
        return [one for one in self.reads if one is not None]

    @property
    def refusals(self) -> list[Reply]:
        """Replies that refuse the request for what it says."""
        return [reply for reply in self.replies if reply.status in REJECTED]

    @property
    def lost(self) -> list[str]:
        """Why there was no answer, for each request that was neither answered nor refused."""
        return [
            unanswered(reply)
            for ask, reply, one in zip(self.asks, self.replies, self.reads, strict=True)
            if one is None and reply.status not in REJECTED and not (ask.stop_after_bytes and reply.answer is not None)
        ]

    def _read(self, ask: Ask, reply: Reply) -> Read | None:
        answer = reply.whole
        if answer is None:
            return None
        one = read(answer, asked_of(ask.body, self.mode, self.setting.models(answer.model)))
        return one if one.proper else None


Judge: TypeAlias = Callable[[Told], Finding]


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing that must hold. `title` and `allowed` say it, `source` where it is from, `hint` what usually breaks it.

    `modes`: where it is asked. `in_order`: each ask waits for the reply before it. `compares`: the reference is asked
    the same. `reads_refusals`: its judge looks at refusals itself; otherwise a refusal of a lawful request is a
    failure, though not one of the connection.
    """

    id: str
    layer: Layer
    title: str
    allowed: str
    hint: str
    source: str
    asks: Callable[[Setting, Mode], tuple[Ask, ...]]
    judge: Judge
    modes: tuple[Mode, ...] = (Mode.THINKING, Mode.INSTANT)
    in_order: bool = False
    compares: bool = False
    reads_refusals: bool = False

    def find(self, setting: Setting, mode: Mode, replies: Sequence[Reply], reference: Sequence[Reply] = ()) -> Finding:
        """What `replies` to `asks(setting, mode)` say, one reply an ask; `reference` are its replies to the same."""
        asks = self.asks(setting, mode)
        found = self._found(Told(setting, mode, asks, replies, reference))
        usual = self.hint if found.verdict is Verdict.FAIL else ""
        return replace(found, allowed=found.allowed or self.allowed, hint=found.hint or usual)

    def _found(self, told: Told) -> Finding:
        if not told.asks:
            return Finding(Verdict.SKIPPED, "it does not apply to this vendor in this mode")
        if self.compares and not told.reference:
            return Finding(Verdict.SKIPPED, "there is no reference to compare with", hint="add --reference URL")
        if told.refusals and not self.reads_refusals:
            many = f"{len(told.refusals)} of {len(told.asks)} lawful requests were refused: {shown(told.refusals[0])}"
            return Finding(Verdict.NO_ANSWER if self.layer is Layer.CONNECTION else Verdict.FAIL, many)
        found = self.judge(told)
        if found.verdict is Verdict.PASS and told.lost:
            return Finding(Verdict.NO_ANSWER, f"{counted(told.lost, len(told.asks))}; otherwise {found.seen}")
        return found


@lru_cache(maxsize=1024)
def asked_of(body: bytes, mode: Mode, models: frozenset[str]) -> Asked:
    """What a probe's body asks for."""
    members = {name: bytes(raw) for name, raw in Envelope.parse(body).members.items()}
    return read_asked(members, mode, models, whole=True)


def unanswered(reply: Reply) -> str:
    """Why a reply is no answer, in a word or two."""
    if reply.status not in (0, 200):
        return f"status {reply.status}"
    if reply.reason:
        return reply.reason.replace("_", " ")
    return "200 without an answer in form"


def counted(lost: Sequence[str], asks: int) -> str:
    """How many were lost, and why."""
    why = ", ".join(f"{count} x {reason}" for reason, count in Counter(lost).most_common())
    return f"{len(lost)} of {asks} requests had no answer ({why})"


class _Refusal(msgspec.Struct):
    error: object = None
    message: object = None
    detail: object = None


_refusal: Final = msgspec.json.Decoder(_Refusal)


def shown(reply: Reply) -> str:
    """Status and message of a refusal, shortened."""
    try:
        body = _refusal.decode(reply.error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said: object = reply.error.decode("utf-8", "replace")
    else:
        said = body.error.get("message") if isinstance(body.error, dict) else body.error or body.message or body.detail
    text = " ".join(str(said or "").split())
    return f"{reply.status} {text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''}".rstrip()
