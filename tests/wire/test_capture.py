"""The copy of an answer: whole while it is small, head and tail of a long one, and when its bytes came."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.wire.capture import HEAD_BYTES, MAX_MARKS, TAIL_BYTES, WHOLE_JSON, Capture

LIMIT = HEAD_BYTES + 2 * TAIL_BYTES
READS = st.lists(st.integers(1, 9000), max_size=60)


def captured(sizes: list[int], limit: int | None = None) -> tuple[Capture, bytes]:
    """A capture of reads of these sizes, one second apart, and the whole body."""
    capture, body = Capture(), b""
    if limit is not None:
        capture.limit = limit
    for number, size in enumerate(sizes):
        read = bytes((len(body) + i) % 251 for i in range(size))
        capture.add(read, float(number))
        body += read
    return capture, body


@settings(max_examples=100, deadline=None)
@given(READS)
def test_head_and_tail_are_those_of_the_body(sizes: list[int]) -> None:
    capture, body = captured(sizes)
    head, tail = capture.parts()
    assert capture.size == len(body)
    assert len(head) + len(tail) <= LIMIT + HEAD_BYTES + 9000
    if head:
        assert body.startswith(head)
        assert len(head) == HEAD_BYTES
        assert len(tail) >= TAIL_BYTES
    else:
        assert tail == body
    assert body.endswith(tail)


@pytest.mark.parametrize("over", [0, 1])
def test_a_json_answer_is_kept_whole_up_to_its_limit(over: int) -> None:
    capture, body = captured([1000] * (WHOLE_JSON // 1000) + [WHOLE_JSON % 1000 + over], WHOLE_JSON)
    head, tail = capture.parts()
    assert (tail == body) is (not over)
    assert bool(head) is bool(over)


@settings(max_examples=100, deadline=None)
@given(READS)
def test_when_a_byte_came(sizes: list[int]) -> None:
    """Exactly, for the first reads; of what came after them nothing is said."""
    capture, body = captured(sizes)
    assert capture.arrival(len(body)) is None
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    for number, start in enumerate(starts):
        known = number < MAX_MARKS - 1 or len(sizes) < MAX_MARKS
        expected = float(number) if known else None
        assert capture.arrival(start) == expected
        assert capture.arrival(start + sizes[number] - 1) == expected


@pytest.mark.parametrize(
    ("body", "content_type", "whole"),
    [
        (b"data: {}\n\ndata: [DONE]\n\n", b"text/event-stream", True),
        (b"data: {}\n\ndata: [DONE]", b"text/event-stream; charset=utf-8", True),
        (b"data:[DONE]\r\n\r\n", b"text/event-stream", True),
        (b"data: {}\n\n", b"text/event-stream", False),
        (b"data: [DON", b"text/event-stream", False),
        (b"", b"text/event-stream", False),
        (b'{"a":[1,2]}', b"application/json", True),
        (b' {"a":1} \n', b"application/json", True),
        (b"[]", b"application/json", True),
        (b'{"a":[1,2]', b"application/json", False),
        (b'{"a":"}', b"application/json", False),
        (b"12", b"application/json", False),
        (b"", b"application/json", False),
        (b"hello", b"text/plain", False),
    ],
)
def test_what_ends_like_an_answer(body: bytes, content_type: bytes, whole: bool) -> None:
    capture = Capture()
    capture.add(body, 0.0)
    assert capture.ends_like_an_answer(content_type) is whole


@given(st.lists(st.binary(min_size=1, max_size=20_000), max_size=20))
def test_every_byte_is_spilled_once_or_still_there(reads: list[bytes]) -> None:
    spilled: list[bytes] = []
    capture = Capture(spill=spilled.append)
    for number, read in enumerate(reads):
        capture.add(read, float(number))
    assert b"".join(spilled) + capture.rest() == b"".join(reads)
    assert len(capture.rest()) <= HEAD_BYTES + 2 * TAIL_BYTES + 20_000
