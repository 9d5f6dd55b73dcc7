"""A policy compiled for one vendor: every look-up, default and order resolved when configuration is loaded.

Here: the Plan and its making. Not here: what a request makes of it (decide.py), what a clause finds (clauses/).
Invariant: compiling is deterministic and cannot fail on a document that was read (document.py).
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeAlias, TypeVar
from weakref import WeakSet

from proxy.contract.envelope import fold_short
from proxy.contract.mode import SWITCH_MEMBERS, Mode
from proxy.contract.profile import Profile
from proxy.policy.clauses import CLAUSES
from proxy.policy.clauses.clause import BodyClause, Clause, Contract, MemberClause, NameClause, Scope
from proxy.policy.document import OtherModels, PolicyDocument
from proxy.policy.known import FLAGS, KNOWN_MEMBERS
from proxy.policy.verdict import Enforcement, Finding, Route

MODEL_NOT_COVERED: Final = "model-not-covered"
MALFORMED_CODES: Final = (
    "body-too-deep",
    "member-folds-to-known",
    "member-name-too-long",
    "member-repeated",
    "mode-switch-unknown",
    "mode-switches-contradict",
    "model-not-a-name",
    "number-out-of-range",
    "value-too-large",
)
"""Every code of a MalformedBody that `decide` may raise."""
NULL: Final = b"null"
"""A member that is null is as good as absent."""


_C = TypeVar("_C", bound=Clause)
_MadeFrom: TypeAlias = tuple[PolicyDocument, Profile, Enforcement | None, str | None]


@dataclass(frozen=True, slots=True, eq=False)
class MemberJudge:
    """One clause as it judges one member. `judge` says what is wrong with a raw value that is not among `lawful` (or
    raises MalformedBody), and `reads` whether it reads the value strictly for that. `action` is the enforcement that
    holds for it, `rank` its place in the order of findings.
    """

    judge: Callable[[bytes], Finding | None]
    reads: Callable[[bytes], bool]
    action: Enforcement
    rank: int
    lawful: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Judge(Generic[_C]):
    """One clause that judges more than a member; `action` and `rank` as above."""

    clause: _C
    action: Enforcement
    rank: int


@dataclass(frozen=True, slots=True)
class Fill:
    """A member to be supplied when it is absent."""

    member: str
    finding: Finding
    action: Enforcement
    rank: int


@dataclass(frozen=True, slots=True)
class Table:
    """Everything that judges one route in one mode. A known member that no clause judges has no judges; `folded` finds
    the twins of all known members.
    """

    scope: Scope
    members: Mapping[str, tuple[MemberJudge, ...]]
    fills: tuple[Fill, ...]
    bodies: tuple[Judge[BodyClause], ...]
    names: tuple[Judge[NameClause], ...]
    folded: Mapping[str, str]


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Plan:
    """A policy compiled for one vendor: everything resolved, so that a request costs little.

    `hash8` are 8 hex digits of SHA-256 over the document, the enforcement and the contract in force; `label` is how
    receipts name the plan (kimi-k2.6@1a2b3c4d). `clause_ids` are all ids that a finding or a MalformedBody of a
    judgement may carry, `params` the members a finding may be about, `counts` every (clause, action, member) that a
    Decision may count ("other": a name that nobody knows).
    """

    name: str
    hash8: str
    label: str
    enforcement: Enforcement
    clause_ids: tuple[str, ...]
    params: tuple[str, ...]
    counts: tuple[tuple[str, str, str], ...]
    profile: Profile
    default_mode: Mode
    mode_fixed: bool
    reject_other_models: bool
    exact_models: frozenset[bytes]
    model_pattern: re.Pattern[str]
    tables: Mapping[Route, Mapping[Mode, Table]]
    opaque: Mapping[Route, frozenset[str]]
    """Known members whose values nothing but a body's clauses ever reads, and that are not FLAGS, which are few."""
    made_from: _MadeFrom
    """What to compile again: a plan crosses to another process as this."""
    memory: Mapping[Route, dict[Any, Any]] = field(default_factory=lambda: {route: {} for route in Route})
    """What decide.py remembers of earlier requests."""

    def __reduce__(self) -> tuple[Callable[..., Plan], _MadeFrom]:
        return _crossed, self.made_from


_CROSSED: Final[WeakSet[Plan]] = WeakSet()


def _crossed(document: PolicyDocument, profile: Profile, enforcement: Enforcement | None, contract: str | None) -> Plan:
    """A plan that came from another process: the one in use that was made from the same, or a new one. A reload seldom
    changes a policy, so it costs neither 7 ms and 1 MiB for each vendor nor what was remembered.
    """
    text = document.model_dump_json()  # tells 1 from 1.0, which == does not; and == tells 0.5 from "0.5"
    for plan in _CROSSED:
        same, *others = plan.made_from
        if others == [profile, enforcement, contract] and same == document and same.model_dump_json() == text:
            return plan
    plan = compile_plan(document, profile, enforcement, contract)
    _CROSSED.add(plan)
    return plan


