"""The reference leg: what was asked of it is answered, also after another configuration took its place."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from proxy.scorer.reference import ReferenceLeg
from tests.endpoint.calling import BODY, Turned
from tests.proxying import configured
from tests.wire.vendor import vending, whole

OK = b'{"choices":[{"message":{"content":"OK"},"finish_reason":"stop"}]}'


async def test_calls_that_wait_for_room_are_made_before_the_leg_is_closed() -> None:
    go = asyncio.Event()
    async with vending(lambda _: (go, whole(OK))) as vendor:
        config = configured(vendor.url, reference={"url": vendor.url, "model": "kimi-k2.6"})
        assert config.reference is not None
        leg = ReferenceLeg(replace(config.reference, max_in_flight=1), Turned().clock, lambda: None)
        asked = [asyncio.create_task(leg.ask(BODY)) for _ in range(5)]
        closing = asyncio.create_task(leg.close_when_idle())
        await asyncio.sleep(0)
        assert not closing.done()
        go.set()
        async with asyncio.timeout(10):
            assert [(await one).reason for one in asked] == [""] * 5
            await closing
    assert len(vendor.asked) == 5
