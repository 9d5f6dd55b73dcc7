"""type: the JSON type a member must have, whatever its value.

```yaml
- id: max-tokens-not-positive
  members: [max_tokens, max_completion_tokens]
  kind: type
  type: integer                # boolean | string | number | integer | array | object
  minimum: 1                   # optional, for number and integer
  source: ...
```

Accepts an integer in any spelling that is one token of digits. repair: a whole number spelled as a fraction or power
(100.0, 1e2) is written as an integer, since readers differ on whether it is one; anything else is refused, as one
cannot know what was meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal

from proxy.contract.envelope import Json, strict
from proxy.policy.clauses.clause import MemberClause, Scope
from proxy.policy.clauses.values import named, official
from proxy.policy.verdict import Finding, shown

_LARGEST: Final = Decimal(2**53)
"""Whole numbers above it are not exact in every JSON reader (RFC 8259 section 6)."""


class JsonType(StrEnum):
    """The types of RFC 8259, and integer as JSON Schema means it."""

    BOOLEAN = "boolean"
    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    ARRAY = "array"
    OBJECT = "object"


_PYTHON: Final = {
    JsonType.BOOLEAN: bool,
    JsonType.STRING: str,
    JsonType.NUMBER: Decimal,
    JsonType.INTEGER: Decimal,
    JsonType.ARRAY: list,
    JsonType.OBJECT: dict,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed(MemberClause):
    """A value of one JSON type."""

    type: JsonType
    minimum: Decimal | None = None
    kind: Literal["type"] = "type"

    def __post_init__(self) -> None:
        """A bound only where there is a number to bound."""
        MemberClause.__post_init__(self)
        if self.minimum is not None and self.type not in (JsonType.NUMBER, JsonType.INTEGER):
            raise ValueError(f"`minimum` has no meaning for type {self.type}")

    @property
    def remedies(self) -> tuple[str, ...]:
        """Only a whole number has another spelling."""
        return ("rewrite", "reject") if self.type is JsonType.INTEGER else ("reject",)

    def judge(self, member: str, raw: bytes, scope: Scope) -> Finding | None:
        """A value of another type is a finding; a whole number spelled otherwise can be repaired."""
        seen = strict(raw, member)
        if not isinstance(seen, _PYTHON[self.type]) or not self._large_enough(seen):
            return self._finding(member, raw, seen, None)
        if self.type is not JsonType.INTEGER or raw.removeprefix(b"-").isdigit():
            return None
        assert isinstance(seen, Decimal)
        whole = seen == seen.to_integral_value() and abs(seen) <= _LARGEST
        return self._finding(member, raw, seen, b"%d" % int(seen) if whole else None)

    def _large_enough(self, seen: Json) -> bool:
        return self.minimum is None or (isinstance(seen, Decimal) and seen >= self.minimum)

    def _finding(self, member: str, raw: bytes, seen: Json, replacement: bytes | None) -> Finding:
        article = "an" if self.type[0] in "aio" else "a"
        bound = "" if self.minimum is None else f" of at least {official(self.minimum)}"
        allowed = f"{article} {self.type}{bound}"
        return Finding(
            self.id,
            member,
            f"invalid {member}: it must be {allowed}",
            named(seen, raw),
            allowed,
            f"send {member} as {allowed}, or leave it out",
            None if replacement is None else {member: replacement},
            f"{member}={shown(raw)}->{'refused' if replacement is None else replacement.decode()}",
        )
