"""The supervisor's life on real processes and sockets: start, crash, replacement, the end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from tests.supervisor.running import Running, tiny, until
from tests.supervisor.tiny import KEY, plan

REQUESTS = "paramwall_requests_total"


async def test_start_answer_and_stop(tmp_path: Path) -> None:
    async with tiny(tmp_path, workers=2, notices=["a notice"], warnings=["a warning"]) as (supervisor, _):
        assert len(await supervisor.serving()) == 2
        told = "\n".join(supervisor.lines)
        for part in (
            f"listening on {supervisor.url}",
            "vendor a: https://vendor.example/v1, profile tiny-profile, credential held by the proxy",
            f"policy for a: {plan('a').label}, repair",
            "paramwall: a notice",
            "paramwall: warning: a warning",
        ):
            assert part in told
        await supervisor.post("/hello")
        await supervisor.hears("^request /hello$")
        await check_admin(supervisor)
        supervisor.signal(signal.SIGINT)
        assert await supervisor.ends() == 0
        assert supervisor.lines[-1] == "paramwall: stopped"
        assert KEY not in "\n".join(supervisor.lines)


async def check_admin(supervisor: Running) -> None:
    assert await supervisor.fetch("/healthz") == (200, "ok\n")
    assert await supervisor.fetch("/readyz") == (200, "ready\n")
    for path in ("/index.html", "/metrics/", "/v1/models", "/favicon.ico"):
        code, text = await supervisor.fetch(path)
        assert code == 404
        assert text.count("\n") == 1
        assert all(name in text for name in ("/metrics", "/healthz", "/readyz", "/status", "/history", "/evidence"))
    status = await supervisor.status()
    assert status["vendors"] == [
        {
            "name": "a",
            "host": "vendor.example",
            "url": "https://vendor.example/v1",
            "profile": "tiny-profile",
            "policy": plan("a").label,
            "enforcement": "repair",
            "credentials": "held",
            "requests": 0,
        }
    ]
    assert status["config"]["hash"] == "a"
    assert status["config"]["last_load"]["successful"]
    assert [worker["place"] for worker in status["workers"]] == [0, 1]
    _, text = await supervisor.fetch("/metrics")
    _, open_text = await supervisor.fetch("/metrics", headers={"Accept": "application/openmetrics-text;version=9,*/*"})
    assert open_text.endswith("# EOF\n")
    for shown in (text, open_text, str(status)):
        assert KEY not in shown
    assert await supervisor.metric(REQUESTS, vendor="tiny") == 1
    assert await supervisor.metric("paramwall_workers") == 2
    assert await supervisor.metric("paramwall_config_info", hash="a") == 1
    assert await supervisor.metric("paramwall_process_cpu_seconds_total", role="worker") > 0
    assert await supervisor.metric("paramwall_process_open_fds", role="supervisor") > 5


async def test_a_killed_worker_is_replaced_and_nothing_counted_is_lost(tmp_path: Path) -> None:
    async with tiny(tmp_path, workers=2) as (supervisor, _):
        answered, scraped, stop = [0], [0.0], asyncio.Event()

        async def ask() -> None:
            while not stop.is_set():
                try:
                    await supervisor.post("/stream/1")
                except aiohttp.ClientError:
                    continue  # its worker was killed
                answered[0] += 1

        async def scrape() -> None:
            while not stop.is_set():
                now = await supervisor.metric(REQUESTS)
                assert now >= scraped[-1]
                scraped.append(now)

        async with asyncio.TaskGroup() as group:
            for work in (ask, ask, ask, ask, scrape):
                group.create_task(work())
            for killed in range(1, 3):
                victim = min(await supervisor.serving())
                os.kill(victim, signal.SIGKILL)
                await supervisor.hears(rf"worker {victim} was killed by SIGKILL")
                await until(partial(full, supervisor, without=victim), "a successor serves")
                assert await supervisor.metric("paramwall_worker_restarts_total", reason="killed") == killed
            stop.set()
        # A crash loses what was counted since the last report, which the scrapes keep recent.
        assert answered[0] * 0.5 < await supervisor.metric(REQUESTS) <= answered[0] + 8


async def full(supervisor: Running, without: int) -> bool:
    serving = await supervisor.serving()
    return len(serving) == 2 and without not in serving


async def test_a_worker_that_ends_by_itself_or_hangs_is_replaced(tmp_path: Path) -> None:
    async with tiny(tmp_path) as (supervisor, _):
        with pytest.raises(aiohttp.ClientError):
            await supervisor.post("/exit/3")
        await supervisor.hears(r"worker \d+ ended with exit code 3; .*its last line: the last words")
        await until(supervisor.serving, "a successor serves")
        assert await supervisor.metric("paramwall_worker_restarts_total", reason="exited") == 1

        await supervisor.post("/hello")
        counted = await supervisor.metric(REQUESTS)
        (stuck,) = await supervisor.serving()
        os.kill(stuck, signal.SIGSTOP)
        assert await supervisor.metric(REQUESTS) == counted, "its last known numbers stand in"
        assert await supervisor.metric("paramwall_worker_reports_missed_total") >= 1
        await until(partial(successor, supervisor, stuck), "it is killed and replaced")
        assert await supervisor.metric("paramwall_worker_restarts_total", reason="stuck") == 1
        assert await supervisor.metric(REQUESTS) == counted
        assert (await supervisor.status())["workers"][0]["restarts"] == 2


async def successor(supervisor: Running, former: int) -> bool:
    serving = await supervisor.serving()
    return bool(serving) and former not in serving


async def test_rolling_restart_under_load_fails_no_request(tmp_path: Path) -> None:
    async with tiny(tmp_path, workers=2, drain_grace_s=4.0) as (supervisor, _):
        before, stop, counts = await supervisor.serving(), asyncio.Event(), [0]

        async def ask(path: str) -> None:
            while not stop.is_set():
                text = await supervisor.post(path)
                assert text.endswith(" a\n")
                counts[0] += 1

        async with asyncio.TaskGroup() as group:
            for path in ["/stream/1"] * 6 + ["/stream/20"] * 14:
                group.create_task(ask(path))
            await until(lambda: counts[0] > 50, "traffic flows")
            supervisor.signal(signal.SIGUSR2)
            await supervisor.hears("workers replaced")
            await until(lambda: gone(supervisor, before), "the former workers have left")
            stop.set()
        assert len(await supervisor.serving()) == 2
        assert await supervisor.metric(REQUESTS) == counts[0], "those who left took nothing with them"
        assert await supervisor.metric("paramwall_worker_restarts_total", reason="rolling") == 2


async def gone(supervisor: Running, pids: set[int]) -> bool:
    return not pids & (await supervisor.workers()).keys()


async def test_sigterm_finishes_what_is_under_way_until_the_deadline(tmp_path: Path) -> None:
    async with tiny(tmp_path, workers=2, drain_s=1.5) as (supervisor, _):
        streams = [asyncio.create_task(supervisor.post("/stream/20")) for _ in range(6)]
        endless = asyncio.create_task(supervisor.post("/stream/100000"))
        await until(lambda: in_flight(supervisor, 7), "the streams are open")
        supervisor.signal(signal.SIGTERM)
        assert await until(lambda: not_ready(supervisor), "readiness is off") == "not ready: draining\n"
        assert (await supervisor.fetch("/healthz"))[0] == 200
        await until(lambda: refused(supervisor.url), "new clients are refused")
        assert {len(text.splitlines()) for text in await asyncio.gather(*streams)} == {20}
        assert supervisor.process.returncode is None
        with pytest.raises(aiohttp.ClientError):
            await endless
        assert await supervisor.ends(deadline_s=5.0) == 0


async def in_flight(supervisor: Running, count: int) -> bool:
    return bool((await supervisor.status())["in_flight"] == count)


async def not_ready(supervisor: Running) -> str:
    code, text = await supervisor.fetch("/readyz")
    return text if code == 503 else ""


def refused(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
    except ConnectionRefusedError:
        return True
    return False


async def test_a_second_sigterm_ends_it_now_without_faking_an_end(tmp_path: Path) -> None:
    async with tiny(tmp_path) as (supervisor, _):
        stream = asyncio.create_task(supervisor.post("/stream/100000"))
        await until(lambda: in_flight(supervisor, 1), "the stream is open")
        supervisor.signal(signal.SIGTERM)
        await supervisor.hears("stopping")
        supervisor.signal(signal.SIGTERM)
        assert await supervisor.ends(deadline_s=5.0) == 0
        with pytest.raises(aiohttp.ClientError):
            await stream


async def test_a_killed_supervisor_leaves_no_worker_and_breaks_no_stream(tmp_path: Path) -> None:
    async with tiny(tmp_path, workers=2) as (supervisor, _):
        stream = asyncio.create_task(supervisor.post("/stream/50"))
        await until(lambda: in_flight(supervisor, 1), "the stream is open")
        supervisor.signal(signal.SIGKILL)
        assert await supervisor.ends() == -signal.SIGKILL
        assert len((await stream).splitlines()) == 50
        await until(lambda: not supervisor.strays(), "no worker is left")


async def test_a_plane_that_cannot_drain_still_leaves(tmp_path: Path) -> None:
    async with tiny(tmp_path, name="cannot-drain") as (supervisor, _):
        supervisor.signal(signal.SIGTERM)
        assert await supervisor.ends() == 0
        assert supervisor.said("RuntimeError: this plane cannot drain")


async def test_workers_that_never_start_end_the_start(tmp_path: Path) -> None:
    worker = ["-I", "-S", "-c", "raise RuntimeError('this worker never starts')"]
    async with tiny(tmp_path, worker=worker, ready=False) as (supervisor, _):
        await supervisor.hears("admin on")
        assert (await supervisor.fetch("/readyz")) == (503, "not ready: no worker accepts connections\n")
        assert await supervisor.ends() == 1
        told = "\n".join(supervisor.lines)
        assert (
            "cannot start: no worker comes to accept: 5 died one after another; the last ended with exit code 1" in told
        )
        assert "RuntimeError: this worker never starts" in told
        assert "hint: " in told
        assert not supervisor.said("ready$")


async def test_sigterm_while_starting(tmp_path: Path) -> None:
    async with tiny(tmp_path, name="hangs-at-start", ready=False) as (supervisor, _):
        await supervisor.hears("admin on")
        await until(lambda: len(supervisor.strays()) == 2, "a worker is on its way")
        supervisor.signal(signal.SIGTERM)
        assert await supervisor.ends(deadline_s=5.0) == 0


async def test_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with tiny(tmp_path, admin=port, ready=False) as (supervisor, _):
            assert await supervisor.ends() == 1
            assert supervisor.lines[0].startswith(f"cannot start: cannot listen on 127.0.0.1:{port}: another process")
            assert "--admin HOST:PORT" in supervisor.lines[1]
