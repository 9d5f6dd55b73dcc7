"""An endpoint to a scripted vendor, with a clock and a sleep that a test turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from proxy.config.values import Timeouts
from proxy.endpoint.endpoint import Endpoint
from tests.proxying import configured
from tests.wire.vendor import Vendor

BODY = b'{"model":"kimi-k2.6","messages":[{"role":"user","content":"hi"}]}'


class Turned:
    """A clock that only sleeping turns. `slept` holds every sleep."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds
        await asyncio.sleep(0)


@asynccontextmanager
async def endpoint_to(
    vendor: Vendor | str, turned: Turned, key: str = "", wait_s: float = 5.0
) -> AsyncIterator[Endpoint]:
    """`wait_s` is every timeout."""
    url = vendor if isinstance(vendor, str) else vendor.url
    said = {"api_key_env": "TEST_KEY"} if key else {}
    upstream = configured(url, vendor=said, environ={"TEST_KEY": key}).vendors[0]
    upstream = replace(upstream, timeouts=Timeouts(wait_s, wait_s, wait_s, None))
    endpoint = Endpoint(upstream, "paramwall-test/0", turned.clock)
    try:
        yield endpoint
    finally:
        await endpoint.close()
