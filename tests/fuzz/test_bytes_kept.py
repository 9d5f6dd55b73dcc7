"""Which bytes survive: an untouched compact body whole, an untouched member's value in any body."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.bytes_kept import Unsplit, compact, differences, split, touched
from tests.fuzz.wire import NUMBER, RawClient, RecordingVendor
from tests.proxying import configured, proxying

NAMES = (
    "seed",
    "stop",
    "metadata",
    "user",
    "x_vendor",
    "tools",
    "logprobs",
    "prompt_cache_key",
    "\u00fcber",
    "stream_options",
)
SCALARS = (
    *("0.30000000000000004", "1.10", "1E2", "-0", "1e-400", "18446744073709551617", "123456789012345678901234567890"),
    *('"\\u0041\\/\\ud83d\\ude00"', '"\u00e9\u4e2d"', '"\\n\\t"', "true", "null", "[ ]", "{ }", '""', "9" * 400),
)
SETTINGS = settings(max_examples=80, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def raw_value(draw: Random, depth: int = 3) -> str:
    """A value as some encoder might write it: white space, escapes and numbers of every kind."""
    kind = draw.randrange(4) if depth else 3
    gap = draw.choice(("", "", " ", "\n  "))
    if kind == 0:
        return "[" + ",".join(gap + raw_value(draw, depth - 1) + gap for _ in range(draw.randrange(1, 4))) + "]"
    if kind == 1:
        names = draw.sample(("zeta", "alpha", "temperature", "\\u0061", "m m"), draw.randrange(1, 4))
        return "{" + ",".join(f'{gap}"{name}":{gap}{raw_value(draw, depth - 1)}' for name in names) + "}"
    return draw.choice(SCALARS)


def raw_body(draw: Random, sampling: list[str], gap: str = "") -> bytes:
    """A body with `sampling` somewhere among members that no policy touches."""
    members = ['"model":"kimi-k2.6"', '"messages":[{"role":"user","content":"\\u00e9 1.10"}]', *sampling]
    members += [
        f"{json.dumps(name, ensure_ascii=False)}:{gap}{raw_value(draw)}"
        for name in draw.sample(NAMES, draw.randrange(4))
    ]
    draw.shuffle(members)
    return ("{" + gap + f",{gap}".join(members) + gap + "}").encode()


@dataclass(slots=True)
class Passage:
    """A vendor behind a proxy, asked one body at a time."""

    runner: asyncio.Runner
    vendor: RecordingVendor
    client: RawClient
    count: int = field(default=0)

    def __call__(self, body: bytes) -> tuple[bytes, str]:
        """What the vendor received, and the receipt of actions."""
        self.count += 1
        head = (("Content-Type", "application/json"), (NUMBER, str(self.count)))
        answer = self.runner.run(self.client.post("/v1/chat/completions", head, body))
        assert answer.status == 200, (body, answer.body)
        (received,) = self.vendor.bodies.pop(self.count)
        return received, answer.headers.get("x-paramwall-actions", "")


@contextmanager
def passage() -> Iterator[Passage]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        vendor = runner.run(stack.enter_async_context(RecordingVendor()))
        config = configured(vendor.url, vendor={"profile": "moonshot"})
        proxy = runner.run(stack.enter_async_context(proxying(config)))
        client = RawClient(proxy.port)
        try:
            yield Passage(runner, vendor, client)
        finally:
            runner.run(client.close())
            runner.run(stack.aclose())


def test_an_untouched_compact_body_arrives_byte_for_byte() -> None:
    with passage() as send:

        @SETTINGS
        @given(st.randoms(use_true_random=False))
        def same(draw: Random) -> None:
            lawful = [draw.choice(('"temperature":1.0', '"temperature":1', '"temperature":1e0')), '"top_p":0.95']
            body = raw_body(draw, lawful)
            assert compact(body)
            assert send(body) == (body, "")

        same()


def test_untouched_values_keep_their_bytes_in_an_edited_body() -> None:
    with passage() as send:

        @SETTINGS
        @given(st.randoms(use_true_random=False))
        def kept(draw: Random) -> None:
            pool = (
                '"temperature":0.30',
                '"top_p":1',
                '"n":2',
                '"top_k":7',
                '"thinking":{"type":"disabled"}',
                '"min_p":0.1',
            )
            body = raw_body(draw, draw.sample(pool, draw.randrange(5)), draw.choice(("", " ", "\n\t")))
            received, actions = send(body)
            assert actions
            assert list(differences(body, received, actions)) == []
            assert send(received) == (received, ""), "what was repaired once is lawful"

        kept()


@pytest.mark.parametrize(
    ("sent", "received", "actions", "seen"),
    [
        (b'{"a":1.10,"b":2}', b'{"a":1.10,"b":2}', "", False),
        (b'{"a":1.10,"b":2}', b'{"a":1.1,"b":2}', "", True),
        (b'{"a":1.10,"b":2}', b'{"b":2,"a":1.10}', "a=1.10->1", False),
        (b'{"a":1.10,"b":2,"c":3}', b'{"b":2,"a":1.10,"c":3}', "c=3->4", True),
        (b'{"a":1}', b'{"a":1,"b":2}', "", True),
        (b'{"a":1}', b'{"a":1,"b":2}', "b=+2", False),
        (b'{"a":1,"b":2}', b'{"b":2}', "a=1->dropped", False),
        (b'{"a":1,"b":2}', b'{"b":2}', "c=1->dropped", True),
        (b'{"a":{"x":1}}', b'{"a":{"x": 1}}', "a.x=1->2", False),
        (b'{"a":{"x":1}}', b'{"a":{"x": 1}}', "b.a=1->2", True),
        (b'{ "a":1 }', b'{"a":1}', "", False),
    ],
)
def test_every_change_without_a_receipt_is_seen(sent: bytes, received: bytes, actions: str, seen: bool) -> None:
    assert bool(list(differences(sent, received, actions))) == seen


def test_receipts_are_read() -> None:
    receipt = (
        "temperature=0.3->1.0;top_p=+0.95;messages[2].reasoning_content=+;"
        "reasoning.enabled+enable_thinking->thinking.type(instant)"
    )
    assert touched(receipt) == {"temperature", "top_p", "messages", "reasoning", "enable_thinking", "thinking"}
    assert touched("") == set()


def test_split_gives_the_bytes_of_every_value() -> None:
    body = '\n{ "a" : [1.10, {"b":"\\u00e9,}"}] ,"\\u0063":"\u00e9"}'.encode()
    assert split(body) == [("a", b'[1.10, {"b":"\\u00e9,}"}]'), ("c", '"\u00e9"'.encode())]
    assert split(b"{}") == []
    for broken in (b"[]", b"", b"{", b'{"a":}', b'{"a" 1}', b"\xff", b'{"a":1'):
        with pytest.raises(Unsplit):
            split(broken)
