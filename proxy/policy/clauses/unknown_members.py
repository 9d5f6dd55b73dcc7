"""unknown-members: names that neither the policy nor any known API knows.

```yaml
- id: member-unknown
  kind: unknown-members
  action: pass                 # pass | drop | reject
  known: [my_gateway_tag]      # names of your own that are fine
  source: ...
```

pass: the member is forwarded. drop: repair leaves it out, strict refuses. reject: refused in both. Known are the
members of the APIs in proxy/policy/known.py and every member that a clause of the policy names. A name that differs
from a known one only in case, width or invisible characters is refused before this clause is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from proxy.policy.clauses.clause import NameClause
from proxy.policy.verdict import Finding, shown, shown_name


class UnknownAction(StrEnum):
    """What becomes of an unknown member."""

    PASS = "pass"  # noqa: S105  (no password)
    DROP = "drop"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownMembers(NameClause):
    """One action for every unknown name."""

    action: UnknownAction = UnknownAction.PASS
    kind: Literal["unknown-members"] = "unknown-members"

    @property
    def remedies(self) -> tuple[str, ...]:
        """As the action says."""
        return {UnknownAction.PASS: (), UnknownAction.DROP: ("drop",), UnknownAction.REJECT: ("reject",)}[self.action]

    def judge_name(self, name: str, raw: bytes) -> Finding | None:
        """A finding unless unknown members pass."""
        if self.action is UnknownAction.PASS:
            return None
        safe = shown_name(name)
        drop = self.action is UnknownAction.DROP
        return Finding(
            self.id,
            safe,
            f"invalid {safe}: it is not a member of any API this model is served by",
            "an unknown member",
            "known members only",
            f"leave {safe} out, or add it to `known` of this clause",
            {name: None} if drop else None,
            f"{safe}={shown(raw)}->{'dropped' if drop else 'refused'}",
        )
