"""Decide: (plan, route, envelope) -> verdict, mode and translation. The fold from findings to one verdict.

Here: one look-up per member, and the rules by which findings become allow, rewrite or reject. Not here: what a clause
finds (clauses/), how a policy is compiled (plan.py) and read (document.py).

Invariants: the same plan and body always give the same decision; a body whose edits were applied is allowed when it is
judged again; only members named in the edits change. What two readers may read differently (a repeated name inside a
judged value, a name that folds to a known one, contradictory switches) is refused in every enforcement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

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
from proxy.contract.mode import Mode, ModeReading, read_mode
from proxy.contract.profile import NO_TRANSLATION, Translation, switch_edits
from proxy.policy.plan import MALFORMED_CODES, MODEL_NOT_COVERED, NULL, Plan, Table, compile_plan
from proxy.policy.verdict import Allow, Enforcement, Finding, Reject, Rewrite, Route, Verdict

__all__ = ["MALFORMED_CODES", "MODEL_NOT_COVERED", "Decision", "Plan", "compile_plan", "decide"]


class Decision(msgspec.Struct, frozen=True):
    """What is to become of one request. `applies`: the policy covers its model. `translation` spells the mode as the
    vendor does; it is empty in observe, on routes other than chat, when the policy does not apply, and when the request
    is refused.
    """

    verdict: Verdict
    mode: Mode
    applies: bool
    translation: Translation = NO_TRANSLATION


Found: TypeAlias = tuple[Finding, Enforcement, int]
"""A finding, what to do about it, and its place in the order."""

_ALLOW: Final = Allow()


def decide(plan: Plan, route: Route, envelope: Envelope) -> Decision:
    """Judge one request. Raises MalformedBody, always a 400, for what readers disagree about."""
    members = envelope.members
    tables = plan.tables[route]
    if not _covers(plan, members.get("model")):
        return _not_covered(plan, tables[plan.default_mode], members)
    reading = ModeReading(plan.default_mode) if plan.mode_fixed else read_mode(envelope, plan.default_mode)
    table = tables[reading.mode]
    found = _findings(table, members)
    verdict = _folded(found) if found else _ALLOW
    if isinstance(verdict, Reject) or plan.mode_fixed or plan.enforcement is Enforcement.OBSERVE:
        return Decision(verdict, reading.mode, applies=True)
    # A profile says how chat completions are switched; the other calls have spellings of their own.
    translation = switch_edits(reading, plan.profile) if route is Route.CHAT else NO_TRANSLATION
    return Decision(verdict, reading.mode, applies=True, translation=translation)


def _findings(table: Table, members: Mapping[str, Raw]) -> list[Found]:
    found: list[Found] = []
    scope = table.scope
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
    for body in table.bodies:
        finding = body.clause.judge_body(members, scope)
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
        return Reject(tuple(finding for _, finding in refusing), tuple(observed))
    if repaired:
        return Rewrite(edits, tuple(repaired), tuple(observed))
    return Allow(tuple(observed))


def _covers(plan: Plan, raw: Raw | None) -> bool:
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
    stem, end = fold_short(name), 0
    while end >= 0:
        if plan.model_pattern.match(stem):
            return True
        # Hosts read `name:free`, `name:adapter`, `name@preset/slug` (OpenRouter) and `name#deployment` (Fireworks) as
        # the model `name`.
        end = max(stem.rfind(mark) for mark in ":@#")
        stem = stem[:end]
    return False


def _not_covered(plan: Plan, table: Table, members: Mapping[str, Raw]) -> Decision:
    for name in members:
        if name not in table.members:
            known = twin(name, table.folded)
            if known is not None:
                raise folds_to_known(known)
    if not plan.reject_other_models:
        return Decision(_ALLOW, plan.default_mode, applies=False)
    finding = Finding(
        MODEL_NOT_COVERED,
        "model",
        f"invalid model: policy {plan.name} does not cover it",
        "another model",
        plan.name,
        f"send model as {plan.name}, or a name the policy lists; `other_models: pass` forwards every model",
        None,
        "model=?->refused",
    )
    if plan.enforcement is Enforcement.OBSERVE:
        return Decision(Allow((finding,)), plan.default_mode, applies=False)
    return Decision(Reject((finding,)), plan.default_mode, applies=False)
