"""tool-choice: no forced tool while the model thinks.

```yaml
- id: tool-choice-forced
  kind: tool-choice
  source: ...
```

In thinking mode only `auto` and `none` are lawful; in instant mode everything is. `required` (also spelled
{"type": "any"}) and a named tool are refused in the official wording,
`tool_choice 'required' is incompatible with thinking enabled`, in repair and strict alike: dropping it would answer
another question than the one asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from proxy.contract.envelope import Json, strict
from proxy.contract.mode import Mode
from proxy.policy.clauses.clause import MemberClause, Scope
from proxy.policy.clauses.values import named
from proxy.policy.verdict import Finding, shown

_LAWFUL: Final = frozenset((b'"auto"', b'"none"'))
_FREE: Final = ("auto", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChoice(MemberClause):
    """Thinking and a forced tool exclude each other."""

    member: str | None = "tool_choice"
    kind: Literal["tool-choice"] = "tool-choice"

    @property
    def remedies(self) -> tuple[str, ...]:
        """Dropping the choice would answer another question."""
        return ("reject",)

    def lawful(self, scope: Scope) -> frozenset[bytes]:
        """Free choice in its usual spelling."""
        return _LAWFUL

    def judge(self, member: str, raw: bytes, scope: Scope) -> Finding | None:
        """A forced tool in thinking mode is a finding that cannot be repaired."""
        if scope.mode is not Mode.THINKING:
            return None
        seen = strict(raw, member)
        forced = _forced(seen)
        if forced == "":
            return None
        message = (
            f"{member} '{forced}' is incompatible with thinking enabled"
            if forced is not None
            else f"invalid {member}: only auto or none is allowed with thinking enabled"
        )
        return Finding(
            self.id,
            member,
            message,
            forced or named(seen, raw),
            "auto or none",
            f'send {member} as "auto" or "none", or switch thinking off',
            None,
            f"{member}={shown(raw)}->refused",
        )


def _forced(seen: Json) -> str | None:
    """What the choice forces, in the official words: required, specified; "" nothing; None: it cannot be told."""
    if isinstance(seen, dict):
        kind = seen.get("type")
        if kind == "allowed_tools":  # OpenAI: a list of tools, with a choice of its own
            inner = seen.get("allowed_tools", seen)
            kind = inner.get("mode") if isinstance(inner, dict) else None
        if kind in ("function", "tool", "custom"):
            return "specified"
        seen = kind if isinstance(kind, str) else None
    if seen in _FREE:
        return ""
    return "required" if seen in ("required", "any") else None
