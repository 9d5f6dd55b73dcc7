"""Hostile requests: everything a client can choose freely is new in each of them.

Not here: the vendor's side (cardinality_vendor.py), and counting (cardinality.py). Invariant: what comes from a closed
list (route, stream, broken clause, status, way to end) repeats after `period` requests and nothing else ever does; so
all that a second period adds to the metrics comes from what is free.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, cast

import httptools

from bench.cardinality_vendor import WAYS
from proxy.policy.known import KNOWN_MEMBERS

_MEMBERS: Final = tuple(sorted(KNOWN_MEMBERS - {"model", "messages", "stream"}))
_VALUES: Final[tuple[Any, ...]] = (
    0, 1, -1, 0.3, 1.5, 7, 1e300, True, False, None, "x", [], ["x"], {}, {"type": "enabled"},
)  # fmt: skip
REPEATABLE: Final = ("cut", "reset", "rubbish")
"""Ways to break off that have the same end whenever they are taken; others are a matter of who is first."""
_WAITING: Final = ("silent", "stalled")
_JUDGED: Final = ("chat/completions", "completions", "responses", "messages")
_UNJUDGED: Final = (
    "POST embeddings", "GET models", "GET models/{free}", "GET files", "POST files", "DELETE files/{free}",
    "GET batches/{free}", "POST batches", "POST tokenizers/{free}", "GET users/me/{free}",
)  # fmt: skip
_NOWHERE: Final = (
    "GET {free}", "POST chat/completions/{free}", "BREW chat/completions", "PUT models", "POST ../{free}",
    "GET %2e/{free}",
)  # fmt: skip
_BREAKING: Final = tuple(way for way in WAYS if way not in ("whole", "streamed", *_WAITING))
_ANSWER_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, and whether the client leaves before its answer."""

    message: bytes
    leaves: bool


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests by number. `vendors` are the names that paths may begin with. `repeatable`: nothing happens that might
    end otherwise the next time.
    """

    vendors: Sequence[str]
    period: int
    repeatable: bool = False

    def request(self, number: int) -> Request:
        """The same number gives the same request."""
        closed, free = Random(number % self.period), f"{number:x}-{Random(number).getrandbits(48):x}"
        way, status = _wanted(closed, REPEATABLE if self.repeatable else _BREAKING)
        leaves = closed.random() < 0.01 and not self.repeatable
        method, path = _target(closed)
        stranger = ("{free}",) if path.startswith(".") else ()
        vendor = closed.choice(("", *(f"/vendors/{name}" for name in (*self.vendors, *stranger))))
        version = "HTTP/1.0" if closed.random() < 0.01 else "HTTP/1.1"
        body = _body(closed, free) if method == "POST" else b""
        head = (
            f"{method} {vendor}/v1/{path}?q-{{free}}={{free}} {version}\r\nHost: {{free}}\r\n"
            f"Authorization: Bearer sk-{{free}}\r\nX-{{free}}: {{free}}\r\nUser-Agent: {{free}}\r\n"
            f"X-Client-Id: {{free}}\r\nX-Request-Id: {{free}}\r\nX-Paramwall-Client: {{free}}\r\n"
            f"X-Wanted: {status} {'slow' if leaves else way}\r\n"
        ).replace("{free}", free)
        kind = "application/json" if closed.random() < 0.99 else f"text/{free}"
        fields = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n" if body else "\r\n"
        return Request((head + fields).encode() + body, leaves)


def _wanted(closed: Random, breaking: Sequence[str]) -> tuple[str, int]:
    chance = closed.random()
    status = 200 if closed.random() < 0.4 else closed.randrange(200, 600)
    if chance < 0.8:
        return "whole", status
    if chance < 0.9:
        return "streamed", closed.choice((200, 500))
    return closed.choice(_WAITING if chance < 0.904 else breaking), status


def _target(closed: Random) -> tuple[str, str]:
    chance = closed.random()
    if chance < 0.7:
        return "POST", closed.choice(_JUDGED)
    method, _, path = closed.choice(_UNJUDGED if chance < 0.95 else _NOWHERE).partition(" ")
    return method, path


def _body(closed: Random, free: str) -> bytes:
    model = closed.choice(("kimi-k2.6", "kimi-k2.6", "kimi-k2.6", f"model-{free}", f"kimi-k2.6:{free}", "Kimi-K2.6"))
    members: dict[str, Any] = {
        "model": model,
        "messages": [{"role": closed.choice(("user", f"role-{free}")), "content": free}],
        "stream": closed.random() < 0.5,
        "user": free,
        f"member-{free}": free,
    }
    if closed.random() < 0.5:
        members |= {closed.choice(_MEMBERS): closed.choice(_VALUES) for _ in range(closed.randrange(4))}
        members |= {closed.choice(_MEMBERS): free} if closed.random() < 0.1 else {}
    text = json.dumps(members).encode()
    return text[: closed.randrange(len(text))] if closed.random() < 0.02 else text


class Client(asyncio.Protocol):
    """One connection at a time: asks, waits for the whole answer or the end of the connection."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.over = False
        self._parser = httptools.HttpResponseParser(self)
        self._done: asyncio.Future[None] | None = None

    def ask(self, message: bytes) -> asyncio.Future[None]:
        """Done when the answer is whole, or when there will be none."""
        self._done = asyncio.get_running_loop().create_future()
        self.transport.write(message)
        return self._done

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_message_complete(self) -> None:
        self.over = not self._parser.should_keep_alive()
        self._answered()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over = True
        self._answered()

    def _answered(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)


async def sent(port: int, traffic: Traffic, numbers: range, connections: int) -> int:
    """Send these requests; how many found no end in time, which only a defect explains."""
    waiting, unanswered = iter(numbers), 0

    async def one() -> None:
        nonlocal unanswered
        client: Client | None = None
        for number in waiting:
            request = traffic.request(number)
            if client is None or client.over:
                _, client = await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", port)
            answer = client.ask(request.message)
            if request.leaves:
                await asyncio.sleep(0.01)
                client.transport.abort()
                client = None
                continue
            done, _ = await asyncio.wait({answer}, timeout=_ANSWER_S)
            if not done:
                unanswered += 1
                client.transport.abort()
                client = None
        if client is not None:
            client.transport.abort()

    await asyncio.gather(*(one() for _ in range(connections)))
    return unanswered
