"""range: a number within bounds.

```yaml
- id: temperature-out-of-range
  member: temperature
  kind: range
  minimum: {thinking: 0, instant: 0.6}   # or one number for both modes; bounds are included
  maximum: {thinking: 1, instant: 0.6}
  default: {thinking: 1.0, instant: 0.6} # sent when the client sends none (needs absent: fill)
  absent: fill                           # fill | leave (default)
  repair_to: {thinking: 1.0, instant: 0.6}   # optional: what repair replaces a number outside by
  source: ...
```

repair: a number outside is replaced by `repair_to`, or by the only lawful number where minimum and maximum are one;
otherwise it is refused, since no single lawful outcome exists. strict: refused, `only 0..1 is allowed for this model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from proxy.contract.envelope import strict
from proxy.contract.mode import Mode
from proxy.policy.clauses.clause import Absent, MemberClause, ModeNumber, Scope, in_mode
from proxy.policy.clauses.fixed import filled, off_contract
from proxy.policy.clauses.values import encoded, named, official, spellings
from proxy.policy.verdict import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Range(MemberClause):
    """Every number from `minimum` to `maximum`, both included."""

    minimum: ModeNumber
    maximum: ModeNumber
    default: ModeNumber | None = None
    absent: Absent = Absent.LEAVE
    repair_to: ModeNumber | None = None
    kind: Literal["range"] = "range"

    def __post_init__(self) -> None:
        """Bounds in order, and every number that would be sent within them."""
        MemberClause.__post_init__(self)
        if self.absent is Absent.FILL and self.default is None:
            raise ValueError("`absent: fill` needs a `default`")
        for mode in Mode:
            if self._low(mode) > self._high(mode):
                raise ValueError(f"minimum is above maximum in {mode} mode")
            for name, number in (("default", self.default), ("repair_to", self.repair_to)):
                if number is not None and not self._low(mode) <= in_mode(number, mode) <= self._high(mode):
                    raise ValueError(f"{name} is outside minimum..maximum in {mode} mode")

    @property
    def remedies(self) -> tuple[str, ...]:
        """Where one number stands for all, a number is replaced."""
        return ("rewrite", "reject") if any(self._outcome(mode) is not None for mode in Mode) else ("reject",)

    def lawful(self, scope: Scope) -> frozenset[bytes]:
        """The usual spellings of both bounds, of one, and of the default."""
        numbers = {self._low(scope.mode), self._high(scope.mode)}
        if self.default is not None:
            numbers.add(in_mode(self.default, scope.mode))
        return frozenset().union(*map(spellings, numbers))

    def judge(self, member: str, raw: bytes, scope: Scope) -> Finding | None:
        """Anything but a number within the bounds is a finding."""
        seen = strict(raw, member)
        low, high = self._low(scope.mode), self._high(scope.mode)
        if isinstance(seen, Decimal) and low <= seen <= high:
            return None
        allowed = official(low) if low == high else f"{official(low)}..{official(high)}"
        outcome = self._outcome(scope.mode) if isinstance(seen, Decimal) else None
        replacement = None if outcome is None else encoded(outcome)
        return off_contract(self.id, member, allowed, (raw, named(seen, raw)), replacement)

    def fill(self, member: str, scope: Scope) -> Finding | None:
        """The default, when the policy says that it must be sent."""
        if self.absent is Absent.LEAVE or self.default is None:
            return None
        return filled(self.id, member, in_mode(self.default, scope.mode))

    def _low(self, mode: Mode) -> Decimal:
        return in_mode(self.minimum, mode)

    def _high(self, mode: Mode) -> Decimal:
        return in_mode(self.maximum, mode)

    def _outcome(self, mode: Mode) -> Decimal | None:
        if self.repair_to is not None:
            return in_mode(self.repair_to, mode)
        return self._low(mode) if self._low(mode) == self._high(mode) else None
