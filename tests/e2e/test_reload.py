"""Reloads five times a second under open streams, and workers replaced under load: no request fails."""

from __future__ import annotations

import asyncio
import signal
import sys
from functools import partial
from pathlib import Path
from random import Random

import aiohttp
import pytest

from proxy.simulator import Options, Simulator
from proxy.simulator.options import Lengths, Lognormal
from tests.e2e.serving import chat, serving, write
from tests.supervisor.running import Running, until

DRAIN = {"timeout": "20s", "grace": "1s"}
SHORT = Lengths(reasoning=Lognormal(40, 0.3), content=Lognormal(40, 0.3))


async def stream(supervisor: Running, turn: int) -> None:
    """One stream, whole; the temperature differs, so every request is rewritten."""
    body = chat(stream=True, temperature=0.1 + turn % 7 / 10)
    async with supervisor.session.post(f"{supervisor.url}/v1/chat/completions", json=body) as answer:
        text = await answer.text()
        assert answer.status == 200, text
        assert answer.headers["x-paramwall-policy"].startswith("kimi-k2.6@")
    assert text.rstrip().endswith("data: [DONE]")


async def plain(supervisor: Running, session: aiohttp.ClientSession, turn: int) -> None:
    """One answer that is not streamed."""
    body = chat(temperature=0.1 + turn % 7 / 10)
    async with session.post(f"{supervisor.url}/v1/chat/completions", json=body) as answer:
        assert answer.status == 200, await answer.text()
        assert (await answer.json())["choices"][0]["finish_reason"] == "stop"


async def reloads(folder: Path, vendors: list[dict[str, str]], supervisor: Running, seconds: float) -> None:
    """Change the file and say so, five times a second. Every other change retires the pools of connections."""
    for turn in range(int(seconds * 5)):
        changed = [{**vendor, "timeouts": {"connect": f"{10 + turn // 2 % 2}s"}} for vendor in vendors]
        write(folder, vendors=changed, workers=2, drain=DRAIN, limits={"in_flight": 4000 + turn})
        supervisor.signal(signal.SIGHUP)
        await asyncio.sleep(0.2)


async def under_load(supervisor: Running, streams: int, change: asyncio.Task[None]) -> int:
    """Keep `streams` streams open until the change is over, beside half as many clients that ask, pause and ask again
    on a connection of theirs; how many requests were answered.
    """
    answered = 0
    dice = Random(streams)

    async def ask(turn: int) -> None:
        nonlocal answered
        while not change.done():
            await stream(supervisor, turn)
            answered += 1

    async def talk(turn: int) -> None:
        nonlocal answered
        async with aiohttp.ClientSession() as own:
            while not change.done():
                await plain(supervisor, own, turn)
                answered += 1
                await asyncio.sleep(dice.uniform(0.0, 0.3))

    async with asyncio.TaskGroup() as group:
        for turn in range(streams):
            group.create_task(ask(turn))
        for turn in range(streams // 2):
            group.create_task(talk(turn))
    await change
    return answered


async def check_reload(folder: Path, streams: int, seconds: float) -> None:
    async with Simulator(Options(speed=4.0, lengths=SHORT)) as vendor:
        vendors = [{"name": "sim", "url": vendor.url, "profile": "moonshot"}]
        async with serving(folder, vendors, workers=2, drain=DRAIN) as supervisor:
            change = asyncio.create_task(reloads(folder, vendors, supervisor, seconds))
            answered = await under_load(supervisor, streams, change)
            assert answered >= streams
            assert await supervisor.metric("paramwall_requests_total", outcome="ok") == answered
            assert len([line for line in supervisor.lines if "reloaded" in line]) >= seconds
            sys.stdout.write(f"{answered} requests answered, none failed\n")


async def check_rolling(folder: Path, streams: int, times: int) -> None:
    async with Simulator(Options(speed=20.0, lengths=SHORT)) as vendor:
        vendors = [{"name": "sim", "url": vendor.url, "profile": "moonshot"}]
        async with serving(folder, vendors, workers=2, drain=DRAIN) as supervisor:

            async def replace() -> None:
                for turn in range(1, times + 1):
                    supervisor.signal(signal.SIGUSR2)
                    await until(partial(told, supervisor, "workers replaced", turn), f"replacement {turn}")

            answered = await under_load(supervisor, streams, asyncio.create_task(replace()))
            assert answered >= streams
            assert await supervisor.metric("paramwall_requests_total", outcome="ok") == answered
            sys.stdout.write(f"{answered} requests answered, none failed\n")


def told(supervisor: Running, what: str, times: int) -> bool:
    return len([line for line in supervisor.lines if what in line]) >= times


async def test_reload_under_streams(tmp_path: Path) -> None:
    await check_reload(tmp_path, streams=30, seconds=3)


async def test_rolling_restart_under_load(tmp_path: Path) -> None:
    await check_rolling(tmp_path, streams=10, times=1)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_reload_under_a_hundred_streams_for_a_minute(tmp_path: Path) -> None:
    """`.venv/bin/pytest -m long tests/e2e/test_reload.py`."""
    await check_reload(tmp_path, streams=100, seconds=60)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_ten_rolling_restarts_under_load(tmp_path: Path) -> None:
    """`.venv/bin/pytest -m long tests/e2e/test_reload.py`."""
    await check_rolling(tmp_path, streams=40, times=10)
