"""Five times more requests than can be served: what still gets through, and how the rest is told.

`python -m tests.load.overload` loads one worker in two ways; in both the vendor takes a fixed time for an answer, so
capacity is `limits.in_flight` divided by it. `slots`: few answers, and a worker that has time. `swarm`: hundreds of
streams that the worker has to serve while it refuses. An open loop asks, in turns, for less than the capacity and for
five times as much, while further streams stay open throughout. The proxy has one CPU; vendors and clients have the
other.

Not here: the clients (overload_client.py), and which kind of work is shed first (tests/wire/test_shed.py). Invariant:
every request asked has one outcome, and the proxy's own count of refusals is the clients'.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

import bench.vendor
from bench.client import StreamClient, connect, request
from bench.processes import Program, free_port, raise_file_limit, two_cpus
from bench.workloads import body
from tests.load.overload_client import Clients, Tally

HELD: Final = 20
"""Streams that are open before the first request and after the last."""
CALM: Final = 0.8
STORM: Final = 5.0
"""Shares of the capacity that are asked for, in turns."""
GOODPUT: Final = 0.9
REFUSED_MS: Final = 20.0
GROWTH_BYTES: Final = 32 * 2**20
"""What the proxy's processes may grow by in a storm."""
_START_S: Final = 30.0
_RAMP_S: Final = 1.0
"""Of each turn, besides the time of an answer, before answers are counted: slots fill, then the first come free."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way of being full: answers under way at most, and the vendor's chunks and seconds between them."""

    name: str
    slots: int
    chunks: int
    gap_s: float

    @property
    def capacity(self) -> float:
        """Answers a second."""
        return self.slots / (self.chunks * self.gap_s)


CASES: Final = (
    Case("slots", slots=100, chunks=10, gap_s=0.02),
    Case("swarm", slots=200, chunks=100, gap_s=0.02),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs: the proxy, and where it listens."""

    proxy: Program
    port: int
    admin: int

    def shed(self) -> int:
        """Requests refused for lack of room, by the proxy's own count."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found = re.findall(r'^paramwall_requests_total\{[^}]*outcome="shed"[^}]*\} ([\d.e+]+)$', text, re.MULTILINE)
        return sum(int(float(value)) for value in found)


@dataclass(frozen=True, slots=True)
class Found:
    """One case, measured. `busy` is the part of its core that the proxy took, in calms and in storms, once they were
    full; `refusals` as the proxy counted them.
    """

    case: Case
    full_s: float
    calms: Sequence[Tally]
    storms: Sequence[Tally]
    busy: tuple[float, float]
    held_lost: int
    growth: int
    refusals: int

    @property
    def goodput(self) -> float:
        """Answers a second in the storms, once they were full, as a share of the capacity."""
        return self._per_second(self.storms) / self.case.capacity

    @property
    def refusal_us(self) -> float:
        """What a refusal takes of the processor: what a storm took beyond the answers it gave, at a calm's price."""
        answer = self.busy[0] / self._per_second(self.calms)
        refused = sum(len(storm.refused_s) / storm.seconds for storm in self.storms) / len(self.storms)
        return (self.busy[1] - answer * self._per_second(self.storms)) / refused * 1e6

    def _per_second(self, tallies: Sequence[Tally]) -> float:
        """Answers a second; one that lies only partly within the time that counts is counted in part."""
        answered = 0.0
        for one in tallies:
            for at, took in zip(one.answered_at, one.answered_s, strict=True):
                within = min(at, one.seconds) - max(at - took, one.seconds - self.full_s)
                answered += max(within, 0.0) / took
        return answered / (len(tallies) * self.full_s)

    @property
    def refused_ms(self) -> float:
        """99th percentile of all refusals."""
        return _p99_ms([second for one in self._all() for second in one.refused_s])

    @property
    def unfair(self) -> int:
        """Requests that were neither answered whole nor refused as declared, and streams cut."""
        return self.held_lost + sum(one.open + one.cut + len(one.odd) for one in self._all())

    @property
    def unsettled(self) -> int:
        """Requests refused in a calm, when there is room for all."""
        return sum(len(calm.refused_s) for calm in self.calms)

    @property
    def miscounted(self) -> int:
        """Refusals that only one side counted."""
        return abs(self.refusals - sum(len(one.refused_s) for one in self._all()))

    def _all(self) -> tuple[Tally, ...]:
        return (*self.calms, *self.storms)


def _p99_ms(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[98] * 1e3 if len(seconds) > 1 else 0.0


@contextmanager
def stage(case: Case, cpus: tuple[int, int] | None) -> Iterator[Stage]:
    """Two vendors and a proxy, started and ended."""
    proxy_cpu, load_cpu = cpus or (None, None)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="load-")))

        def start(name: str, cpu: int | None, *command: str) -> Program:
            program = Program(name, (sys.executable, *command), cpu, folder)
            stack.callback(program.stop)
            return program

        ports = {"storm": free_port(), "held": free_port(), "proxy": free_port(), "admin": free_port()}
        vendor = str(Path(bench.vendor.__file__))
        start("storm", load_cpu, vendor, str(ports["storm"]), "--chunks", str(case.chunks), "--gap", str(case.gap_s))
        start("held", load_cpu, vendor, str(ports["held"]), "--chunks", "0", "--gap", "0.1")
        file = folder / "paramwall.yaml"
        file.write_text(json.dumps(_settings(case, ports)))
        proxy = start("proxy", proxy_cpu, "-m", "proxy", "serve", "--config", str(file), "--workers", "1")
        found = Stage(proxy, ports["proxy"], ports["admin"])
        uvloop.run(_ready(found, [ports["storm"], ports["held"], ports["proxy"]]))
        yield found


