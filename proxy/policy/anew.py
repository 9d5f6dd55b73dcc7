"""Judging anew: what another policy would have done with a request of which only facts are left.

Here: the skeleton, a body that a plan judges as it would have judged the original, and when there is none. Not here:
how facts are made (facts.py), and counting (scorer/backtest.py). Invariant: an outcome that is told is the one the
original body would have had; whatever depends on something that was not kept is not known, and never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from proxy.contract.envelope import MAX_NAME_CHARACTERS, MAX_STRICT_BYTES, Envelope, MalformedBody, Raw
from proxy.contract.mode import SUFFIX, SWITCH_MEMBERS, Mode
from proxy.policy.clauses.clause import BodyClause, Clause, Contract, MemberClause
from proxy.policy.clauses.exclusive import Exclusive
from proxy.policy.clauses.fixed import Fixed
from proxy.policy.clauses.forbidden import Forbidden
from proxy.policy.clauses.nested import Nested
from proxy.policy.clauses.one_of import OneOf
from proxy.policy.clauses.range import Range
from proxy.policy.clauses.reasoning_history import ReasoningHistory
from proxy.policy.clauses.tool_choice import ToolChoice
from proxy.policy.clauses.typed import Typed
from proxy.policy.decide import Decision, Plan, decide
from proxy.policy.facts import VOCABULARY, Facts, Lists, lists_of, reduced
from proxy.policy.known import KNOWN_MEMBERS
from proxy.policy.verdict import Reject, Rewrite, Route

_encode: Final = msgspec.json.Encoder().encode
UNREAD: Final = ('".."', '"[.]"', '"{.}"')


class Terms(NamedTuple):
    """Under which policy facts were made: its list of models, the names it adds, and this program's lists."""

    models: str
    names: tuple[str, ...]
    vocabulary: str = VOCABULARY


class Anew(NamedTuple):
    """The outcome and the counts, as Facts have them; or `unknown`: the clause that cannot be judged, `models` where
    the policies cover different ones, `names` where the new one names members that were not kept, `lists` for facts of
    another version of this program.
    """

    outcome: str
    counts: tuple[tuple[str, str, str], ...]
    unknown: str = ""
    decision: Decision | None = None


def judged_anew(plan: Plan, facts: Facts, terms: Terms) -> Anew:
    """What `plan` would have done."""
    if facts.shape is None:
        return Anew("reject", facts.counts)
    route = Route(facts.route)
    try:
        shape = _modelled(plan, facts.shape, terms)
        _check_lists(plan, facts.shape, terms)
        envelope = Envelope.parse(_body(shape))
        decision = _decided(plan, route, envelope, facts)
    except _Unknown as unknown:
        return Anew("", (), str(unknown))
    except MalformedBody as error:
        return Anew("reject", ((error.code, "reject", ""),))
    verdict = decision.verdict
    outcome = "reject" if isinstance(verdict, Reject) else "rewrite" if isinstance(verdict, Rewrite) else "pass"
    return Anew(outcome, decision.counts, "", decision)


class _Unknown(Exception):
    """It cannot be told; its text says why."""


def _decided(plan: Plan, route: Route, envelope: Envelope, facts: Facts) -> Decision:
    """The decision on a skeleton, if it is the one on the original."""
    assert facts.shape is not None
    texts = {name: bytes(raw).decode() for name, raw in facts.shape.items()}
    known = lists_of(plan)
    decision: Decision | MalformedBody
    try:
        decision = decide(plan, route, envelope)
        if not decision.applies:
            return decision
        mode: Mode | None = decision.mode
    except MalformedBody as error:
        mode, decision = None, error  # what is found out later cannot change that
    if not plan.mode_fixed and any(texts.get(name) in UNREAD for name in SWITCH_MEMBERS):
        raise _Unknown("thinking")
    for clause in clauses_of(plan, route):
        if (mode is not None or isinstance(clause, MemberClause)) and _doubtful(clause, texts, known, mode):
            raise _Unknown(clause.id)
    if isinstance(decision, MalformedBody):
        raise decision
    return decision


def clauses_of(plan: Plan, route: Route) -> Iterator[Clause]:
    """The clauses that a plan holds a route to."""
    document, _, _, contract = plan.made_from
    in_force = Contract(contract) if contract is not None else document.contract
    for clause in document.clauses:
        if route in clause.routes and clause.contract in (None, in_force):
            yield clause


def _doubtful(clause: Clause, texts: Mapping[str, str], known: Lists, mode: Mode | None) -> bool:
    """Whether what was left out could change what the clause says; of a kind that is not known here it always could."""
    if isinstance(clause, MemberClause):
        return any(_doubtful_value(clause, name, texts[name], known) for name in clause.governed if name in texts)
    if isinstance(clause, Exclusive):
        first, second = (texts.get(name, "null") for name in clause.members)
        told_apart = first != second and '"?"' in (first, second)
        return (
            "null" not in (first, second) and not told_apart and (_stands_in(first + second) or _unread(first, second))
        )
    if isinstance(clause, ReasoningHistory):
        return mode is not Mode.INSTANT and texts.get("messages") == '".."'
    return isinstance(clause, BodyClause)


