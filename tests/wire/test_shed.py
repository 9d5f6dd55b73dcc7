"""What is given up first when there is not room for everything: the mirror, then checks, then new requests; an open
stream never is.

Here: the order, over real sockets, by taking room away step by step. Not here: how many requests a worker refuses in
what time (tests/load).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from proxy.contract.exchange import VERSION, Rates, encode
from proxy.metrics.cells import Registry
from proxy.metrics.shadow import ShadowMetrics
from proxy.shadow.shadow import Shadow
from tests.exposed import value
from tests.proxying import Proxy, configured, proxying
from tests.shadow.watching import AMPLE, until_heard, watching
from tests.wire.client import post, until, wired
from tests.wire.vendor import chunked, head, stream, vending, whole

PLACES: Final = 20
"""Small enough to fill one by one: 90 % are 18, 95 % are 19."""
DROPPED: Final = "paramwall_answers_dropped_total"
EVENT: Final = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
BEGUN: Final = head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked") + chunked(EVENT, last=b"")
ENDED: Final = chunked(EVENT, b"data: [DONE]\n\n")


def question(text: str, *, stream: bool = False) -> bytes:
    """A body that policy applies to."""
    said = {"model": "kimi-k2.6", "messages": [{"role": "user", "content": text}], "stream": stream}
    return orjson.dumps(said)


async def test_a_worker_that_fills_up_gives_up_mirror_then_checks_then_new_requests(tmp_path: Path) -> None:
    gate = asyncio.Event()
    limits = {"in_flight": PLACES}
    async with vending([BEGUN, gate, ENDED]) as vendor, vending([stream("{}")]) as reference, AsyncExitStack() as open_:
        watched = await open_.enter_async_context(watching(tmp_path, vendor.url, reference.url, limits=limits))
        streams = [await open_.enter_async_context(wired(watched.proxy.port)) for _ in range(PLACES + 1)]
        seen: list[tuple[float, float]] = []
        for number, one in enumerate(streams[:PLACES]):
            one.send(post(question(str(number), stream=True)))
            assert (await one.reader.readuntil(EVENT)).startswith(b"HTTP/1.1 200")
            shed = watched.fates().get(("shed", "busy"), 0)
            seen.append((shed, value(watched.registry, DROPPED, vendor="sim", reason="busy") or 0))
        assert seen == [(0, 0)] * 18 + [(1, 0), (2, 1)]

        streams[PLACES].send(post(question("too many", stream=True)))
        refused = await streams[PLACES].answer()
        assert (refused.status, refused.error()["code"], refused.value("retry-after")) == (503, "proxy-busy", b"1")
        assert [line["outcome"] for line in watched.proxy.lines] == ["shed"]
        assert (watched.fates()[("shed", "busy")], len(vendor.open())) == (2, PLACES)

        gate.set()
        ends = [await one.reader.readuntil(b"[DONE]\n\n\r\n0\r\n\r\n") for one in streams[:PLACES]]
        assert len(ends) == PLACES
        await until(watched.balanced)
        streams[PLACES].send(post(question("again", stream=True)))
        assert (await streams[PLACES].answer()).status == 200


async def test_while_the_scorer_takes_nothing_the_mirror_goes_first_and_no_request_does(tmp_path: Path) -> None:
    """Bodies for the mirror have half of the outbox, answers to be checked all of it."""
    answer = whole(b'{"choices":[],"note":"' + b"x" * 40_000 + b'"}')
    async with vending([answer]) as vendor, stuck_scorer(tmp_path, vendor.url) as (proxy, registry, shadow):
        steps: list[tuple[bool, bool]] = []
        async with wired(proxy.port) as client:
            while not (steps and steps[-1] == (True, True)):
                assert len(steps) < 200
                client.send(post(question(f"{len(steps)}" + "x" * 80_000)))
                assert (await client.answer()).status == 200
                shed = value(registry, "paramwall_mirror_total", vendor="sim", result="shed", reason="outbox_full")
                dropped = value(registry, DROPPED, vendor="sim", reason="outbox_full")
                steps.append((bool(shed), bool(dropped)))
        assert [step for i, step in enumerate(steps) if step not in steps[:i]] == [
            (False, False),
            (True, False),
            (True, True),
        ]
        assert shadow.outbox.waiting() <= shadow.outbox.limit


@asynccontextmanager
async def stuck_scorer(folder: Path, vendor_url: str) -> AsyncIterator[tuple[Proxy, Registry, Shadow]]:
    """A proxy whose scorer asks for everything and reads nothing."""
    settings: dict[str, Any] = {"reference": {"url": vendor_url}, "mirror": AMPLE, "signals": {"outbox": "1MiB"}}
    open_: list[asyncio.StreamWriter] = []
    config, registry, path = configured(vendor_url, **settings), Registry(), str(folder / "scorer")

    def asks(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_.append(writer)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(encode(Rates(VERSION, b"salt", {"sim": 1.0})))

    server = await asyncio.start_unix_server(asks, path)
    shadow = Shadow(config, ShadowMetrics(registry), path)
    shadow.start()
    try:
        async with proxying(config, tap=shadow) as proxy:
            await until_heard(shadow)
            yield proxy, registry, shadow
    finally:
        await shadow.close()
        for writer in open_:
            writer.transport.abort()
        server.close()
