"""The bypass fuzz: `python -m tests.fuzz.bypass --requests 100000 --seed 1`.

Here: generated requests through data planes on real sockets. Not here: what is generated (requests.py), how what came
out is judged (judging.py), the same without sockets (inprocess.py). Invariants looked for:
every body that reached the vendor is lawful to every reader; no byte changed that no receipt tells; what does not reach
the vendor is refused with a 4xx in the documented shape that repeats nothing of the client's.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.judging import HOSTS, Lane, Passage, Tally
from tests.fuzz.lawful import Host
from tests.fuzz.readers import Node, node
from tests.fuzz.requests import PATHS, Request, request
from tests.fuzz.wire import NUMBER, RawClient, RecordingVendor, clients
from tests.proxying import configured, proxying

BATCH: Final = 400
SHOWN: Final = 10


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

        passage = Passage(lane, sent, tally)
        if answer.status != 200:
            if bodies:
                passage.found("forwarded and refused", str(answer.status), bodies[0])
            passage.refused(answer)
            return
        if len(bodies) != 1:
            passage.found("forwarded more than once", str(len(bodies)))
            return
        await passage.forwarded(bodies[0], answer.headers.get("x-paramwall-actions", ""), self._node)


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
