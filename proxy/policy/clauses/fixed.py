"""fixed: a number that may not be chosen.

```yaml
- id: temperature-off-contract
  member: temperature          # or members: [presence_penalty, frequency_penalty]
  kind: fixed
  value: {thinking: 1.0, instant: 0.6}   # or one number for both modes
  absent: fill                 # fill | leave (default)
  source: ...
```

Accepts the value in any spelling (1, 1.0, 1e0). repair: another number is replaced by the value as the policy spells
it; a string, boolean, array or object is refused. strict: refused in the official wording, `invalid temperature: only
1 is allowed for this model`. `absent: fill` sends the value when the client sends none, in repair and strict alike: an
absent value is lawful, an open-weight engine's default is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from proxy.contract.envelope import strict
from proxy.policy.clauses.clause import Absent, MemberClause, ModeNumber, Scope, in_mode
from proxy.policy.clauses.values import encoded, named, official, spellings
from proxy.policy.verdict import Finding, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed(MemberClause):
    """One lawful number per mode."""

    value: ModeNumber
    absent: Absent = Absent.LEAVE
    kind: Literal["fixed"] = "fixed"

    @property
    def remedies(self) -> tuple[str, ...]:
        """A number is replaced, anything else refused."""
        return ("rewrite", "reject")

    def lawful(self, scope: Scope) -> frozenset[bytes]:
        """The usual spellings of the value."""
        return spellings(in_mode(self.value, scope.mode))

    def judge(self, member: str, raw: bytes, scope: Scope) -> Finding | None:
        """Anything but the number is a finding; a number can be replaced."""
        seen = strict(raw, member)
        wanted = in_mode(self.value, scope.mode)
        if isinstance(seen, Decimal) and seen == wanted:
            return None
        return off_contract(self.id, member, official(wanted), (raw, named(seen, raw)), _replacement(seen, wanted))

    def fill(self, member: str, scope: Scope) -> Finding | None:
        """The value itself, when the policy says that it must be sent."""
        if self.absent is Absent.LEAVE:
            return None
        return filled(self.id, member, in_mode(self.value, scope.mode))


def _replacement(seen: object, wanted: Decimal) -> bytes | None:
    return encoded(wanted) if isinstance(seen, Decimal) else None


def off_contract(clause: str, member: str, allowed: str, seen: tuple[bytes, str], replacement: bytes | None) -> Finding:
    """A number outside the contract. `seen` is the raw value and its safe name; no replacement: it can only be
    refused.
    """
    raw, name = seen
    return Finding(
        clause,
        member,
        f"invalid {member}: only {allowed} is allowed for this model",
        name,
        allowed,
        f"send {member} {'within' if '..' in allowed else 'as'} {allowed}, or leave it out",
        None if replacement is None else {member: replacement},
        f"{member}={shown(raw)}->{'refused' if replacement is None else _outcome(replacement)}",
    )


def _outcome(replacement: bytes) -> str:
    """A replacement as a receipt may show it: the policy's own text, unless it would not fit into a header."""
    text = replacement.decode()
    return text if len(text) <= 24 and text.isascii() and text.isprintable() and ";" not in text else "replaced"


def filled(clause: str, member: str, number: Decimal) -> Finding:
    """An absent number that must be sent."""
    text = encoded(number)
    allowed = official(number)
    return Finding(
        clause,
        member,
        f"invalid {member}: only {allowed} is allowed for this model",
        "nothing",
        allowed,
        f"send {member} as {allowed}",
        {member: text},
        f"{member}=+{text.decode()}",
        fills=True,
    )
