"""The clause kinds, one file each, with what a policy document writes for it in the file's docstring.

A kind is a frozen dataclass: its fields are what the document may say, its methods answer the questions of clause.py.
A new kind is one file and one line in CLAUSES.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from proxy.policy.clauses.clause import Clause
from proxy.policy.clauses.exclusive import Exclusive
from proxy.policy.clauses.fixed import Fixed
from proxy.policy.clauses.forbidden import Forbidden
from proxy.policy.clauses.nested import Nested
from proxy.policy.clauses.one_of import OneOf
from proxy.policy.clauses.range import Range
from proxy.policy.clauses.reasoning_history import ReasoningHistory
from proxy.policy.clauses.tool_choice import ToolChoice
from proxy.policy.clauses.typed import Typed
from proxy.policy.clauses.unknown_members import UnknownMembers

CLAUSES: Final[tuple[type[Clause], ...]] = (
    Fixed,
    Range,
    OneOf,
    Typed,
    Forbidden,
    Nested,
    ToolChoice,
    ReasoningHistory,
    Exclusive,
    UnknownMembers,
)
"""Every kind. The order is the order of findings, and so of the error a client reads first: the sampling values that
the vendor itself checks (fixed, range, one-of), then types, then what may not be sent at all, then the conversation,
then what only concerns members together. Of two edits to one member the later kind's stands, so that a value is written
before exclusive may drop it."""

KINDS: Final[dict[str, type[Clause]]] = {
    str(field.default): clause for clause in CLAUSES for field in dataclasses.fields(clause) if field.name == "kind"
}
"""The kinds by the name a document gives them."""
