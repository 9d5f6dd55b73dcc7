"""one-of: a value out of a list.

```yaml
- id: logprobs-asked
  member: logprobs
  kind: one-of
  values: [false]              # any JSON values
  repair_to: false             # optional; with a single value it is that value
  source: ...
```

repair: another value of the same type is replaced by `repair_to`, or by the only value listed; otherwise it is
refused. strict: refused, `invalid logprobs: only false is allowed for this model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal

from proxy.contract.envelope import strict
from proxy.policy.clauses.clause import MemberClause, Scope
from proxy.policy.clauses.fixed import off_contract
from proxy.policy.clauses.values import encoded, identity, named, official_value, spellings
from proxy.policy.verdict import Finding


class _Mark(Enum):
    """Asked for by identity, so it must be one of a kind in every process that a policy crosses to."""

    NOTHING = "<nothing>"


_NOTHING: Final = _Mark.NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf(MemberClause):
    """A closed list of lawful values."""

    values: tuple[Any, ...]
    repair_to: Any = _NOTHING
    kind: Literal["one-of"] = "one-of"

    def __post_init__(self) -> None:
        """A list that can be met, and a repair that is lawful."""
        MemberClause.__post_init__(self)
        if not self.values:
            raise ValueError("values is empty: to allow nothing, use kind `forbidden`")
        if self.repair_to is not _NOTHING and identity(self.repair_to) not in map(identity, self.values):
            raise ValueError("repair_to is not among values")

    @property
    def remedies(self) -> tuple[str, ...]:
        """A value of another type is refused, and every value where none stands for all."""
        return ("rewrite", "reject") if self.repair_to is not _NOTHING or len(self.values) == 1 else ("reject",)

    def lawful(self, scope: Scope) -> frozenset[bytes]:
        """The usual spellings of every value."""
        return frozenset().union(*map(spellings, self.values))

    def judge(self, member: str, raw: bytes, scope: Scope) -> Finding | None:
        """Anything not listed is a finding."""
        seen = strict(raw, member)
        if identity(seen) in map(identity, self.values):
            return None
        allowed = " or ".join(map(official_value, self.values))
        return off_contract(self.id, member, allowed, (raw, named(seen, raw)), self._replacement(seen))

    def _replacement(self, seen: object) -> bytes | None:
        outcome = self.repair_to
        if outcome is _NOTHING:
            if len(self.values) > 1:
                return None
            outcome = self.values[0]
        same_type = identity(seen)[0] == identity(outcome)[0]  # type: ignore[index]  # identities are tuples
        return encoded(outcome) if same_type else None
