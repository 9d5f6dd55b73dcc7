"""kill -9 of the scorer at random moments under load, and whether its log still says what it said.

Not here: the unit of atomicity (tests/store). Invariants: only a process that `/status` of our own proxy names is
killed; the proxy is started again after a few kills, on the same log, so that its back-off does not make the run long.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.processes import free_port
from bench.shadow_load import loading, messages
from bench.shadow_proxy import AMPLE, Watched, honest_vendor, settings, watched
from proxy.drift.rows import PairRow
from proxy.store import Store

SITTING: Final = 7
"""Kills by which the supervisor's back-off has reached 6.4 s."""
_CLIENTS: Final = 4
_THINK_S: Final = 0.02
_LONGEST_LIFE_S: Final = 1.5
_AGAIN_S: Final = 60.0
_LOOK_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class KilledFigure:
    """`kills` of scorers, in `sittings` of the proxy, under load; `same` of the sittings' logs said, folded again, what
    the scorer had kept. Rows and pairs are of the log in the end. `dropped`: answers that went unscored.
    """

    kills: int
    sittings: int
    same: int
    differences: int
    requests: int
    errors: int
    dropped: int
    rows: int
    pairs: int
    seconds: float

    @property
    def kept(self) -> bool:
        return self.same == self.sittings and not self.differences and not self.errors and self.rows > 0


@dataclass(slots=True)
class _Sitting:
    kills: int
    requests: int
    errors: int
    dropped: int


def measure(kills: int, seed: int, cpus: tuple[int, int], say: Callable[[str], None]) -> KilledFigure:
    """All kills, on one log."""
    begun_s, draw, asked = time.monotonic(), random.Random(seed), messages()
    sat: list[_Sitting] = []
    differences: list[int] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        vendor, reference = free_port(), free_port()
        stack.enter_context(honest_vendor("vendor", vendor, folder, cpus[1]))
        stack.enter_context(honest_vendor("reference", reference, folder, cpus[1]))
        log = folder / "log"
        said = settings(
            vendor,
            reference,
            mirror={**AMPLE, "fraction": "100%"},
            state_dir=str(log),
            drain={"timeout": "5s", "grace": "0s"},
        )
        while (left := kills - sum(one.kills for one in sat)) > 0:
            with watched("paramwall", folder, cpus[0], said) as here:
                sat.append(asyncio.run(_sitting(here, min(SITTING, left), draw, asked)))
            differences.append(_differences(log))
            done = sum(one.kills for one in sat)
            say(f"killed: {done} of {kills}, {sat[-1].errors} client errors, {differences[-1]} differences")
        rows, pairs = _counted(log)
    return KilledFigure(
        sum(one.kills for one in sat),
        len(sat),
        differences.count(0),
        sum(differences),
        sum(one.requests for one in sat),
        sum(one.errors for one in sat),
        sum(one.dropped for one in sat),
        rows,
        pairs,
        time.monotonic() - begun_s,
    )


async def _sitting(here: Watched, kills: int, draw: random.Random, asked: Iterator[bytes]) -> _Sitting:
    async with loading(here.port, _CLIENTS, _THINK_S, asked) as load:
        killed = 0
        for _ in range(kills):
            killed = await asyncio.to_thread(_next_scorer, here, killed)
            await asyncio.sleep(draw.uniform(0.0, _LONGEST_LIFE_S))
            os.kill(killed, signal.SIGKILL)
        await asyncio.to_thread(_next_scorer, here, killed)
        await asyncio.sleep(_LONGEST_LIFE_S)
    dropped = await asyncio.to_thread(here.total, "paramwall_answers_dropped_total")
    return _Sitting(kills, len(load.seconds), load.errors, int(dropped))


def _next_scorer(here: Watched, former: int) -> int:
    """Pid of the scorer that follows. Raises RuntimeError when there is none in time."""
    deadline = time.monotonic() + _AGAIN_S
    while time.monotonic() < deadline:
        pid = here.scorer()
        if pid is not None and pid != former:
            return pid
        time.sleep(_LOOK_S)
    raise RuntimeError(f"no new scorer within {_AGAIN_S:.0f} s; its last words:\n{here.program.said()}")


def _differences(log: Path) -> int:
    """How many places of the state the replay of the log finds different. Raises RuntimeError when it cannot tell."""
    command = (sys.executable, "-P", "-m", "proxy", "status", "--state-dir", str(log), "--replay", "--json")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"paramwall status --replay: exit code {done.returncode}\n{done.stderr[-600:]}")
    replay: dict[str, Any] = json.loads(done.stdout)["replay"]
    return 0 if replay["same"] else max(1, len(replay["differences"]))


def _counted(log: Path) -> tuple[int, int]:
    """Rows of the log, and how many of them are pairs."""
    rows = pairs = 0
    with Store.read(log) as store:
        for _, row in store.rows():
            rows += 1
            pairs += isinstance(row, PairRow)
    return rows, pairs
