"""A supervisor as a process of its own, seen from outside: stderr, admin port, signals, processes.

Every process it starts carries a mark in its environment, so `strays` finds what outlived it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.canary_sweep import told

DEADLINE_S = 20.0
START_S = 90.0
"""Until it is ready: every process imports its modules first, on a busy machine beside many others."""
ROOT = Path(__file__).parents[2]
MARK = "PARAMWALL_TEST_MARK"


async def until(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:  # noqa: ANN401  (whatever is true)
    """Wait until the condition is true; it may be a coroutine function."""
    end = asyncio.get_running_loop().time() + deadline_s
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert asyncio.get_running_loop().time() < end, f"not within {deadline_s} s: {what}"
        await asyncio.sleep(0.01)


class Running:
    """One supervisor. `lines` is its stderr so far."""

    def __init__(self, process: asyncio.subprocess.Process, mark: str, session: aiohttp.ClientSession) -> None:
        self.process = process
        self.session = session
        self.lines: list[str] = []
        self._mark = f"{MARK}={mark}".encode()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode().rstrip())
            told("stderr of a process", line)

    def said(self, pattern: str) -> re.Match[str] | None:
        """The first match among the lines of stderr."""
        return next((found for line in self.lines if (found := re.search(pattern, line))), None)

    async def hears(self, pattern: str, deadline_s: float = DEADLINE_S) -> re.Match[str]:
        """Wait for a line."""

        def found() -> re.Match[str] | None:
            match = self.said(pattern)
            assert match or not self._reading.done(), f"it ended without saying {pattern}"
            return match

        try:
            match: re.Match[str] = await until(found, pattern, deadline_s)
        except AssertionError as exc:
            raise AssertionError(f"{exc}; stderr:\n" + "\n".join(self.lines)) from None
        return match

    @property
    def url(self) -> str:
        """Where clients connect."""
        match = self.said(r"listening on (https?://[^\s\"]+)")
        assert match is not None
        return match[1]

    @property
    def admin(self) -> str:
        """Where metrics and health are."""
        match = self.said(r"admin on (http://\S+)")
        assert match is not None
        return match[1]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ends(self, deadline_s: float = DEADLINE_S) -> int:
        """The exit code."""
        async with asyncio.timeout(deadline_s):
            code = await self.process.wait()
            await self._reading
        return code

    async def fetch(self, path: str, **options: Any) -> tuple[int, str]:  # noqa: ANN401  (aiohttp's options)
        """Status and body from the admin port."""
        async with self.session.get(self.admin + path, **options) as response:
            text = await response.text()
            told(f"the admin port's {path}", text)
            return response.status, text

    async def status(self) -> dict[str, Any]:
        status, body = await self.fetch("/status")
        assert status == 200
        found: dict[str, Any] = json.loads(body)
        return found

    async def workers(self) -> dict[int, str]:
        """Pids and states."""
        return {worker["pid"]: worker["state"] for worker in (await self.status())["workers"]}

    async def serving(self) -> set[int]:
        return {pid for pid, state in (await self.workers()).items() if state == "serving"}

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of all samples of a name with these labels."""
        _, text = await self.fetch("/metrics")
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def post(self, path: str) -> str:
        """A request to a worker, on a connection that may be kept. POST: a client must not repeat it by itself."""
        async with self.session.post(self.url + path) as response:
            assert response.status == 200
            return await response.text()

    def strays(self) -> list[int]:
        """Living processes with our mark, the supervisor among them."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if (
                        self._mark in (entry / "environ").read_bytes()
                        and b"\nState:\tZ" not in (entry / "status").read_bytes()
                    ):
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found


@asynccontextmanager
async def running(
    *arguments: str, cwd: Path = ROOT, environment: dict[str, str] | None = None, ready: bool = True
) -> AsyncIterator[Running]:
    """Start `python ARGUMENTS`, wait for "ready", and in the end see that nothing is left of it."""
    mark = uuid.uuid4().hex
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=cwd,
        env={**os.environ, **(environment or {}), MARK: mark},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60.0)) as session:
        supervisor = Running(process, mark, session)
        try:
            if ready:
                await supervisor.hears(r"\bready\b", START_S)
            yield supervisor
        finally:
            try:
                if process.returncode is None:
                    process.send_signal(signal.SIGTERM)
                    process.send_signal(signal.SIGTERM)
                    await supervisor.ends()
                await until(lambda: not supervisor.strays(), "no process is left")
            finally:
                for pid in supervisor.strays():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)


@asynccontextmanager
async def tiny(folder: Path, *, ready: bool = True, **said: Any) -> AsyncIterator[tuple[Running, Path]]:  # noqa: ANN401  (JSON)
    """A supervisor over tiny workers, and its configuration file."""
    file = folder / "tiny.json"
    configure(file, **said)
    async with running("-m", "tests.supervisor.tiny_serve", str(file), ready=ready) as supervisor:
        yield supervisor, file


def configure(file: Path, **said: Any) -> None:  # noqa: ANN401  (JSON)
    """Write a tiny configuration in one step, as an editor does."""
    new = file.with_suffix(".new")
    new.write_text(json.dumps({"name": "a", **said}))
    new.replace(file)
