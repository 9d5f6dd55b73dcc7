"""Bad days of the real command: too few descriptors, a state directory that cannot be used, processes that crash.

Here: real processes, what the client sees, the line that says what happened and what to do, the metric that moves. Not
here: the supervisor's own life on tiny workers (tests/supervisor/test_life.py), restarts under load (tests/load).
Invariant: what concerns the scorer alone is never felt by a client.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp

from proxy.simulator import Options, Simulator
from proxy.supervisor.usage import usage_of
from tests.e2e.serving import chat, write
from tests.supervisor.running import Running, running, until
from tests.wire.client import asking, post

LIMITED: Final = (
    "import os, resource, sys; most = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_NOFILE, (most, most));"
    "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
)
BOUND: Final = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 1, 0, 0, 0);"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
"""Drops CAP_DAC_OVERRIDE from what may be had after exec (PR_CAPBSET_DROP)."""
SERVE: Final = ("-P", "-m", "proxy", "serve")
SCORER_S: Final = 60.0
"""A scorer that waits before it starts again waits ten seconds at most."""
FILES: Final = 128


@asynccontextmanager
async def serving(folder: Path, *before: str, **settings: Any) -> AsyncIterator[Running]:  # noqa: ANN401  (any JSON)
    """The command behind `before`, one worker and a state directory, in front of a simulator."""
    async with Simulator(Options(instant=True)) as vendor:
        vendors = [{"name": "sim", "url": vendor.url, "profile": "moonshot"}]
        write(folder, **{"vendors": vendors, "workers": 1, "state_dir": "state", **settings})
        async with running(*before, *SERVE, cwd=folder) as proxy:
            yield proxy


async def ask(proxy: Running) -> int:
    """One request: its status."""
    async with proxy.session.post(f"{proxy.url}/v1/chat/completions", json=chat()) as answer:
        await answer.read()
        return answer.status


async def ok(proxy: Running, count: int) -> bool:
    return await proxy.metric("paramwall_requests_total", outcome="ok") == count


async def scorer(proxy: Running) -> int:
    """The pid of the one that serves; 0 while there is none."""
    found = (await proxy.status())["scorer"]
    return int(found["pid"]) if found is not None and found["state"] == "serving" else 0


async def scored(proxy: Running) -> int:
    """Wait for one that serves."""
    return int(await until(partial(scorer, proxy), "a scorer serves", SCORER_S))


async def logged(proxy: Running, more_than: float) -> bool:
    return await proxy.metric("paramwall_scorer_log_rows_total") > more_than


def is_a_file(folder: Path) -> None:
    """Where the state directory should be."""
    (folder / "state").write_text("not a directory")


def is_another_programs(folder: Path) -> None:
    """A file of ours that is another program's."""
    (folder / "state").mkdir(mode=0o700)
    with closing(sqlite3.connect(folder / "state" / "paramwall.db")) as database:
        database.execute("PRAGMA application_id = 7")
        database.execute("CREATE TABLE kept (a)")
        database.commit()


def is_not_writable(folder: Path) -> None:
    """For root as well, without the capability to pass over permissions."""
    (folder / "state").mkdir(mode=0o500)


UNUSABLE: Final[tuple[tuple[Callable[[Path], None], str], ...]] = (
    (is_a_file, r"state\S* cannot be \w+: File exists; hint: .*--state-dir"),
    (is_another_programs, r"another program.*hint: .*--state-dir"),
    (is_not_writable, r"Permission denied; hint: .*user can write"),
)


async def test_a_state_directory_that_cannot_be_used_stops_the_scorer_alone(tmp_path: Path) -> None:
    """The scorer is started again and again, and tells why; the proxy is ready, and clients notice nothing."""
    is_a_file(tmp_path)
    async with serving(tmp_path, "-c", BOUND) as proxy:
        for number, (prepare, told) in enumerate(UNUSABLE):
            if number:
                prepare(tmp_path)
            assert await ask(proxy) == 200
            ended = r"scorer \d+ ended with exit code 1; another is started in \S+ s; its last line: "
            await proxy.hears(f"{ended}.*{told}", SCORER_S)
            assert (await proxy.fetch("/readyz"))[0] == 200
            assert await proxy.metric("paramwall_scorer_restarts_total", reason="never_ready") > number
            assert await ask(proxy) == 200
            (tmp_path / "state").rename(tmp_path / f"moved-{number}")
        await scored(proxy)
        await until(partial(ok, proxy, 2 * len(UNUSABLE)), "all are counted")


