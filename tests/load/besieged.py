"""A real proxy under attack, with good clients beside: the attack goes on and off, and their times are compared.

Proxy on one core; attackers (a program of its own), good clients and vendors on the other. Not here: which attack
(slow_headers.py, stuck_readers.py). Invariants: good clients ask at a fixed pace whatever comes back, and a time runs
from when a request was due; with and without an attack are measured in turns of the same length, so that what else runs
on the machine falls on both.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import bench.vendor
from bench.client import StreamClient, connect, request
from bench.processes import Program, free_port
from bench.workloads import body
from tests.load.bars import Row, percentile_ms

SLOWER: Final = 0.10
"""What an attack may add to the 99th percentile of good clients."""
_START_S: Final = 60.0
_SETTLE_S: Final = 3.0
"""From the end of an attack until the next turn: longer than the proxy lingers on a connection it has closed."""
_GIVEN_BACK_S: Final = 32.0
"""Free pages go back to the system every 30 s (proxy/child/process.py)."""
_GRACE_S: Final = 60.0
"""How long after its schedule an attacker may take to end."""
_CONNECTIONS: Final = 30
"""More than are busy at once: an answer to a good client takes 0.2 s, as a short one of a real vendor does."""


@dataclass(frozen=True, slots=True)
class Place:
    """What runs: the proxy, and where it listens. `vendors` are the ports of the `good` and the `flood` vendor."""

    proxy: Program
    port: int
    admin: int
    vendors: tuple[int, int]
    load_cpu: int | None

    def counted(self, name: str, *labels: str) -> int:
        """A metric's sum over the samples that have all these labels, each `name="value"`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        found = re.findall(rf"^{name}(?:\{{([^}}]*)\}})? ([\d.e+]+)$", text, re.MULTILINE)
        return int(sum(float(value) for said, value in found if all(label in said for label in labels)))


@dataclass(slots=True)
class Turn:
    """Some seconds of good clients, and what the attack beside them told. Memory in bytes."""

    good_s: list[float] = field(default_factory=list)
    failed: int = 0
    peak: int = 0
    after: int = 0
    kernel: int = 0
    attack: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Found:
    """All turns; `idle` is the proxy's memory before the first."""

    idle: int
    calm: list[Turn] = field(default_factory=list)
    attacked: list[Turn] = field(default_factory=list)

    @property
    def slower(self) -> float:
        """By how much the median of the turns' 99th percentiles grows under attack."""
        return _median_p99(self.attacked) / _median_p99(self.calm) - 1

    def rows(self) -> list[Row]:
        """What good clients saw."""
        each = ", ".join(
            f"{percentile_ms(calm.good_s, 99):.1f}/{percentile_ms(attacked.good_s, 99):.1f}"
            for calm, attacked in zip(self.calm, self.attacked, strict=True)
        )
        p50 = [
            statistics.median(percentile_ms(turn.good_s, 50) for turn in part) for part in (self.calm, self.attacked)
        ]
        asked = sum(len(turn.good_s) + turn.failed for turn in (*self.calm, *self.attacked))
        failed = sum(turn.failed for turn in (*self.calm, *self.attacked))
        return [
            Row("good requests", str(asked)),
            Row("good requests that failed", str(failed), "0", not failed),
            Row("good p50, calm/attacked", f"{p50[0]:.2f}/{p50[1]:.2f} ms"),
            Row("good p99 of each pair of turns", f"{each} ms"),
            Row("good p99 under attack", f"{self.slower:+.1%}", f"<= +{SLOWER:.0%}", self.slower <= SLOWER),
        ]


def _median_p99(turns: Sequence[Turn]) -> float:
    return statistics.median(percentile_ms(turn.good_s, 99) for turn in turns)


@contextmanager
def besieged(workers: int, limits: dict[str, str], cpus: tuple[int, int] | None) -> Iterator[Place]:
    """Vendors and a proxy, started and ended."""
    proxy_cpu, load_cpu = cpus or (None, None)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="load-")))

        def start(name: str, cpu: int | None, *command: str) -> Program:
            program = Program(name, (sys.executable, *command), cpu, folder)
            stack.callback(program.stop)
            return program

        good, flood, port, admin = (free_port() for _ in range(4))
        vendor = str(Path(bench.vendor.__file__))
        start("good", load_cpu, vendor, str(good), "--chunks", "10", "--gap", "0.02")
        start("flood", load_cpu, vendor, str(flood), "--chunks", "0", "--block", "64")
        file = folder / "paramwall.yaml"
        file.write_text(json.dumps(_settings(port, admin, {"good": good, "flood": flood}, limits)))
        command = ("-m", "proxy", "serve", "--config", str(file), "--workers", str(workers))
        place = Place(start("proxy", proxy_cpu, *command), port, admin, (good, flood), load_cpu)
        asyncio.run(_ready(place))
        yield place


