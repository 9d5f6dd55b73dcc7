"""Events taken by the form of one before them: never another Answer than reading each would give.

Byte by byte no event is ever whole in what is fed, so that none is taken by its form: that is the plain reading.
"""

from __future__ import annotations

import random
from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.contract import assemble, sse
from proxy.contract.answer import Answer, Flaw
from proxy.contract.assemble import Assembler
from proxy.contract.chunk import decode_chunk
from proxy.contract.template import MOST_EVENTS, Template
from tests.contract.test_assemble import MUTATIONS, SSE, assembled, bodies, split

DONE: Final = b"data: [DONE]\n\n"
MEMBERS: Final = ("content", "reasoning_content", "reasoning", "arguments")


def plain(body: bytes, *, complete: bool = True, limit: int = 1 << 24) -> Answer:
    return assembled(SSE, *(body[at : at + 1] for at in range(len(body))), complete=complete, limit=limit)


def event(member: str, text: bytes, more: bytes = b"") -> bytes:
    """`text` is JSON between its quotes."""
    piece = b'"%b":"%b"' % (member.encode(), text)
    if member == "arguments":
        piece = b'"tool_calls":[{"index":0,"function":{%b}}]' % piece
    return b'data: {"id":"x",%b"choices":[{"index":0,"delta":{%b}}]}\n\n' % (more, piece)


def stream(member: str, *texts: bytes) -> bytes:
    return b"".join(event(member, text) for text in (b"first", b"second", *texts)) + DONE


TEXTS: Final = {
    "plain": (b"a", b" word", b"b"),
    "empty": (b"", b"", b"a", b""),
    "escapes": (rb"a\nb", rb"\"", rb"\\", rb"\\\"", rb"\/", rb"\u0041", rb"\u0000", b"c"),
    "emoji": ("🙂".encode(), rb"\ud83d\ude42", "é".encode()),
    "a surrogate alone": (rb"\ud83d", rb"\ude42", b"c"),
    "line separators": ("\u2028\u2029\u0085".encode(), b"c"),
    "control characters": (b"a\x00b", b"c", b"a\tb", b"\x1f", b"\x7f", b"d"),
    "line ends": (b"a\nb", b"c", b"a\rb", b"d", b"a\r", b"e", b"\n", b"f", b"\n\n", b"g"),
    "a character in two events": ("é".encode()[:1], "é".encode()[1:], b"c"),
    "no UTF-8": (b"\xff", b"c", b"\xed\xa0\x80", b"d", b"\xc0\x80"),
    "a backslash at the end": (b"a\\", b"b", b"c\\", b",", b"", b'\\",', b"d"),
    "quotes": (b'"', b'a","b', b'","content":"c', b'a"}', b"d"),
    "wrong escapes": (rb"\x", b"a", rb"\u12", b"b"),
    "very many": (b"a",) * (3 * MOST_EVENTS + 7),
    "bad ones among many": ((b"a",) * 50 + (b"\xff",)) * 20,
}


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("name", TEXTS)
def test_texts(name: str, member: str) -> None:
    body = stream(member, *TEXTS[name])
    expected = plain(body)
    assert assembled(SSE, body) == expected
    assert assembled(SSE, *(each + b"\n\n" for each in body.split(b"\n\n"))) == expected
    for seed in range(5):
        assert assembled(SSE, *split(body, random.Random(seed))) == expected


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(MEMBERS),
            st.lists(
                st.sampled_from([b"\\", b'"', b",", b"n", b"\n", b"\r", b"\xc3", b"\xa9", b"}", b"ab"]), max_size=3
            ),
        ),
        max_size=12,
    ),
    st.integers(),
    st.integers(0, 40),
)
def test_any_texts(pieces: list[tuple[str, list[bytes]]], seed: int, limit: int) -> None:
    body = b"".join(event(member, b"aa") * 3 + event(member, b"".join(text)) for member, text in pieces) + DONE
    expected = plain(body, limit=limit)
    assert assembled(SSE, body, limit=limit) == expected
    assert assembled(SSE, *split(body, random.Random(seed)), limit=limit) == expected


