"""One clause asked about one value: the whole finding, word by word, since clients read it and programs match on it.

Here: every kind of clause by itself, and the judged values (clauses/values.py). Not here: what becomes of a finding in
a policy (test_cases.py). A case that expects None says that the value is lawful.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from proxy.contract.envelope import Envelope, MalformedBody
from proxy.contract.mode import Mode
from proxy.policy.clauses import KINDS
from proxy.policy.clauses.clause import (
    Absent,
    BodyClause,
    Clause,
    Contract,
    MemberClause,
    ModeNumber,
    NameClause,
    PerMode,
    Scope,
)
from proxy.policy.clauses.exclusive import Exclusive
from proxy.policy.clauses.fixed import Fixed
from proxy.policy.clauses.forbidden import Forbidden
from proxy.policy.clauses.nested import Nested
from proxy.policy.clauses.one_of import OneOf
from proxy.policy.clauses.range import Range
from proxy.policy.clauses.reasoning_history import MAX_MESSAGES, MAX_NULL, MAX_REPAIRED, ReasoningHistory
from proxy.policy.clauses.tool_choice import ToolChoice
from proxy.policy.clauses.typed import JsonType, Typed
from proxy.policy.clauses.unknown_members import UnknownAction, UnknownMembers
from proxy.policy.clauses.values import encoded, identity, item_count, named, official, official_value, spellings
from proxy.policy.verdict import Finding, Route

ID: dict[str, Any] = {"id": "x", "source": "s"}
M: dict[str, Any] = {**ID, "member": "m"}
THINKING = Scope(Mode.THINKING, frozenset({"temperature", "top_p"}), {"temperature": "temperature", "model": "model"})
INSTANT = Scope(Mode.INSTANT)
BY_MODE = PerMode(Decimal("1.0"), Decimal("0.6"))
ZERO, ONE = Decimal(0), Decimal(1)


def number_finding(allowed: str, seen: str, edit: bytes | None, receipt: str, *, how: str = "as") -> Finding:
    return Finding(
        "x", "m", f"invalid m: only {allowed} is allowed for this model", seen, allowed,
        f"send m {how} {allowed}, or leave it out", None if edit is None else {"m": edit}, receipt,
    )  # fmt: skip


def filled(allowed: str, edit: bytes, receipt: str) -> Finding:
    return Finding(
        "x", "m", f"invalid m: only {allowed} is allowed for this model", "nothing", allowed, f"send m as {allowed}",
        {"m": edit}, receipt, fills=True,
    )  # fmt: skip


def type_finding(allowed: str, seen: str, edit: bytes | None, receipt: str) -> Finding:
    return Finding(
        "x", "m", f"invalid m: it must be {allowed}", seen, allowed, f"send m as {allowed}, or leave it out",
        None if edit is None else {"m": edit}, receipt,
    )  # fmt: skip


def dropped(message: str, seen: str, allowed: str, hint: str, receipt: str) -> Finding:
    return Finding("x", "m", message, seen, allowed, hint, {"m": None}, receipt)


def forced(said: str, seen: str, receipt: str) -> Finding:
    hint = 'send tool_choice as "auto" or "none", or switch thinking off'
    return Finding("x", "tool_choice", said, seen, "auto or none", hint, None, f"tool_choice={receipt}->refused")


def unknown(name: str, edits: dict[str, bytes | None] | None, receipt: str) -> Finding:
    return Finding(
        "x", name, f"invalid {name}: it is not a member of any API this model is served by", "an unknown member",
        "known members only", f"leave {name} out, or add it to `known` of this clause", edits, receipt,
    )  # fmt: skip


REQUIRED = forced("tool_choice 'required' is incompatible with thinking enabled", "required", "?")
SPECIFIED = forced("tool_choice 'specified' is incompatible with thinking enabled", "specified", "?")
NO_CHOICE = "invalid tool_choice: only auto or none is allowed with thinking enabled"

fixed = Fixed(**M, value=BY_MODE, absent=Absent.FILL)
to_one = Range(**M, minimum=ZERO, maximum=ONE)
repaired = Range(**M, minimum=ZERO, maximum=BY_MODE, default=Decimal("0.5"), repair_to=Decimal("0.60"))
false_only = OneOf(**M, values=(False,))
two = OneOf(**M, values=("a", 2))
two_repaired = OneOf(**M, values=("a", "b;c"), repair_to="b;c")
long_one = OneOf(**M, values=("b" * 22, "b" * 23), repair_to="b" * 22)
neutral = Forbidden(**M, neutral=(0, -1, {}))
whole = Typed(**M, type=JsonType.INTEGER, minimum=ONE)
nested = Nested(**ID, members=("m", "inner"))
choice = ToolChoice(**ID)

NUMBERS: dict[str, tuple[MemberClause, Scope, bytes, Finding | None]] = {
    "fixed: the number": (fixed, THINKING, b"10e-1", None),
    "fixed: of the other mode": (fixed, INSTANT, b"1", number_finding("0.6", "1", b"0.6", "m=1->0.6")),
    "fixed: another": (fixed, THINKING, b"0.3", number_finding("1", "0.3", b"1.0", "m=0.3->1.0")),
    "fixed: a string": (fixed, THINKING, b'"1"', number_finding("1", "a string", None, "m=?->refused")),
    "fixed: true": (fixed, THINKING, b"true", number_finding("1", "true", None, "m=true->refused")),
    "fixed: a long one": (fixed, THINKING, b"1" * 30, number_finding("1", "a longer number", b"1.0", "m=?->1.0")),
    "range: below": (to_one, THINKING, b"-0.1", number_finding("0..1", "-0.1", None, "m=-0.1->refused", how="within")),
    "range: at the bottom": (to_one, THINKING, b"0", None),
    "range: at the top": (to_one, THINKING, b"1.000", None),
    "range: above": (to_one, THINKING, b"1.01", number_finding("0..1", "1.01", None, "m=1.01->refused", how="within")),
    "range: a string": (
        to_one,
        THINKING,
        b'"1"',
        number_finding("0..1", "a string", None, "m=?->refused", how="within"),
    ),
    "range: another bound in another mode": (
        repaired,
        INSTANT,
        b"0.7",
        number_finding("0..0.6", "0.7", b"0.60", "m=0.7->0.60", how="within"),
    ),
    "range: of one number": (
        Range(**M, minimum=ONE, maximum=ONE),
        THINKING,
        b"2",
        number_finding("1", "2", b"1", "m=2->1"),
    ),
    "one-of: listed": (two, THINKING, b"2.0", None),
    "one-of: another of the only one's type": (
        false_only,
        THINKING,
        b"true",
        number_finding("false", "true", b"false", "m=true->false"),
    ),
    "one-of: of another type": (false_only, THINKING, b"0", number_finding("false", "0", None, "m=0->refused")),
    "one-of: none stands for both": (two, THINKING, b"3", number_finding('"a" or 2', "3", None, "m=3->refused")),
    "one-of: one stands for both, and cannot be shown": (
        two_repaired,
        THINKING,
        b'"c"',
        number_finding('"a" or "b;c"', "a string", b'"b;c"', "m=?->replaced"),
    ),
    "one-of: 24 characters are shown": (
        long_one,
        THINKING,
        b'""',
        number_finding(f'"{"b" * 22}" or "{"b" * 23}"', "a string", b'"' + b"b" * 22 + b'"', f'm=?->"{"b" * 22}"'),
    ),
    "one-of: 25 are not": (
        OneOf(**M, values=("b" * 23,)),
        THINKING,
        b'""',
        number_finding(f'"{"b" * 23}"', "a string", b'"' + b"b" * 23 + b'"', "m=?->replaced"),
    ),
    "one-of: not ASCII": (
        OneOf(**M, values=("é",)),
        THINKING,
        b'""',
        number_finding('"é"', "a string", '"é"'.encode(), "m=?->replaced"),
    ),
    "one-of: not printable": (
        OneOf(**M, values=("\x7f",)),
        THINKING,
        b'""',
        number_finding('"\x7f"', "a string", b'"\x7f"', "m=?->replaced"),
    ),
    "forbidden: neutral": (neutral, THINKING, b"-1.0", None),
    "forbidden: neutral, an object": (neutral, THINKING, b"{ }", None),
    "forbidden: another": (
        neutral,
        THINKING,
        b"40",
        dropped("invalid m: only 0 or -1 is allowed for this model", "40", "0 or -1", "leave m out", "m=40->dropped"),
    ),
    "forbidden: any": (
        Forbidden(**M, instead="n"),
        THINKING,
        b"[]",
        dropped(
            "invalid m: it is not allowed for this model", "an array", "nothing", "leave m out; use n", "m=?->dropped"
        ),
    ),
    "type: enough": (whole, THINKING, b"1", None),
    "type: less": (whole, THINKING, b"0", type_finding("an integer of at least 1", "0", None, "m=0->refused")),
    "type: as a power": (
        whole,
        THINKING,
        b"1e2",
        type_finding("an integer of at least 1", "1e2", b"100", "m=1e2->100"),
    ),
    "type: a fraction": (
        whole,
        THINKING,
        b"1.5",
        type_finding("an integer of at least 1", "1.5", None, "m=1.5->refused"),
    ),
    "type: not a number": (
        whole,
        THINKING,
        b"null",
        type_finding("an integer of at least 1", "null", None, "m=null->refused"),
    ),
    "type: a negative one": (Typed(**M, type=JsonType.INTEGER), THINKING, b"-1", None),
    "type: the largest that is exact": (
        whole,
        THINKING,
        b"9007199254740992.0",
        type_finding(
            "an integer of at least 1",
            "9007199254740992.0",
            b"9007199254740992",
            "m=9007199254740992.0->9007199254740992",
        ),
    ),
    "type: the next": (
        whole,
        THINKING,
        b"9007199254740993.0",
        type_finding("an integer of at least 1", "9007199254740993.0", None, "m=9007199254740993.0->refused"),
    ),
    "type: the lowest that is exact": (
        Typed(**M, type=JsonType.INTEGER),
        THINKING,
        b"-9007199254740992.0",
        type_finding(
            "an integer", "-9007199254740992.0", b"-9007199254740992", "m=-9007199254740992.0->-9007199254740992"
        ),
    ),
    "type: a number may be a fraction": (Typed(**M, type=JsonType.NUMBER, minimum=ZERO), THINKING, b"0.5", None),
    "nested: no object": (nested, THINKING, b"[]", None),
    "nested: nothing judged": (nested, THINKING, b'{"a":{"temperature":1},"temperature":null,"model":null}', None),
    "nested: dropped": (
        nested,
        THINKING,
        b'{"temperature":1,"a" : 2.50,"inner":{"top_p":"s"}}',
        Finding(
            "x",
            "m.temperature",
            "invalid m: only the top level of the body counts, and not m.temperature, m.inner.top_p",
            "an object",
            "an object without them",
            "send temperature, top_p at the top level of the body, if at all",
            {"m": b'{"a":2.50}'},
            "m.temperature=1->dropped;m.inner.top_p=?->dropped",
        ),
    ),
    "nested: nothing is left": (
        nested,
        THINKING,
        b'{"top_p":1}',
        Finding(
            "x",
            "m.top_p",
            "invalid m: only the top level of the body counts, and not m.top_p",
            "an object",
            "an object without them",
            "send top_p at the top level of the body, if at all",
            {"m": None},
            "m.top_p=1->dropped",
        ),
    ),
    "nested: an inner value that is no object": (
        nested,
        THINKING,
        b'{"inner":[1],"top_p":1}',
        Finding(
            "x",
            "m.top_p",
            "invalid m: only the top level of the body counts, and not m.top_p",
            "an object",
            "an object without them",
            "send top_p at the top level of the body, if at all",
            {"m": b'{"inner":[1]}'},
            "m.top_p=1->dropped",
        ),
    ),
    "nested: refused": (
        nested,
        THINKING,
        b'{"top_p":1,"model":"k","thinking":{}}',
        Finding(
            "x",
            "m.model",
            "invalid m: only the top level of the body counts, and not m.model, m.thinking, m.top_p",
            "an object",
            "an object without them",
            "send model, thinking, top_p at the top level of the body, if at all",
            None,
            "m.model=?->refused;m.thinking=?->refused",
        ),
    ),
    "tool_choice: instant": (choice, INSTANT, b'"required"', None),
    "tool_choice: free": (choice, THINKING, b'"\\u0061uto"', None),
    "tool_choice: none": (choice, THINKING, b'{"type":"none"}', None),
    "tool_choice: required": (choice, THINKING, b'"required"', REQUIRED),
    "tool_choice: any": (choice, THINKING, b'{"type":"any"}', REQUIRED),
    "tool_choice: function": (choice, THINKING, b'{"type":"function"}', SPECIFIED),
    "tool_choice: tool": (choice, THINKING, b'{"type":"tool"}', SPECIFIED),
    "tool_choice: custom": (choice, THINKING, b'{"type":"custom"}', SPECIFIED),
    "tool_choice: allowed, free": (
        choice,
        THINKING,
        b'{"type":"allowed_tools","allowed_tools":{"mode":"auto"}}',
        None,
    ),
    "tool_choice: allowed, required": (choice, THINKING, b'{"type":"allowed_tools","mode":"required"}', REQUIRED),
    "tool_choice: allowed, no object": (
        choice,
        THINKING,
        b'{"type":"allowed_tools","allowed_tools":"auto"}',
        forced(NO_CHOICE, "an object", "?"),
    ),
    "tool_choice: no type": (choice, THINKING, b"{}", forced(NO_CHOICE, "an object", "?")),
    "tool_choice: type of another type": (choice, THINKING, b'{"type":1}', forced(NO_CHOICE, "an object", "?")),
    "tool_choice: another word": (choice, THINKING, b'"some"', forced(NO_CHOICE, "a string", "?")),
    "tool_choice: a number": (choice, THINKING, b"5", forced(NO_CHOICE, "5", "5")),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_member_s_value_is_judged(name: str) -> None:
    clause, scope, raw, finding = NUMBERS[name]
    assert clause.judge(clause.governed[0], raw, scope) == finding


@pytest.mark.parametrize(
    ("kind", "lawful", "unlawful"),
    [
        ("boolean", b"false", b"0"), ("string", b'"s"', b"true"), ("number", b"1.5", b'"1"'),
        ("integer", b"7", b"true"), ("array", b"[]", b"{}"), ("object", b"{}", b"[]"),
    ],
)  # fmt: skip
def test_a_type_has_its_article(kind: str, lawful: bytes, unlawful: bytes) -> None:
    clause = Typed(**M, type=JsonType(kind))
    assert clause.judge("m", lawful, THINKING) is None
    finding = clause.judge("m", unlawful, THINKING)
    article = "an" if kind in {"integer", "array", "object"} else "a"
    assert finding is not None
    assert finding.message == f"invalid m: it must be {article} {kind}"


@pytest.mark.parametrize("kind", JsonType)
def test_a_bound_is_for_a_number(kind: JsonType) -> None:
    if kind in (JsonType.NUMBER, JsonType.INTEGER):
        assert Typed(**M, type=kind, minimum=ONE).judge("m", b"1", THINKING) is None
        return
    with pytest.raises(ValueError, match=f"^`minimum` has no meaning for type {kind}$"):
        Typed(**M, type=kind, minimum=ONE)


@pytest.mark.parametrize(
    ("clause", "scope", "finding"),
    [
        (fixed, THINKING, filled("1", b"1.0", "m=+1.0")),
        (fixed, INSTANT, filled("0.6", b"0.6", "m=+0.6")),
        (Fixed(**M, value=ONE), THINKING, None),
        (
            Range(**M, minimum=ZERO, maximum=ONE, default=BY_MODE, absent=Absent.FILL),
            INSTANT,
            filled("0.6", b"0.6", "m=+0.6"),
        ),
        (repaired, THINKING, None),
        (to_one, THINKING, None),
        (false_only, THINKING, None),
    ],
)
def test_an_absent_number_is_filled_in(clause: MemberClause, scope: Scope, finding: Finding | None) -> None:
    assert clause.fill("m", scope) == finding


BODIES: dict[str, tuple[BodyClause, Scope, str, Finding | None]] = {
    "exclusive: one": (Exclusive(**ID, members=("a", "b")), THINKING, '{"b":2}', None),
    "exclusive: the other": (Exclusive(**ID, members=("a", "b")), THINKING, '{"a":2}', None),
    "exclusive: one value": (Exclusive(**ID, members=("a", "b")), THINKING, '{"a":2,"b":2.0}', None),
    "exclusive: null": (Exclusive(**ID, members=("a", "b")), THINKING, '{"a":2,"b":null}', None),
    "exclusive: null first": (Exclusive(**ID, members=("a", "b")), THINKING, '{"a":null,"b":2}', None),
    "exclusive: one value, which is not read": (
        Exclusive(**ID, members=("a", "b")),
        THINKING,
        '{"a":{"c":1,"c":2},"b":{"c":1,"c":2}}',
        None,
    ),
    "exclusive: two values": (
        Exclusive(**ID, members=("a", "b")),
        THINKING,
        '{"b":2,"a":1}',
        Finding(
            "x",
            "b",
            "invalid b: a is set as well, to another value",
            "2",
            "what a says",
            "send a only",
            {"b": None},
            "b=2->dropped",
        ),
    ),
    "history: none": (ReasoningHistory(**ID), THINKING, '{"a":1}', None),
    "history: instant": (
        ReasoningHistory(**ID),
        INSTANT,
        '{"messages":[{"role":"assistant","tool_calls":[1]}]}',
        None,
    ),
    "history: no tool is called": (ReasoningHistory(**ID), THINKING, '{"messages":[{"role":"assistant"}]}', None),
    "history: not a list of objects": (ReasoningHistory(**ID), THINKING, '{"messages":["tool_calls"]}', None),
    "history: no list": (ReasoningHistory(**ID), THINKING, '{"messages":"tool_calls"}', None),
    "history: nobody called": (
        ReasoningHistory(**ID),
        THINKING,
        (
            '{"messages":[{"role":"assistant","tool_calls":[ ]},{"role":"assistant","tool_calls":{"a":1}},'
            '{"role":"user","tool_calls":[1]},{"role":1,"tool_calls":[1]},{"tool_calls":[1]},{"role":"assistant"},'
            '{"role":"assistant","tool_calls":[1],"reasoning_content":""}]}'
        ),
        None,
    ),
    "history: missing": (
        ReasoningHistory(**ID),
        THINKING,
        (
            '{"messages":[{"role":"user"},{"role":"assistant","tool_calls":[1]},'
            '{"role":"Assistant","tool_calls":[1],"reasoning":"r","reasoning_content":null},'
            '{"tool_calls":[1], "role":"assistant","reasoning":5},{"n": 1.0}]}'
        ),
        Finding(
            "x",
            "messages[1].reasoning_content",
            "thinking is enabled but reasoning_content is missing in assistant tool call message at index 1",
            "nothing",
            "a string, which may be empty",
            "send back the reasoning_content that came with the tool call at index 1, or an empty string",
            {
                "messages": b'[{"role":"user"},{"role":"assistant","tool_calls":[1],"reasoning_content":""},'
                b'{"role":"Assistant","tool_calls":[1],"reasoning":"r","reasoning_content":"r"},'
                b'{"tool_calls":[1], "role":"assistant","reasoning":5,"reasoning_content":""},{"n": 1.0}]'
            },
            'messages[1,3].reasoning_content=+"";messages[2].reasoning_content=+reasoning',
        ),
    ),
    "history: named by escapes alone": (
        ReasoningHistory(**ID),
        THINKING,
        '{"messages":[{"role":"assistant","tool\\u005fcalls":[1]}]}',
        Finding(
            "x",
            "messages[0].reasoning_content",
            "thinking is enabled but reasoning_content is missing in assistant tool call message at index 0",
            "nothing",
            "a string, which may be empty",
            "send back the reasoning_content that came with the tool call at index 0, or an empty string",
            {"messages": b'[{"role":"assistant","tool\\u005fcalls":[1],"reasoning_content":""}]'},
            'messages[0].reasoning_content=+""',
        ),
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_judged(name: str) -> None:
    clause, scope, body, finding = BODIES[name]
    assert clause.judge_body(Envelope.parse(body.encode()), scope) == finding


@pytest.mark.parametrize(
    ("calls", "named_so"), [(8, "0,1,2,3,4,5,6,7"), (9, "0,1,2,3,4,5,6,7,.."), (10, "0,1,2,3,4,5,6,7,..")]
)
def test_a_receipt_names_eight_messages(calls: int, named_so: str) -> None:
    body = '{"messages":[' + ",".join(['{"role":"assistant","tool_calls":[1]}'] * calls) + "]}"
    finding = ReasoningHistory(**ID).judge_body(Envelope.parse(body.encode()), THINKING)
    assert finding is not None
    assert finding.receipt == f'messages[{named_so}].reasoning_content=+""'


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        (b"1", 0),
        (b'"[{,"', 0),
        (b"[]", 1),
        (b"{}", 1),
        (b"[1,2]", 2),
        (b'{"a":1,"b":[1,[2],{}]}', 7),
    ],
)
def test_items_are_commas_and_brackets(raw: bytes, count: int) -> None:
    assert item_count(raw) == count


def test_what_is_too_long_to_be_neutral_goes_unread() -> None:
    clause = Forbidden(**M, neutral=([], {}))
    for count, read in ((128, True), (129, False)):
        assert clause.reads(b"[" + b",".join([b"0"] * count) + b"]") is read
    longer = Forbidden(**M, neutral=([0] * 200,))
    for count, allowed in ((200, True), (201, False)):
        raw = b"[" + b",".join([b"0"] * count) + b"]"
        assert longer.reads(raw) is allowed
        assert (longer.judge("m", raw, THINKING) is None) is allowed
    for raw, kind in ((b"[" + b"0," * 200 + b"0]", "an array"), (b'{"a":[' + b"0," * 200 + b"0]}", "an object")):
        finding = clause.judge("m", raw, THINKING)
        assert finding is not None
        assert finding.seen == kind
    assert fixed.reads(b"1") is True


def test_the_bounds_of_conversations() -> None:
    assert (MAX_MESSAGES, MAX_REPAIRED, MAX_NULL) == (16_384, 4096, 768)


@pytest.mark.parametrize("lacking", ['{"role":"assistant","tool_calls":[1]}', '{"role":"assistant","tool_calls":[{}]}'])
def test_a_conversation_is_looked_at_up_to_a_number_of_messages(lacking: str) -> None:
    for count in (MAX_MESSAGES - 1, 10):  # what was counted once does not count for the next
        body = '{"messages":[' + lacking + ",{}" * count + "]}"
        finding = ReasoningHistory(**ID).judge_body(Envelope.parse(body.encode()), THINKING)
        assert finding is not None
        assert finding.receipt == 'messages[0].reasoning_content=+""'
    body = '{"messages":[' + lacking + ",{}" * MAX_MESSAGES + "]}"
    with pytest.raises(MalformedBody, match=f"^messages has more than {MAX_MESSAGES} items$") as caught:
        ReasoningHistory(**ID).judge_body(Envelope.parse(body.encode()), THINKING)
    assert (caught.value.code, caught.value.param) == ("value-too-large", "messages")
    assert caught.value.hint == f"send at most {MAX_MESSAGES}"


@pytest.mark.parametrize(
    ("most", "turn"),
    [
        (MAX_REPAIRED, '{"role":"assistant","tool_calls":[1]}'),
        (MAX_NULL, '{"role":"assistant","tool_calls":[1],"reasoning_content":null}'),
    ],
)
def test_so_many_messages_are_repaired_and_more_are_refused(most: int, turn: str) -> None:
    for count, repaired in ((most, True), (most + 1, False)):
        body = '{"messages":[{},' + ",".join([turn] * count) + "]}"
        finding = ReasoningHistory(**ID).judge_body(Envelope.parse(body.encode()), THINKING)
        assert finding is not None
        assert (finding.edits is not None) is repaired
        assert finding.receipt.endswith('=+""' if repaired else "messages[1,..].reasoning_content=?->refused")
        if finding.edits:
            full = '{"role":"assistant","tool_calls":[1],"reasoning_content":""}'
            assert finding.edits["messages"] == ("[{}," + ",".join([full] * count) + "]").encode()


@pytest.mark.parametrize(
    ("turn", "full"),
    [
        ('{"reasoning_content":null,%s}', '{"reasoning_content":"",%s}'),
        ('{ "reasoning_content" : null, %s}', '{"reasoning_content":"",%s}'),
        ('{"reasoning\\u005fcontent":null,%s}', '{"reasoning_content":"",%s}'),
        ('{"reasoning\\u005fcontent" : null,%s}', '{"reasoning_content":"",%s}'),
        ('{%s,"reasoning":"r","reasoning_content":null }', '{%s,"reasoning":"r","reasoning_content":"r"}'),
        ('{%s,"n":1e400,"x":[ 1 ],"reasoning_content":null}', '{%s,"n":1e400,"x":[ 1 ],"reasoning_content":""}'),
        ('{%s,"x":"%%s","reasoning_content":null}', '{%s,"x":"%%s","reasoning_content":""}'),
        ('{%s,"x":{"reasoning_content":null}}', '{%s,"x":{"reasoning_content":null},"reasoning_content":""}'),
        ('{%s,"x":"\\"reasoning_content\\":null"}', '{%s,"x":"\\"reasoning_content\\":null","reasoning_content":""}'),
        ("{ %s }", '{ %s ,"reasoning_content":""}'),
        ('{%s,"a":1,"a":2}', '{%s,"a":1,"a":2,"reasoning_content":""}'),
    ],
)
@pytest.mark.parametrize("count", [1, 3, 64, 65, 200])
def test_reasoning_is_added_or_takes_the_place_of_null(turn: str, full: str, count: int) -> None:
    """Between messages that are not touched, in whatever way these are written, and beside one of the other kind."""
    asks, other = '"role":"assistant","tool_calls":[1]', '{"role": "user",  "a":1,"a":2}'
    begin = "{" + asks + ',"x":"' + "y" * 20_000 + '"'
    long, longer = begin + "}", begin + ',"reasoning_content":""}'
    turn, full = turn.replace("%s", asks, 1), full.replace("%s", asks, 1)
    body = '{"messages":[' + " , ".join([other, *[turn] * count, other, long, turn]) + " ]}"
    finding = ReasoningHistory(**ID).judge_body(Envelope.parse(body.encode()), THINKING)
    assert finding is not None
    assert finding.edits == {"messages": ("[" + ",".join([other, *[full] * count, other, longer, full]) + "]").encode()}


@pytest.mark.parametrize("number", [0, 70])
@pytest.mark.parametrize("lacking", ["{%s,%s}", "{%s, %s}", '{%s,"b\\u0020":0,%s}'])
@pytest.mark.parametrize("large", ["", "y" * 20_000])
def test_a_repeated_name_in_a_message_that_is_written_anew_is_refused(number: int, lacking: str, large: str) -> None:
    asks, null = '"role":"assistant","tool_calls":[1]', '"reasoning_content":null'
    turns = [lacking % (asks, null)] * number + [lacking % (asks, f'{null},"a":1,"a":"{large}"')]
    with pytest.raises(MalformedBody) as caught:
        ReasoningHistory(**ID).judge_body(Envelope.parse(('{"messages":[' + ",".join(turns) + "]}").encode()), THINKING)
    assert (caught.value.code, caught.value.param) == ("member-repeated", f"messages[{number}]")


@pytest.mark.parametrize(
    ("raw", "param"), [(b'{"Temperature":1}', "m.temperature"), (b'{"inner":{"MODEL":1}}', "m.inner.model")]
)
def test_a_twin_inside_a_nested_object_is_refused(raw: bytes, param: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        nested.judge("m", raw, THINKING)
    assert (caught.value.code, caught.value.param) == ("member-folds-to-known", param)


@pytest.mark.parametrize("raw", [b'{"a":{"b":1,"b":2}}', b'{"a":1e999}'])
def test_what_readers_differ_about_inside_a_nested_object_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedBody):
        nested.judge("m", raw, THINKING)


@pytest.mark.parametrize(
    ("action", "name", "finding"),
    [
        ("pass", "zz", None),
        (
            "drop",
            "zz",
            unknown("zz", {"zz": None}, "zz=1->dropped"),
        ),
        ("reject", "z z", unknown("?", None, "?=1->refused")),
    ],
)
def test_an_unknown_name_is_judged(action: str, name: str, finding: Finding | None) -> None:
    assert UnknownMembers(**ID, action=UnknownAction(action)).judge_name(name, b"1") == finding


ABOUT: list[tuple[Clause, tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = [
    (Clause(**ID), (), (), ()),
    (fixed, ("m",), ("m",), ("rewrite", "reject")),
    (MemberClause(**ID, members=("a", "b")), ("a", "b"), ("a", "b"), ()),
    (to_one, ("m",), ("m",), ("reject",)),
    (repaired, ("m",), ("m",), ("rewrite", "reject")),
    (Range(**M, minimum=Decimal("0.6"), maximum=BY_MODE), ("m",), ("m",), ("rewrite", "reject")),
    (two, ("m",), ("m",), ("reject",)),
    (false_only, ("m",), ("m",), ("rewrite", "reject")),
    (two_repaired, ("m",), ("m",), ("rewrite", "reject")),
    (neutral, ("m",), ("m",), ("drop",)),
    (whole, ("m",), ("m",), ("rewrite", "reject")),
    (Typed(**M, type=JsonType.NUMBER), ("m",), ("m",), ("reject",)),
    (nested, ("m", "inner"), ("m", "inner"), ("rewrite", "drop", "reject")),
    (choice, ("tool_choice",), ("tool_choice",), ("reject",)),
    (ReasoningHistory(**ID), ("messages",), ("messages",), ("rewrite",)),
    (Exclusive(**ID, members=("a", "b")), ("a", "b"), ("b",), ("drop",)),
    (UnknownMembers(**ID), (), ("other",), ()),
    (UnknownMembers(**ID, action=UnknownAction.DROP), (), ("other",), ("drop",)),
    (UnknownMembers(**ID, action=UnknownAction.REJECT), (), ("other",), ("reject",)),
]


@pytest.mark.parametrize(("clause", "governed", "accused", "remedies"), ABOUT)
def test_a_clause_says_what_it_may_do(
    clause: Clause, governed: tuple[str, ...], accused: tuple[str, ...], remedies: tuple[str, ...]
) -> None:
    assert (clause.governed, clause.accused, clause.remedies) == (governed, accused, remedies)
    assert (clause.routes, clause.enforcement, clause.contract) == ((Route.CHAT,), None, None)


ONE_AS = {b"1", b"1.0", b"1.00", b"1e0", b"1E0"}
ZERO_AS = {b"0", b"0.0", b"0.00", b"0e0", b"0E0", b"-0", b"-0.0"}
LAWFUL: list[tuple[MemberClause, Scope, set[bytes]]] = [
    (fixed, THINKING, ONE_AS),
    (fixed, INSTANT, {b"0.6", b"0.60", b"0.600"}),
    (to_one, THINKING, ONE_AS | ZERO_AS),
    (repaired, INSTANT, ZERO_AS | {b"0.6", b"0.60", b"0.600", b"0.5", b"0.50", b"0.500"}),
    (false_only, THINKING, {b"false"}),
    (two, THINKING, {b'"a"', b"2", b"2.0", b"2.00", b"2e0", b"2E0"}),
    (neutral, THINKING, ZERO_AS | {b"-1", b"-1.0", b"-1.00", b"-1e0", b"-1E0", b"{}"}),
    (choice, THINKING, {b'"auto"', b'"none"'}),
    (whole, THINKING, set()),
]


@pytest.mark.parametrize(("clause", "scope", "raws"), LAWFUL)
def test_the_usual_spellings_are_lawful_unparsed(clause: MemberClause, scope: Scope, raws: set[bytes]) -> None:
    assert clause.lawful(scope) == raws
    assert all(clause.judge("m", raw, scope) is None for raw in raws)


def test_a_number_keeps_its_own_spelling() -> None:
    assert spellings(Decimal("0.950")) == {b"0.95", b"0.950", b"0.9500"}
    assert spellings(Decimal("95E-2")) == {b"0.95", b"0.950", b"0.9500"}
    assert spellings(Decimal("1E+2")) == {b"100", b"100.0", b"100.00", b"100e0", b"100E0", b"1E+2"}


REFUSED: list[tuple[Callable[[], Clause], str]] = [
    (lambda: MemberClause(**ID), "give `member: name` or `members: [names]`"),
    (lambda: Fixed(**M, members=("a",), value=ONE), "give `member: name` or `members: [names]`"),
    (lambda: Range(**ID, minimum=ZERO, maximum=ONE), "give `member: name` or `members: [names]`"),
    (lambda: OneOf(**ID, values=(1,)), "give `member: name` or `members: [names]`"),
    (lambda: Typed(**ID, type=JsonType.ARRAY), "give `member: name` or `members: [names]`"),
    (lambda: Range(**M, minimum=ZERO, maximum=ONE, absent=Absent.FILL), "`absent: fill` needs a `default`"),
    (lambda: Range(**M, minimum=ONE, maximum=BY_MODE), "minimum is above maximum in instant mode"),
    (lambda: Range(**M, minimum=ONE, maximum=ZERO), "minimum is above maximum in thinking mode"),
    (
        lambda: Range(**M, minimum=ZERO, maximum=BY_MODE, default=ONE),
        "default is outside minimum..maximum in instant mode",
    ),
    (
        lambda: Range(**M, minimum=BY_MODE, maximum=ONE, repair_to=Decimal("0.7")),
        "repair_to is outside minimum..maximum in thinking mode",
    ),
    (lambda: OneOf(**M, values=()), "values is empty: to allow nothing, use kind `forbidden`"),
    (lambda: OneOf(**M, values=(1, 2), repair_to=3), "repair_to is not among values"),
    (lambda: Typed(**M, type=JsonType.STRING, minimum=ONE), "`minimum` has no meaning for type string"),
]


@pytest.mark.parametrize(("made", "why"), REFUSED)
def test_a_clause_that_contradicts_itself_is_not_made(made: Callable[[], Clause], why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)) as caught:
        made()
    assert str(caught.value) == why


@pytest.mark.parametrize(
    "bounds", [{"default": ZERO, "repair_to": ONE}, {"default": ONE, "repair_to": ZERO, "absent": Absent.FILL}]
)
def test_bounds_belong_to_a_range(bounds: dict[str, Any]) -> None:
    assert Range(**M, minimum=ZERO, maximum=ONE, **bounds).maximum == ONE


@pytest.mark.parametrize("number", [ONE, BY_MODE])
def test_a_repair_is_the_mode_s_own(number: ModeNumber) -> None:
    finding = Range(**M, minimum=ZERO, maximum=ONE, repair_to=number).judge("m", b"2", INSTANT)
    assert finding is not None
    assert finding.edits == {"m": b"1" if number is ONE else b"0.6"}


@pytest.mark.parametrize("kind", [MemberClause, BodyClause, NameClause])
def test_a_kind_answers_for_itself(kind: type[Clause]) -> None:
    asked: dict[type[Clause], Callable[[], object]] = {
        MemberClause: lambda: MemberClause(**M).judge("m", b"1", THINKING),
        BodyClause: lambda: BodyClause(**ID).judge_body(Envelope.parse(b"{}"), THINKING),
        NameClause: lambda: NameClause(**ID).judge_name("m", b"1"),
    }
    with pytest.raises(NotImplementedError):
        asked[kind]()


SAME = [
    (Decimal("1.0"), 1),
    (Decimal("10E-1"), Decimal(1)),
    ([1, "a"], (Decimal("1.0"), "a")),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (None, None),
    (Decimal("-0"), 0),
]
OTHER = [
    (1, True),
    (0, False),
    (1, "1"),
    (None, "None"),
    (None, False),
    (Decimal("0.95"), Decimal("0.9500000001")),
    ([], {}),
    ([1], [2]),
    ([1], [1, 1]),
    ({"a": 1}, {"a": 2}),
    ({"a": 1}, {"b": 1}),
    (True, "True"),
    ("", None),
    ([], None),
    ([None], [False]),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_value(one: object, other: object) -> None:
    assert identity(one) == identity(other)
    assert hash(identity(one)) == hash(identity(other))


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_another_value(one: object, other: object) -> None:
    assert identity(one) != identity(other)


@pytest.mark.parametrize("kept", ["null", "2"])
def test_a_nested_null_says_nothing_and_stays(kept: str) -> None:
    name = "temperature" if kept == "null" else "other"
    finding = nested.judge("m", f'{{"{name}":{kept},"top_p":1}}'.encode(), THINKING)
    assert finding is not None
    assert finding.edits == {"m": f'{{"{name}":{kept}}}'.encode()}


def test_a_nested_switch_alone_is_refused() -> None:
    finding = nested.judge("m", b'{"model":"k"}', THINKING)
    assert finding is not None
    assert (finding.member, finding.edits, finding.receipt) == ("m.model", None, "m.model=?->refused")


def test_a_list_needs_no_repair_and_may_have_one() -> None:
    assert OneOf(**M, values=("a", "b")).judge("m", b'"c"', THINKING) == number_finding(
        '"a" or "b"', "a string", None, "m=?->refused"
    )
    assert OneOf(**M, values=("a", "b"), repair_to="a").remedies == ("rewrite", "reject")


def test_only_json_has_an_identity() -> None:
    with pytest.raises(TypeError, match=r"^set is no JSON value$"):
        identity(set())


@pytest.mark.parametrize(
    ("number", "text"),
    [("1.0", "1"), ("0.60", "0.6"), ("-0.0", "0"), ("0", "0"), ("1E+2", "100"), ("-1", "-1"), ("1e-3", "0.001")],
)
def test_a_number_is_spelled_as_the_vendor_does(number: str, text: str) -> None:
    assert official(Decimal(number)) == text
    assert official_value(Decimal(number)) == text


@pytest.mark.parametrize(("value", "text"), [(-1, "-1"), (True, "true"), (None, "null"), ("a", '"a"')])
def test_any_scalar_is_spelled_as_the_vendor_does(value: object, text: str) -> None:
    assert official_value(value) == text


@pytest.mark.parametrize(
    ("value", "raw", "text"),
    [
        (None, b"null", "null"), (True, b"true", "true"), (Decimal(5), b"5", "5"),
        (Decimal(5), b"5" + b"0" * 30, "a longer number"), ("s", b'"s"', "a string"), ([], b"[]", "an array"),
        ({}, b"{}", "an object"),
    ],
)  # fmt: skip
def test_what_was_seen_has_a_safe_name(value: Any, raw: bytes, text: str) -> None:  # noqa: ANN401  (any JSON value)
    assert named(value, raw) == text


def test_a_document_s_words() -> None:
    assert [Absent("fill"), Absent("leave")] == list(Absent)
    assert [Contract("exact"), Contract("range")] == list(Contract)
    assert list(KINDS) == [
        *("fixed", "range", "one-of", "type", "forbidden", "nested", "tool-choice", "reasoning-history"),
        *("exclusive", "unknown-members"),
    ]


def test_a_decimal_is_sent_as_it_was_written() -> None:
    assert encoded({"a": [Decimal("1.0"), Decimal("0.60"), True]}) == b'{"a":[1.0,0.60,true]}'
