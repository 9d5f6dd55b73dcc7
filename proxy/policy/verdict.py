"""Finding and verdict: what policy says about one request.

Not here: how a finding is made (clauses/) or folded (decide.py). Invariant: a finding never carries text of the client
but a number, a literal or a short plain word, so that it may stand in a header, a log line and an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong, or missing, in one request.

    `clause` is the clause id: metric label, error code and docs anchor in one. `member` is the path as the client
    spelled it (`temperature`, `messages[3].reasoning_content`). `message` is the vendor's official wording. `seen` and
    `allowed` say what was sent and what may be, safe to show (see `shown`). `hint` is the exact remedy. `edits` makes
    the request lawful; None: no edit can, only a rejection follows. `receipt` is how the edit is named to the client
    (`temperature=0.3->1.0`). `fills`: the member was absent, which is lawful; only an engine's default is not.
    """

    clause: str
    member: str
    message: str
    seen: str
    allowed: str
    hint: str
    edits: Mapping[str, bytes | None] | None
    receipt: str
    fills: bool = False


@dataclass(frozen=True, slots=True)
class Allow:
    """Forward; `observed` are findings that were only counted."""

    observed: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Forward with `edits`; `findings` were repaired or filled in."""

    edits: Mapping[str, bytes | None]
    findings: tuple[Finding, ...]
    observed: tuple[Finding, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse with 400; `findings` are all that would have to change, the first one names the error."""

    findings: tuple[Finding, ...]
    observed: tuple[Finding, ...] = field(default=())


Verdict: TypeAlias = Allow | Rewrite | Reject
