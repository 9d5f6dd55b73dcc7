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

from proxy.contract import envelope as module
from proxy.contract.envelope import (
    MAX_MEMBERS,
    MAX_NAME_CHARACTERS,
    MAX_NUMBER_CHARACTERS,
    MAX_STRICT_BYTES,
    Envelope,
    MalformedBody,
    Raw,
    changes,
    fold,
    fold_short,
    folds_to_known,
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
    value |= {"long": "x" * 40_000, "between": 1, "longer": "y" * 50_000, "last": 1}
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


def _names(count: int, size: int) -> bytes:
    """An object of so many names and bytes."""
    text = b"{" + b",".join(b'"%04d":0' % i for i in range(count - 1)) + b',"x":"'
    return text + b"y" * (size - len(text) - 2) + b'"}'


@pytest.mark.parametrize(
    ("count", "size", "param", "refusal"),
    [
        (256, 20_000, None, None),
        (257, 20_000, None, ("the body has more than 256 members", "send at most 256")),
        (1024, 20_000, "m[0]", None),
        (1025, 20_000, "m[0]", ("m[0] has more than 1024 members", "send at most 1024")),
        (1025, 16 * 1024 + 1, "m[0]", ("m[0] has more than 1024 members", "send at most 1024")),
        (1025, 16 * 1024, "m[0]", None),
        (1025, 16 * 1024, None, None),
    ],
)
def test_an_object_with_room_for_very_many_names_may_have_so_many(
    count: int, size: int, param: str | None, refusal: tuple[str, str] | None
) -> None:
    text = _names(count, size)
    if refusal is None:
        assert (len(text), len(members_of(text, param))) == (size, count)
        return
    with pytest.raises(MalformedBody) as caught:
        members_of(text, param)
    assert (str(caught.value), caught.value.hint) == refusal
    assert (caught.value.code, caught.value.param) == ("body-too-wide", param)


def test_nothing_of_the_client_is_echoed() -> None:
    for body in (b'{"sk-SECRET":1,"sk-SECRET":2}', b'{"a":sk-SECRET}', b'{"a":"sk-SECRET', b'"sk-SECRET"'):
        with pytest.raises(MalformedBody) as caught:
            Envelope.parse(body)
        assert "SECRET" not in f"{caught.value} {caught.value.hint} {caught.value.param}"


@pytest.mark.parametrize("long", ["first", "middle", "last"])
@pytest.mark.parametrize("size", [32_765, 32_766, 32_767])
def test_a_long_value_is_found_in_the_body_itself(long: str, size: int) -> None:
    """From 32 KiB on a value is not copied; the body that is looked into is the client's."""
    values = {name: f'"{"x" * (size if name == long else 1)}"' for name in ("first", "middle", "last")}
    body = ("{" + ",".join(f'"{name}":{raw}' for name, raw in values.items()) + "}").encode()
    envelope = Envelope.parse(body)
    text, start, end = envelope.span(long)
    assert text[start:end].decode() == values[long]
    assert (text is body) is (size >= 32_766)
    text, start, end = envelope.span("middle")
    assert text[start:end].decode() == values["middle"]


@pytest.mark.parametrize("body", [b'{"a": "%b"}', b'{"a":"%b" }', b'{"\\u0061":"%b"}', b' {"a":"%b"}', b'{"a":"%b"}\n'])
def test_a_body_that_is_not_compact_is_not_looked_into(body: bytes) -> None:
    body %= b"x" * 40_000
    text, start, end = Envelope.parse(body).span("a")
    assert (text, start, end) == (b'"%b"' % (b"x" * 40_000), 0, 40_002)


TOLD: list[tuple[bytes, str, str]] = [
    (b"", "the body is empty", "send one JSON object"),
    (b"[]", "the body is JSON but not an object", "send one JSON object"),
    (b'{"a":' * 2000, "the body is nested too deeply", "nest fewer than 900 levels"),
    (b"\xef\xbb\xbf{}", "the body starts with a byte order mark", "send UTF-8 without one"),
    (b"\xff\xfe{}", "the body starts with a byte order mark", "send UTF-8 without one"),
    (b"\xfe\xff{}", "the body starts with a byte order mark", "send UTF-8 without one"),
    (b'{"a":"\xff"}', "the body is not UTF-8 at byte 6", "encode the body as UTF-8"),
    (b"\x00\x00\x00{", "the body looks like UTF-16 or UTF-32", "encode the body as UTF-8"),
    (b"{\x00\x00\x00", "the body looks like UTF-16 or UTF-32", "encode the body as UTF-8"),
    (b'{"a\x00', "the body looks like UTF-16 or UTF-32", "encode the body as UTF-8"),
    (
        b'{"a\x00":1}',
        "the body looks like UTF-16 or UTF-32",
        "encode the body as UTF-8",
    ),
    (
        b'{"ab\x00":1}',
        "the body is not JSON: invalid character (byte 4)",
        "send one JSON object (RFC 8259; no NaN, no lone surrogates)",
    ),
    (
        b'{"\\udc00":1}',
        "the body is not JSON: invalid utf-16 surrogate pair (byte 8)",
        "send one JSON object (RFC 8259; no NaN, no lone surrogates)",
    ),
    (b'{"a":1,"b":2,"a":1}', "member number 3 of the body repeats an earlier name", "send each member once"),
    (b'{"a":1, "b":2,"b":1}', "member number 3 of the body repeats an earlier name", "send each member once"),
    (
        json.dumps(dict.fromkeys(map(str, range(MAX_MEMBERS + 3)))).encode(),
        "the body has 259 members",
        "send at most 256",
    ),
]


@pytest.mark.parametrize(("body", "seen", "hint"), TOLD)
def test_what_a_client_is_told(body: bytes, seen: str, hint: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        Envelope.parse(body)
    assert (str(caught.value), caught.value.hint, caught.value.param) == (seen, hint, None)


TOLD_OF_A_MEMBER: list[tuple[bytes, str, str, str]] = [
    (b'{"a":1,"a":1}', "member-repeated", "m repeats a member", "send each member once"),
    (
        b"9" * (MAX_NUMBER_CHARACTERS + 1),
        "number-out-of-range",
        "m holds a number of more than 64 characters",
        "send a finite number of usual length",
    ),
    (
        b"1e301",
        "number-out-of-range",
        "m holds a number outside the range of a double",
        "send a finite number of usual length",
    ),
    (b'"' * 65_537, "value-too-large", "m is 65537 bytes long", "send at most 65536"),
    (b"[" * 2000 + b"]" * 2000, "body-too-deep", "m is nested too deeply", "nest fewer than 900 levels"),
]


@pytest.mark.parametrize(("raw", "code", "seen", "hint"), TOLD_OF_A_MEMBER)
def test_what_a_client_is_told_of_a_member(raw: bytes, code: str, seen: str, hint: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        strict(raw, "m")
    assert (caught.value.code, str(caught.value), caught.value.hint) == (code, seen, hint)


@pytest.mark.parametrize(
    "raw",
    [
        b"9" * MAX_NUMBER_CHARACTERS,
        b"1e300",
        b"-9.9e300",
        b"1e-300",
        b'"' + b"x" * (MAX_STRICT_BYTES - 2) + b'"',
        b"[" + b"9" * MAX_NUMBER_CHARACTERS + b"]",
    ],
)
def test_the_largest_that_is_read(raw: bytes) -> None:
    assert strict(raw, "m") == json.loads(raw, parse_int=Decimal, parse_float=Decimal)


def test_an_envelope_put_together_is_not_looked_into() -> None:
    """Its members need not stand in its body."""
    raw = b'"%b"' % (b"x" * 40_000)
    assert Envelope({"a": Raw(raw)}, b"{}").span("a") == (raw, 0, 40_002)


def test_the_seams_of_the_next_cases_are_seams() -> None:
    assert module._CHECKED_AT_ONCE == 65_536


@pytest.mark.parametrize("at", [5, 65_535, 65_536, 65_537, 131_071, 131_072])
@pytest.mark.parametrize("text", ["é", "€", "\U0001f600"])
def test_a_character_on_the_seam_of_two_pieces_is_read(at: int, text: str) -> None:
    raw = b'"' + b"x" * (at - 6) + text.encode() + b'y"'
    assert bytes(Envelope.parse(b'{"a":' + raw + b"}").members["a"]) == raw


@pytest.mark.parametrize("at", [6, 65_534, 65_535, 65_536, 65_537, 131_072])
@pytest.mark.parametrize("broken", [b"\xff", b"\xe2\x82", b"\xf0\x9f\x98"])
def test_the_place_of_a_broken_character_is_named(at: int, broken: bytes) -> None:
    with pytest.raises(MalformedBody) as caught:
        Envelope.parse(b'{"a":"' + b"x" * (at - 6) + broken + b'x"}')
    assert str(caught.value) == f"the body is not UTF-8 at byte {at}"


@pytest.mark.parametrize("broken", [b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98"])
@pytest.mark.parametrize("length", [10, 65_535, 65_536, 65_537])
def test_a_body_that_ends_within_a_character_is_not_utf8(broken: bytes, length: int) -> None:
    with pytest.raises(MalformedBody) as caught:
        Envelope.parse(b"x" * (length - len(broken)) + broken)
    assert str(caught.value) == f"the body is not UTF-8 at byte {length - len(broken)}"


def test_a_name_that_folds_to_a_known_one_is_told_where_it_stands() -> None:
    error = folds_to_known("seed")
    assert (error.code, error.param) == ("member-folds-to-known", "seed")
    assert str(error) == "a member of the body is spelled almost like seed, and some readers would take it for that"
    assert error.hint == "spell it seed, in plain lower-case ASCII, or leave it out"
    error = folds_to_known("seed", "extra")
    assert error.param == "extra.seed"
    assert str(error) == "a member of extra is spelled almost like seed, and some readers would take it for that"


def test_a_name_too_long_is_told_its_length() -> None:
    with pytest.raises(MalformedBody) as caught:
        twin("x" * 257, {})
    assert (str(caught.value), caught.value.hint, caught.value.param) == (
        "a member's name is 257 characters long",
        "use names of at most 256 characters",
        None,
    )


def test_the_bounds_are_those_that_are_documented() -> None:
    assert (MAX_MEMBERS, MAX_STRICT_BYTES, MAX_NUMBER_CHARACTERS, MAX_NAME_CHARACTERS) == (256, 65_536, 64, 256)
    assert fold_short.cache_parameters() == {"maxsize": 1024, "typed": False}


def test_an_edit_may_replace_and_drop_at_once() -> None:
    assert Envelope.parse(b'{"a":1,"b":2,"c":3}').encode(changes({"b": None, "c": b"4", "d": b"5"})) == (
        b'{"a":1,"c":4,"d":5}'
    )


def test_a_body_that_is_broken_from_its_first_byte_is_not_utf8() -> None:
    with pytest.raises(MalformedBody) as caught:
        Envelope.parse(b"\xff{}")
    assert str(caught.value) == "the body is not UTF-8 at byte 0"
