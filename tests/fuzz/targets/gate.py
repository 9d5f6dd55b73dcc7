"""Fuzz target: the body gate, from bytes to the body that leaves.

Invariants: a body is refused with a declared 400, or what leaves is lawful to every reader within this process, is
allowed unchanged when it is judged again, and differs from what came only where a receipt says so.
"""

from __future__ import annotations

from functools import cache
from random import Random

from proxy.contract.envelope import Envelope, MalformedBody
from tests.fuzz.inprocess import Gate, gates, passed
from tests.fuzz.judging import Tally
from tests.fuzz.requests import CANARY, Request, request
from tests.fuzz.target import Target, option


@cache
def _gates() -> tuple[Gate, ...]:
    return gates()


def check(data: bytes) -> None:
    chosen, body = option(data)
    tally, standing = Tally(), _gates()
    gate = standing[chosen % len(standing)]
    judging = passed(gate, Request("chat", (), body, ""), tally, None)
    if judging is not None:
        _finished(judging)
    assert not tally.found, "\n".join(map(str, tally.found))
    assert not set(tally.statuses) - {200, 400}
    _check_envelope(body)


def _finished(judging: object) -> None:
    """Run what never waits, since no reader is outside of this process."""
    try:
        judging.send(None)  # type: ignore[attr-defined]  # a coroutine
    except StopIteration:
        return
    raise AssertionError("the judgement waited for something")


def _check_envelope(body: bytes) -> None:
    """A body that nothing changes leaves with the same values, and stays as it is from then on."""
    try:
        envelope = Envelope.parse(body)
    except MalformedBody as error:
        assert CANARY not in f"{error} {error.hint}"
        return
    sent = envelope.encode({})
    again = Envelope.parse(sent)
    assert again.members == envelope.members
    assert list(again.members) == list(envelope.members)
    assert again.encode({}) == sent
    if envelope.compact:
        assert sent == body


def make(draw: Random) -> bytes:
    return bytes((draw.randrange(8),)) + request(draw).body


WORDS = (
    *(b'"temperature":', b'"top_p":0.95', b'"model":"kimi-k2.6"', b'"thinking":{"type":"disabled"}', b'"extra_body":{'),
    *(
        b'"enable_thinking":false',
        b'"n":1',
        b"null",
        b"1.0",
        b"0.6",
        b"1e0",
        b"NaN",
        b"\\u0000",
        b"\\ud800",
        b"\\",
        b'"',
    ),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b": ",
        b"{}",
        b'"":',
        b"\xe2\x80\x8b",
        b"\xc5\xbf",
        b"\xe2\x84\xaa",
        b"\\u0074",
    ),
)
TARGET = Target("gate", check, WORDS, make)
