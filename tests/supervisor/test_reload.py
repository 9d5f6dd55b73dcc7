"""Loading the configuration anew, on real processes: by signal, by file, under load, and when it fails."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from pathlib import Path

from tests.source import none_of
from tests.supervisor.running import Running, configure, tiny, until

SUCCESSFUL = "paramwall_config_last_reload_successful"


async def answers_with(supervisor: Running, name: str) -> bool:
    return (await supervisor.post("/hello")).split()[1] == name


async def has_workers(supervisor: Running, count: int) -> bool:
    return len(await supervisor.serving()) == count


async def test_by_signal_and_by_file_valid_and_invalid(tmp_path: Path) -> None:
    async with tiny(tmp_path, name="a") as (supervisor, file):
        worker = await supervisor.serving()
        configure(file, name="b")
        await until(lambda: answers_with(supervisor, "b"), "the changed file is in use")
        await supervisor.hears(r"reloaded \(file change\): configuration b, before it a")
        supervisor.signal(signal.SIGHUP)
        await supervisor.hears(r"reloaded \(SIGHUP\): configuration b, before it b")
        assert await supervisor.metric("paramwall_config_info") == 1
        assert await supervisor.metric("paramwall_config_info", hash="b") == 1

        file.write_text("{")
        supervisor.signal(signal.SIGHUP)
        await supervisor.hears(
            r"error: not reloaded \(SIGHUP\), b stays in use: tiny\.json:1: not JSON.*hint: write JSON"
        )
        assert await answers_with(supervisor, "b")
        assert await supervisor.metric(SUCCESSFUL) == 0
        assert await supervisor.metric("paramwall_config_info", hash="b") == 1
        last = (await supervisor.status())["config"]["last_load"]
        assert (last["successful"], last["cause"]) == (False, "SIGHUP")
        assert "not JSON" in last["error"]
        configure(file, name="defect")
        await supervisor.hears(r"not reloaded \(file change\), b stays in use: RuntimeError: the loader is broken")

        configure(file, name="c", listen=1)
        await supervisor.hears("warning: the new value of `listen` needs a restart; all else is in use")
        assert await answers_with(supervisor, "c")
        assert await supervisor.metric(SUCCESSFUL) == 1
        assert sum("not reloaded" in line for line in supervisor.lines) == 2, "each failure is told once"
        assert not supervisor.said("`admin` needs")
        assert await supervisor.serving() == worker, "a swap keeps the workers"


async def test_what_a_swap_cannot_do(tmp_path: Path) -> None:
    """More and fewer workers, a worker that cannot swap, a successor that does not come to accept."""
    async with tiny(tmp_path, workers=1) as (supervisor, file):
        stream = asyncio.create_task(supervisor.post("/stream/100"))
        for wanted in (3, 1):
            configure(file, name=f"of-{wanted}", workers=wanted)
            supervisor.signal(signal.SIGHUP)
            await until(partial(has_workers, supervisor, wanted), f"{wanted} workers")
        assert len((await stream).splitlines()) == 100
        assert await supervisor.metric("paramwall_worker_restarts_total") == 0

        configure(file, name="cannot-swap")
        supervisor.signal(signal.SIGHUP)
        await supervisor.hears("could not take it over and is replaced: RuntimeError: this plane cannot swap")
        await until(lambda: answers_with(supervisor, "cannot-swap"), "its successor started with it")

        configure(file, name="dies-at-start")
        supervisor.signal(signal.SIGHUP)
        await supervisor.hears("configuration dies-at-start")
        before = await supervisor.serving()
        supervisor.signal(signal.SIGUSR2)
        await supervisor.hears(r"stays, its successor ended with exit code 1; its last line: RuntimeError: this plane")
        assert await supervisor.serving() == before
        assert await answers_with(supervisor, "dies-at-start")


async def test_five_reloads_a_second_under_a_hundred_streams(tmp_path: Path) -> None:
    """No stream is cut or changes its configuration, and the supervisor's descriptors do not grow. A worker that a busy
    machine keeps from answering for 5 s is replaced, which cuts none either.
    """
    async with tiny(tmp_path, name="c-0", workers=2, drain_grace_s=3.0) as (supervisor, file):
        stop, finished = asyncio.Event(), [0]
        open_fds = partial(supervisor.metric, "paramwall_process_open_fds", role="supervisor")

        async def stream() -> None:
            while not stop.is_set():
                lines = (await supervisor.post("/stream/40")).splitlines()
                assert (len(lines), len(set(lines))) == (40, 1)
                finished[0] += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(stream())
            await until(lambda: finished[0] > 0, "traffic flows")
            before, loop = await open_fds(), asyncio.get_running_loop()
            for number in range(1, 13):
                due = loop.time() + 0.2
                configure(file, name=f"c-{number}")
                supervisor.signal(signal.SIGHUP)
                await asyncio.sleep(due - loop.time())
            await until(lambda: answers_with(supervisor, "c-12"), "the last one is in use")
            assert abs(await open_fds() - before) <= 3
            stop.set()
        assert sum("reloaded" in line for line in supervisor.lines) >= 8
        told = [line for line in supervisor.lines if "warning" in line or "error" in line]
        late = [line for line in told if "has not answered within 5 s" in line]
        assert len(late) <= 1, late
        none_of((line for line in told if line not in late), "a warning")
