"""Bytes of a vendor that nobody asked for, before the next request goes out on their connection.

    python -m tests.load.late_bytes --requests 100000 --seed 1

Concurrent clients ask; each answer must carry the marker of its request. After its answers the vendor sends more: a
second answer, a part of one, a byte, an interim answer, garbage; in the same segment, in the next one, some
milliseconds later, or just when a client sends its next request. All of it says `poison`.

The rule: bytes that reached the proxy's socket before the proxy wrote the next request there never reach a client. What
comes after that request was written cannot be told from its answer by anybody (RFC 9112 section 9.2). Vendor, proxy and
clients run in one thread, and the vendor writes into its socket itself: bytes are `covered` when no request is under
way on the connection and none waits in the vendor's socket (FIONREAD) at that moment. Those that are not are not
sent, but counted as `too late`, since sending them would show nothing.

Not here: single cases (tests/wire/test_pool.py). Invariant: exit code 0 says that every request was answered by its own
answer and that at least half of the requests were followed by covered bytes.
"""

# ruff: noqa: T201  (a command)
from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import random
import struct
import sys
import termios
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import uvloop

from tests.proxying import configured, proxying
from tests.wire.client import Wire, asking, post, wired
from tests.wire.leaks import total
from tests.wire.vendor import Asked, Conversation, Script, marker_of, vending, whole

POISON: Final = whole(b'{"marker":"poison"}')
UNASKED: Final = (
    POISON,
    POISON[:40],
    POISON + POISON[:10],
    b"H",
    b"HTTP/1.1 103 Early Hints\r\nX: poison\r\n\r\n",
    b"\x16\x03\x01poison",
)
WHEN: Final = ("same segment", "next segment", "later", "with the next request")
MOST_LATER_S: Final = 0.05
_POISONED: Final = 0.75
"""The share of answers after which something comes."""


@dataclass(slots=True)
class Found:
    """`sent` counts covered bytes by when they came, `answers` what became of the requests."""

    sent: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    opened: int = 0
    seconds: float = 0.0

    @property
    def covered(self) -> int:
        """Times that bytes came in time to be told apart."""
        return sum(count for when, count in self.sent.items() if when in WHEN)


class Poisoner:
    """The vendor's other half: what it sends unasked."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.found = Found()
        self._answered: dict[Conversation, int] = {}
        self._waiting: list[tuple[Conversation, bytes]] = []

    def answer(self, asked: Asked) -> Script:
        """The marker of the request, and what comes behind it."""
        own = whole(b'{"marker":"%b"}' % marker_of(asked))
        talk = asked.conversation
        self._answered[talk] = asked.earlier + 1
        if self.draw.random() > _POISONED:
            return (own,)
        when, unasked = self.draw.choice(WHEN), self.draw.choice(UNASKED)
        if when == "same segment":
            self.found.sent[when] += 1
            return (own + unasked,)
        loop = asyncio.get_running_loop()
        if when == "next segment":
            loop.call_soon(self._send, talk, unasked, asked.earlier + 1, when)
        elif when == "later":
            delay = self.draw.uniform(0.0, MOST_LATER_S)
            loop.call_later(delay, self._send, talk, unasked, asked.earlier + 1, when)
        else:
            self._waiting.append((talk, unasked))
        return (own,)

    def client_sends(self) -> None:
        """A client is about to write: what was kept for this moment goes out in the same turn of the loop."""
        waiting, self._waiting = self._waiting, []
        for talk, unasked in waiting:
            self._send(talk, unasked, self._answered[talk], WHEN[3])

    def _send(self, talk: Conversation, unasked: bytes, answered: int, when: str) -> None:
        """Unless the next request is there already, or the connection is gone."""
        if talk.closed.is_set() or talk.transport.is_closing():
            self.found.sent["connection gone"] += 1
            return
        if self._answered[talk] == answered and talk.transport.get_write_buffer_size():
            asyncio.get_running_loop().call_soon(self._send, talk, unasked, answered, when)  # its answer goes first
            return
        descriptor = talk.transport.get_extra_info("socket").fileno()
        (unread,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))
        if unread or self._answered[talk] != answered:
            self.found.sent["too late"] += 1
            return
        os.write(descriptor, unasked)
        self.found.sent[when] += 1


async def measure(requests: int, seed: int, clients: int = 40) -> Found:
    """Ask `requests` times on `clients` connections."""
    poisoner = Poisoner(seed)
    found, numbers = poisoner.found, iter(range(requests))
    began = time.monotonic()
    async with vending(poisoner.answer) as vendor, proxying(configured(vendor.url), tap=None) as proxy:

        async def client() -> None:
            async with wired(proxy.port) as wire:
                for number in numbers:
                    poisoner.client_sends()
                    found.answers[await _asked(wire, f"m{number}")] += 1
                    vendor.asked.clear()
                    proxy.lines.clear()
                    vendor.conversations[:] = vendor.open()

        await asyncio.gather(*(client() for _ in range(clients)))
        found.opened = int(total(proxy, "paramwall_upstream_connection_events_total", event="opened"))
    found.seconds = time.monotonic() - began
    return found


async def _asked(wire: Wire, marker: str) -> str:
    wire.send(post(asking(marker)))
    answer = await wire.answer()
    if answer.body == b'{"marker":"%b"}' % marker.encode():
        return "own"
    return "poisoned" if b"poison" in answer.body else f"{answer.status}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.late_bytes")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=40)
    asked = parser.parse_args(arguments)
    found = uvloop.run(measure(asked.requests, asked.seed, asked.clients))
    for when, count in sorted(found.sent.items()):
        print(f"sent unasked, {when:24} {count}")
    for what, count in sorted(found.answers.items()):
        print(f"answers, {what:29} {count}")
    print(f"vendor connections opened              {found.opened}")
    own, covered = found.answers["own"], found.covered
    right = own == asked.requests and covered * 2 >= asked.requests
    print(f"mis-associated or lost: {asked.requests - own} of {asked.requests}, {covered} covered: {right}")
    return int(not right)


if __name__ == "__main__":
    sys.exit(main())
