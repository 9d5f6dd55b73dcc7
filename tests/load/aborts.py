"""Clients that leave at a random byte of what they send or hear: how soon the vendor is free, and what stays behind.

`python -m tests.load.aborts --requests 10000 --seed 1`. The proxy is a process of its own, on the other core; clients
and vendors share this one, and one clock: a release takes from the moment before the client's end, reset or half-close
is given to the kernel until the vendor's socket tells of its own end. So it holds this process's own turns too, which
are shown beside it. Three vendors: `sim` never ends an answer, so none of its requests may be counted as ok; `whole`
ends all; `unheard` accepts no connection.

Not here: what the proxy holds (aborts_proxy.py), and single phases one by one (tests/wire/test_gone.py). Invariant: a
draw is the seed's alone, and every client leaves, or fails the command.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from bench.processes import two_cpus
from tests.load.bars import Row, percentile_ms, verdict, zero
from tests.wire.client import asking, post, until
from tests.wire.test_gone import deaf, flowing
from tests.wire.vendor import Asked, Script, Vendor, marker_of, vending, whole

RELEASE_MS: Final = 50.0
PHASES: Final = (
    *("head", "upload", "chunked-upload", "sent", "connect", "waiting", "stream", "json", "whole"),
    *("pipelined-send", "pipelined-answer"),
)
WAYS: Final = ("close", "reset", "half-close")
ANSWER: Final = whole(b'{"id":"chatcmpl-1","choices":[{"message":{"content":"%b"}}]}' % (b"hello " * 150))
_STREAM_BYTES: Final = 4000
_BODY_BYTES: Final = (100, 1_000, 30_000, 300_000)
_AT_ONCE: Final = 8
"""Few, so that this process answers each end of a connection at once."""
_PATIENCE_S: Final = 20.0
_START_S: Final = 60.0
_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Leave:
    """One client. It sends `before` and reads the `first` bytes of its answer, sends `sends`, reads `hears` bytes, and
    goes its `way`, `pause_s` later. `waits`: its request must have come to the vendor before.
    """

    phase: str
    marker: str
    way: str
    sends: bytes
    before: bytes = b""
    first: int = 0
    hears: int = 0
    waits: bool = False
    pause_s: float = 0.0


@dataclass(slots=True)
class Vendors:
    """What the two vendors that accept connections were asked, by marker."""

    cut: Vendor
    whole: Vendor
    asked: Mapping[str, Asked]


@dataclass(slots=True)
class Found:
    """What came of all clients. `left`: when each went; `released_s`: how long each vendor connection that had heard
    of a cut request stayed open after that; `kept`: those that stayed open; `heard_whole`: answers read to their end.
    """

    left: dict[str, float] = field(default_factory=dict)
    released_s: list[float] = field(default_factory=list)
    kept: int = 0
    heard_whole: int = 0
    unanswered: list[str] = field(default_factory=list)
    reached: Counter[str] = field(default_factory=Counter)
    turns_s: list[float] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)

    def outcomes(self, vendor: str) -> dict[str, int]:
        counted: dict[str, int] = self.after["outcomes"].get(vendor, {})
        return counted

    @property
    def counted(self) -> int:
        """Outcomes of all vendors."""
        return sum(sum(of_vendor.values()) for of_vendor in self.after["outcomes"].values())

    @property
    def leaks(self) -> dict[str, int]:
        """What is held after and was not before."""
        grown = {name: held - self.before["held"][name] for name, held in self.after["held"].items()}
        return {name: more for name, more in grown.items() if more > 0}

    @property
    def wrongly_ok(self) -> int:
        """Requests counted as ok whose answer cannot have been written whole, or not as ok though it was read whole."""
        ok = self.outcomes("whole").get("ok", 0)
        beyond = max(0, ok - self.reached["whole"]) + max(0, self.heard_whole - ok)
        return beyond + sum(self.outcomes(vendor).get("ok", 0) for vendor in ("sim", "unheard", "none"))

    @property
    def undeclared(self) -> dict[str, int]:
        """Outcomes that no leaving client may have."""
        return {
            f"{vendor} {outcome}": count
            for vendor, counts in self.after["outcomes"].items()
            for outcome, count in counts.items()
            if outcome not in (("ok", "client_gone") if vendor == "whole" else ("client_gone",))
        }


def draws(requests: int, seed: int, answer_bytes: int) -> Iterator[Leave]:
    """Phases in turn, the byte within each by chance, evenly."""
    draw = random.Random(seed)
    for number in range(requests):
        phase, way = PHASES[number % len(PHASES)], draw.choice(WAYS)
        yield _leave(phase, f"{phase}/{number}", way, draw, answer_bytes)


def _leave(phase: str, marker: str, way: str, draw: random.Random, answer_bytes: int) -> Leave:
    request, head = _request(phase, marker, draw.choice(_BODY_BYTES))
    match phase:
        case "head":
            return Leave(phase, marker, way, request[: draw.randrange(1, head)])
        case "upload" | "chunked-upload":
            return Leave(phase, marker, way, request[: draw.randrange(head, len(request))])
        case "connect":
            return Leave(phase, marker, way, request, pause_s=draw.random() * 0.005)
        case "waiting":
            return Leave(phase, marker, way, request, waits=True)
        case "stream":
            return Leave(phase, marker, way, request, hears=draw.randint(1, _STREAM_BYTES), waits=True)
        case "json":
            return Leave(phase, marker, way, request, hears=draw.randrange(1, answer_bytes), waits=True)
        case "whole":
            return Leave(phase, marker, way, request, hears=draw.randint(1, answer_bytes))
        case "pipelined-send":
            sent = request[: draw.randrange(1, len(request))]
            return Leave(phase, marker, way, sent, _first(marker), answer_bytes)
        case "pipelined-answer":
            hears = draw.randrange(answer_bytes)
            return Leave(phase, marker, way, request, _first(marker), answer_bytes, hears, waits=True)
    return Leave(phase, marker, way, request)


def _first(marker: str) -> bytes:
    return post(asking(f"first/{marker}"), path="/vendors/whole/v1/chat/completions")


def _request(phase: str, marker: str, size: int) -> tuple[bytes, int]:
    """A request to the phase's vendor, and the size of its head."""
    vendor = phase if phase == "whole" else "unheard" if phase == "connect" else "sim"
    path = f"/vendors/{vendor}/v1/chat/completions"
    body = orjson.dumps({"model": "other", "user": marker, "messages": [{"role": "user", "content": "x" * size}]})
    if phase != "chunked-upload":
        request = post(body, path=path)
        return request, len(request) - len(body)
    head = post(b"", "Transfer-Encoding: chunked", path=path, length=False)
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body), len(head)


