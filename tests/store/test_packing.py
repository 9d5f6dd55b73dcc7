"""Rows to bytes and back: equal, with integers and floats told apart; anything unknown is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.drift.rows import (
    AcknowledgedRow,
    AnswersRow,
    Key,
    LostRow,
    PairRow,
    ProbesRow,
    RequestsRow,
    Row,
    Series,
    Terms,
    TermsRow,
)
from proxy.store.packing import UnknownRow, pack, unpack

text = st.text(max_size=8)
numbers = st.floats(allow_nan=False) | st.integers(-(2**63), 2**64 - 1)
values = (
    st.integers(0, 3)
    | st.floats(-1, 1)
    | st.lists(numbers, min_size=2, max_size=2)
    | st.tuples(text, st.integers(-99, 99)).map(list)
)
keys = st.builds(Key, text, text, text)
series = st.builds(Series, text, text, text, numbers, numbers, st.booleans())
terms = st.builds(Terms, st.lists(series, max_size=3).map(tuple), text, numbers, st.integers(0, 9), numbers)
rows = st.one_of(
    st.builds(TermsRow, numbers, terms),
    st.builds(PairRow, numbers, st.integers(0, 2**63), keys, text, st.dictionaries(text, values, max_size=5)),
    st.builds(LostRow, numbers, st.integers(0, 2**63), keys, text, text),
    st.builds(AnswersRow, numbers, keys, st.integers(0, 99), st.dictionaries(text, st.binary(max_size=5), max_size=3)),
    st.builds(ProbesRow, numbers, keys, st.dictionaries(text, st.binary(max_size=5), max_size=3)),
    st.builds(AcknowledgedRow, numbers, text, text, text),
    st.builds(
        RequestsRow,
        *(numbers, text, text, text, text, text, st.lists(text, max_size=3).map(tuple), text),
        st.dictionaries(text, st.integers(0, 99), max_size=3),
        st.integers(0, 99),
    ),
)


@given(rows)
def test_a_row_comes_back_as_it_was(row: Row) -> None:
    # repr tells 1 from 1.0 and 0.0 from -0.0, and shows the order of a mapping.
    assert repr(unpack(*pack(row))) == repr(row)


def test_a_value_that_is_not_a_number_comes_back_too() -> None:
    row = PairRow(1.0, 1, Key("", "", ""), "", {"sign": float("nan"), "size": [float("inf"), 0.0]})
    assert repr(unpack(*pack(row))) == repr(row)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("weather", msgspec.msgpack.encode({})),
        ("pair", b""),
        ("pair", b"\xc1"),
        ("pair", msgspec.msgpack.encode([1, 2])),
        ("pair", msgspec.msgpack.encode({"at_s": 1.0, "number": 1, "reference": "", "values": {}})),
        ("ack", msgspec.msgpack.encode({"at_s": 1.0, "vendor": "v", "mood": "good"})),
        ("terms", msgspec.msgpack.encode({"at_s": 1.0, "terms": {"series": [{"name": "x"}]}})),
    ],
)
def test_what_is_unknown_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(UnknownRow):
        unpack(kind, body)
