"""exclusive: two members that say the same thing.

```yaml
- id: max-tokens-twice
  kind: exclusive
  members: [max_completion_tokens, max_tokens]   # the first one wins
  source: ...
```

Both present with one value is no harm. repair: where they differ the later one is dropped, since the vendor would
follow the first. strict: refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from proxy.contract.envelope import Envelope, strict
from proxy.policy.clauses.clause import BodyClause, Scope
from proxy.policy.clauses.values import identity, named
from proxy.policy.verdict import Finding, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusive(BodyClause):
    """At most one of two members, or both with one value."""

    members: tuple[str, str]
    kind: Literal["exclusive"] = "exclusive"

    @property
    def governed(self) -> tuple[str, ...]:
        """Both members."""
        return self.members

    @property
    def accused(self) -> tuple[str, ...]:
        """The loser."""
        return self.members[1:]

    @property
    def remedies(self) -> tuple[str, ...]:
        """The loser goes."""
        return ("drop",)

    def judge_body(self, envelope: Envelope, scope: Scope) -> Finding | None:
        """Both present and different is a finding, repaired by dropping the loser."""
        winner, loser = self.members
        members = envelope.members
        if winner not in members or loser not in members:
            return None
        first, second = bytes(members[winner]), bytes(members[loser])
        if first == second or b"null" in (first, second):
            return None
        seen = strict(second, loser)
        if identity(strict(first, winner)) == identity(seen):
            return None
        return Finding(
            self.id,
            loser,
            f"invalid {loser}: {winner} is set as well, to another value",
            named(seen, second),
            f"what {winner} says",
            f"send {winner} only",
            {loser: None},
            f"{loser}={shown(second)}->dropped",
        )
