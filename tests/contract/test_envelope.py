"""What is acceptable as a body, what of it may change, and what a judged value is.

The tables hold the inputs on which JSON readers are known to differ: repeated names, names that fold together, other
encodings, numbers beyond a double, control characters, depth.
"""

from __future__ import annotations

import json
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.contract.envelope import (
    MAX_MEMBERS,
    MAX_NAME_CHARACTERS,
    MAX_STRICT_BYTES,
    Envelope,
    MalformedBody,
    changes,
    fold,
    members_of,
    strict,
    twin,
)

REFUSED: list[tuple[bytes, str]] = [
    (b"", "body-empty"),
    (b" \n\t", "body-empty"),
    (b"[]", "body-not-object"),
    (b"1", "body-not-object"),
    (b'"x"', "body-not-object"),
    (b"null", "body-not-object"),
    (b"{", "body-not-json"),
    (b'{"a":1', "body-not-json"),
    (b'{"a":1}x', "body-not-json"),
    (b'{"a":1}{"a":1}', "body-not-json"),
    (b'{"a":1}\x00', "body-not-json"),
    (b'{"a":1,}', "body-not-json"),
    (b'{"a":[1,]}', "body-not-json"),
    (b'{"a":{"b":1,}}', "body-not-json"),
    (b'{,"a":1}', "body-not-json"),
    (b"{a:1}", "body-not-json"),
    (b"{'a':1}", "body-not-json"),
    (b'{"a":1/*c*/}', "body-not-json"),
    (b'{"a":1 //c\n}', "body-not-json"),
    (b'{"a" 1}', "body-not-json"),
    (b'{"a":}', "body-not-json"),
    (b"{1:2}", "body-not-json"),
    (b'{"a":{1:2}}', "body-not-json"),
    (b'{"a":[1 2]}', "body-not-json"),
    (b'{"a":[[]}', "body-not-json"),
    (b'{"a":NaN}', "body-not-json"),
    (b'{"a":[Infinity]}', "body-not-json"),
    (b'{"a":{"b":-Infinity}}', "body-not-json"),
    (b'{"a":True}', "body-not-json"),
    (b'{"a":nul}', "body-not-json"),
    (b'{"a":nulll}', "body-not-json"),
    (b'{"a":01}', "body-not-json"),
    (b'{"a":-01}', "body-not-json"),
    (b'{"a":.5}', "body-not-json"),
    (b'{"a":1.}', "body-not-json"),
    (b'{"a":+1}', "body-not-json"),
    (b'{"a":-}', "body-not-json"),
    (b'{"a":1e}', "body-not-json"),
    (b'{"a":1.0e+}', "body-not-json"),
    (b'{"a":0x10}', "body-not-json"),
    (b'{"a":1_000}', "body-not-json"),
    (b'{"a":"\x01"}', "body-not-json"),
    (b'{"a":"\n"}', "body-not-json"),
    (b'{"a":"\\x"}', "body-not-json"),
    (b'{"a":"\\u12"}', "body-not-json"),
    (b'{"a":"\\u00zz"}', "body-not-json"),
    (b'{"a":"\\ud800"}', "body-not-json"),
    (b'{"a":"\\udc00\\ud800"}', "body-not-json"),
    (b'{"a":{"b":"\\ud800x"}}', "body-not-json"),
    (b'{"\\ud800":1}', "body-not-json"),
    (b'{"a":{"\\ud800":1}}', "body-not-json"),
    (b'\x0c{"a":1}', "body-not-json"),
    (b'{"a":\xa01}', "body-not-utf8"),
    (b'{"a":"\xff"}', "body-not-utf8"),
    (b'{"\xff":1}', "body-not-utf8"),
    (b'{"a":"\xc0\xaf"}', "body-not-utf8"),
    (b'{"a":"\xed\xa0\x80"}', "body-not-utf8"),
    (b'{"a":"\xf4\x90\x80\x80"}', "body-not-utf8"),
    (b'\xef\xbb\xbf{"a":1}', "body-not-utf8"),
    ('{"a":1}'.encode("utf-16"), "body-not-utf8"),
    ('{"a":1}'.encode("utf-16-le"), "body-not-utf8"),
    ('{"a":1}'.encode("utf-16-be"), "body-not-utf8"),
    ('{"a":1}'.encode("utf-32"), "body-not-utf8"),
    ('{"a":1}'.encode("utf-32-be"), "body-not-utf8"),
    (b'{"a":1,"a":1}', "member-repeated"),
    (b'{"a":1,"\\u0061":2}', "member-repeated"),
    (b'{"":1,"":2}', "member-repeated"),
    ('{"é":1,"\\u00e9":2}'.encode(), "member-repeated"),
    (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "body-too-deep"),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "body-too-deep"),
    (json.dumps(dict.fromkeys(map(str, range(MAX_MEMBERS + 1)))).encode(), "body-too-wide"),
]

