"""Facts of a request: all that policy reads of it and that may be kept, so that another policy can be asked later.

Here: the outline that a request leaves behind, and its reduction to facts. Not here: counting (shadow/), the log
(store/), and asking again (anew.py). Invariants: facts hold numbers, literals, words and names out of closed lists of
this program and of the policy in force, and no other text of the request; they are the same however a body is spaced.

What stands for a value that is not kept (no word of WORDS looks like one of these):

    "?"  a string of at most 64 KiB      "[?]"  an array that is not empty     ".."  anything, not read
    "#"  a number                        "[.]", "{.}"  an array, an object, not read
    "!code"  a value that readers take differently: the code of its MalformedBody; "[!code]", "{!code}" inside one

A model is "=name" where the policy lists that very name, else "+" when the policy covers it and "-" when not, with
":thinking" where its own name ends so. Messages that were looked through are "kept", or "missing" where the reasoning
of a tool call is. Among the names, "?" counts those that nobody knows, "~name" one that folds to a known name, "~" one
too long to be anyone's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

import msgspec

from proxy.contract.envelope import (
    MAX_NAME_CHARACTERS,
    MAX_STRICT_BYTES,
    Json,
    MalformedBody,
    Raw,
    fold_short,
    strict,
)
from proxy.contract.mode import SUFFIX, SWITCH_MEMBERS, Mode
from proxy.policy.clauses.reasoning_history import ReasoningHistory
from proxy.policy.decide import Decision, Plan, covers
from proxy.policy.known import KNOWN_MEMBERS
from proxy.policy.verdict import Reject, Rewrite, Route

Outline: TypeAlias = tuple[str | bytes, ...]
"""The names of a body's members in order, then what is kept of each value: its bytes, or a stand-in for a long one."""

_LONGEST: Final = 256
"""Bytes of a value that are kept until the request is reduced."""
_LONGEST_NUMBER: Final = 24
_TEXTS: Final = "messages prompt input instructions system tools functions"
_IDS: Final = """
    user seed metadata prompt_cache_key safety_identifier request_id session_id rid cache_salt previous_response_id
    conversation extra_key
"""
_WORDS: Final = """
    enabled disabled adaptive none minimal low medium high xhigh max auto all required any function tool custom
    allowed_tools text json_object json_schema default flex priority scale standard
"""
_INNER: Final = """
    type keep enabled effort enable reasoning_effort thinking enable_thinking preserve_thinking mode allowed_tools
    include_usage
"""
TEXTS: Final = frozenset(_TEXTS.split())
"""Members that carry what is asked: no clause judges their values alone."""
IDS: Final = frozenset(_IDS.split())
"""Members with another value in every conversation: only what type they have is kept."""
WORDS: Final = frozenset(_WORDS.split()) | {""}
"""The only strings that are kept."""
INNER: Final = frozenset(_INNER.split())
"""Names inside objects that are kept beside those of KNOWN_MEMBERS."""
VOCABULARY: Final = hashlib.sha256("\n".join(sorted(KNOWN_MEMBERS | WORDS | INNER)).encode()).hexdigest()[:8]
"""Which lists made facts: with others, what was not kept may be kept, and the other way round."""

_LITERALS: Final = (b"true", b"false", b"null")
_STAND_INS: Final = {b"": '".."', b'"': '"?"', b"#": '"#"', b"[": '"[.]"', b"{": '"{.}"'}
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Facts(msgspec.Struct, frozen=True, array_like=True):
    """One way of asking, and what came of it. `outcome` is pass, rewrite or reject; `counts` as Decision has them, or
    the code of what could not be judged. `shape` None: no reader could read the body, whatever the policy.
    """

    route: str
    mode: str
    outcome: str
    counts: tuple[tuple[str, str, str], ...]
    shape: dict[str, Raw] | None


@dataclass(frozen=True, slots=True)
class Lists:
    """What a policy in force adds to the closed lists. `models` tells its list of models from others; `names` are
    members that it names and no API; `kept` and `folded` all names with their folds.
    """

    models: str
    names: tuple[str, ...]
    kept: frozenset[str]
    folded: Mapping[str, str]


_lists: Final[WeakKeyDictionary[Plan, Lists]] = WeakKeyDictionary()
"""Weak: a plan that a reload has replaced goes, and takes along what it remembers of requests."""


def lists_of(plan: Plan) -> Lists:
    """Those of a plan."""
    found = _lists.get(plan)
    if found is None:
        found = _lists[plan] = _made_lists(plan)
    return found


def _made_lists(plan: Plan) -> Lists:
    names = frozenset(name for by_mode in plan.tables.values() for table in by_mode.values() for name in table.members)
    kept = names | INNER
    folded = {fold_short(name): name for name in kept}
    return Lists(models_of(plan), tuple(sorted(names - KNOWN_MEMBERS)), kept, folded)


def models_of(plan: Plan) -> str:
    """8 hex digits that tell one list of models from another."""
    return hashlib.sha256(plan.model_pattern.pattern.encode()).hexdigest()[:8]