def _settings(case: Case, ports: dict[str, int]) -> dict[str, object]:
    vendors = [
        {
            "name": name,
            "url": f"http://127.0.0.1:{ports[name]}/v1",
            "profile": "openai-compatible",
            "credentials": "pass",
        }
        for name in ("storm", "held")
    ]
    return {
        "version": 1,
        "listen": f"127.0.0.1:{ports['proxy']}",
        "admin": f"127.0.0.1:{ports['admin']}",
        "vendors": vendors,
        "signals": {"fraction": "0%"},
        "limits": {"in_flight": case.slots + HELD},
        "drain": {"timeout": "1s", "grace": "0s"},
    }


async def _ready(found: Stage, ports: Sequence[int]) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + _START_S
    for port in ports:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                if loop.time() > end or not found.proxy.running():
                    raise RuntimeError(f"not ready; the proxy's last words:\n{found.proxy.said()}") from None
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break


async def _held(port: int) -> list[StreamClient]:
    """Streams without an end, each begun."""
    message = request(body("small", stream=True)).replace(b" /v1/", b" /vendors/held/v1/", 1)
    streams = [await connect(port) for _ in range(HELD)]
    for one in streams:
        one.ask(message).add_done_callback(asyncio.Future.exception)
    async with asyncio.timeout(_START_S):
        while not all(one.reads for one in streams):  # noqa: ASYNC110  (many connections, one condition)
            await asyncio.sleep(0.01)
    return streams


async def _block(running: Stage, clients: Clients, rate: float, seconds: float, full_s: float) -> tuple[Tally, float]:
    """One schedule, and the part of a core that the proxy took in its last `full_s`."""
    asking = asyncio.create_task(clients.ask(rate, seconds))
    await asyncio.sleep(seconds - full_s)
    spent = running.proxy.cpu_s()
    await asyncio.sleep(full_s)
    spent = running.proxy.cpu_s() - spent
    return await asking, spent / full_s


async def _measured(case: Case, running: Stage, seconds: float, storms: int) -> Found:
    held = await _held(running.port)
    clients = Clients(running.port, request(body("small", stream=True)))
    ramp_s = case.chunks * case.gap_s + _RAMP_S
    blocks = [await _block(running, clients, CALM * case.capacity, ramp_s + seconds, seconds)]
    resting = running.proxy.rss_bytes()
    running.proxy.reset_peak()
    for share in (STORM, CALM) * storms:
        blocks += [await _block(running, clients, share * case.capacity, ramp_s + seconds, seconds)]
    growth = running.proxy.peak_bytes() - resting
    shed, before = running.shed(), [one.reads for one in held]
    await asyncio.sleep(0.5)
    lost = sum(one.lost or one.reads == reads for one, reads in zip(held, before, strict=True))
    clients.close()
    for one in held:
        one.transport.abort()
    calms, stormy = blocks[::2], blocks[1::2]
    busy = (statistics.fmean(part for _, part in calms), statistics.fmean(part for _, part in stormy))
    return Found(case, seconds, [one for one, _ in calms], [one for one, _ in stormy], busy, lost, growth, shed)


def measure(case: Case, seconds: float, storms: int, cpus: tuple[int, int] | None) -> Found:
    """Start everything, load it, end everything."""
    with stage(case, cpus) as running:
        return uvloop.run(_measured(case, running, seconds, storms))


def rows(found: Found) -> list[tuple[str, str, str, bool]]:
    """What was measured, beside the bar: what, figure, bar, whether it holds."""
    late = _p99_ms([second for one in (*found.calms, *found.storms) for second in one.late_s])
    refused = sum(len(one.refused_s) for one in found.storms)
    return [
        ("capacity, answers a second", f"{found.case.capacity:.0f}", "", True),
        ("requests refused", f"{refused} of {sum(one.asked for one in found.storms)}", "", True),
        ("requests sent late, p99", f"{late:.1f} ms", "", True),
        ("of the core, calm and storm", f"{found.busy[0]:.0%}, {found.busy[1]:.0%}", "", True),
        ("a refusal takes, about", f"{found.refusal_us:.0f} us", "", True),
        ("goodput at five times that", f"{found.goodput:.1%}", f">= {GOODPUT:.0%}", found.goodput >= GOODPUT),
        ("refusals, p99", f"{found.refused_ms:.1f} ms", f"<= {REFUSED_MS:.0f} ms", found.refused_ms <= REFUSED_MS),
        ("cut, lost or undeclared", str(found.unfair), "0", not found.unfair),
        ("refused in a calm", str(found.unsettled), "0", not found.unsettled),
        ("counted by one side only", str(found.miscounted), "0", not found.miscounted),
        ("memory grown by", f"{found.growth / 2**20:.1f} MiB", "<= 32 MiB", found.growth <= GROWTH_BYTES),
    ]


def main() -> int:
    """The command."""
    options = argparse.ArgumentParser(prog="python -m tests.load.overload", description=__doc__.partition("\n")[0])
    options.add_argument("--seconds", type=float, default=5.0, help="of each storm and each calm, once full")
    options.add_argument("--storms", type=int, default=2)
    options.add_argument("--case", choices=[case.name for case in CASES], action="append")
    said = options.parse_args()
    raise_file_limit()
    all_right = True
    for case in CASES:
        if said.case and case.name not in said.case:
            continue
        sys.stdout.write(f"{case.name}: {case.slots} slots\n")
        for what, figure, bar, right in rows(measure(case, said.seconds, said.storms, two_cpus())):
            sys.stdout.write(f"  {what:28} {figure:>18}  {bar:10} {'' if not bar else 'ok' if right else 'NOT MET'}\n")
            all_right = all_right and right
    return 0 if all_right else 1


if __name__ == "__main__":
    sys.exit(main())
