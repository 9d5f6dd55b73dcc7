"""The bypass fuzz: `python -m tests.fuzz.bypass --requests 100000 --seed 1`.

Here: generated requests through data planes on real sockets, and the judgement of everything that came out of them.
Not here: what is generated (requests.py), what is lawful (lawful.py), who reads (readers.py). Invariants looked for:
every body that reached the vendor is lawful to every reader; no byte changed that no receipt tells; what does not reach
the vendor is refused with a 4xx in the documented shape that repeats nothing of the client's.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import orjson
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.bytes_kept import Unsplit, differences
from tests.fuzz.lawful import INSTANT, Host, View, faults
from tests.fuzz.readers import READERS, Node, Unreadable, node
from tests.fuzz.requests import CANARY, PATHS, Request, request
from tests.fuzz.wire import NUMBER, Answer, RawClient, RecordingVendor, clients
from tests.proxying import configured, proxying

BATCH: Final = 400
SHOWN: Final = 10
_EXPECTED: Final = (400, 415)

HOSTS: Final[tuple[tuple[Host, str], ...]] = (
    (Host("moonshot", ("thinking", "type")), "repair"),
    (Host("moonshot", ("thinking", "type")), "strict"),
    (Host("openai-compatible", None), "repair"),
    (Host("vllm", ("chat_template_kwargs", "thinking")), "repair"),
    (Host("alibaba", ("enable_thinking",), unasked=INSTANT), "repair"),
    (Host("openrouter", ("reasoning", "enabled")), "strict"),
)
"""Vendors by profile, and how firmly the policy is enforced before them."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One way through a proxy: the prefix of its paths, the vendor behind it, how firmly the policy is enforced."""

    prefix: str
    host: Host
    enforcement: str


@dataclass(frozen=True, slots=True)
class Found:
    """Something that must not be."""

    kind: str
    what: str
    lane: Lane
    request: Request
    received: bytes

    def __str__(self) -> str:
        lane = f"{self.lane.host.name} {self.lane.enforcement} {self.lane.host.contract}"
        return f"{self.kind}: {self.what}\n  lane {lane}\n  sent {self.request!r}\n  received {self.received[:3000]!r}"


