"""The overload command in small: every request has one outcome, and every refusal is the declared one."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack

import uvloop

from proxy.wire.server import ACCEPTS_A_TURN
from tests.load.overload import Case, measure
from tests.proxying import configured, proxying
from tests.wire.vendor import vending, whole


def test_what_has_no_room_is_refused_and_nothing_is_cut() -> None:
    found = measure(Case("small", slots=4, chunks=4, gap_s=0.05), seconds=0.5, storms=1, cpus=None)
    assert found.unfair == 0
    assert found.miscounted == 0
    assert sum(len(one.refused_s) for one in found.storms) > 0
    assert sum(len(one.answered_s) for one in found.storms) >= found.case.slots


def test_many_connections_are_accepted_in_few_turns_of_the_loop() -> None:
    """By uvloop itself it is one a turn, and under load a turn takes milliseconds."""
    connections = 16 * ACCEPTS_A_TURN

    async def turns() -> int:
        async with vending([whole(b"{}")]) as vendor, proxying(configured(vendor.url)) as proxy:
            with ExitStack() as stack:
                for _ in range(connections):  # the kernel completes them; no turn is needed
                    stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port)))
                taken = 0
                while len(proxy.plane._front.connections) < connections:  # type: ignore[union-attr]
                    taken += 1
                    await asyncio.sleep(0)
                return taken

    assert uvloop.run(turns()) <= connections // 4
