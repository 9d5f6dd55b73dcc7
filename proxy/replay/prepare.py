"""A record as one target is asked it.

Only what must change does: role `_input` becomes `system`; the model gets the target's name, the mode the target's
spelling; settings are laid over; temperature and top_p are filled in where the record has none; it is streamed with
usage; members that name the end user stay here. What breaks the policy is told and sent as the record has it, or with
`repair` as the proxy would send it.

Not here: reading records (records.py), sending (run.py). Invariant: the same record, target and settings give the same
bytes, in this process or in the one that goes on after it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from proxy.config.values import Reference, Vendor
from proxy.contract.envelope import Changes, Edits, Envelope, Raw, changes
from proxy.contract.mode import Mode, ModeReading, read_mode
from proxy.contract.profile import switch_edits
from proxy.policy.decide import decide
from proxy.policy.plan import NULL, Plan, compile_plan
from proxy.policy.verdict import Enforcement, Reject, Rewrite, Route
from proxy.replay.presets import Decoding
from proxy.replay.records import Record
from proxy.scorer.translate import PERSONAL

_STREAMED: Final = {"stream": Raw(b"true"), "stream_options": Raw(b'{"include_usage":true}')}
_LIMITS: Final = ("max_completion_tokens", "max_tokens")
_INPUT, _SYSTEM = b'"_input"', Raw(b'"system"')
_SWITCH: Final = {Mode.THINKING: "enabled", Mode.INSTANT: "disabled"}

_messages_of: Final = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class Settings:
    """What is laid over every record. `mode` goes before the record's own; `decoding` is by mode."""

    decoding: Mapping[Mode, Decoding] = field(default_factory=dict)
    mode: Mode | None = None
    epochs: int = 1
    repair: bool = False


@dataclass(frozen=True, slots=True)
class Destination:
    """One endpoint in its role: "vendor", "reference" or "reference-again". `strict` and `repairing` are its policy at
    those two enforcements.
    """

    name: str
    role: str
    upstream: Vendor | Reference
    model: str
    strict: Plan
    repairing: Plan

    @property
    def url(self) -> str:
        """Its base URL."""
        at = self.upstream
        return f"{at.scheme}://{at.host}:{at.port}{at.path}"


def destination(upstream: Vendor | Reference, role: str, model: str | None = None) -> Destination:
    """`model` None: the name its profile, or the configuration, has for the policy's model."""
    plan = upstream.plan
    if model is None:
        named = upstream.profile.models.get(plan.name, (plan.name,))[0]
        model = upstream.model if isinstance(upstream, Reference) else named
    document, profile, _, contract = plan.made_from
    strict, repairing = (
        compile_plan(document, profile, enforcement, contract)
        for enforcement in (Enforcement.STRICT, Enforcement.REPAIR)
    )
    return Destination(upstream.name, role, upstream, model, strict, repairing)


@dataclass(frozen=True, slots=True)
class Prepared:
    """`broken` are the clauses that the request breaks as the record has it."""

    body: bytes
    mode: Mode
    broken: tuple[str, ...] = ()

    @property
    def members(self) -> dict[str, bytes]:
        """Of the body as it is sent."""
        return {name: bytes(raw) for name, raw in Envelope.parse(self.body).members.items()}


def prepare(record: Record, target: Destination, settings: Settings) -> Prepared:
    """The request. Raises MalformedBody for one that two readers may read differently."""
    envelope = _with_system_role(record.envelope)
    plan = target.strict
    reading = ModeReading(plan.default_mode) if plan.mode_fixed else read_mode(envelope, plan.default_mode)
    mode = reading.mode if plan.mode_fixed else settings.mode or record.mode or reading.mode
    if mode is not reading.mode:
        envelope = _switched(envelope, reading, mode)
        reading = read_mode(envelope, plan.default_mode)
    laid = _laid_over(envelope, settings.decoding.get(mode, Decoding()))
    known = Raw(min(plan.exact_models, default=json.dumps(plan.name).encode()))
    asked = Envelope({**envelope.members, **laid, "model": known}, envelope.body)
    verdict = decide(plan, Route.CHAT, asked).verdict
    broken = tuple(finding.clause for finding in verdict.findings) if isinstance(verdict, Reject) else ()
    edits = {**switch_edits(reading, plan.profile).edits, **_filled(plan, mode, asked)}
    if broken and settings.repair:
        repaired = decide(target.repairing, Route.CHAT, asked).verdict
        edits |= dict(repaired.edits) if isinstance(repaired, Rewrite) else {}
    drops: Changes = dict.fromkeys(name for name in PERSONAL if name in asked.members)
    model = {"model": Raw(json.dumps(target.model).encode())}
    return Prepared(asked.encode({**changes(edits), **drops, **model, **_STREAMED}), mode, broken)


def _with_system_role(envelope: Envelope) -> Envelope:
    """K2-Vendor-Verifier's samples call the system's role `_input`."""
    raw = bytes(envelope.members["messages"])
    if _INPUT not in raw:
        return envelope
    messages = _messages_of(raw)
    for message in messages:
        if bytes(message["role"]) == _INPUT:
            message["role"] = _SYSTEM
    return Envelope({**envelope.members, "messages": Raw(msgspec.json.encode(messages))}, envelope.body)


def _switched(envelope: Envelope, reading: ModeReading, mode: Mode) -> Envelope:
    """With every switch taken out, and the mode said as Moonshot spells it."""
    objects: dict[str, dict[str, Any]] = {name: dict(inner) for name, inner in reading.objects.items()}
    objects.setdefault("thinking", {})
    members = dict(envelope.members)
    for path in reading.said:
        if len(path) == 2:
            objects[path[0]].pop(path[1], None)
        elif path != ("model",):
            del members[path[0]]
    members.pop("model", None)
    objects["thinking"]["type"] = _SWITCH[mode]
    for name, inner in objects.items():
        members.pop(name, None)
        if inner:
            members[name] = Raw(_encode(inner))
    return Envelope(members, envelope.body)


def _laid_over(envelope: Envelope, decoding: Decoding) -> dict[str, Raw]:
    laid: dict[str, Raw] = {}
    for name, value in (("temperature", decoding.temperature), ("top_p", decoding.top_p)):
        if value is not None:
            laid[name] = Raw(json.dumps(value).encode())
    if decoding.max_tokens is not None:
        present = [name for name in _LIMITS if name in envelope.members] or [_LIMITS[1]]
        laid |= dict.fromkeys(present, Raw(json.dumps(decoding.max_tokens).encode()))
    return laid


def _filled(plan: Plan, mode: Mode, asked: Envelope) -> Edits:
    """What the contract says of members that are absent: an engine's default is another."""
    edits: dict[str, bytes | None] = {}
    for fill in plan.tables[Route.CHAT][mode].fills:
        present = asked.members.get(fill.member)
        if (present is None or bytes(present) == NULL) and fill.finding.edits:
            edits |= dict(fill.finding.edits)
    return edits
