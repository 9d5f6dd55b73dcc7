"""Decide: (plan, route, envelope) -> verdict, mode and translation. The fold from findings to one verdict.

Here: one look-up per member, and the rules by which findings become allow, rewrite or reject. Not here: what a clause
finds (clauses/), how a policy is compiled (plan.py) and read (document.py), what follows from a decision (decision.py).

Invariants: the same plan and body always give the same decision, remembered or not; a body whose edits were applied is
allowed when it is judged again; only members named in the edits change. What two readers may read differently (a
repeated name inside a judged value, a name that folds to a known one, contradictory switches) is refused in every
enforcement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from proxy.contract.envelope import (
    MAX_NAME_CHARACTERS,
    Envelope,
    MalformedBody,
    Raw,
    fold_short,
    folds_to_known,
    twin,
)
from proxy.contract.mode import SWITCH_MEMBERS, Mode, ModeReading, read_mode
from proxy.contract.profile import NO_TRANSLATION, switch_edits
from proxy.policy.clauses.values import item_count
from proxy.policy.decision import Decision, concluded
from proxy.policy.plan import MALFORMED_CODES, MODEL_NOT_COVERED, NULL, Plan, Table, compile_plan
from proxy.policy.verdict import Allow, Enforcement, Finding, Reject, Rewrite, Route, Verdict

__all__ = ["MALFORMED_CODES", "MODEL_NOT_COVERED", "Decision", "Plan", "compile_plan", "decide"]

Found: TypeAlias = tuple[Finding, Enforcement, int]
"""A finding, what to do about it, and its place in the order."""


class Settled(msgspec.Struct, frozen=True):
    """What follows from the judged values alone, before a conversation is looked at. `table` None: the policy does not
    apply, nothing more is asked.
    """

    table: Table | None
    reading: ModeReading
    found: tuple[Found, ...]
    decision: Decision


_REQUESTS_REMEMBERED: Final = 256
_MEMBERS_REMEMBERED: Final = 32
_BYTES_REMEMBERED: Final = 1024
"""Of all judged values together. A name has at most MAX_NAME_CHARACTERS, so one route remembers 2 MB at most."""
MAX_JUDGED_ITEMS: Final = 1024
"""Of all lists and objects together that are read strictly: that takes a microsecond for an item, which may be two
bytes. The longest that a client has a use for, a choice among 128 tools, has 650.
"""
_ALLOW: Final = Allow()


def decide(plan: Plan, route: Route, envelope: Envelope) -> Decision:
    """Judge one request. Raises MalformedBody, always a 400, for what readers disagree about."""
    members = envelope.members
    memory, key = plan.memory[route], _key(plan.opaque[route], members)
    settled: Settled | None = memory.get(key)
    if settled is None:
        settled = _settled(plan, route, envelope)
        if key:
            _remember(memory, key, settled)
    if settled.table is None:
        return settled.decision
    found = _about_bodies(settled.table, envelope)
    return settled.decision if not found else _decision(plan, route, settled.reading, [*settled.found, *found])


def _key(opaque: frozenset[str], members: Mapping[str, Raw]) -> tuple[str | bytes, ...] | None:
    """What everything but the bodies' clauses depends on: the names in order, and the values that are judged. None for
    a request that is not worth remembering.
    """
    values = [b"" if name in opaque else bytes(raw) for name, raw in members.items()]
    if len(values) > _MEMBERS_REMEMBERED or sum(map(len, values)) > _BYTES_REMEMBERED:
        return None
    return (*members, *values)


def _remember(memory: dict[Any, Settled], key: tuple[str | bytes, ...], settled: Settled) -> None:
    """Keep what is settled. A full memory starts anew: clients send the same few values, hostile ones ever others."""
    if len(memory) >= _REQUESTS_REMEMBERED:
        memory.clear()
    memory[key] = settled


def _settled(plan: Plan, route: Route, envelope: Envelope) -> Settled:
    tables, members = plan.tables[route], envelope.members
    if not covers(plan, members.get("model")):
        reading = ModeReading(plan.default_mode)
        return Settled(None, reading, (), _not_covered(plan, tables[plan.default_mode], members))
    _require_few_items(tables, members)
    reading = ModeReading(plan.default_mode) if plan.mode_fixed else read_mode(envelope, plan.default_mode)
    table = tables[reading.mode]
    found = _findings(table, members)
    return Settled(table, reading, tuple(found), _decision(plan, route, reading, found))


def _require_few_items(tables: Mapping[Mode, Table], members: Mapping[str, Raw]) -> None:
    """Bound what strict reading costs, before any of it. What goes unread is as long as it likes."""
    items = 0
    for name, raw in members.items():
        judges = [judge for table in tables.values() for judge in table.members.get(name, ())]
        if judges or name in SWITCH_MEMBERS:
            text = bytes(raw)
            if name in SWITCH_MEMBERS or any(judge.reads(text) for judge in judges):
                items += item_count(text)
            if items > MAX_JUDGED_ITEMS:
                raise MalformedBody(
                    "value-too-large",
                    f"{name} and the judged members before it hold more than {MAX_JUDGED_ITEMS} items",
                    f"send at most {MAX_JUDGED_ITEMS}",
                    name,
                )


def _decision(plan: Plan, route: Route, reading: ModeReading, found: list[Found]) -> Decision:
    verdict = _folded(found) if found else _ALLOW
    translation = NO_TRANSLATION
    # A profile says how chat completions are switched; the other calls have spellings of their own.
    if route is Route.CHAT and not (
        isinstance(verdict, Reject) or plan.mode_fixed or plan.enforcement is Enforcement.OBSERVE
    ):
        translation = switch_edits(reading, plan.profile)
    return concluded(plan.params, verdict, reading.mode, translation, applies=True)


def _findings(table: Table, members: Mapping[str, Raw]) -> list[Found]:
    found: list[Found] = []
    for name, raw in members.items():
        judges = table.members.get(name)
        if judges is None:
            found += _about_unknown(table, name, raw)
        elif judges:
            text = bytes(raw)
            for judge in judges:
                if text not in judge.lawful:
                    finding = judge.judge(text)
                    if finding is not None:
                        found.append((finding, judge.action, judge.rank))
    for fill in table.fills:
        present = members.get(fill.member)
        if present is None or bytes(present) == NULL:
            found.append((fill.finding, fill.action, fill.rank))
    return found


def _about_bodies(table: Table, envelope: Envelope) -> list[Found]:
    found: list[Found] = []
    for body in table.bodies:
        finding = body.clause.judge_body(envelope, table.scope)
        if finding is not None:
            found.append((finding, body.action, body.rank))
    return found


def _about_unknown(table: Table, name: str, raw: Raw) -> Iterator[Found]:
    known = twin(name, table.folded)
    if known is not None:
        raise folds_to_known(known)
    for judge in table.names:
        finding = judge.clause.judge_name(name, bytes(raw))
        if finding is not None:
            yield finding, judge.action, judge.rank


def _folded(found: list[Found]) -> Verdict:
    """One verdict: any finding that must refuse refuses; otherwise all edits together."""
    observed: list[Finding] = []
    refusing: list[tuple[int, Finding]] = []
    repaired: list[Finding] = []
    edits: dict[str, bytes | None] = {}
    for finding, action, rank in found:
        if action is Enforcement.OBSERVE:
            observed.append(finding)
        elif finding.edits is None or (action is Enforcement.STRICT and not finding.fills):
            refusing.append((rank, finding))
        else:
            repaired.append(finding)
            edits.update(finding.edits)
    if refusing:
        refusing.sort(key=lambda entry: entry[0])  # the same faults give the same error, in any order of members
        return Reject(tuple(finding for _, finding in refusing), tuple(observed), tuple(repaired))
    if repaired:
        return Rewrite(edits, tuple(repaired), tuple(observed))
    return Allow(tuple(observed))


def covers(plan: Plan, raw: Raw | None) -> bool:
    """Whether the policy applies. No model named: the vendor's default may be this one, so it does."""
    if raw is None:
        return True
    text = bytes(raw)
    if text in plan.exact_models or text == NULL:
        return True
    name = msgspec.json.decode(text) if text.startswith(b'"') else None
    if not isinstance(name, str) or len(name) > MAX_NAME_CHARACTERS:
        raise MalformedBody(
            "model-not-a-name",
            f"model is not a string of at most {MAX_NAME_CHARACTERS} characters",
            "send model as the name of one model",
            "model",
        )
    stem = fold_short(name)
    while not plan.model_pattern.match(stem):
        # Hosts read `name:free`, `name:adapter`, `name@preset/slug` (OpenRouter) and `name#deployment` (Fireworks) as
        # the model `name`.
        end = max(stem.rfind(mark) for mark in ":@#")
        if end < 0:
            return False
        stem = stem[:end]
    return True


def _not_covered(plan: Plan, table: Table, members: Mapping[str, Raw]) -> Decision:
    for name in members:
        if name not in table.members:
            known = twin(name, table.folded)
            if known is not None:
                raise folds_to_known(known)
    verdict: Verdict = _ALLOW
    if plan.reject_other_models:
        finding = _other_model(plan)
        verdict = Allow((finding,)) if plan.enforcement is Enforcement.OBSERVE else Reject((finding,))
    return concluded(plan.params, verdict, plan.default_mode, NO_TRANSLATION, applies=False)


def _other_model(plan: Plan) -> Finding:
    return Finding(
        MODEL_NOT_COVERED,
        "model",
        f"invalid model: policy {plan.name} does not cover it",
        "another model",
        plan.name,
        f"send model as {plan.name}, or a name the policy lists; `other_models: pass` forwards every model",
        None,
        "model=?->refused",
    )
