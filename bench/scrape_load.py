"""Load on a proxy as a program of its own: keep-alive connections, one request at a time each.

Not here: what is made of the figures (scrape.py). Invariant: with a rate, a request's time runs from the moment it was
due, so that a proxy that stalls cannot hide it by slowing its clients down.

    python -m bench.scrape_load PORT --connections 64 --rate 1000 --seconds 8      one line of JSON
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from functools import partial
from typing import Final, cast

import uvloop

from bench.client import request
from bench.workloads import body

_WARM_S: Final = 1.0


class Client(asyncio.Protocol):
    """One connection. `every_s`: from one request's due moment to the next; 0: as soon as the last is answered."""

    transport: asyncio.Transport

    def __init__(self, message: bytes, first_s: float, every_s: float, counted_from_s: float) -> None:
        self.message = message
        self.every_s = every_s
        self.due_s = first_s
        self.counted_from_s = counted_from_s
        self.taken_s: list[float] = []
        self.failed = 0
        self._left = 0
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._loop.call_at(self.due_s, self._ask)

    def _ask(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.message)

    def data_received(self, data: bytes) -> None:
        if not self._left:
            head, _, _ = data.partition(b"\r\n\r\n")
            self.failed += not head.startswith(b"HTTP/1.1 200 ")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self._left = len(head) + 4 + int(length)
        self._left -= len(data)
        if self._left:
            return
        now = self._loop.time()
        if self.due_s >= self.counted_from_s:
            self.taken_s.append(now - self.due_s)
        self.due_s = max(self.due_s + self.every_s, now) if not self.every_s else self.due_s + self.every_s
        if self.due_s > now:
            self._loop.call_at(self.due_s, self._ask)
        else:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self.failed += exc is not None


async def loaded(port: int, connections: int, rate: float, seconds: float) -> dict[str, float]:
    """Requests a second, and the percentiles of their times in ms."""
    loop = asyncio.get_running_loop()
    message = request(body("small", stream=False))
    every_s = connections / rate if rate else 0.0
    begin_s = loop.time() + 0.1
    clients: list[Client] = []
    for place in range(connections):
        first_s = begin_s + place * (every_s or _WARM_S / 4) / connections
        _, client = await loop.create_connection(
            partial(Client, message, first_s, every_s, begin_s + _WARM_S), "127.0.0.1", port
        )
        clients.append(client)
    await asyncio.sleep(begin_s + _WARM_S + seconds - loop.time())
    taken = [value for client in clients for value in client.taken_s]
    for client in clients:
        client.transport.abort()
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    failed = sum(client.failed for client in clients)
    return {"rate": len(taken) / seconds, "p50_ms": cuts[49] * 1e3, "p99_ms": cuts[98] * 1e3, "failed": failed}


def main() -> None:
    options = argparse.ArgumentParser(description="Keep-alive load on loopback.")
    options.add_argument("port", type=int)
    options.add_argument("--connections", type=int, default=64)
    options.add_argument("--rate", type=float, default=0.0, help="requests a second; 0: as many as are answered")
    options.add_argument("--seconds", type=float, default=8.0)
    said = options.parse_args()
    print(json.dumps(uvloop.run(loaded(said.port, said.connections, said.rate, said.seconds))))


if __name__ == "__main__":
    main()