ACCEPTED = [
    b"{}",
    b' {"a" : 1 }\r\n',
    b'{"a":1e400}',
    b'{"a":1e-400}',
    b'{"a":-0}',
    b'{"a":0e1}',
    b'{"a":' + b"9" * 5000 + b"}",
    b'{"a":"\\u0000"}',
    b'{"a\\u0000":1}',
    b'{"a":"\x7f"}',
    b'{"a":"\\ud83d\\ude00"}',
    '{"a":"\U0001f600\u2028\ufeff"}'.encode(),
    b'{"":1}',
    b'{"a":1,"A":2}',
    b'{"__proto__":1,"constructor":2}',
    b'{"a":{"b":1,"b":2}}',
    b'{"a":' + b"[" * 500 + b"]" * 500 + b"}",
    json.dumps(dict.fromkeys(map(str, range(MAX_MEMBERS)))).encode(),
]


@pytest.mark.parametrize(("body", "code"), REFUSED)
def test_refused(body: bytes, code: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        Envelope.parse(body)
    assert caught.value.code == code
    assert caught.value.hint
    assert caught.value.param is None


@pytest.mark.parametrize("body", ACCEPTED)
def test_accepted(body: bytes) -> None:
    members = Envelope.parse(body).members
    assert members.keys() == json.loads(body, parse_int=str).keys()


def test_values_keep_their_bytes_and_members_their_order() -> None:
    body = '{ "z" : 1.10 ,"a":12345678901234567890123,"m":"\\/\\u003c\\u00e9é","o":{"y": 1, "x" :2}}'.encode()
    members = Envelope.parse(body).members
    assert {name: bytes(raw).decode() for name, raw in members.items()} == {
        "z": "1.10",
        "a": "12345678901234567890123",
        "m": '"\\/\\u003c\\u00e9é"',
        "o": '{"y": 1, "x" :2}',
    }
    assert list(members) == ["z", "a", "m", "o"]


COMPACT = '{"model":"kimi-k2.6","n":1.0,"x":[1 , 2],"é":"\\u00e9","t":{"b":1,"a":2}}'.encode()


@pytest.mark.parametrize(
    ("edits", "sent"),
    [
        ({}, COMPACT),
        ({"n": b"1"}, COMPACT.replace(b"1.0", b"1")),
        ({"n": None}, COMPACT.replace(b'"n":1.0,', b"")),
        ({"model": None, "t": None}, '{"n":1.0,"x":[1 , 2],"é":"\\u00e9"}'.encode()),
        ({"absent": None}, COMPACT),
        ({"top_p": b"0.95", "k": b"{}"}, COMPACT[:-1] + b',"top_p":0.95,"k":{}}'),
    ],
)
def test_edits(edits: dict[str, bytes | None], sent: bytes) -> None:
    envelope = Envelope.parse(COMPACT)
    assert envelope.encode(changes(edits)) == sent
    assert envelope.encode({}) == COMPACT, "an envelope is a value: editing leaves it as it was"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(st.text(max_size=10), json_values, max_size=6)


@given(objects)
def test_a_compact_body_leaves_byte_identical(value: dict[str, object]) -> None:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    assert Envelope.parse(body).encode({}) == body


@given(objects, st.integers(0, 4))
def test_any_layout_leaves_as_the_same_value(value: dict[str, object], indent: int) -> None:
    body = json.dumps(value, indent=indent).encode()
    sent = Envelope.parse(body).encode({})
    assert json.loads(sent) == value
    assert Envelope.parse(sent).encode({}) == sent


@given(objects, st.sampled_from([None, 1]), st.booleans())
def test_a_span_holds_the_raw_value(value: dict[str, object], indent: int | None, ascii_only: bool) -> None:
    value |= {"long": "x" * 5000, "last": 1}
    body = json.dumps(value, separators=(",", ":"), indent=indent, ensure_ascii=ascii_only).encode()
    envelope = Envelope.parse(body)
    for name, raw in envelope.members.items():
        text, start, end = envelope.span(name)
        assert text[start:end] == bytes(raw)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        members = Envelope.parse(body).members
    except MalformedBody:
        return
    assert members.keys() == orjson.loads(body).keys()


@given(objects, st.binary(min_size=1, max_size=4).filter(lambda tail: tail.strip(b" \t\r\n") != b""))
def test_garbage_behind_a_body_is_refused(value: dict[str, object], tail: bytes) -> None:
    body = json.dumps(value).encode()
    with pytest.raises(MalformedBody):
        Envelope.parse(body + tail)


@given(objects.filter(bool), st.data())
def test_a_body_cut_anywhere_is_refused(value: dict[str, object], data: st.DataObject) -> None:
    body = json.dumps(value).encode()
    with pytest.raises(MalformedBody):
        Envelope.parse(body[: data.draw(st.integers(0, len(body) - 1))])


STRICT: list[tuple[bytes, object]] = [
    (b"1", Decimal(1)),
    (b"-0", Decimal(0)),
    (b"1.10", Decimal("1.1")),
    (b"1e2", Decimal(100)),
    (b"1e-300", Decimal("1e-300")),
    (b"12345678901234567890123", Decimal(12345678901234567890123)),
    (b"true", True),
    (b"false", False),
    (b"null", None),
    (b'"\\u0061\\n"', "a\n"),
    (b'""', ""),
    (b"[]", []),
    (b'[1,"a",{"b":null}]', [Decimal(1), "a", {"b": None}]),
    (b'{"a":{"a":1}}', {"a": {"a": Decimal(1)}}),
]


@pytest.mark.parametrize(("raw", "value"), STRICT)
def test_strict_value(raw: bytes, value: object) -> None:
    read = strict(raw, "x")
    assert read == value
    assert type(read) is type(value)


AMBIGUOUS: list[tuple[bytes, str]] = [
    (b'{"a":1,"a":1}', "member-repeated"),
    (b'{"a":1,"\\u0061":1}', "member-repeated"),
    (b'[{"b":{"a":1,"a":2}}]', "member-repeated"),
    (b"1e400", "number-out-of-range"),
    (b"-1e400", "number-out-of-range"),
    (b"1e-400", "number-out-of-range"),
    (b"1e99999999999999999999", "number-out-of-range"),
    (b"[1e400]", "number-out-of-range"),
    (b"1." + b"0" * 70, "number-out-of-range"),
    (b"9" * 5000, "number-out-of-range"),
    (b'"' + b"x" * MAX_STRICT_BYTES + b'"', "value-too-large"),
    (b"[" * 5000 + b"]" * 5000, "body-too-deep"),
]


@pytest.mark.parametrize(("raw", "code"), AMBIGUOUS)
def test_strict_refuses_what_readers_disagree_about(raw: bytes, code: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        strict(raw, "the_member")
    assert (caught.value.code, caught.value.param) == (code, "the_member")
    assert str(caught.value).startswith("the_member ")


@given(json_values)
def test_strict_reads_what_json_reads(value: object) -> None:
    raw = json.dumps(value).encode()
    try:
        read = strict(raw, "x")
    except MalformedBody as error:
        if error.code != "number-out-of-range":
            raise
    else:
        assert read == json.loads(raw, parse_float=Decimal, parse_int=Decimal)


@pytest.mark.parametrize(
    ("spelled", "folded"),
    [
        ("temperature", "temperature"),
        ("Temperature", "temperature"),
        ("TEMPERATURE", "temperature"),
        ("\uff54emperature", "temperature"),  # full width
        ("top_\u212a", "top_k"),  # Kelvin sign
        ("\u017feed", "seed"),  # long s
        ("temperature ", "temperature"),
        ("\ttemperature", "temperature"),
        ("temp\u200berature", "temperature"),  # zero-width space
        ("temp\u00aderature", "temperature"),  # soft hyphen
        ("temp\u2060erature", "temperature"),  # word joiner
        ("temperature\x00", "temperature"),
        ("\ufefftemperature", "temperature"),
        ("te\ue000mperature", "temperature"),  # private use
        ("top\u00a0_p", "top_p"),
        ("me\u00dfages", "messages"),  # sharp s
        ("topp", "topp"),
        ("temp\u00e9rature", "temp\u00e9rature"),
    ],
)
def test_fold(spelled: str, folded: str) -> None:
    assert fold(spelled) == folded
    assert twin(spelled, {"temperature": "temperature", "top_k": "top_k"}) == (
        folded if folded in ("temperature", "top_k") else None
    )


def test_a_name_too_long_is_refused_before_it_is_folded() -> None:
    assert twin("x" * MAX_NAME_CHARACTERS, {}) is None
    with pytest.raises(MalformedBody) as caught:
        twin("\u200b" * (MAX_NAME_CHARACTERS + 1), {})
    assert caught.value.code == "member-name-too-long"


def test_the_members_of_a_nested_object() -> None:
    assert [(name, bytes(raw)) for name, raw in members_of(b'{"b": 1.10, "a" :[ ]}', "x").items()] == [
        ("b", b"1.10"),
        ("a", b"[ ]"),
    ]
    with pytest.raises(MalformedBody, match="member number 2 of the_object") as caught:
        members_of(b'{"b":1,"b":2}', "the_object")
    assert caught.value.param == "the_object"


def test_nothing_of_the_client_is_echoed() -> None:
    for body in (b'{"sk-SECRET":1,"sk-SECRET":2}', b'{"a":sk-SECRET}', b'{"a":"sk-SECRET', b'"sk-SECRET"'):
        with pytest.raises(MalformedBody) as caught:
            Envelope.parse(body)
        assert "SECRET" not in f"{caught.value} {caught.value.hint} {caught.value.param}"
