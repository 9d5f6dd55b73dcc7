"""Finding and verdict: what policy says about one request, and on which route and how firmly it says it.

Not here: how a finding is made (clauses/) or folded (decide.py). Invariant: a finding never carries text of the client
but a number, a literal or a short plain name, so that it may stand in a header, a log line and an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec


class Enforcement(StrEnum):
    """What happens to a request that breaks a clause."""

    REPAIR = "repair"
    """Replaced, filled in or dropped where exactly one lawful outcome exists; refused otherwise."""
    STRICT = "strict"
    """Refused with 400 in the vendor's official wording; only what is absent is filled in."""
    OBSERVE = "observe"
    """Forwarded as received; what would have happened is counted."""


class Route(StrEnum):
    """The requests a clause may judge, by path: `/v1/chat/completions` and the three other shapes of the same call."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    RESPONSES = "responses"
    MESSAGES = "messages"


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


class Allow(msgspec.Struct, frozen=True):
    """Forward; `observed` are findings that were only counted."""

    observed: tuple[Finding, ...] = ()


class Rewrite(msgspec.Struct, frozen=True):
    """Forward with `edits`; `findings` were repaired or filled in."""

    edits: Mapping[str, bytes | None]
    findings: tuple[Finding, ...]
    observed: tuple[Finding, ...] = ()


class Reject(msgspec.Struct, frozen=True):
    """Refuse with 400; `findings` are all that would have to change, the first one names the error. `repairable` are
    those that would have been repaired, had nothing else refused the request.
    """

    findings: tuple[Finding, ...]
    observed: tuple[Finding, ...] = ()
    repairable: tuple[Finding, ...] = ()


# The verdicts are structs because one is made for every request: a frozen dataclass takes five times as long to make.
Verdict: TypeAlias = Allow | Rewrite | Reject

_SHOWABLE: Final = re.compile(rb"-?[0-9][0-9.eE+-]{0,23}|true|false|null")
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def shown(raw: bytes) -> str:
    """A raw JSON value as a receipt may show it: a number or literal of at most 24 characters, else `?`."""
    return raw.decode() if len(raw) <= 24 and _SHOWABLE.fullmatch(raw) else "?"


def shown_name(name: str) -> str:
    """A member name of the client's own as a receipt may show it, else `?`."""
    return name if _NAME.fullmatch(name) else "?"
