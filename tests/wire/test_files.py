"""Too few file descriptors: no vendor gets the last ones, and clients are told so until there are more."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from proxy.wire.dial import RESERVED
from tests.proxying import configured, proxying
from tests.wire.client import asking, post, wired
from tests.wire.leaks import outcomes
from tests.wire.vendor import vending, whole

OK = whole(b"{}")
MOST = 256
LEFT = MOST - min(RESERVED, MOST // 8)
"""The first descriptor that is kept for clients."""


@contextmanager
def filled(below: int) -> Iterator[None]:
    """No descriptor of this process is free below this number, and there may be MOST."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        while True:
            descriptor = os.open(os.devnull, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            if descriptor >= below - 1:
                break
        resource.setrlimit(resource.RLIMIT_NOFILE, (MOST, limits[1]))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        yield


@pytest.mark.parametrize("below", [LEFT, MOST], ids=["only the reserve is left", "none is left"])
async def test_a_request_that_needs_a_descriptor_is_refused_and_the_next_one_is_not(below: int) -> None:
    async with vending([OK]) as vendor, proxying(configured(vendor.url)) as proxy, wired(proxy.port) as wire:
        with filled(below):
            wire.send(post(asking()))
            answer = await wire.answer()
            assert (answer.status, answer.error()["code"]) == (503, "files-full")
            assert answer.value("retry-after") == b"1"
        wire.send(post(asking()))
        assert (await wire.answer()).status == 200
        assert outcomes(proxy) == {"shed": 1, "ok": 1}


async def test_what_is_left_beside_the_reserve_is_used() -> None:
    async with vending([OK]) as vendor, proxying(configured(vendor.url)) as proxy, wired(proxy.port) as wire:
        with filled(LEFT - 4):
            wire.send(post(asking()))
            assert (await wire.answer()).status == 200
