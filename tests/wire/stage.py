"""Plays one wire scenario: its clients and its vendor over real sockets around a data plane of its own.

Not here: the format (scenario.py) and which scenarios there are. Invariant: nothing happens but the scenario's steps,
in their order, and, where a step asks whether a connection is kept, one request of the stage's own; what nobody
declared (a request at the vendor, a byte too many, an outcome, a log line, a leak) fails the scenario.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any, cast

import orjson

from tests.proxying import Proxy, configured, proxying
from tests.wire.client import PATIENCE_S, Answer, Reading, Wire, until, wired
from tests.wire.garbage import no_garbage
from tests.wire.leaks import label_values, nothing_left, outcomes
from tests.wire.scenario import ANY, CANARY, PSEUDONYM, SHORT, Answered, Received, Scenario, Step
from tests.wire.vendor import Asked, Conversation, End, Script, Vendor, vending

_KEPT = b"GET /v1/models/kept HTTP/1.1"
_NEVER_UP = (b"evil", b"\r\nexpect:", b"\r\nhttp2-settings:", b"\r\nproxy-authorization:")
"""What no scenario's vendor may see: another host's name, and what belongs to the client's connection."""


_TURNS = 5
"""Of the event loop: what was written on loopback has arrived by then."""


class Clock:
    """The proxy's clock, which a scenario moves on."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


class Stage:
    """A scenario under way. `piece` is how many bytes are sent at a time."""

    def __init__(self, scenario: Scenario, piece: int) -> None:
        self.scenario = scenario
        self.piece = piece
        self.clock = Clock()
        self.clients: dict[int, Reading] = {}
        self.received: dict[int, int] = {}
        self.unfinished: set[int] = set()
        self.asked_ourselves = 0
        self.heard: list[Answer] = []
        self.proxy = cast("Proxy", None)
        self.vendor = cast("Vendor", None)
        self.stack = cast("AsyncExitStack", None)

    async def play(self) -> None:
        """From the first step to the books."""
        async with vending(_answers) as vendor:
            config = configured(vendor.url, **self.scenario.config)
            async with proxying(config, clock=self.clock) as proxy:
                self.proxy, self.vendor = proxy, vendor
                with no_garbage():
                    await self._perform()
                self._check_books()

    async def _perform(self) -> None:
        async with nothing_left(self.proxy), AsyncExitStack() as self.stack:
            for number, step in enumerate(self.scenario.steps, 1):
                await self._played(number, step)
            await self._check_nothing_more()

    async def _played(self, number: int, step: Step) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._step(step)
        except (Exception, asyncio.CancelledError) as error:
            error.add_note(f"in step {number}, {step}")
            raise

    async def _step(self, step: Step) -> None:
        said: Any = step.said
        match step.verb:
            case "time passes":
                self._let_pass(said)
            case "vendor reads only":
                self.vendor.reads = said
            case "proxy has in flight":
                await until(lambda: self.proxy.plane.in_flight() == said)
            case "proxy hears":
                await until(self._hears)
            case verb if verb.startswith("client "):
                await self._client_step(verb.removeprefix("client "), step.number, said)
            case verb:
                await self._vendor_step(verb.removeprefix("vendor "), step.number, said)

    def _let_pass(self, seconds: float) -> None:
        self.clock.ahead_s += seconds
        self.proxy.plane._deadlines.sweep()
        for lane in self.proxy.plane._pipeline.plane.lanes.values():
            lane.pool.sweep()

    def _hears(self) -> bool:
        """Whether a first byte of every answer under way is there."""
        relays = [getattr(one, "_relay", None) for one in self.proxy.plane._deadlines.active]
        return bool(relays) and all(relay is not None and relay.first_byte_at is not None for relay in relays)

    # The clients

    async def _client_step(self, verb: str, number: int, said: Any) -> None:  # noqa: ANN401  (as the verb has it)
        client = await self._client(number)
        wire = client.wire
        match verb:
            case "sends":
                pseudonym = self.proxy.plane._pipeline.plane.pseudonym
                await self._send(wire.writer.transport, said.replace(PSEUDONYM, pseudonym))
            case "gets" if isinstance(said, bytes):
                assert await wire.reader.readexactly(len(said)) == said
            case "gets":
                client.answer = await wire.answer()
                self._check_answer(client.answer, said)
            case "gets head":
                self._check_answer(await client.head(), said)
            case "gets body":
                assert await client.body(len(said)) == said
            case "gets rest":
                self._check_answer(await client.rest(), said)
            case "connection":
                await self._check_client(client, said)
            case "is stuck":
                mine = wire.writer.transport.get_extra_info("sockname")
                await until(lambda: self._waits_for(mine))
            case _:
                _do(wire, verb)

    async def _client(self, number: int) -> Reading:
        if number not in self.clients:
            small = any(step.verb == "client stops reading" for step in self.scenario.steps)
            wire = await self.stack.enter_async_context(wired(self.proxy.port, receive_buffer=4096 if small else 0))
            self.clients[number] = Reading(wire)
        return self.clients[number]

    async def _send(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """All of it, or as much as the other side wants."""
        piece = max(self.piece, len(data) // 256)
        for start in range(0, len(data), piece):
            if transport.is_closing():
                return
            transport.write(data[start : start + piece])
            await asyncio.sleep(0)

    def _check_answer(self, answer: Answer, expected: Answered) -> None:
        self.heard.append(answer)
        shown = f"{answer.line!r} {answer.body[:300]!r} cut: {answer.cut!r}"
        assert expected.status in (None, answer.status), shown
        assert bool(answer.cut) is expected.cut, shown
        assert answer.interim == [], shown
        assert expected.body in (None, answer.body), shown
        _check_fields(answer.fields, expected.fields, expected.lacks)
        if expected.code is not None:
            error = answer.error()
            assert error["code"] == expected.code
            assert "hint: " in error["message"]
            assert len(error["message"]) < 600
            assert (answer.value("allow") is not None) is (answer.status == 405)

    async def _check_client(self, client: Reading, fate: str) -> None:
        """In pieces a refusal may come before the last of them, and then it ends the connection."""
        answer = client.answer
        says_close = answer is not None and answer.status > 0 and answer.value("connection") == b"close"
        if fate != "kept" or (says_close and self.piece < 1000):
            assert says_close is (fate != "dropped")
            await client.wire.end()
            return
        assert not says_close
        await self._ask(client.wire)

    async def _ask(self, wire: Wire) -> Asked:
        self.vendor.reads = float("inf")
        wire.send(_KEPT, b"\r\nHost: proxy.test\r\n\r\n")
        answer = await wire.answer()
        assert (answer.status, answer.body) == (200, b"{}")
        self.asked_ourselves += 1
        return self.vendor.asked[-1]

    def _waits_for(self, peer: object) -> bool:
        front = self.proxy.plane._front
        assert front is not None
        return any(
            one.writing_paused and one.transport is not None and one.transport.get_extra_info("peername") == peer
            for one in front.open_connections()
        )

    # The vendor

    async def _vendor_step(self, verb: str, number: int, said: Any) -> None:  # noqa: ANN401  (as the verb has it)
        await until(lambda: len(self.vendor.conversations) >= number)
        conversation = self.vendor.conversations[number - 1]
        match verb:
            case "receives":
                self._check_request(await self._next_request(number, conversation), said)
            case "sends":
                await self._send(conversation.transport, said)
            case "reads on":
                self.vendor.reads = float("inf")
                conversation.transport.resume_reading()
            case "hears":
                self.unfinished.add(number)
                await until(lambda: conversation.received)
            case "closes":
                conversation.end(End.CLOSE)
            case "resets":
                conversation.end(End.RESET)
            case "connection" if said == "closed":
                await conversation.closed.wait()
            case "connection":
                await until(lambda: self.proxy.plane.in_flight() == 0)
                async with wired(self.proxy.port) as wire:
                    asked = await self._ask(wire)
                assert asked.conversation is conversation, "the request came on another connection"

    async def _next_request(self, number: int, conversation: Conversation) -> Asked:
        def there() -> list[Asked]:
            return [one for one in self.vendor.asked if one.conversation is conversation and one.line != _KEPT]

        count = self.received[number] = self.received.get(number, 0) + 1
        await until(lambda: len(there()) >= count)
        return there()[count - 1]

    def _check_request(self, asked: Asked, expected: Received) -> None:
        lines = [b"%b: %b" % pair for pair in asked.fields]
        whole = b"\r\n".join((asked.line, *lines, b"", asked.body))
        assert expected.line in (None, asked.line)
        assert expected.body in (None, asked.body)
        _check_fields(asked.fields, expected.fields, expected.lacks)
        if expected.whole is not None:
            pattern = re.escape(expected.whole).replace(re.escape(ANY), rb"[^\r\n]*")
            assert re.fullmatch(pattern, whole), whole

    # The books

    async def _check_nothing_more(self) -> None:
        """No client that reads has bytes waiting that no step speaks of."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        for number, client in self.clients.items():
            transport: Any = client.wire.writer.transport
            if not transport.is_closing() and transport.is_reading():
                assert client.wire.waiting() == b"", f"client {number} has more to read than its steps say"

    def _check_books(self) -> None:
        """Each request has one outcome and one log line, and none of its bytes are in either, nor in an answer."""
        scenario, proxy, ours = self.scenario, self.proxy, {"ok": self.asked_ourselves}
        assert outcomes(proxy) == +(Counter(scenario.requests) + Counter(ours))
        upstream = outcomes(proxy, "paramwall_upstream_requests_total")
        assert upstream == +(Counter(scenario.exchanges) + Counter(ours))
        assert [line["event"] for line in proxy.lines] == ["request"] * sum(outcomes(proxy).values())
        if scenario.failures is not None:
            assert tuple(line["failure"] for line in proxy.lines if line.get("failure")) == scenario.failures
        declared = sum(self.received.values())
        assert len([one for one in self.vendor.asked if one.line != _KEPT]) == declared, "the vendor heard of more"
        told = b"".join(answer.body + b"".join(value for _, value in answer.fields) for answer in self.heard)
        assert CANARY.encode() not in told + orjson.dumps(proxy.lines) + repr(label_values(proxy)).encode()
        spoken_of = {step.number for step in scenario.steps if step.verb.startswith("vendor ")}
        for number, conversation in enumerate(self.vendor.conversations, 1):
            seen = bytes(conversation.received).lower()
            assert not [word for word in _NEVER_UP if word in seen]
            assert seen or number in spoken_of, f"connection {number} to the vendor was made for nothing"
            if number not in self.unfinished:
                assert conversation.unread() == b"", "the vendor got bytes that belong to no request"


def _answers(asked: Asked) -> Script:
    """The vendor says nothing by itself but to the stage's own request."""
    return [SHORT["ok"].encode()] if asked.line == _KEPT else ()


def _do(wire: Wire, verb: str) -> None:
    transport: Any = wire.writer.transport
    doing: dict[str, Callable[[], None]] = {
        "stops reading": transport.pause_reading,
        "reads on": transport.resume_reading,
        "leaves": transport.abort,
        "closes": transport.close,
        "half-closes": transport.write_eof,
    }
    doing[verb]()


def _check_fields(fields: Iterable[tuple[bytes, bytes]], expected: Iterable[bytes], lacks: Iterable[str]) -> None:
    """The expected lines are there, in this order, and no field has a name that must be lacking."""
    lines, names = [b"%b: %b" % pair for pair in fields], {name.lower() for name, _ in fields}
    there = iter(lines)
    for line in expected:
        pattern = re.compile(re.escape(line).replace(re.escape(ANY), rb"[^\r\n]*"))
        assert any(pattern.fullmatch(one) for one in there), f"{line!r} is not among {lines}, or not in this order"
    found = names & {name.lower().encode() for name in lacks}
    assert not found, found
