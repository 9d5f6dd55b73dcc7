"""The gate fuzz without sockets: `python -m tests.fuzz.inprocess --requests 1000000 --seed 1`.

Here: generated bodies parsed, decided and encoded in this process, in great numbers. Not here: heads, framing and the
road to the vendor, which bypass.py takes over sockets. Invariants looked for: those of bypass.py, and that a body which
left is allowed unchanged when it is judged again.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random
from typing import Final

from proxy.policy.plan import Plan
from proxy.policy.verdict import Route
from proxy.wire.judge import judge
from proxy.wire.problems import Refused
from tests.fuzz.judging import HOSTS, Lane, Passage, Tally
from tests.fuzz.lawful import Host
from tests.fuzz.readers import Node, node
from tests.fuzz.requests import Request, request
from tests.fuzz.wire import Answer
from tests.proxying import configured

BATCH: Final = 500
SHOWN: Final = 10
_NOWHERE: Final = "http://127.0.0.1:9/v1"
_OURS: Final = {"x-paramwall-error-source": "proxy"}


@dataclass(frozen=True, slots=True)
class Gate:
    """A lane and the compiled policy that stands on it."""

    lane: Lane
    plan: Plan


def gates(enforcement: str = "") -> tuple[Gate, ...]:
    """The lanes of the bypass fuzz. `enforcement` overrides theirs."""
    found = []
    for contract, chosen in (("exact", HOSTS), ("range", HOSTS[:2])):
        usual = {"url": _NOWHERE, "credentials": "pass"}
        named = {
            f"v{at}": usual | {"profile": host.name, "enforcement": enforcement or firmly}
            for at, (host, firmly) in enumerate(chosen)
        }
        vendors = {vendor.name: vendor for vendor in configured(_NOWHERE, vendors=named, contract=contract).vendors}
        for at, (host, firmly) in enumerate(chosen):
            known = Host(host.name, host.switch, host.unasked, contract)
            found.append(Gate(Lane("", known, enforcement or firmly), vendors[f"v{at}"].plan))
    return tuple(found)


def passed(gate: Gate, sent: Request, tally: Tally, reader: Node | None) -> Coroutine[None, None, None] | None:
    """Send one body through a gate; what is to be awaited is the judgement of the body that left, if one did."""
    passage, route = Passage(gate.lane, sent, tally), Route(sent.route)
    tally.requests += 1
    try:
        judged = judge(gate.plan, route, sent.body)
    except Refused as refusal:
        tally.statuses[refusal.problem.status] += 1
        passage.refused(Answer(refusal.problem.status, _OURS, refusal.problem.body()))
        return None
    tally.statuses[200] += 1
    try:
        again = judge(gate.plan, route, judged.body)
        if again.body != judged.body or again.decision.actions:
            passage.found("not settled", again.decision.actions or "other bytes", judged.body)
    except Refused as refusal:
        passage.found("not settled", refusal.problem.code, judged.body)
    return passage.forwarded(judged.body, judged.decision.actions, reader)


async def fuzz(
    count: int,
    number: int,
    *,
    with_node: bool = True,
    enforcement: str = "",
    tell: Callable[[Tally], None] = lambda _: None,
) -> Tally:
    """Draw `count` bodies from a seed and send each through the next gate."""
    tally, draw, standing = Tally(), Random(number), gates(enforcement)
    async with AsyncExitStack() as stack:
        reader = await stack.enter_async_context(node()) if with_node else None
        while tally.requests < count:
            waiting = []
            for _ in range(min(BATCH, count - tally.requests)):
                gate = standing[tally.requests % len(standing)]
                judging = passed(gate, request(draw), tally, reader)
                if judging is not None:
                    waiting.append(judging)
            await asyncio.gather(*waiting)
            tell(tally)
    return tally


def main() -> int:
    """By hand: progress on stderr, the figures on stdout, exit code 1 when anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.inprocess", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    started = time.monotonic()

    def tell(tally: Tally) -> None:
        sys.stderr.write(f"\r{tally.requests} of {asked.requests}, found {len(tally.found)} ")

    tally = asyncio.run(fuzz(asked.requests, asked.seed, tell=tell))
    sys.stderr.write("\n")
    for each in tally.found[:SHOWN]:
        sys.stdout.write(f"{each}\n")
    for line in tally.lines():
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"seed {asked.seed}, {time.monotonic() - started:.0f} s\n")
    return 1 if tally.found else 0


if __name__ == "__main__":
    sys.exit(main())