async def test_a_log_that_cannot_be_written_costs_no_client_and_what_waits_is_written_later(tmp_path: Path) -> None:
    """On a full disk (no file may grow, RLIMIT_FSIZE), and where the state directory is gone from its place."""
    async with serving(tmp_path) as proxy:
        pid = await scored(proxy)
        state, moved = tmp_path / "state", tmp_path / "moved"
        free = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        rounds: tuple[tuple[Callable[[], object], Callable[[], object], str], ...] = (
            (
                lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY)),
                lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, free),
                r"cannot be written.*hint: .*rows wait",
            ),
            (lambda: state.rename(moved), lambda: moved.rename(state), r"was removed or replaced.*hint: .*rows wait"),
        )
        for breaks, mends, told in rounds:
            breaks()
            written = await proxy.metric("paramwall_scorer_log_rows_total")
            failures = await proxy.metric("paramwall_scorer_log_failures_total")
            assert await ask(proxy) == 200
            await proxy.hears(told, SCORER_S)
            await until(partial(unwritten, proxy, failures), "it is counted", SCORER_S)
            assert await ask(proxy) == 200
            assert (await proxy.fetch("/readyz"))[0] == 200
            mends()
            await until(partial(logged, proxy, written), "what waited is written", SCORER_S)
        assert await scorer(proxy) == pid, "the scorer lived through it"


async def unwritten(proxy: Running, more_than: float) -> bool:
    return await proxy.metric("paramwall_scorer_log_failures_total") > more_than


async def test_a_scorer_or_a_worker_that_crashes_is_followed_by_another(tmp_path: Path) -> None:
    """The scorer while it mirrors: every request before, while there is none, and after is answered."""
    async with Simulator(Options(instant=True)) as reference:
        mirroring = {"reference": {"url": reference.url}, "mirror": {"fraction": "100%"}}
        async with serving(tmp_path, **mirroring) as proxy:
            pid = await scored(proxy)
            assert [await ask(proxy) for _ in range(5)] == [200] * 5
            os.kill(pid, signal.SIGKILL)
            assert [await ask(proxy) for _ in range(10)] == [200] * 10
            await proxy.hears(rf"scorer {pid} was killed by SIGKILL; another is started in", SCORER_S)
            assert await scored(proxy) != pid
            assert await proxy.metric("paramwall_scorer_restarts_total", reason="killed") == 1
            before = await proxy.metric("paramwall_mirror_total")
            assert await ask(proxy) == 200
            await until(partial(mirrored, proxy, before), "the next one pairs answers", SCORER_S)
            (worker,) = await proxy.serving()
            os.kill(worker, signal.SIGSEGV)
            await proxy.hears(rf"worker {worker} was killed by SIGSEGV; another is started in", SCORER_S)
            await until(partial(another, proxy, worker), "another serves", SCORER_S)
            assert await ask(proxy) == 200
            assert await proxy.metric("paramwall_worker_restarts_total", reason="killed") == 1
            await until(partial(ok, proxy, 17), "what the dead one had told is kept")


async def mirrored(proxy: Running, more_than: float) -> bool:
    return await proxy.metric("paramwall_mirror_total") > more_than


async def another(proxy: Running, than: int) -> bool:
    return bool(await proxy.serving() - {than})


@contextmanager
def connected(proxy: Running, count: int) -> Iterator[list[socket.socket]]:
    """So many connections, in order."""
    host, _, port = proxy.url.removeprefix("http://").partition(":")
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection((host, int(port)), timeout=10.0)) for _ in range(count)]


async def asked_on(opened: socket.socket) -> bytes:
    """One request on a connection that stands: what comes back first."""
    opened.sendall(post(asking()))
    return await asyncio.to_thread(opened.recv, 65536)


async def answered(proxy: Running) -> bool:
    try:
        return await ask(proxy) == 200
    except aiohttp.ClientError:
        return False


async def test_where_descriptors_run_out_clients_are_told_and_it_recovers(tmp_path: Path) -> None:
    """Connections at rest hold every descriptor of the worker: one that stands is told so, one too many is closed, and
    no processor is burnt over it.
    """
    async with serving(tmp_path, "-c", LIMITED, str(FILES)) as proxy:
        (worker,) = await proxy.serving()
        with connected(proxy, FILES + 72) as opened:
            await until(lambda: closed(opened[-1]), "one too many is closed")
            said = await asked_on(opened[0])
            assert said.startswith(b"HTTP/1.1 503 ")
            assert b'"files-full"' in said
            assert b"retry-after: 1" in said.lower()
            before = usage_of(worker)
            await asyncio.sleep(2.0)  # a span over which processor time is counted, not a wait for anything
            after = usage_of(worker)
            assert before is not None
            assert after is not None
            assert after.cpu_s - before.cpu_s < 1.0, "what cannot be accepted is not tried again and again"
            assert await proxy.metric("paramwall_requests_total", outcome="shed") == 1
            assert (await proxy.fetch("/readyz"))[0] == 200
            await proxy.hears(r'"status":503.*"code":"files-full"')
        await until(partial(answered, proxy), "it has recovered")
        assert await proxy.serving() == {worker}
        assert not proxy.said("Traceback|defect")


def closed(opened: socket.socket) -> bool:
    """Whether the proxy has closed it, without a word."""
    try:
        return opened.recv(1, socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
