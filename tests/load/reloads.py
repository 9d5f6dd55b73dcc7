"""The configuration changes a thousand times under open streams: none is cut, nothing fails, nothing grows.

`python -m tests.load.reloads --reloads 1000 --streams 300` writes another file and sends SIGHUP each time the former
one is in use; every other one is another way to the vendor, so its pools of connections are retired. What the processes
hold is looked at while nothing is under way: after a first stretch of reloads under load, and after all of them.

Not here: the clients (steady_clients.py) and the stage (steady.py); tasks of one worker over a thousand changes are
counted in tests/wire/test_drain.py. Invariant: a reload is over when the proxy says so, and none may be skipped.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxy.supervisor.usage import usage_of
from tests.load.steady import Bar, Load, Steady, Told, standing, table
from tests.supervisor.running import until

GROWTH_MIB: Final = 8.0
"""What a process may hold more after all reloads: an allocator's arenas move by that much from day to day."""
POOL: Final = min(32, (os.cpu_count() or 1) + 4)
"""Threads that asyncio starts as they are needed and then keeps."""
_RELOADED: Final = re.compile(r"reloaded \(SIGHUP\): configuration (\S+), before it (\S+?)[\"\s]")
_EXPECTED: Final = re.compile(r"reloaded \((SIGHUP|file change)\)|vendor sim\b")
_IN_USE_S: Final = 60.0
_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Held:
    """What one process holds while nothing is under way."""

    role: str
    open_fds: int
    threads: int
    resident_mib: float


@dataclass(frozen=True, slots=True)
class Found:
    """What came of it. `before` and `after` are by process id."""

    told: list[Told]
    reloads: int
    ok: int
    before: dict[int, Held]
    after: dict[int, Held]
    unexpected: list[str]
    seconds_each: float


async def measure(folder: Path, load: Load, warm_up: int, reloads: int) -> Found:
    """Reload `warm_up` times, rest, reload `reloads` times, rest; under load but for the rests."""
    async with standing(folder, load) as steady:
        turns = iter(range(1, warm_up + reloads + 1))
        told: list[Told] = []
        held: list[dict[int, Held]] = []
        seconds = 0.0
        for count in (warm_up, reloads):
            async with steady.clients() as clients:
                await until(lambda: _streams_open(steady), "the streams are open")
                began = time.monotonic()
                for _ in range(count):
                    await _reload(steady, next(turns))
                seconds = time.monotonic() - began
                told.append(await clients.finish())
            await steady.at_rest()
            held.append(await _held(steady))
        done = sum(bool(_RELOADED.search(line)) for line in steady.lines)
        unexpected = [line for line in steady.lines if not _EXPECTED.search(line)]
        before, after = held
        return Found(told, done, await steady.ok(), before, after, unexpected, seconds / max(1, reloads))


async def _streams_open(steady: Steady) -> bool:
    return bool((await steady.proxy.status())["in_flight"] >= steady.load.streams * 0.9)


async def _reload(steady: Steady, turn: int) -> None:
    """Another file and SIGHUP; back when it is in use. Every other turn changes how the vendor is reached."""
    vendors = [{**vendor, "timeouts": {"connect": f"{10 + turn // 2 % 2}s"}} for vendor in steady.vendors]
    steady.write(vendors=vendors, limits={"in_flight": 4000 + turn})
    before = len(steady.lines)
    steady.proxy.signal(signal.SIGHUP)

    def in_use() -> bool:
        steady.take_lines()
        return any(_RELOADED.search(line) for line in steady.lines[before:])

    await until(in_use, f"reload {turn}", _IN_USE_S)


async def _held(steady: Steady) -> dict[int, Held]:
    status = await steady.proxy.status()
    roles = {steady.proxy.process.pid: "supervisor", status["scorer"]["pid"]: "scorer"}
    roles |= {worker["pid"]: "worker" for worker in status["workers"]}
    found = {}
    for pid, role in roles.items():
        usage = usage_of(pid)
        assert usage is not None, f"{role} {pid} is gone"
        threads = len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208  (proc does not block)
        found[pid] = Held(role, usage.open_fds, threads, usage.resident_bytes / _MIB)
    return found


def bars(found: Found, reloads: int, streams: int) -> list[Bar]:
    """The bars of the command; `reloads` with the first stretch."""
    asked, answered, failed = Counter[str](), Counter[str](), Counter[str]()
    for told in found.told:
        asked.update(told.asked)
        answered.update(told.answered)
        failed.update(told.failed)
    failures = "; ".join(f"{count} {how}" for how, count in sorted(failed.items()))
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(answered.items()))
    longest_s = max(told.longest_s for told in found.told)
    return [
        Bar("reloads in use", f"{reloads}", f"{found.reloads}", found.reloads == reloads),
        Bar("streams at any time", f"{streams}", f"{streams}", kept=True),
        Bar("requests answered", "all", f"{answered.total()} ({kinds})", answered == asked and bool(asked)),
        Bar("requests failed, streams cut", "0", failures or "0", not failed),
        Bar("answered less counted by the proxy", "0", f"{answered.total() - found.ok}", answered.total() == found.ok),
        Bar("log lines unexplained", "0", f"{len(found.unexpected)}", not found.unexpected),
        Bar(
            "processes replaced",
            "0",
            f"{len(found.before.keys() - found.after)}",
            found.before.keys() == found.after.keys(),
        ),
        *_growth(found),
        Bar("longest answer, a reload", "-", f"{longest_s:.2f} s, {found.seconds_each:.3f} s", kept=True),
    ]


def _growth(found: Found) -> list[Bar]:
    made = []
    for pid in found.before.keys() & found.after.keys():
        before, after = found.before[pid], found.after[pid]
        name = f"{before.role} {pid}"
        descriptors, threads = after.open_fds - before.open_fds, after.threads - before.threads
        grown = after.resident_mib - before.resident_mib
        figure, kept = f"{descriptors:+d}, {threads:+d}", descriptors <= 0 and threads <= POOL
        made.append(Bar(f"{name}: descriptors, threads", f"+0, +{POOL}", figure, kept))
        figure = f"{grown:+.1f} MiB ({before.resident_mib:.1f})"
        made.append(Bar(f"{name}: resident", f"<= +{GROWTH_MIB:g} MiB", figure, grown <= GROWTH_MIB))
    return sorted(made, key=lambda each: each.name)


def main(arguments: Sequence[str] | None = None) -> int:
    """1 outside a bar."""
    options = argparse.ArgumentParser(prog="python -m tests.load.reloads", description="Reload under open streams.")
    options.add_argument("--reloads", type=int, default=1000)
    options.add_argument("--warm-up", type=int, default=50, help="reloads before the first look at memory")
    options.add_argument("--streams", type=int, default=300)
    options.add_argument("--rate", type=float, default=20.0, help="new connections a second beside the streams")
    options.add_argument("--kept", type=int, default=20, help="kept connections that pause, beside the streams")
    said = options.parse_args(arguments)
    load = Load(said.rate, said.kept, said.streams, chunks=30)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder), load, said.warm_up, said.reloads))
    made = bars(found, said.warm_up + said.reloads, said.streams)
    sys.stdout.write(table("Configurations changed under open streams", made))
    for line in found.unexpected[:20]:
        sys.stdout.write(f"  {line}\n")
    return 0 if all(each.kept for each in made) else 1


if __name__ == "__main__":
    sys.exit(main())