def _answer(asked: Asked) -> Script:
    """By the phase in the marker: nothing, a stream without end, all but the last byte, or all."""
    phase = marker_of(asked).partition(b"/")[0]
    if phase in (b"whole", b"first"):
        return (ANSWER,)
    if phase in (b"json", b"pipelined-answer"):
        return (ANSWER[:-1],)
    return flowing(asked) if phase == b"stream" else ()


@asynccontextmanager
async def _vendors() -> AsyncIterator[Vendors]:
    heard: dict[str, Asked] = {}

    def answer(asked: Asked) -> Script:
        heard[marker_of(asked).decode()] = asked
        return _answer(asked)

    async with vending(answer) as cut, vending(answer) as ending:
        yield Vendors(cut, ending, heard)


class Proxy:
    """The other process."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.port = port
        self._process = process

    async def books(self) -> dict[str, Any]:
        """What it holds and counted."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(b"\n")
        told: dict[str, Any] = orjson.loads(await asyncio.wait_for(stdout.readline(), _PATIENCE_S))
        return told


@asynccontextmanager
async def _proxy(cpu: int | None, *urls: str) -> AsyncIterator[Proxy]:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "tests.load.aborts_proxy", *urls)
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=1 << 20)
    assert process.stdout is not None
    assert process.stdin is not None
    if cpu is not None:
        os.sched_setaffinity(process.pid, {cpu})
    try:
        yield Proxy(process, int(await asyncio.wait_for(process.stdout.readline(), _START_S)))
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _PATIENCE_S)
        except TimeoutError:
            process.kill()
            raise


async def _hear(sock: socket.socket, size: int) -> None:
    """So many bytes of answer, and not one more."""
    loop = asyncio.get_running_loop()
    while size:
        received = await loop.sock_recv(sock, size)
        if not received:
            raise ConnectionError("the proxy ended the connection")
        size -= len(received)


def _go(sock: socket.socket, way: str) -> float:
    """Leave; the moment before."""
    if way == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    left = time.monotonic()
    if way == "half-close":
        sock.shutdown(socket.SHUT_WR)
    else:
        sock.close()
    return left


async def _ended(sock: socket.socket) -> None:
    """The proxy ends the connection of a client that half-closed it."""
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while await loop.sock_recv(sock, 65536):
            pass


async def _left(client: Leave, port: int, vendors: Vendors, found: Found) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, client.before + client.sends)
        await _hear(sock, client.first)
        await _hear(sock, client.hears)
        if client.waits:
            await until(lambda: client.marker in vendors.asked)
        if client.pause_s:
            await asyncio.sleep(client.pause_s)
        found.left[client.marker] = _go(sock, client.way)
        if client.way == "half-close":
            await _ended(sock)
    if client.waits:
        await vendors.asked[client.marker].conversation.closed.wait()


