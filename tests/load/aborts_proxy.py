"""A data plane in a process of its own that tells on request what it holds and what it counted.

`python -m tests.load.aborts_proxy CUT WHOLE DEAF`, the URLs of its vendors. It prints its port, then one line of JSON
for every line it is sent, and ends with its input. Not here: clients, vendors and what is right (aborts.py). Invariant:
what is told is counted at the source: a request is taken up when its handler is called, whatever is counted after.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import orjson
import uvloop

from proxy.wire.aiohttp_hooks import Request
from tests.proxying import Proxy, configured, proxying
from tests.wire.leaks import descriptors, idle, samples, total

_VENDOR = {"profile": "openai-compatible", "credentials": "pass"}


class Taken:
    """Counts the requests that are taken up, before anything else happens to them."""

    def __init__(self, proxy: Proxy) -> None:
        self.requests = 0
        front = proxy.plane._front
        assert front is not None
        self._serve = front.serve
        front.serve = self.serve

    async def serve(self, request: Request) -> bool:
        self.requests += 1
        return await self._serve(request)


def books(proxy: Proxy, taken: Taken) -> dict[str, Any]:
    """What is held and counted now. Idle vendor connections are closed first: they are kept on purpose."""
    outcomes: dict[str, dict[str, int]] = {}
    for sample in samples(proxy, "paramwall_requests_total"):
        if sample.value:
            of_vendor = outcomes.setdefault(sample.labels["vendor"], {})
            name = sample.labels["outcome"]
            of_vendor[name] = of_vendor.get(name, 0) + int(sample.value)
    front, lanes = proxy.plane._front, proxy.plane._pipeline.plane.lanes.values()
    for lane in lanes:
        while lane.pool._idle:
            lane.pool._idle[-1].close("idle_closed")
    return {
        "taken": taken.requests,
        "outcomes": outcomes,
        "lines": len(proxy.lines),
        "ids": len({line["id"] for line in proxy.lines}),
        "faults": sum(line["event"] != "request" for line in proxy.lines),
        "held": {
            "tasks": len(asyncio.all_tasks()),
            "files": descriptors(),
            "clients": len(front.connections) if front is not None else 0,
            "vendor connections": sum(lane.pool.open_count() for lane in lanes)
            + int(total(proxy, "paramwall_upstream_connections")),
            "permits": proxy.plane.in_flight() + int(total(proxy, "paramwall_requests_in_flight")),
            "deadlines and permits": int(not idle(proxy)),
            "bytes of bodies": proxy.plane._admission.bodies.now,
        },
    }


async def tell(cut: str, whole: str, deaf: str) -> None:
    """Serve until the input ends."""
    more = {name: {**_VENDOR, "url": url} for name, url in (("whole", whole), ("unheard", deaf))}
    async with proxying(configured(cut, vendor=_VENDOR, more=more), tap=None) as proxy:
        taken = Taken(proxy)
        asked = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
        sys.stdout.write(f"{proxy.port}\n")
        sys.stdout.flush()
        while await asked.readline():
            sys.stdout.write(orjson.dumps(books(proxy, taken)).decode() + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(tell(*sys.argv[1:]))
