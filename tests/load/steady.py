"""Where the commands that restart and reload under load stand: a cheap vendor, the real proxy before it, good clients.

Here: three programs of their own, so that none waits for another's event loop. Not here: what is done to the proxy
(rolling.py, reloads.py). Invariant: lines of requests are dropped as they come, so a long run costs this process no
memory; all others are kept.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import bench.vendor
from bench.processes import Program, free_port
from tests.e2e.serving import serving, write
from tests.supervisor.running import ROOT, Running, until

GRACE_S: Final = 1.0
DRAIN: Final = {"timeout": "20s", "grace": f"{GRACE_S:g}s"}
_REQUEST: Final = re.compile(r'"event": ?"request"')
_FINISH_S: Final = 90.0


@dataclass(frozen=True, slots=True)
class Load:
    """What clients ask for: new connections a second, kept connections with their pause, open streams, and the stream
    they get: `chunks` of it, `gap_s` apart.
    """

    rate: float
    kept: int
    streams: int
    chunks: int = 20
    gap_s: float = 0.1
    pause_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Told:
    """What the clients counted, by kind; failures by kind and how."""

    seconds: float
    asked: dict[str, int]
    answered: dict[str, int]
    failed: dict[str, int]
    closed_idle: int
    told_to_close: int
    longest_s: float

    @property
    def rate(self) -> float:
        """Requests a second, over all kinds."""
        return sum(self.asked.values()) / self.seconds


class Clients:
    """A running process of clients."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def finish(self) -> Told:
        """Let them finish what is under way; what they counted."""
        async with asyncio.timeout(_FINISH_S):
            said, _ = await self._process.communicate(b"")  # which closes its standard input
        return Told(**json.loads(said))


@dataclass(slots=True)
class Steady:
    """The proxy, and its file in `folder`. `lines` are those of its log that are no request's."""

    proxy: Running
    folder: Path
    vendors: list[dict[str, Any]]
    load: Load
    port: int
    opening: int
    """How many lines it wrote until it was ready, in which its addresses are found."""
    lines: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def clients(self) -> AsyncIterator[Clients]:
        """Clients that ask from now on."""
        load = self.load
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.load.steady_clients", str(self.port), "--events", str(load.chunks + 1)),
            *("--rate", str(load.rate), "--kept", str(load.kept), "--streams", str(load.streams)),
            *("--pause", str(load.pause_s)),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            yield Clients(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def take_lines(self) -> None:
        """Keep those that are no request's, forget the others."""
        said = self.proxy.lines
        self.lines += [line for line in said[self.opening :] if not _REQUEST.search(line)]
        del said[self.opening :]

    def write(self, **settings: object) -> None:
        """Another configuration, as far as `settings` say; not yet in use."""
        write(self.folder, **{**_settings(self.vendors), **settings})

    async def ok(self) -> int:
        """Requests that the proxy counts as answered."""
        return int(await self.proxy.metric("paramwall_requests_total", outcome="ok"))

    async def at_rest(self) -> None:
        """Wait until no request is under way, and the pools have closed what was idle."""

        async def resting() -> bool:
            await asyncio.sleep(0.2)
            under_way = (await self.proxy.status())["in_flight"]
            return not under_way and not await self.proxy.metric("paramwall_upstream_connections")

        await until(resting, "nothing is under way and no connection is kept", _FINISH_S)
        self.take_lines()


def _settings(vendors: list[dict[str, Any]]) -> dict[str, Any]:
    return {"vendors": vendors, "workers": 2, "drain": DRAIN}


@asynccontextmanager
async def standing(folder: Path, load: Load) -> AsyncIterator[Steady]:
    """Everything but the clients."""
    port = free_port()
    arguments = [str(port), "--chunks", str(load.chunks), "--gap", str(load.gap_s)]
    vendor = Program("vendor", [sys.executable, bench.vendor.__file__, *arguments], None, folder)
    try:
        await until(lambda: _listens(port), "the vendor listens")
        vendors = [{"name": "sim", "url": f"http://127.0.0.1:{port}/v1", "profile": "moonshot"}]
        async with serving(folder, **_settings(vendors)) as proxy:
            yield Steady(proxy, folder, vendors, load, int(proxy.url.rpartition(":")[2]), len(proxy.lines))
    finally:
        vendor.stop()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a table."""

    name: str
    bar: str
    figure: str
    kept: bool


def table(title: str, bars: Sequence[Bar]) -> str:
    """As it is printed."""
    widths = [max(len(getattr(each, name)) for each in bars) for name in ("name", "bar", "figure")]
    rows = [
        "  ".join(text.ljust(width) for text, width in zip((each.name, each.bar, each.figure), widths, strict=True))
        + ("  ok" if each.kept else "  NOT OK")
        for each in bars
    ]
    return "\n".join([title, *rows, ""])