def _settings(port: int, admin: int, vendors: dict[str, int], limits: dict[str, str]) -> dict[str, object]:
    return {
        "version": 1,
        "listen": f"127.0.0.1:{port}",
        "admin": f"127.0.0.1:{admin}",
        "vendors": [
            {
                "name": name,
                "url": f"http://127.0.0.1:{at}/v1",
                "profile": "openai-compatible",
                "credentials": "pass",
            }
            for name, at in vendors.items()
        ],
        "signals": {"fraction": "0%"},
        "limits": {"in_flight": 20_000, **limits},
        "drain": {"timeout": "1s", "grace": "0s"},
    }


async def _ready(place: Place) -> None:
    end = time.monotonic() + _START_S
    for port in (*place.vendors, place.port, place.admin):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                if time.monotonic() > end or not place.proxy.running():
                    raise RuntimeError(f"not ready; the proxy's last words:\n{place.proxy.said()}") from None
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break


class Good:
    """Clients that ask at a fixed pace, each on a connection of its own."""

    def __init__(self, clients: list[StreamClient]) -> None:
        self._clients = clients
        self._message = request(body("small", stream=True))

    async def ask(self, turn: Turn, rate: float, until: asyncio.Event) -> None:
        """Until told to stop, `rate` requests a second over all connections."""
        await asyncio.gather(*(self._ask(one, turn, len(self._clients) / rate, until) for one in self._clients))

    async def _ask(self, client: StreamClient, turn: Turn, gap_s: float, until: asyncio.Event) -> None:
        due = time.monotonic() + gap_s * self._clients.index(client) / len(self._clients)
        while not until.is_set():
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            try:
                await asyncio.wait_for(client.ask(self._message), _START_S)
            except (ConnectionError, TimeoutError):
                turn.failed += 1
                return
            turn.good_s.append(time.monotonic() - due)
            due = max(due + gap_s, time.monotonic() - gap_s)

    def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients:
            client.transport.abort()


async def alternated(place: Place, attack: Sequence[str], turns: int, rate: float) -> Found:
    """Good clients with the attack and without, in turns; a calm turn is as long as the attack before it, and where
    turns are compared long enough that the proxy gave memory back within it.
    """
    good = Good([await connect(place.port) for _ in range(_CONNECTIONS)])
    await _calm(place, good, 1.0, rate)
    found = Found(place.proxy.rss_bytes())
    for _ in range(turns):
        began = time.monotonic()
        found.attacked.append(await _attacked(place, good, attack, rate))
        took = time.monotonic() - began - _SETTLE_S
        found.calm.append(await _calm(place, good, max(took, _GIVEN_BACK_S if turns > 1 else 0.0), rate))
        found.attacked[-1].after = found.calm[-1].after
    good.close()
    return found


async def _calm(place: Place, good: Good, seconds: float, rate: float) -> Turn:
    turn, over = Turn(), asyncio.Event()
    asking = asyncio.create_task(good.ask(turn, rate, over))
    await asyncio.sleep(seconds)
    over.set()
    await asking
    turn.after = place.proxy.rss_bytes()
    return turn


async def _attacked(place: Place, good: Good, attack: Sequence[str], rate: float) -> Turn:
    turn, over = Turn(), asyncio.Event()
    pin = () if place.load_cpu is None else ("taskset", "-c", str(place.load_cpu))
    process = await asyncio.create_subprocess_exec(
        *pin, sys.executable, *attack, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    try:
        await asyncio.wait_for(process.stdout.readline(), _START_S)  # it has started, and attacks from here on
        telling = asyncio.create_task(process.stdout.read())
        asking = asyncio.create_task(good.ask(turn, rate, over))
        end = time.monotonic() + float(attack[-1]) + _GRACE_S
        while not telling.done() and time.monotonic() < end:
            await asyncio.wait([telling], timeout=1.0)
            turn.peak = max(turn.peak, place.proxy.rss_bytes())
            turn.kernel = max(turn.kernel, await asyncio.to_thread(_kernel_bytes, place))
        over.set()
        await asking
        turn.attack = json.loads(await asyncio.wait_for(telling, 1.0))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    await asyncio.sleep(_SETTLE_S)
    return turn


def _kernel_bytes(place: Place) -> int:
    """What the kernel holds for the proxy's side of all its connections (ss(8), skmem: r, w and backlog); 0 without
    that program.
    """
    ours = f"( sport = :{place.port} or dport = :{place.vendors[0]} or dport = :{place.vendors[1]} )"
    try:
        told = subprocess.run(["ss", "-tmnH", ours], capture_output=True, text=True, timeout=30, check=False).stdout
    except FileNotFoundError:
        return 0
    return sum(int(r) + int(w) + int(bl) for r, w, bl in re.findall(r"skmem:\(r(\d+),.*?,w(\d+),.*?,bl(\d+)", told))
