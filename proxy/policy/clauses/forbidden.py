"""forbidden: a member that may not change anything.

```yaml
- id: top-k-set
  member: top_k                # or members: [..]
  kind: forbidden
  neutral: [0, -1]             # values that do nothing on every engine; they pass as they came
  instead: response_format     # optional: what to use instead, for the hint
  source: ...
```

repair: any other value, of any type, is dropped with its member: absent is the one lawful outcome. strict: refused,
`invalid top_k: only 0 or -1 is allowed for this model`. For members whose loss would change what was asked (a
template, a grammar) a pack sets `enforcement: strict`, so that repair refuses them too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from proxy.contract.envelope import Json, strict
from proxy.policy.clauses.clause import MemberClause, Scope
from proxy.policy.clauses.values import encoded, identity, item_count, named, official_value, spellings
from proxy.policy.verdict import Finding, shown

_MOST_READ: Final = 128
"""Items of a list or object that are read strictly, whatever is neutral."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden(MemberClause):
    """No value but the neutral ones."""

    neutral: tuple[Any, ...] = ()
    instead: str | None = None
    kind: Literal["forbidden"] = "forbidden"

    @property
    def remedies(self) -> tuple[str, ...]:
        """The member goes."""
        return ("drop",)

    def lawful(self, scope: Scope) -> frozenset[bytes]:
        """The usual spellings of the neutral values."""
        return frozenset().union(*map(spellings, self.neutral))

    def reads(self, raw: bytes) -> bool:
        """Not what is longer than any value that could be neutral: it goes unread."""
        return item_count(raw) <= max([_MOST_READ, *(item_count(encoded(value)) for value in self.neutral)])

    def judge(self, member: str, raw: bytes, scope: Scope) -> Finding | None:
        """Any value that is not neutral is a finding, repaired by dropping the member."""
        if self.reads(raw):
            seen: Json = strict(raw, member)
            if identity(seen) in map(identity, self.neutral):
                return None
        else:
            seen = {} if raw.startswith(b"{") else []
        allowed = " or ".join(official_value(value) for value in self.neutral if not isinstance(value, list | dict))
        return Finding(
            self.id,
            member,
            f"invalid {member}: {f'only {allowed} is' if allowed else 'it is not'} allowed for this model",
            named(seen, raw),
            allowed or "nothing",
            f"leave {member} out" + (f"; use {self.instead}" if self.instead else ""),
            {member: None},
            f"{member}={shown(raw)}->dropped",
        )
