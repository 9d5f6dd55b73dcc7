"""Everything at once: vendors that misbehave in every way, clients that leave, dawdle and pipeline, configurations that
change, all at random from one seed. Whatever happens, an answer that looks complete is the right one, every request has
one outcome, and at the end nothing is left.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable

import pytest

from tests.proxying import Proxy, configured, proxying
from tests.wire.client import Answer, Wire, asking, post, wired
from tests.wire.leaks import nothing_left, outcomes, total
from tests.wire.vendor import Asked, End, Script, chunked, head, marker_of, vending, whole


def body_of(marker: bytes) -> bytes:
    """The only right answer to a request: its length and all its bytes follow from the marker."""
    draw = random.Random(marker)
    return b'{"marker":"%b","x":"%b"}' % (marker, b"%d" % draw.randrange(10**9) * draw.choice([0, 1, 30, 3000]))


def pieces_of(answer: bytes, draw: random.Random) -> list[bytes | float]:
    cuts = sorted(draw.randrange(len(answer) + 1) for _ in range(draw.randrange(6)))
    places = [0, *cuts, len(answer)]
    steps: list[bytes | float] = []
    for start, end in itertools.pairwise(places):
        steps += [answer[start:end], draw.choice([0.0, 0.0, 0.001, 0.005])]
    return steps


def right(body: bytes, draw: random.Random) -> bytes:
    kind = draw.randrange(3)
    if kind == 0:
        return whole(body)
    middle = draw.randrange(1, len(body))
    answer = head(200, "Content-Type: application/json", "Transfer-Encoding: chunked")
    answer += chunked(body[:middle], body[middle:])
    return answer if kind == 1 else head(103) + answer


POISON = whole(b'{"marker":"poison"}')
"""Sent in one piece with an answer. Sent later it could meet a connection in use again, where nobody can tell it apart.
"""
MISBEHAVIOURS: tuple[Callable[[bytes, random.Random], Script], ...] = (
    pieces_of,
    pieces_of,
    pieces_of,
    lambda answer, draw: [answer + POISON],
    lambda answer, draw: [answer[: draw.randrange(len(answer))], End.CLOSE],
    lambda answer, draw: [answer[: draw.randrange(len(answer))], End.RESET],
    lambda answer, draw: [answer, End.CLOSE],
    lambda answer, draw: [End.CLOSE],
    lambda answer, draw: [End.RESET],
    lambda answer, draw: [b"\x00garbage\r\n\r\n"],
    lambda answer, draw: [answer.replace(b"HTTP/1.1 200", b"HTTP/1.1 999")],
    lambda answer, draw: [0.3, answer],
    lambda answer, draw: [answer[:-3], 0.4, End.CLOSE],
    lambda answer, draw: [whole(b'{"error":"busy"}', status=429)],
)


def misbehaving(asked: Asked) -> Script:
    marker = marker_of(asked)
    draw = random.Random(marker + b"vendor")
    return draw.choice(MISBEHAVIOURS)(right(body_of(marker), draw), draw)


def check(answer: Answer, marker: str) -> None:
    if answer.cut:
        return
    if answer.status == 200:
        assert answer.body == body_of(marker.encode())
    elif answer.status == 429:
        assert answer.body == b'{"error":"busy"}'
    else:
        assert answer.status in (502, 504)
        assert answer.error()["code"].startswith("vendor-")


async def one_connection(proxy: Proxy, name: str, draw: random.Random) -> int:
    """A few requests on one connection, in turn or pipelined, left at any time; how many were sent."""
    sent = 0
    async with wired(proxy.port, receive_buffer=draw.choice([0, 0, 4096])) as wire:
        for turn in range(draw.randrange(1, 6)):
            markers = [f"{name}.{turn}.{number}" for number in range(draw.choice([1, 1, 1, 2, 5]))]
            wire.send(*(post(asking(marker)) for marker in markers))
            sent += len(markers)
            if draw.random() < 0.15:
                await asyncio.sleep(draw.choice([0.0, 0.002, 0.02]))
                break
            if not await answered(wire, markers, draw):
                break
    return sent


async def answered(wire: Wire, markers: list[str], draw: random.Random) -> bool:
    """Read the answers; whether the connection is still there."""
    for marker in markers:
        if draw.random() < 0.1:
            await asyncio.sleep(0.03)
        answer = await wire.answer()
        check(answer, marker)
        if answer.cut or answer.value("connection") == b"close":
            return False
    return True


async def chaos(connections: int, at_once: int) -> None:
    async with vending(misbehaving) as vendor:
        configs = [
            configured(
                vendor.url, vendor={"timeouts": {"first_byte": "500ms", "idle": "500ms", "connect": f"{number}s"}}
            )
            for number in (5, 6)
        ]
        async with proxying(configs[0]) as proxy:
            sent = 0
            async with nothing_left(proxy):
                for start in range(0, connections, at_once):
                    names = range(start, start + at_once)
                    running = [one_connection(proxy, str(name), random.Random(name)) for name in names]
                    sent += sum(await asyncio.gather(*running))
                    proxy.plane.swap(configs[start // at_once % 2])
            counted = outcomes(proxy)
            # A request that was pipelined behind one that ended its connection was never read.
            assert len(vendor.asked) <= sum(counted.values()) <= sent
            assert sum(counted.values()) == len(proxy.lines)
            assert counted.keys() <= {"ok", "client_error", "upstream_error", "client_gone", "timeout"}
            assert counted["ok"] > sent / 5
            assert not [line for line in proxy.lines if line["event"] == "fault"]
            opened = total(proxy, "paramwall_upstream_connection_events_total", event="opened")
            assert opened <= len(vendor.conversations)  # some were left while they were made


async def test_everything_at_once() -> None:
    await chaos(120, 40)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_everything_at_once_for_long() -> None:
    """`pytest -m long tests/wire/test_chaos.py`: twelve thousand client connections."""
    await chaos(12_000, 60)
