"""A few hundred requests of the bypass fuzz, and the proof that it finds something where there is something."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.bypass import drawn, fuzz, gauntlet, rolled
from tests.fuzz.judging import Tally
from tests.fuzz.requests import DAMAGES, PATHS, Request, request
from tests.source import ROOT

SEED = 26


def told(tally: Tally) -> str:
    return "\n".join([*map(str, tally.found[:3]), *tally.lines()])


@pytest.mark.usefixtures("needs_node")
async def test_nothing_gets_by() -> None:
    tally = await fuzz(800, SEED)
    assert not tally.found, told(tally)
    assert tally.requests == 800
    assert tally.forwarded > 150, "too little reached the vendor to prove anything"
    assert tally.compared > tally.forwarded * 0.8
    assert tally.unread.total() < tally.forwarded * 0.1
    assert tally.unread["node"] == 0, "every body that leaves is JSON to a reader without limits"


def test_nothing_gets_by_whatever_hypothesis_thinks_of() -> None:
    """Each example goes down every lane; a failing one is shrunk."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        running = runner.run(stack.enter_async_context(gauntlet(with_node=False)))

        @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.randoms(use_true_random=False))
        def nothing_gets_by(draw: Random) -> None:
            tally = Tally()
            runner.run(running.everywhere(request(draw), tally))
            assert not tally.found, told(tally)

        try:
            nothing_gets_by()
        finally:
            runner.run(stack.aclose())


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (b'{"model":"kimi-k2.6","messages":[],"chat_template_kwargs":{"thinkin\\u0067":false}}', True),
        (b'{"model":"kimi-k2.6","messages":[],"thinking":{"x":"\\"type\\":","typ\\u0065":"disabled"}}', True),
        (b'{"model":"kimi-k2.6","messages":[],"thinking":{"x\\u0065":1,"type":"dis\\u0061bled"}}', False),
        (b'{"model":"moonshotai/kimi-k2.6@preset/hot","messages":[],"temperature":2}', None),
        (b'{"model":"x/kimi-k2p6#accounts/a/deployments/b","messages":[],"temperature":2}', None),
    ],
)
async def test_what_once_got_by(body: bytes, refused: bool | None) -> None:
    """`refused` None: that depends on the enforcement."""
    tally = Tally()
    async with gauntlet(with_node=False) as running:
        await running.everywhere(Request("chat", (("Content-Type", "application/json"),), body, ""), tally)
    assert not tally.found, told(tally)
    if refused is not None:
        assert tally.forwarded == (0 if refused else tally.requests)


async def test_what_is_not_enforced_is_found() -> None:
    tally = Tally()
    async with gauntlet(with_node=False, enforcement="observe") as running:
        await running.run(rolled(300, SEED), tally)
    seen = {each.what.split()[2] for each in tally.found if each.kind == "bypass"}
    assert {"temperature", "top_p", "n", "presence_penalty", "hidden"} <= seen
    assert sum(each.kind == "bypass" for each in tally.found) > 200


def test_the_same_seed_gives_the_same_requests() -> None:
    assert rolled(50, 3) == rolled(50, 3)
    assert drawn(20, 3) == drawn(20, 3)
    assert rolled(50, 3) != rolled(50, 4)


def test_every_route_and_damage_is_drawn() -> None:
    requests = rolled(1500, 1)
    assert {each.route for each in requests} == set(PATHS)
    assert {each.damage for each in requests} == {"", *(damage.__name__.strip("_") for damage in DAMAGES)}


@pytest.mark.usefixtures("needs_node")
async def test_by_hand() -> None:
    command = (sys.executable, "-m", "tests.fuzz.bypass", "--requests", "150", "--seed", "2")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert process.returncode == 0, out + err
    assert b"bypasses 0 of 150" in out.splitlines()


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_nothing_gets_by_for_long() -> None:
    tally = await fuzz(20_000, SEED + 1)
    assert not tally.found, told(tally)
