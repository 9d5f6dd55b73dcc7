"""What every clause has in common, and how one is asked: by member, by whole body, or about a name nobody knows.

Here: the shape of a clause as a policy document writes it, and the questions decide.py puts to it. Not here: any rule
(one file per kind), and the fold of the answers (decide.py). Invariant: a clause is a value; asked the same twice, it
answers the same, and it never raises but MalformedBody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from proxy.contract.envelope import Envelope
from proxy.contract.mode import Mode
from proxy.policy.verdict import Enforcement, Finding, Route


class Contract(StrEnum):
    """Which of the two published decoding contracts a clause belongs to."""

    EXACT = "exact"
    """One temperature per mode: the live API and the Kimi Vendor Verifier's April pre-check."""
    RANGE = "range"
    """Temperature 0 to 1 while thinking: the Kimi Vendor Verifier's later tests/params."""


class Absent(StrEnum):
    """What to do when a member is absent (or null, which is the same)."""

    FILL = "fill"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class PerMode:
    """One number for each mode."""

    thinking: Decimal
    instant: Decimal


ModeNumber: TypeAlias = Decimal | PerMode
"""One number for both modes, or one for each."""


def in_mode(number: ModeNumber, mode: Mode) -> Decimal:
    """The number that holds in `mode`."""
    if isinstance(number, PerMode):
        return number.thinking if mode is Mode.THINKING else number.instant
    return number


@dataclass(frozen=True, slots=True)
class Scope:
    """What a clause may know beside the value it judges: the mode, the names that some clause of this policy judges,
    and the fold of each (contract.envelope.fold) with the name itself.
    """

    mode: Mode
    governed: frozenset[str] = frozenset()
    folded: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One rule of a policy.

    `id` names the bad pattern and reads well after "allow" (temperature-off-contract). `source` says where the fact is
    published. `routes` are the calls it judges. `enforcement` overrides the policy's own, but never turns a dry run
    into a real one. `contract` limits it to one of the two published contracts.
    """

    id: str
    source: str
    routes: tuple[Route, ...] = (Route.CHAT,)
    enforcement: Enforcement | None = None
    contract: Contract | None = None

    @property
    def governed(self) -> tuple[str, ...]:
        """The top-level members this clause judges."""
        return ()

    @property
    def accused(self) -> tuple[str, ...]:
        """The members that a finding may be about."""
        return self.governed

    @property
    def remedies(self) -> tuple[str, ...]:
        """All that repair may do about a finding: "rewrite", "drop", "reject"."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberClause(Clause):
    """A clause that judges members one at a time: `member: temperature`, or `members: [..]` for several alike."""

    member: str | None = None
    members: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Exactly one of the two spellings."""
        if (self.member is None) == (not self.members):
            raise ValueError("give `member: name` or `members: [names]`")

    @property
    def governed(self) -> tuple[str, ...]:
        """The members named."""
        return (self.member,) if self.member is not None else self.members

    def lawful(self, scope: Scope) -> frozenset[bytes]:
        """Raw values known to be lawful without parsing them: the usual spellings, not all of them."""
        return frozenset()

    def reads(self, raw: bytes) -> bool:
        """Whether the raw value is read strictly when it is judged, which takes time for each of its items."""
        return True

    def judge(self, member: str, raw: bytes, scope: Scope) -> Finding | None:
        """What is wrong with the member's raw value (never null); None: nothing. Raises MalformedBody."""
        raise NotImplementedError

    def fill(self, member: str, scope: Scope) -> Finding | None:
        """The finding whose edit supplies the absent member; None: absent is as good as present."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyClause(Clause):
    """A clause that judges several members together, or one too large to copy."""

    def judge_body(self, envelope: Envelope, scope: Scope) -> Finding | None:
        """What is wrong with the body; None: nothing. Raises MalformedBody."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class NameClause(Clause):
    """A clause that judges members which neither the policy nor any known API names; `known` are names to spare."""

    known: tuple[str, ...] = ()

    @property
    def accused(self) -> tuple[str, ...]:
        """No name of a client's own is a label."""
        return ("other",)

    def judge_name(self, name: str, raw: bytes) -> Finding | None:
        """What to do about the unknown member `name`; None: nothing."""
        raise NotImplementedError