@pytest.mark.parametrize("profile", ["moonshot", "vllm"])
@settings(max_examples=12, deadline=None)
@given(data=st.data(), mutations=MUTATIONS, complete=st.booleans(), limit=st.sampled_from([1 << 24, 1500, 300]))
def test_mutated_streams(profile: str, data: st.DataObject, mutations: Any, complete: bool, limit: int) -> None:  # noqa: ANN401
    body = data.draw(st.sampled_from(bodies(profile)))[1]
    draw = random.Random(data.draw(st.integers()))
    if draw.random() < 0.3:
        body = b"\n\n".join(
            each.replace(b"chatcmpl-", b"chatcmpl-%d-" % (number // 3))
            for number, each in enumerate(body.split(b"\n\n"))
        )
    for _, removed, put in mutations:
        place = draw.randrange(len(body) + 1)
        body = body[:place] + put + body[place + removed :]
    expected = plain(body, complete=complete, limit=limit)
    assert assembled(SSE, body, complete=complete, limit=limit) == expected
    assert assembled(SSE, *split(body, draw), complete=complete, limit=limit) == expected
    reads = (body[start : start + 16384] for start in range(0, len(body), 16384))
    assert assembled(SSE, *reads, complete=complete, limit=limit) == expected


STRANGE: Final = {
    "content is said twice": b'{"choices":[{"delta":{"content":"a","content":"b"}}]}',
    "content elsewhere": b'{"x":{"content":"a"},"choices":[{"delta":{"content":"b"}}]}',
    "delta twice": b'{"choices":[{"delta":{"content":"a"},"delta":{"content":"b"}}]}',
    "two texts": b'{"choices":[{"delta":{"content":"a","reasoning":"b"}}]}',
    "reasoning twice": b'{"choices":[{"delta":{"reasoning":"a","reasoning_details":[{"text":"a"}]}}]}',
    "two choices": b'{"choices":[{"index":0,"delta":{"content":"a"}},{"index":0,"delta":{"content":"b"}}]}',
    "another choice": b'{"choices":[{"index":1,"delta":{"content":"a"}}]}',
    "two calls": b'{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"a"}},{"function":{}}]}}]}',
    "log probabilities": b'{"choices":[{"delta":{"content":"a"},"logprobs":{"content":[{"logprob":-1}]}}]}',
    "text of the end": b'{"choices":[{"delta":{"content":","}}],"x":"a,b"}',
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_events_repeated(name: str) -> None:
    body = (b"data: " + STRANGE[name] + b"\n\n") * 5 + DONE
    assert assembled(SSE, body) == plain(body)


REPEATED: Final = (
    b'"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}],"usage":{"total_tokens":3}',
    b'"choices":[{"delta":{"tool_calls":[{"id":"c","function":{"name":"f","arguments":"a"}}]}}]',
    b'"choices":[{"delta":{"tool_calls":[{"index":1,"id":"d","function":{"name":"f","arguments":"a"}}]}}]',
    b'"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"arguments":"a"}}]}}],"error":"x"',
    b'"choices":[{"delta":{"content":"a"},"finish_reason":"length"}],"model":"m"',
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(REPEATED), max_size=6), st.sampled_from([1 << 24, 1200, 600, 2]))
def test_what_is_said_in_every_event(kinds: list[bytes], limit: int) -> None:
    body = b"".join((b"data: {" + kind + b"}\n\n") * 4 for kind in kinds) + DONE
    assert assembled(SSE, body, limit=limit) == plain(body, limit=limit)


@pytest.mark.parametrize("size", range(90, 130))
def test_an_event_too_large_is_dropped_in_a_run(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 120)
    body = stream("content", b"x" * (size - len(event("content", b""))), b"y")
    expected = plain(body)
    assert (Flaw.OVERSIZED in expected.flaws) == (size - 2 > 120)
    assert assembled(SSE, body) == expected
    assert assembled(SSE, *(each + b"\n\n" for each in body.split(b"\n\n"))) == expected


# That anything is taken at all


def reads(body: bytes, monkeypatch: pytest.MonkeyPatch, size: int) -> int:
    """How many events are read one by one."""
    seen = []

    def read(data: bytes) -> Any:  # noqa: ANN401
        seen.append(data)
        return decode_chunk(data)

    monkeypatch.setattr(assemble, "decode_chunk", read)
    assembler = Assembler(SSE)
    for start in range(0, len(body), size):
        assembler.feed(body[start : start + size])
    assembler.answer(complete=True)
    return len(seen)


@pytest.mark.parametrize("profile", ["moonshot", "vllm"])
def test_few_events_of_a_stream_are_read(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for _, body in bodies(profile):
        assert reads(body, monkeypatch, 16384) <= 24 + len(body) // 16384


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("name", ["plain", "empty", "escapes", "emoji", "line separators", "very many"])
def test_texts_that_need_no_reading(name: str, member: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first event of the form, and the end."""
    assert reads(stream(member, *TEXTS[name]), monkeypatch, 1 << 20) == 2


def test_a_form_is_learnt_from_a_piece_alone() -> None:
    for name, data in STRANGE.items():
        learnt = Template.learnt(data, decode_chunk(data)) is not None
        assert learnt is (name == "text of the end"), name
    for size, kept in ((10, True), (5000, False)):
        data = orjson.dumps({"choices": [{"delta": {"content": "a"}}], "x": "x" * size})
        assert (Template.learnt(data, decode_chunk(data)) is not None) is kept
