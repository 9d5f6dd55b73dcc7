"""What leaves a worker of the requests it judged: each once, or among the unrecorded, and not a word of text."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any, Final, cast

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.contract.envelope import Envelope, MalformedBody
from proxy.contract.exchange import Frame, Requests, decode, encode
from proxy.policy.decide import Decision, Plan, decide
from proxy.policy.document import Route
from proxy.policy.facts import facts_of, outline
from proxy.shadow import noted
from proxy.shadow.noted import Noted
from proxy.shadow.outbox import Outbox
from tests.policy.shipped import plan
from tests.policy.test_properties import _bodies
from tests.wire.client import until


class Box:
    """An outbox that keeps what it takes. `room` is how many frames that is."""

    def __init__(self, room: int = 1000) -> None:
        self.open = True
        self.room = room
        self.frames: list[Requests] = []

    def put(self, frame: Frame) -> bool:
        assert isinstance(frame, Requests)
        if len(self.frames) >= self.room:
            return False
        self.frames.append(frame)
        return True

    def told(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for frame in self.frames:
            found.update(frame.requests)
        return found

    @property
    def unrecorded(self) -> int:
        return sum(frame.unrecorded for frame in self.frames)


def noting(box: Box) -> Noted:
    return Noted(cast("Outbox", box))


def asked(body: bytes, of: Plan) -> tuple[Envelope | None, Decision | str]:
    envelope = None
    try:
        envelope = Envelope.parse(body)
        return envelope, decide(of, Route.CHAT, envelope)
    except MalformedBody as error:
        return envelope, error.code


def note(one: Noted, body: bytes, of: Plan, vendor: str = "sim") -> None:
    one.note(vendor, of, Route.CHAT, *asked(body, of))


TOOLS: Final = {"role": "assistant", "tool_calls": [{}]}
SIMILAR: Final = [
    json.dumps({"temperature": 1.0, "stream": stream, "seed": seed, "messages": messages, **more}).encode()
    for stream in (True, False)
    for seed in (1, None)
    for messages in ([], [TOOLS])
    for more in ({}, {"n": "hush"})
]
"""Bodies that differ only in what the decision that is remembered for them does not read."""


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(SIMILAR), max_size=80) | st.lists(_bodies(), max_size=20), st.booleans())
def test_what_is_told_is_what_each_request_was(bodies: list[bytes], observing: bool) -> None:
    of = plan(enforcement="observe" if observing else None)
    box, expected = Box(), Counter[str]()

    async def told() -> None:
        one = noting(box)
        for body in bodies:
            note(one, body, of)
            envelope, decision = asked(body, of)
            left = None if envelope is None else outline(envelope.members)
            expected[msgspec.json.encode(facts_of(of, Route.CHAT, left, decision)).decode()] += 1
        one.flush()

    asyncio.run(told())
    assert box.told() == expected
    assert box.unrecorded == 0


async def test_more_kinds_than_are_told_apart_are_unrecorded() -> None:
    box = Box()
    one, of = noting(box), plan()
    for number in range(noted.MOST + 50):
        for _ in range(2):
            note(one, b'{"max_tokens":%d}' % (number + 1), of)
    note(one, b'{"stop":["' + b"x" * 3000 + b'"]}', of)
    note(one, b"{" + b",".join(b'"member-%d":"%s"' % (n, b"x" * 90) for n in range(30)) + b"}", of)
    one.flush()
    assert box.told().total() == 2 * noted.MOST
    assert box.unrecorded == 100 + 2


async def test_a_second_later_it_leaves_and_other_requests_have_their_turn(monkeypatch: Any) -> None:  # noqa: ANN401
    monkeypatch.setattr(noted, "EVERY_S", 0.0)
    box = Box()
    one, of = noting(box), plan()
    for number in range(40):
        note(one, b'{"max_tokens":%d}' % (number + 1), of)
    turns: list[int] = []
    while box.told().total() < 40:
        await asyncio.sleep(0)
        turns.append(box.told().total())
    assert len({*turns} - {0}) == 5, "eight at a time"
    note(one, b'{"max_tokens":1}', of)
    await until(lambda: box.told().total() == 41)


async def test_without_a_scorer_requests_are_unrecorded_and_said_so_later() -> None:
    box = Box()
    one, of = noting(box), plan()
    note(one, b'{"n":1}', of)
    box.room = 0
    one.flush()
    box.open = False
    for _ in range(3):
        note(one, b'{"n":1}', of)
    one.flush()
    box.open, box.room = True, 1000
    note(one, b'{"n":1}', of, vendor="other")
    one.flush()
    assert {frame.vendor: (sum(frame.requests.values()), frame.unrecorded) for frame in box.frames} == {
        "sim": (0, 4),
        "other": (1, 0),
    }


async def test_a_frame_says_by_what_it_is_read() -> None:
    box = Box()
    one, of = noting(box), plan(enforcement="strict")
    note(one, b'{"n":1}', of)
    one.flush()
    (frame,) = box.frames
    assert (frame.vendor, frame.policy, frame.enforcement, frame.profile) == (
        "sim",
        of.label,
        "strict",
        "openai-compatible",
    )
    assert decode(memoryview(encode(frame))[4:]) == frame
