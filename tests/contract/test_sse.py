"""The decoder of server-sent events: the rules of WHATWG HTML section 9.2.6, and that no split of the bytes matters."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.contract import sse
from proxy.contract.sse import Event, EventDecoder


def decoded(*pieces: bytes) -> list[Event]:
    decoder = EventDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def contents(text: bytes) -> list[bytes]:
    return [event.data for event in decoded(text)]


CASES = {
    "one line": (b"data: a\n\n", [b"a"]),
    "no space": (b"data:a\n\n", [b"a"]),
    "only one space is taken away": (b"data:  a\n\n", [b" a"]),
    "tab stays": (b"data:\ta\n\n", [b"\ta"]),
    "CR": (b"data: a\r\r", [b"a"]),
    "CRLF": (b"data: a\r\n\r\n", [b"a"]),
    "all line ends mixed": (b"data: a\ndata: b\r\ndata: c\r\rdata: d\n\r\n", [b"a\nb\nc", b"d"]),
    "several lines": (b"data: a\ndata:\ndata: c\n\n", [b"a\n\nc"]),
    "data without a colon": (b"data\n\n", [b""]),
    "two without a colon": (b"data\ndata\n\n", [b"\n"]),
    "empty data": (b"data:\n\n", [b""]),
    "comment": (b": OPENROUTER PROCESSING\n\ndata: a\n\n", [b"a"]),
    "comment within": (b"data: a\n: x\ndata: b\n\n", [b"a\nb"]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
    "byte order mark later is part of a name": (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a"]),
    "two byte order marks": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
    "no data, no event": (b"event: x\nid: 1\n\n", []),
    "unknown field": (b"foo: x\ndata: a\n\n", [b"a"]),
    "field of another case": (b"Data: x\n\n", []),
    "space before the colon": (b"data : x\n\n", []),
    "space before the field": (b" data: x\n\n", []),
    "colon in the value": (b'data: {"a":"b: c"}\n\n', [b'{"a":"b: c"}']),
    "many empty lines": (b"\n\n\ndata: a\n\n\n\ndata: b\n\n\n", [b"a", b"b"]),
    "end within an event": (b"data: a\n\ndata: b\n", [b"a"]),
    "end within a line": (b"data: a\n\ndata: [DO", [b"a"]),
    "end of the last line missing": (b"data: a", []),
    "line and paragraph separators are no line ends": (
        "data: a\u2028b\u2029c\u0085\n\n".encode(),
        ["a\u2028b\u2029c\u0085".encode()],
    ),
    "form feed is no line end": (b"data: a\x0cb\x0bc\n\n", [b"a\x0cb\x0bc"]),
    "bytes that are not UTF-8": (b"data: \xff\xfe\n\n", [b"\xff\xfe"]),
    "nothing": (b"", []),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    text, expected = CASES[name]
    assert contents(text) == expected
    assert decoded(*(text[i : i + 1] for i in range(len(text)))) == decoded(text)
    for middle in range(len(text)):
        assert decoded(text[:middle], text[middle:]) == decoded(text)


def test_names_and_ids() -> None:
    events = decoded(b"event: delta\nid: 7\ndata: a\n\ndata: b\n\nid: x\x00y\nid\ndata: c\n\nevent: done\ndata: d\n\n")
    assert [(event.name, event.id) for event in events] == [(b"delta", b"7"), (b"", b"7"), (b"", b""), (b"done", b"")]


def test_ends_count_from_the_start_of_the_stream() -> None:
    text = b"\xef\xbb\xbf: x\n\ndata: a\r\n\r\ndata: b\n\n"
    first, second = decoded(text)
    assert text[: first.end].rstrip(b"\r\n").endswith(b"data: a")
    assert second.end == len(text)
    assert [event.end for event in EventDecoder(1000).feed(b"data: a\n\n")] == [1009]


def test_a_byte_order_mark_counts_at_the_start_only() -> None:
    assert not EventDecoder(5).feed(b"\xef\xbb\xbfdata: a\n\n")


@pytest.mark.parametrize("sizes", [[120], [50, 70], [101], [60, 30, 30], [10] * 12])
def test_an_event_too_large_is_dropped_and_the_next_one_is_read(
    sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line or many, fed at once or in pieces; what is kept of it is bounded."""
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    text = b"".join(b"data: %b\n" % (b"x" * size) for size in sizes) + b"\ndata: next\n\n"
    for step in (1, 7, 40, len(text)):
        decoder = EventDecoder()
        events = []
        for start in range(0, len(text), step):
            events += decoder.feed(text[start : start + step])
            assert len(decoder._line) <= 100
        assert [event.data for event in events] == [b"next"]


@pytest.mark.parametrize("size", range(90, 104))
def test_how_large_is_too_large_does_not_depend_on_the_split(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    text = b"data: " + b"x" * size + b"\n\n"
    whole, single = EventDecoder(), EventDecoder()
    events = whole.feed(text)
    assert [event for place in range(len(text)) for event in single.feed(text[place : place + 1])] == events
    assert len(events) == (6 + size <= 100)
    assert whole.dropped == single.dropped == 1 - len(events)


STREAMS = st.lists(
    st.sampled_from(
        [b"data", b"event", b"id", b":", b": ", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"a", b"{}", b"\x00"]
        + [b"\xef\xbb\xbf", b"data: [DONE]\n\n", "\u2028é".encode()]
    ),
    max_size=40,
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(STREAMS, st.lists(st.integers(0, 400), max_size=12))
def test_any_split_gives_the_same_events(text: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places)]
    assert decoded(*pieces) == decoded(text) == decoded(*(text[i : i + 1] for i in range(len(text))))


@given(STREAMS)
def test_against_a_plain_reading_of_the_rules(text: bytes) -> None:
    """The whole text at once, by regular line splitting; the decoder must find the same data."""
    lines = text.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:-1]
    expected: list[bytes] = []
    held: list[bytes] = []
    for line in lines:
        if not line:
            expected += [b"\n".join(held)] if held else []
            held = []
        elif line.partition(b":")[0] == b"data":
            held.append(line.partition(b":")[2].removeprefix(b" "))
    assert contents(text) == expected


@given(st.binary(max_size=2000))
def test_garbage_never_raises(text: bytes) -> None:
    decoded(text)


def test_a_megabyte_of_one_line_takes_linear_time() -> None:
    """Every byte is looked at a bounded number of times, however it is fed."""
    draw = random.Random(1)
    decoder = EventDecoder()
    events: list[Event] = []
    text = b"data: " + b"x" * 1_000_000 + b"\n\n"
    start = 0
    while start < len(text):
        size = draw.randrange(1, 400)
        events += decoder.feed(text[start : start + size])
        start += size
    assert [len(event.data) for event in events] == [1_000_000]