async def _one(client: Leave, port: int, vendors: Vendors, found: Found, answer_bytes: int) -> None:
    found.heard_whole += bool(client.before) + (client.phase == "whole" and client.hears == answer_bytes)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await _left(client, port, vendors, found)
    except (OSError, TimeoutError, AssertionError) as error:
        found.unanswered.append(f"{client.marker} {client.way}: {type(error).__name__} {error}")


async def _turns(found: Found) -> None:
    """How much later than it asked to be this process is woken."""
    while True:
        due = time.monotonic() + 0.005
        await asyncio.sleep(0.005)
        found.turns_s.append(time.monotonic() - due)


async def _answer_bytes(port: int) -> int:
    """The size of a whole answer, as a client gets it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_first("measured"))
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return len(head) + len(ANSWER.partition(b"\r\n\r\n")[2])


async def _all_leave(requests: int, seed: int, proxy: Proxy, vendors: Vendors, found: Found) -> None:
    size = await _answer_bytes(proxy.port)
    clients = draws(requests, seed, size)
    await _settled(proxy, found)
    found.before = found.after

    async def work() -> None:
        for client in clients:
            await _one(client, proxy.port, vendors, found, size)

    turning = asyncio.create_task(_turns(found))
    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
    turning.cancel()


async def _settled(proxy: Proxy, found: Found) -> None:
    """Ask for the books until nothing more is held, but not for ever."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        found.after = await proxy.books()
        held = {**found.after["held"]}
        tasks, files = held.pop("tasks"), held.pop("files")
        calm = found.before.get("held", {"tasks": tasks, "files": files})
        still = any(held.values()) or tasks > calm["tasks"] or files > calm["files"]
        if not still or time.monotonic() > end:
            return
        await asyncio.sleep(0.05)  # the other process tells only when asked


async def measure(requests: int, seed: int, cpu: int | None) -> Found:
    """Start everything, let every client leave, read the books."""
    found = Found()
    async with (
        deaf() as nowhere,
        _vendors() as vendors,
        _proxy(cpu, vendors.cut.url, vendors.whole.url, nowhere) as proxy,
    ):
        await _all_leave(requests, seed, proxy, vendors, found)
        await _settled(proxy, found)
        for one in vendors.cut.conversations:
            found.kept += not one.closed.is_set()
        for marker, asked in vendors.asked.items():
            found.reached["whole" if asked.conversation.vendor is vendors.whole else "sim"] += 1
            if asked.conversation.vendor is vendors.cut and asked.conversation.closed.is_set() and marker in found.left:
                found.released_s.append(asked.conversation.closed_at - found.left[marker])
    return found


def rows(found: Found) -> list[Row]:
    """What was measured, beside the bars."""
    p99 = percentile_ms(found.released_s, 99)
    books = found.after
    uneven = max(found.counted, books["lines"], books["ids"], books["taken"]) - min(
        found.counted, books["lines"], books["ids"], books["taken"]
    )
    spread = f"{percentile_ms(found.released_s, 50):.2f}, {max(found.released_s, default=0) * 1e3:.1f} ms"
    return [
        Row("clients that left", str(len(found.left))),
        Row("requests taken up", str(books["taken"])),
        Row("of these at the vendor that ends no answer", str(found.reached["sim"])),
        Row("this process woken late, p99", f"{percentile_ms(found.turns_s, 99):.2f} ms"),
        Row("vendor released, p50 and the longest", spread),
        Row("vendor released, p99", f"{p99:.2f} ms", f"<= {RELEASE_MS:.0f} ms", p99 <= RELEASE_MS),
        zero("vendor connections kept", found.kept),
        Row("leaks", str(found.leaks or 0), "0", not found.leaks),
        zero("taken up, outcomes, lines, ids: difference", uneven),
        zero("counted ok and not written whole, or reverse", found.wrongly_ok),
        Row("outcomes nobody declared", str(found.undeclared or 0), "0", not found.undeclared),
        zero("defects in the log", books["faults"]),
        Row("clients not served as drawn", str(found.unanswered[:3] or 0), "0", not found.unanswered),
    ]


def main() -> int:
    """The command."""
    options = argparse.ArgumentParser(prog="python -m tests.load.aborts", description=__doc__.partition("\n")[0])
    options.add_argument("--requests", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=1)
    said = options.parse_args()
    proxy_cpu, own_cpu = two_cpus()
    os.sched_setaffinity(0, {own_cpu})
    return 0 if verdict(rows(asyncio.run(measure(said.requests, said.seed, proxy_cpu)))) else 1


if __name__ == "__main__":
    sys.exit(main())
