"""nested: objects that some gateways merge into the body.

```yaml
- id: sampling-nested
  members: [extra_body, sampling_params]
  kind: nested
  source: ...
```

Only top-level members count: the OpenAI SDK's `extra_body` argument puts its members there, while a literal
`extra_body` member is merged by some gateways and ignored by others. repair: members that this policy judges are
dropped from the object at any depth of such objects, and the object itself when nothing is left; a thinking switch or
`model` inside is refused, since one cannot know whether it would have counted. strict: each of them is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from proxy.contract.envelope import Raw, folds_to_known, members_of, strict, twin
from proxy.contract.mode import SWITCH_MEMBERS
from proxy.policy.clauses.clause import MemberClause, Scope
from proxy.policy.verdict import Finding, shown

TOP_LEVEL_ONLY: Final = SWITCH_MEMBERS | {"model"}
"""Names whose place changes what the whole request means."""

_encode: Final = msgspec.json.Encoder().encode


@dataclass(slots=True)
class _Walk:
    """What was met in one container: paths refused, and receipts of what was dropped."""

    refused: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested(MemberClause):
    """Nothing that is judged may stand inside these objects."""

    kind: Literal["nested"] = "nested"

    @property
    def remedies(self) -> tuple[str, ...]:
        """What is left is sent, if anything is; what might have counted is refused."""
        return ("rewrite", "drop", "reject")

    def judge(self, member: str, raw: bytes, scope: Scope) -> Finding | None:
        """One finding for everything met inside."""
        if not raw.startswith(b"{"):
            return None
        strict(raw, member)
        walk = _Walk()
        left = self._without_judged(raw, member, scope, walk)
        if not walk.refused and not walk.dropped:
            return None
        paths = [*walk.refused, *walk.dropped]
        return Finding(
            self.id,
            paths[0],
            f"invalid {member}: only the top level of the body counts, and not {', '.join(paths)}",
            "an object",
            "an object without them",
            f"send {', '.join(path.rpartition('.')[2] for path in paths)} at the top level of the body, if at all",
            None if walk.refused else {member: left},
            ";".join([f"{path}=?->refused" for path in walk.refused] or walk.receipts),
        )

    def _without_judged(self, raw: bytes, path: str, scope: Scope, walk: _Walk) -> bytes | None:
        """The object without the judged members, its other values as received; None when nothing is left."""
        members = members_of(raw, path)
        kept = {name: self._kept(name, inner, path, scope, walk) for name, inner in members.items()}
        left = {name: inner for name, inner in kept.items() if inner is not None}
        return _encode(left) if left else None

    def _kept(self, name: str, inner: Raw, path: str, scope: Scope, walk: _Walk) -> Raw | None:
        text = bytes(inner)
        place = f"{path}.{name}"
        if name in self.governed:
            left = self._without_judged(text, place, scope, walk) if text.startswith(b"{") else text
            return None if left is None else Raw(left)
        if name not in scope.governed and name not in TOP_LEVEL_ONLY:
            known = twin(name, scope.folded)
            if known is not None:
                raise folds_to_known(known, path)
            return inner
        if text == b"null":
            return inner
        if name in TOP_LEVEL_ONLY:
            walk.refused.append(place)
            return inner
        walk.dropped.append(place)
        walk.receipts.append(f"{place}={shown(text)}->dropped")
        return None