def _doubtful_value(clause: MemberClause, name: str, text: str, known: Lists) -> bool:
    if name == "model" or (name == "messages" and text in ('"kept"', '"missing"')) or text in UNREAD:
        return True
    match clause:
        case Nested() | ToolChoice():
            return False
        case Fixed() | Range() | Typed():
            return text == '"#"'
        case OneOf():
            listed: tuple[Any, ...] = clause.values
        case Forbidden():
            listed = clause.neutral
        case _:
            return True
    return _stands_in(text) and any(_could_be(text, reduced(name, value, known).decode()) for value in listed)


def _unread(*texts: str) -> bool:
    return any(text in UNREAD for text in texts)


def _could_be(text: str, listed: str) -> bool:
    """Whether what a stand-in stands for may be a value that a clause lists, which is reduced too."""
    if text == '"#"':
        return listed == text or listed[0] in "-0123456789"
    return listed == text if text in ('"?"', '"[?]"') else listed.startswith('{"')


def _stands_in(text: str) -> bool:
    return any(mark in text for mark in ('"?"', '"#"', '"[?]"', '"~'))


# The skeleton


def _modelled(plan: Plan, shape: Mapping[str, Raw], terms: Terms) -> dict[str, Raw]:
    """The shape with a model that the plan covers if, and only if, it covers the original."""
    given = bytes(shape.get("model", b"null")).decode()
    if not given.startswith(('"=', '"+', '"-', '"..')):
        return dict(shape)
    name: str = msgspec.json.decode(given)
    if name.startswith("="):
        return {**shape, "model": Raw(_encode(name[1:]))}
    if name == ".." or terms.models != lists_of(plan).models:
        raise _Unknown("models")
    suffix = SUFFIX if name.endswith(SUFFIX) else ""
    exact = min(plan.exact_models, default=None)
    if name.startswith("-"):
        return {**shape, "model": Raw(b'"?-"')}
    if exact is None:
        if suffix:
            raise _Unknown("models")
        return {**shape, "model": Raw(b"null")}
    return {**shape, "model": Raw(_encode(msgspec.json.decode(exact) + suffix))}


def _check_lists(plan: Plan, shape: Mapping[str, Raw], terms: Terms) -> None:
    texts = [bytes(raw).decode() for raw in shape.values()]
    unnamed = "?" in shape or any('"?":' in text for text in texts)
    if terms.vocabulary != VOCABULARY and (unnamed or any(map(_stands_in, texts))):
        raise _Unknown("lists")
    if unnamed and not KNOWN_MEMBERS.union(terms.names).issuperset(lists_of(plan).names):
        raise _Unknown("names")


_TEXTS: Final = {
    '"?"': b'"?"',
    '"#"': b"12345678.5",
    '"[?]"': b'["?"]',
    '".."': b'"?"',
    '"[.]"': b'["?"]',
    '"{.}"': b'{"?":0}',
}
_HISTORY: Final = {'"kept"': b"[]", '"missing"': b'[{"role":"assistant","tool_calls":[{}]}]'}
_BROKEN: Final = {
    "member-repeated": b'{"a":1,"a":1}',
    "number-out-of-range": b"1e999",
    "body-too-deep": b"[" * 5000 + b"]" * 5000,
    "value-too-large": b'"' + b"x" * MAX_STRICT_BYTES + b'"',
    "model-not-a-name": b"[]",
}
"""A value that raises each code a single value can raise."""
_TOO_LONG: Final = "x" * (MAX_NAME_CHARACTERS + 1)


def _body(shape: Mapping[str, Raw]) -> bytes:
    parts: list[bytes] = []
    for name, raw in shape.items():
        text = bytes(raw).decode()
        if name == "?":
            parts += [b'"?%d":0' % number for number in range(int(text))]
            continue
        value = _HISTORY.get(text, b'"?"') if name == "messages" and text != "null" else _text(text)
        parts.append(_encode(_spelled(name)) + b":" + value)
    return b"{" + b",".join(parts) + b"}"


def _text(text: str) -> bytes:
    """The raw value that a reduced one stands for."""
    if text in _TEXTS:
        return _TEXTS[text]
    if text[:2] in ('"!', '"[', '"{') and "!" in text:
        inner = _BROKEN[text.strip('"[]{}!')]
        return {"!": inner, "[": b"[" + inner + b"]", "{": b'{"?":' + inner + b"}"}[text[1]]
    return _encode(_unfolded(msgspec.json.decode(text, type=dict))) if text.startswith("{") else text.encode()


def _unfolded(inner: dict[str, Any]) -> dict[str, Any]:
    return {_spelled(name): _unfolded(value) if isinstance(value, dict) else value for name, value in inner.items()}


def _spelled(name: str) -> str:
    """A name that is known, unknown, or too long exactly as the original was."""
    return _TOO_LONG if name == "~" else f"{name[1:]}\u200b" if name.startswith("~") else name