@dataclass(slots=True)
class Tally:
    """What came of all requests."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    edited: int = 0
    compared: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    found: list[Found] = field(default_factory=list)

    @property
    def forwarded(self) -> int:
        return self.statuses[200]

    def lines(self) -> Iterator[str]:
        """The figures, one a line."""
        yield f"requests {self.requests}"
        yield f"forwarded {self.forwarded} (of these edited {self.edited}; bytes compared {self.compared})"
        for status, count in sorted(self.statuses.items()):
            if status != 200:
                yield f"refused with {status}: {count}"
        for code, count in self.codes.most_common():
            yield f"  {code}: {count}"
        for reader, count in sorted(self.unread.items()):
            yield f"forwarded but unreadable to {reader}: {count}"
        for kind, count in sorted(Counter(each.kind for each in self.found).items()):
            yield f"{kind}: {count}"
        yield f"bypasses {sum(each.kind == 'bypass' for each in self.found)} of {self.requests}"


class Gauntlet:
    """Lanes, connections and readers. `run` sends requests and judges what came of them."""

    def __init__(self, vendor: RecordingVendor, lanes: Sequence[tuple[Lane, RawClient]], reader: Node | None) -> None:
        self._vendor = vendor
        self._lanes = lanes
        self._node = reader
        self._number = 0

    async def run(self, requests: Sequence[Request], tally: Tally) -> None:
        """Send these, a few at a time, each down the next lane."""
        waiting = iter(requests)
        await asyncio.gather(*(self._work(lane, client, waiting, tally) for lane, client in self._lanes))

    async def everywhere(self, each: Request, tally: Tally) -> None:
        """Send one request down every lane."""
        for lane, client in self._lanes:
            await self._one(lane, client, each, tally)

    async def _work(self, lane: Lane, client: RawClient, waiting: Iterator[Request], tally: Tally) -> None:
        for each in waiting:
            await self._one(lane, client, each, tally)

    async def _one(self, lane: Lane, client: RawClient, sent: Request, tally: Tally) -> None:
        self._number += 1
        number = self._number
        fields = (*sent.headers, (NUMBER, str(number)))
        answer = await client.post(lane.prefix + PATHS[sent.route], fields, sent.body)
        bodies = self._vendor.bodies.pop(number, [])
        tally.requests += 1
        tally.statuses[answer.status] += 1

        def found(kind: str, what: str, received: bytes = b"") -> None:
            tally.found.append(Found(kind, what, lane, sent, received))

        if answer.status != 200:
            if bodies:
                found("forwarded and refused", str(answer.status), bodies[0])
            tally.codes[_refusal(answer, found)] += 1
            return
        if len(bodies) != 1:
            found("forwarded more than once", str(len(bodies)))
            return
        await self._judge(lane, sent, bodies[0], answer, tally, found)

    async def _judge(
        self,
        lane: Lane,
        sent: Request,
        body: bytes,
        answer: Answer,
        tally: Tally,
        found: Callable[[str, str, bytes], None],
    ) -> None:
        read = 0
        for view in await self._views(body, tally):
            read += 1
            for fault in faults(view, sent.route, lane.host):
                found("bypass", f"{view.reader} reads {fault}", body)
        if not read:
            found("bypass", "forwarded, and no reader makes anything of it", body)
        actions = answer.headers.get("x-paramwall-actions", "")
        tally.edited += bool(actions)
        if sent.damage in ("", "bytes_changed", "content_type", "tail"):
            try:
                for difference in differences(sent.body, body, actions):
                    found("changed bytes", difference, body)
                tally.compared += 1
            except Unsplit:
                tally.unread["the splitter"] += 1

    async def _views(self, body: bytes, tally: Tally) -> list[View]:
        views = []
        for reader in READERS:
            try:
                views.append(reader(body))
            except Unreadable:
                tally.unread[reader.__name__.removeprefix("read_")] += 1
        if self._node is not None:
            try:
                views.append(await self._node.read(body))
            except Unreadable:
                tally.unread["node"] += 1
        return views


def _refusal(answer: Answer, found: Callable[[str, str], None]) -> str:
    """The code of a refusal; what is wrong with its shape is found."""
    if answer.status not in _EXPECTED:
        found("bad refusal", f"status {answer.status}")
    try:
        error: Any = orjson.loads(answer.body)["error"]
        message, kind, param, code = (error[name] for name in ("message", "type", "param", "code"))
    except (ValueError, KeyError, TypeError):
        found("bad refusal", f"no error object: {answer.body[:200]!r}")
        return "no code"
    if not (isinstance(message, str) and message and isinstance(code, str) and isinstance(param, str | None)):
        found("bad refusal", "members of the wrong type")
    if kind != "invalid_request_error" or answer.headers.get("x-paramwall-error-source") != "proxy":
        found("bad refusal", "not marked as ours")
    if CANARY.encode() in answer.body or CANARY in str(answer.headers):
        found("bad refusal", "repeats the client's text")
    return str(code)


@asynccontextmanager
async def gauntlet(*, with_node: bool, enforcement: str = "") -> AsyncIterator[Gauntlet]:
    """Two data planes, one for each published contract, with hosts behind both. `enforcement` overrides theirs."""
    async with AsyncExitStack() as stack:
        vendor = await stack.enter_async_context(RecordingVendor())
        named = {
            f"v{at}": {
                "url": vendor.url,
                "profile": host.name,
                "enforcement": enforcement or firmly,
                "credentials": "pass",
            }
            for at, (host, firmly) in enumerate(HOSTS)
        }
        lanes: list[tuple[Lane, RawClient]] = []
        for contract in ("exact", "range"):
            proxy = await stack.enter_async_context(proxying(configured(vendor.url, vendors=named, contract=contract)))
            chosen = HOSTS if contract == "exact" else HOSTS[:2]
            opened = await stack.enter_async_context(clients(proxy.port, len(chosen)))
            for at, ((host, firmly), client) in enumerate(zip(chosen, opened, strict=True)):
                known = Host(host.name, host.switch, host.unasked, contract)
                lanes.append((Lane(f"/vendors/v{at}/v1", known, enforcement or firmly), client))
        reader = await stack.enter_async_context(node()) if with_node else None
        yield Gauntlet(vendor, lanes, reader)


def drawn(count: int, number: int) -> list[Request]:
    """`count` requests drawn by hypothesis from a seed."""
    made: list[Request] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=False))
    def collect(draw: Random) -> None:
        made.append(request(draw))

    collect()
    return made[:count]


def rolled(count: int, number: int) -> list[Request]:
    """`count` requests drawn evenly from a seed."""
    dice = Random(number)
    return [request(dice) for _ in range(count)]


async def fuzz(count: int, number: int, tell: Callable[[Tally], None] = lambda _: None) -> Tally:
    """Send `count` requests: every fourth batch is drawn by hypothesis, which likes extremes, the others evenly."""
    tally = Tally()
    async with gauntlet(with_node=True) as running:
        batch = 0
        while tally.requests < count:
            size = min(BATCH, count - tally.requests)
            make = drawn if batch % 4 == 1 else rolled
            await running.run(make(size, number * 1_000_003 + batch), tally)
            batch += 1
            tell(tally)
    return tally


def main() -> int:
    """By hand: progress on stderr, the figures on stdout, exit code 1 when anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.bypass", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    given_arguments = parser.parse_args()
    started = time.monotonic()

    def tell(tally: Tally) -> None:
        sys.stderr.write(f"\r{tally.requests} of {given_arguments.requests}, found {len(tally.found)} ")

    tally = asyncio.run(fuzz(given_arguments.requests, given_arguments.seed, tell))
    sys.stderr.write("\n")
    kinds = {f"{each.kind} {' '.join(each.what.split()[2:4])}": each for each in reversed(tally.found)}
    for each in list(kinds.values())[:SHOWN]:
        sys.stdout.write(f"{each}\n")
    for line in tally.lines():
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"seed {given_arguments.seed}, {time.monotonic() - started:.0f} s\n")
    return 1 if tally.found else 0


if __name__ == "__main__":
    sys.exit(main())
