"""Workers are replaced again and again under load, and no client notices.

`python -m tests.load.rolling --restarts 100 --rate 500` starts the proxy with two workers, loads it with new
connections, kept ones that pause and streams, and sends SIGUSR2 as soon as the former workers are gone. What clients
counted must be what the proxy counted, and nothing may have failed.

Not here: the clients (steady_clients.py) and the stage (steady.py). Invariant: a replacement is over when both new
workers serve and both former ones have ended, so at most four workers live at once.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.load.steady import Bar, Load, Steady, Told, standing, table

_POLL_S: Final = 0.2
_REPLACED_S: Final = 120.0
_EXPECTED: Final = re.compile(r"replacing workers|workers replaced; the former ones finish|vendor sim\b")
"""The last is the scorer's: a mock vendor is no honest one, and drift is told."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came of it."""

    told: Told
    restarts: int
    """Workers that were replaced, as the proxy counts them."""
    ok: int
    unexpected: list[str]
    seconds_each: float


def share(rate: float, chunks: int = 20, gap_s: float = 0.1) -> Load:
    """Six in ten requests on new connections, three on kept ones, one a stream."""
    mean_pause_s = (0.1 + 0.5 + 2.0) / 6
    return Load(rate * 0.6, int(rate * 0.3 * mean_pause_s), int(rate * 0.1 * chunks * gap_s), chunks, gap_s)


async def measure(folder: Path, load: Load, restarts: int) -> Found:
    """Replace all workers `restarts` times under load."""
    async with standing(folder, load) as steady, steady.clients() as clients:
        began = time.monotonic()
        for _ in range(restarts):
            await _replace(steady)
        seconds_each = (time.monotonic() - began) / max(1, restarts)
        told = await clients.finish()
        await steady.at_rest()
        replaced = await steady.proxy.metric("paramwall_worker_restarts_total")
        unexpected = [line for line in steady.lines if not _EXPECTED.search(line)]
        return Found(told, int(replaced), await steady.ok(), unexpected, seconds_each)


async def _replace(steady: Steady) -> None:
    proxy = steady.proxy
    former = set(await proxy.workers())
    proxy.signal(signal.SIGUSR2)
    async with asyncio.timeout(_REPLACED_S):
        while True:
            await asyncio.sleep(_POLL_S)
            steady.take_lines()
            workers = await proxy.workers()
            if not former & workers.keys() and list(workers.values()) == ["serving"] * 2:
                return


def bars(found: Found, restarts: int, rate: float) -> list[Bar]:
    """The bars of the command."""
    told = found.told
    failures = "; ".join(f"{count} {how}" for how, count in sorted(told.failed.items()))
    answered = sum(told.answered.values())
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(told.answered.items()))
    return [
        Bar("rolling restarts of 2 workers", f"{restarts}", f"{found.restarts / 2:g}", found.restarts == restarts * 2),
        Bar("requests a second", f">= {rate:g}", f"{told.rate:.0f} for {told.seconds:.0f} s", told.rate >= rate),
        Bar("requests answered", "all", f"{answered} ({kinds})", answered == sum(told.asked.values()) > 0),
        Bar("requests failed", "0", failures or "0", not told.failed),
        Bar("answered less counted by the proxy", "0", f"{answered - found.ok}", answered == found.ok),
        Bar("log lines unexplained", "0", f"{len(found.unexpected)}", not found.unexpected),
        Bar("told to close, closed while idle", "-", f"{told.told_to_close}, {told.closed_idle}", kept=True),
        Bar("longest answer, a replacement", "-", f"{told.longest_s:.2f} s, {found.seconds_each:.2f} s", kept=True),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """1 outside a bar."""
    options = argparse.ArgumentParser(prog="python -m tests.load.rolling", description="Replace workers under load.")
    options.add_argument("--restarts", type=int, default=100)
    options.add_argument("--rate", type=float, default=500.0, help="requests a second that must have been asked")
    said = options.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        # A little more than must be reached: pauses and streams take longer on a machine that is busy.
        found = asyncio.run(measure(Path(folder), share(said.rate * 1.15), said.restarts))
    made = bars(found, said.restarts, said.rate)
    sys.stdout.write(table("Workers replaced under load", made))
    for line in found.unexpected[:20]:
        sys.stdout.write(f"  {line}\n")
    return 0 if all(each.kept for each in made) else 1


if __name__ == "__main__":
    sys.exit(main())
