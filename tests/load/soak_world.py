"""The world of the soak: vendors and a reference behind relays, the real proxy before them, and all that happens to it.

Here: what is set up, and each thing that can happen. Not here: when (soak.py), the clients, the books. Invariant: every
process that is signalled is one that `/status` of our own proxy names, or the proxy itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from proxy.simulator import Lengths, Lognormal, Options, Simulator, parse_faults
from proxy.simulator.toxics.parse import parse_toxics
from proxy.simulator.toxics.relay import Place, Relay
from tests.e2e.serving import serving, write
from tests.load.soak_books import Kill
from tests.load.soak_clients import MARKER
from tests.load.soak_memory import Sample, sample
from tests.supervisor.running import Running, until

SHORT: Final = Lengths(reasoning=Lognormal(20, 0.6), content=Lognormal(20, 0.6))
TOXICS: Final = (
    "latency:30ms,20ms=0.5",
    "latency:40ms=0.5@vendor",
    "bandwidth:32KiB=0.4",
    "bandwidth:512KiB=0.5@vendor",
    "slow-close:500ms=0.5",
    "timeout:1s=0.15",
    "timeout=0.1",
    "timeout=0.1@vendor",
    "reset-peer:300ms=0.15",
    "reset-peer=0.1@vendor",
    "slicer:60,30=0.4",
    "slicer:400,100=0.4@vendor",
    "limit-data:3000=0.2",
    "limit-data:100=0.1",
    "limit-data:700=0.15@vendor",
)
FAULTS: Final = (
    "cut-stream=0.1",
    "reset-stream=0.1",
    "cut-before-headers=0.1",
    "garbage-response=0.1",
    "unsolicited-bytes=0.1",
    "server-error=0.1",
    "service-unavailable=0.1",
    "rate-limited=0.1",
    "overloaded=0.1",
    "slow-first-token:5=0.05",
    "stalled-stream=0.05",
    "slow-tokens:0.05=0.1",
    "no-done=0.1",
    "error-in-stream=0.1",
    "empty-body=0.1",
    "gzip-answer=0.1",
    "set-cookie=0.2",
    "leaked-markers=0.1",
    "wrong-usage=0.1",
)
MIRROR_FAULTS: Final = (
    (),
    ("rate-limited=0.2",),
    ("server-error=0.3",),
    ("cut-stream=0.3",),
    ("garbage-response=0.2",),
)
MIRROR_TOXICS: Final = ((), ("timeout=0.5",), ("reset-peer=0.5",), ("reset-peer:300ms=0.5",), ("latency:200ms",))
_PROFILE: Final = "moonshot"
_TIMEOUTS: Final = {"connect": "2s", "first_byte": "2s", "idle": "2s", "total": "8s"}
_AMPLE: Final = {
    "requests_per_minute": 1_000_000,
    "requests_per_day": 1_000_000,
    "tokens_per_minute": 900_000_000,
    "tokens_per_day": 900_000_000,
}
_DRAIN: Final = {"timeout": "20s", "grace": "1s"}
_PATIENCE_S: Final = 180.0


@dataclass(slots=True)
class Heard:
    """A simulated vendor behind its relay, and what has reached it by its marker."""

    vendor: Simulator
    relay: Relay
    arrived: Counter[str] = field(default_factory=Counter)

    def take(self) -> None:
        """Count what came since."""
        while self.vendor.received:
            found = MARKER.search(self.vendor.received.popleft().body, 0, 400)
            self.arrived[found[0].decode() if found else "unmarked"] += 1
        self.vendor.abandoned_at.clear()


@dataclass(slots=True)
class World:
    """Everything but the clients."""

    folder: Path
    proxy: Running
    vendors: dict[str, Heard]
    reference: Heard
    draw: Random
    kills: list[Kill] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    _turn: int = 0

    def change_vendors(self) -> None:
        """Other toxics and faults for each vendor; now and then none."""
        for heard in self.vendors.values():
            heard.relay.set_toxics(parse_toxics(*self.draw.sample(TOXICS, self.draw.choice((0, 1, 2, 3)))))
            heard.vendor.set_faults(parse_faults(*self.draw.sample(FAULTS, self.draw.choice((0, 1, 2, 3)))))
        self.happened["toxics and faults changed"] += 1

    def change_reference(self) -> None:
        """Another trouble for the mirror, or none."""
        self.reference.relay.set_toxics(parse_toxics(*self.draw.choice(MIRROR_TOXICS)))
        self.reference.vendor.set_faults(parse_faults(*self.draw.choice(MIRROR_FAULTS)))
        self.happened["mirror troubles"] += 1

    def calm(self) -> None:
        """No toxics and no faults, for connections and answers to come."""
        for heard in (*self.vendors.values(), self.reference):
            heard.relay.set_toxics(())
            heard.vendor.set_faults(())

    def reload(self, *, valid: bool = True) -> None:
        """Another configuration and SIGHUP. Every other valid one retires the pools of connections."""
        self._turn += 1
        write(self.folder, **settings(self.vendors, self.reference, self._turn, valid=valid))
        self.proxy.signal(signal.SIGHUP)
        self.happened["reloads" if valid else "invalid reloads"] += 1

    async def roll(self) -> None:
        """Replace both workers, and wait until the former ones are gone."""
        former = set(await self.proxy.workers())
        self.proxy.signal(signal.SIGUSR2)
        await until(partial(self._are_others, former), "workers are replaced", _PATIENCE_S)
        self.happened["rolling restarts"] += 1

    async def _are_others(self, former: set[int]) -> bool:
        workers = await self.proxy.workers()
        return not former & workers.keys() and list(workers.values()) == ["serving", "serving"]

    async def kill_worker(self) -> None:
        """Kill -9 of a worker, right after its counts were read."""
        pid = self.draw.choice(sorted(await self.proxy.serving()))
        await self._kill("worker", pid)
        await until(partial(self._are_others, {pid}), "the worker is replaced", _PATIENCE_S)
        self.happened["workers killed"] += 1

    async def kill_scorer(self) -> None:
        """Kill -9 of the scorer."""
        scorer = (await self.proxy.status())["scorer"]
        await self._kill("scorer", scorer["pid"])
        await until(partial(self._scorer_follows, scorer["pid"]), "a scorer follows", _PATIENCE_S)
        self.happened["scorers killed"] += 1

    async def _scorer_follows(self, former: int) -> bool:
        scorer = (await self.proxy.status())["scorer"]
        return scorer is not None and scorer["pid"] != former and scorer["state"] == "serving"

    async def _kill(self, role: str, pid: int) -> None:
        counted_at = time.monotonic()
        await self.proxy.fetch("/metrics")
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not _lives(pid), f"{role} {pid} is gone")
        self.kills.append(Kill(role, counted_at, time.monotonic()))

    async def pids(self) -> dict[int, str]:
        """Every process of the proxy and its role."""
        status = await self.proxy.status()
        found = {self.proxy.process.pid: "supervisor"}
        found |= {worker["pid"]: "worker" for worker in status["workers"]}
        if status["scorer"] is not None:
            found[status["scorer"]["pid"]] = "scorer"
        return found

    async def measure(self) -> None:
        """One sample of every process."""
        for pid, role in (await self.pids()).items():
            taken = sample(time.monotonic(), role, pid)
            if taken is not None:
                self.samples.append(taken)

    async def counted(self) -> dict[str, Counter[tuple[str, ...]]]:
        """Every counter that the books need, by name and by the values of its labels; of gauges the open pairs."""
        _, text = await self.proxy.fetch("/metrics")
        found: dict[str, Counter[tuple[str, ...]]] = {name: Counter() for name in COUNTED}
        for family in text_string_to_metric_families(text):
            for each in family.samples:
                if each.name in COUNTED:
                    found[each.name][tuple(each.labels[label] for label in COUNTED[each.name])] += int(each.value)
        return found

    async def rest(self) -> dict[str, Counter[tuple[str, ...]]]:
        """Wait until nothing is under way, neither requests nor pairs nor lines; what was counted then."""

        async def resting() -> dict[str, Counter[tuple[str, ...]]] | None:
            await asyncio.sleep(0.2)
            counted = await self.counted()
            busy = counted["paramwall_requests_in_flight"] + counted["paramwall_shadow_open_pairs"]
            return None if any(busy.values()) else counted

        await until(resting, "nothing is under way", _PATIENCE_S)
        before = -1
        while before != len(self.proxy.lines):
            before = len(self.proxy.lines)
            await asyncio.sleep(1.0)
        found: dict[str, Counter[tuple[str, ...]]] = await until(resting, "nothing is under way", _PATIENCE_S)
        return found


COUNTED: Final[dict[str, Sequence[str]]] = {
    "paramwall_requests_total": ("route", "vendor", "stream", "outcome", "code"),
    "paramwall_upstream_requests_total": ("outcome",),
    "paramwall_mirror_total": ("result",),
    "paramwall_reference_requests_total": ("outcome",),
    "paramwall_requests_in_flight": (),
    "paramwall_shadow_open_pairs": (),
    "paramwall_log_lines_dropped_total": (),
}


def settings(vendors: dict[str, Heard], reference: Heard, turn: int, *, valid: bool = True) -> dict[str, Any]:
    """The configuration of a turn."""
    timeouts = {**_TIMEOUTS, "connect": f"{2 + turn // 2 % 2}s"}
    said: dict[str, Any] = {
        "vendors": [
            {"name": name, "url": url_of(each), "profile": _PROFILE, "credentials": "pass", "timeouts": timeouts}
            for name, each in vendors.items()
        ],
        "reference": {"url": url_of(reference), "profile": _PROFILE, "timeouts": _TIMEOUTS},
        "mirror": {**_AMPLE, "fraction": "40%", "raised_fraction": "50%", "pair_deadline": "12s"},
        "workers": 2,
        "drain": _DRAIN,
        "limits": {"in_flight": 2000 + turn, "write_stall": "5s"},
        "state_dir": "state",
        "retention": {"size": "64MiB"},
        "evidence": {"bodies": "disagreements", "size": "16MiB"},
    }
    return said if valid else {**said, "no_such_setting": turn}


def url_of(heard: Heard) -> str:
    """Its relay's."""
    return f"http://127.0.0.1:{heard.relay.port}/v1"


@asynccontextmanager
async def world(folder: Path, seed: int) -> AsyncIterator[World]:
    """Two vendors, a reference and the proxy; the first vendor answers at once, the second at a host's pace."""
    async with AsyncExitStack() as stack:
        instant = Options(instant=True, lengths=SHORT, received_size=100_000, seed=seed)
        paced = Options(speed=20.0, lengths=SHORT, received_size=100_000, seed=seed + 1)
        made = {}
        for name, options in (("sim", instant), ("other", paced), ("reference", instant)):
            vendor = await stack.enter_async_context(Simulator(options))
            port = int(vendor.url.removesuffix("/v1").rpartition(":")[2])
            made[name] = Heard(vendor, await stack.enter_async_context(Relay(Place("127.0.0.1", port), seed=seed)))
        reference = made.pop("reference")
        proxy = await stack.enter_async_context(serving(folder, **settings(made, reference, 0)))
        yield World(folder, proxy, made, reference, Random(seed))


def _lives(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