def outline(members: Mapping[str, Raw]) -> Outline:
    """What is to be remembered of a body, which itself is not kept."""
    return (*members, *[brief(name, raw) for name, raw in members.items()])


def brief(name: str, raw: Raw) -> bytes:
    """What is kept of one value. A single byte of a text, an array or an object stands for all of it."""
    if name in TEXTS:
        return b""
    if len(raw) <= _LONGEST:
        text = bytes(raw)
        return text if name not in IDS or text in _LITERALS else _first(text)
    return b"" if len(raw) > MAX_STRICT_BYTES else _first(bytes(raw))


def facts_of(plan: Plan, route: Route, left: Outline | None, decision: Decision | str) -> Facts:
    """The facts of a request; `decision` is the code of a MalformedBody where there was none to make."""
    mode, outcome, counts = _outcome(decision)
    if left is None:
        return Facts(route.value, mode, outcome, counts, None)
    half = len(left) // 2
    known = lists_of(plan)
    shape: dict[str, Raw] = {}
    unknown = 0
    for name, value in zip(left[:half], left[half:], strict=True):
        assert isinstance(name, str)
        assert isinstance(value, bytes)
        kept = _name(name, known)
        unknown += kept == "?"
        if name == "model" and value.startswith(b'"'):
            text = _model(plan, value)
        elif name == "messages":
            text = _messages(plan, route, decision)
        else:
            text = b"%d" % unknown if kept == "?" else b"0" if kept.startswith("~") else _value(name, value, known)
        shape[kept] = Raw(text)
    return Facts(route.value, mode, outcome, counts, shape)


def reduced(name: str, value: Any, known: Lists) -> bytes:  # noqa: ANN401  (any JSON value)
    """What facts would say of a member with this value."""
    return _value(name, brief(name, Raw(_encode(value))), known)


def _outcome(decision: Decision | str) -> tuple[str, str, tuple[tuple[str, str, str], ...]]:
    if isinstance(decision, str):
        return "", "reject", ((decision, "reject", ""),)
    verdict = decision.verdict
    outcome = "reject" if isinstance(verdict, Reject) else "rewrite" if isinstance(verdict, Rewrite) else "pass"
    return decision.mode.value, outcome, decision.counts


def _first(text: bytes) -> bytes:
    first = text[:1]
    return first if first in b'"[{' else b"#"


def _name(name: str, known: Lists) -> str:
    if name in known.kept:
        return name
    if len(name) > MAX_NAME_CHARACTERS:
        return "~"
    twin = known.folded.get(fold_short(name))
    return "?" if twin is None else f"~{twin}"


def _model(plan: Plan, value: bytes) -> bytes:
    if value == b'"':
        return b'".."'
    if value in plan.exact_models:
        return b'"=' + value[1:]
    try:
        covered = covers(plan, Raw(value))
    except MalformedBody as error:
        return _encode(f"!{error.code}")
    suffix = SUFFIX if fold_short(str(strict(value, "model"))).endswith(SUFFIX) else ""
    return _encode(("+" if covered else "-") + suffix)


def _messages(plan: Plan, route: Route, decision: Decision | str) -> bytes:
    """Whether they were looked through, and what for."""
    if isinstance(decision, str) or not decision.applies or decision.mode is not Mode.THINKING:
        return b'".."'
    bodies = plan.tables[route][decision.mode].bodies
    asked = [judge.clause.id for judge in bodies if isinstance(judge.clause, ReasoningHistory)]
    if not asked:
        return b'".."'
    verdict = decision.verdict
    repairable = verdict.repairable if isinstance(verdict, Reject) else ()
    found = (*decision.findings, *verdict.observed, *repairable)
    return b'"missing"' if any(finding.clause in asked for finding in found) else b'"kept"'


def _value(name: str, value: bytes, known: Lists) -> bytes:
    stand_in = _STAND_INS.get(value)
    if stand_in is not None:
        return stand_in.encode()
    try:
        seen = strict(value, name)
    except MalformedBody as error:
        around = {b"{": "{!%s}", b"[": "[!%s]"}.get(value[:1], "!%s")
        return _encode(around % error.code)
    if isinstance(seen, Decimal):
        return value if len(value) <= _LONGEST_NUMBER else b'"#"'
    if isinstance(seen, dict) and name in SWITCH_MEMBERS and b"\\" in value:
        return b'"{.}"'  # a name in it may be spelled with an escape, which is judged
    return _encode(_kept(seen, known))


def _kept(seen: Json, known: Lists) -> Json:
    """The value without text that is not on a list."""
    if isinstance(seen, str):
        return seen if seen in WORDS else "?"
    if isinstance(seen, Decimal):
        return seen if len(str(seen)) <= _LONGEST_NUMBER else "#"
    if isinstance(seen, list):
        return "[?]" if seen else []
    if not isinstance(seen, dict):
        return seen
    inner: dict[str, Any] = {}
    for name, value in seen.items():
        kept = _name(name, known)
        inner[kept] = _kept(value, known) if kept == name else 0
    return inner