def compile_plan(
    document: PolicyDocument,
    profile: Profile,
    enforcement: Enforcement | None = None,
    contract: str | None = None,
) -> Plan:
    """Compile `document` for the vendor of `profile`, whose own names for the model are covered too.

    `enforcement` and `contract` override what the document says. Raises ValueError for an unknown contract.
    """
    in_force = Contract(contract) if contract is not None else document.contract
    firmly = enforcement or document.enforcement
    clauses = [clause for clause in _ordered(document) if clause.contract in (None, in_force)]
    names = [*document.models, *profile.models.get(document.name, ())]
    governed = frozenset(name for clause in clauses for name in clause.governed)
    other_models = document.other_models or (OtherModels.REJECT if firmly is Enforcement.STRICT else OtherModels.PASS)
    tables = {route: {mode: _table(clauses, route, mode, firmly) for mode in Mode} for route in Route}
    hash8 = _hash8(document, firmly, in_force)
    return Plan(
        name=document.name,
        hash8=hash8,
        label=f"{document.name}@{hash8}",
        enforcement=firmly,
        clause_ids=(*(clause.id for clause in clauses), MODEL_NOT_COVERED, *MALFORMED_CODES),
        params=tuple(sorted(governed | SWITCH_MEMBERS | {"model"})),
        counts=(*_counts(clauses, tables, firmly), *_refusals(firmly, other_models)),
        profile=profile,
        default_mode=document.mode.default,
        mode_fixed=document.mode.fixed,
        reject_other_models=other_models is OtherModels.REJECT,
        exact_models=frozenset(json.dumps(name).encode() for name in names if not re.search(r"[*?\[]", name)),
        model_pattern=re.compile("|".join(fnmatch.translate(fold_short(name)) for name in names)),
        tables=tables,
        opaque={route: _opaque(by_mode) for route, by_mode in tables.items()},
        made_from=(document, profile, enforcement, contract),
    )


def _ordered(document: PolicyDocument) -> list[Clause]:
    """Clauses in the order of their kinds, and in the document's own order within one kind."""
    return sorted(document.clauses, key=lambda clause: CLAUSES.index(type(clause)))


def _counts(
    clauses: list[Clause], tables: Mapping[Route, Mapping[Mode, Table]], firmly: Enforcement
) -> Iterator[tuple[str, str, str]]:
    for clause in clauses:
        for action in _actions(clause, _action(clause, firmly)):
            for member in clause.accused:
                yield clause.id, action, member
    fills = [fill for by_mode in tables.values() for table in by_mode.values() for fill in table.fills]
    filled = [fill for fill in fills if fill.action is not Enforcement.OBSERVE]
    yield from dict.fromkeys((fill.finding.clause, "fill", fill.member) for fill in filled)


def _actions(clause: Clause, enforcement: Enforcement) -> tuple[str, ...]:
    if enforcement is Enforcement.REPAIR or not clause.remedies:
        return clause.remedies
    return ("observe",) if enforcement is Enforcement.OBSERVE else ("reject",)


def _refusals(firmly: Enforcement, other_models: OtherModels) -> Iterator[tuple[str, str, str]]:
    if other_models is OtherModels.REJECT:
        yield MODEL_NOT_COVERED, "observe" if firmly is Enforcement.OBSERVE else "reject", "model"


def _action(clause: Clause, enforcement: Enforcement) -> Enforcement:
    """A clause's own enforcement holds, but a dry run stays one."""
    return enforcement if enforcement is Enforcement.OBSERVE else clause.enforcement or enforcement


def _table(clauses: list[Clause], route: Route, mode: Mode, enforcement: Enforcement) -> Table:
    ranked = [(rank, clause) for rank, clause in enumerate(clauses) if route in clause.routes]
    governed = frozenset(name for _, clause in ranked for name in clause.governed)
    scope = Scope(mode, governed, {fold_short(name): name for name in governed | SWITCH_MEMBERS | {"model"}})
    members: dict[str, tuple[MemberJudge, ...]] = dict.fromkeys(KNOWN_MEMBERS | SWITCH_MEMBERS | governed, ())
    fills: list[Fill] = []
    bodies: list[Judge[BodyClause]] = []
    names: list[Judge[NameClause]] = []
    for rank, clause in ranked:
        action = _action(clause, enforcement)
        if isinstance(clause, MemberClause):
            for member in clause.governed:
                members[member] += (_member_judge(clause, member, scope, action, rank),)
                finding = clause.fill(member, scope)
                if finding is not None:
                    fills.append(Fill(member, finding, action, rank))
        elif isinstance(clause, BodyClause):
            bodies.append(Judge(clause, action, rank))
        elif isinstance(clause, NameClause):  # pragma: no branch  (a clause is one of the three)
            names.append(Judge(clause, action, rank))
    members = dict.fromkeys((name for judge in names for name in judge.clause.known), ()) | members
    folded = {fold_short(name): name for name in members}
    return Table(scope, members, tuple(fills), tuple(bodies), tuple(names), folded)


def _member_judge(clause: MemberClause, member: str, scope: Scope, action: Enforcement, rank: int) -> MemberJudge:
    def judge(raw: bytes) -> Finding | None:
        return clause.judge(member, raw, scope)

    return MemberJudge(judge, clause.reads, action, rank, clause.lawful(scope) | {NULL})


def _opaque(tables: Mapping[Mode, Table]) -> frozenset[str]:
    """Known members that no table judges by themselves, and that say nothing of mode or model."""
    names = frozenset.intersection(*(frozenset(table.members) for table in tables.values()))
    judged = {name for table in tables.values() for name, judges in table.members.items() if judges}
    filled = {fill.member for table in tables.values() for fill in table.fills}
    return names - judged - filled - SWITCH_MEMBERS - FLAGS - {"model"}


def _hash8(document: PolicyDocument, enforcement: Enforcement, contract: Contract) -> str:
    text = json.dumps([document.model_dump(mode="json"), enforcement, contract], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
