"""A reference in trouble while all of the traffic is mirrored: what clients, memory and the verdict notice of it.

Not here: each kind of failure by itself (tests/shadow). Invariants: every phase has a proxy of its own under the same
load, so its state starts from nothing; a ratio compares phases of one run; those of the two
healthy phases, first and last, show how much it moves by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Final

import uvloop

from bench.latency import percentiles_ms
from bench.processes import free_port
from bench.shadow_load import loading, messages
from bench.shadow_proxy import AMPLE, Watched, honest_vendor, rss_bytes, settings, watched

PHASES: Final = ("healthy", "down", "hanging", "slow", "limited", "healthy again")
TROUBLED: Final = PHASES[1:-1]
CLIENTS: Final = 8
THINK_S: Final = 0.025
_TIMEOUTS: Final = {"first_byte": "8s"}
"""Above the 5 s of the slow reference, and short enough for a hanging one to be told in a short run."""
_WARM: Final = 0.2
"""The part of a phase before memory is first read."""
_LOOK_S: Final = 1.0
_TOLD_S: Final = 2.0
"""In which the scorer has published what it last folded."""


@dataclass(frozen=True, slots=True)
class TroubleFigure:
    """One phase: milliseconds from question to whole answer, the ratio of its p99 to the healthy phases' mean, resident
    bytes (first after a fifth of the phase, then at its end), fates of the mirrored exchanges, and every state that was
    seen.
    """

    phase: str
    p50_ms: float
    p99_ms: float
    p99_ratio: float
    requests: int
    errors: int
    worker_rss: tuple[int, int]
    scorer_rss: tuple[int, int]
    fates: Mapping[str, int]
    states: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """Without the ratio, of which only the table can tell what is noise."""
        troubled = self.phase in TROUBLED
        return not self.errors and not (troubled and ("ok" in self.states or "inconclusive" not in self.states))


def measure(seconds: float, cpus: tuple[int, int], say: Callable[[str], None]) -> list[TroubleFigure]:
    """All phases, `seconds` each."""
    asked, figures = messages(), list[TroubleFigure]()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        vendor, reference = free_port(), free_port()
        stack.enter_context(honest_vendor("vendor", vendor, folder, cpus[1]))
        said = settings(
            vendor,
            reference,
            reference={"timeouts": _TIMEOUTS},
            mirror={**AMPLE, "fraction": "100%"},
            drain={"timeout": "1s", "grace": "0s"},
        )
        for phase in PHASES:
            with contextlib.ExitStack() as phases:
                behaviour = "honest" if phase.startswith("healthy") else phase
                if phase != "down":
                    phases.enter_context(honest_vendor("reference", reference, folder, cpus[1], behaviour))
                here = phases.enter_context(watched("paramwall", folder, cpus[0], said))
                found = uvloop.run(_phase(phase, here, seconds, asked))
            figures.append(found)
            say(f"trouble {phase}: p50 {found.p50_ms:.2f} ms, p99 {found.p99_ms:.2f} ms, {', '.join(found.states)}")
    usual_ms = fmean(one.p99_ms for one in figures if one.phase not in TROUBLED)
    return [replace(one, p99_ratio=one.p99_ms / usual_ms) for one in figures]


async def _phase(phase: str, here: Watched, seconds: float, asked: Iterator[bytes]) -> TroubleFigure:
    worker, scorer = await asyncio.to_thread(here.worker), await asyncio.to_thread(here.scorer)
    if scorer is None:
        raise RuntimeError(f"there is no scorer; its last words:\n{here.program.said()}")
    states: dict[str, None] = {}
    gc.disable()  # a collection of the client's would be read as a delay of the proxy's
    try:
        async with loading(here.port, CLIENTS, THINK_S, asked) as load:
            await _looking(here, seconds * _WARM, states)
            first = rss_bytes(worker), rss_bytes(scorer)
            await _looking(here, seconds * (1 - _WARM), states)
            last = rss_bytes(worker), rss_bytes(scorer)
    finally:
        gc.enable()
    await _looking(here, _TOLD_S, states)
    if (worker, scorer) != (await asyncio.to_thread(here.worker), await asyncio.to_thread(here.scorer)):
        raise RuntimeError(f"a process ended in the phase {phase}; its last words:\n{here.program.said()}")
    p50_ms, p99_ms = percentiles_ms(load.seconds)
    memory = (first[0], last[0]), (first[1], last[1])
    fates = await asyncio.to_thread(here.fates)
    return TroubleFigure(phase, p50_ms, p99_ms, 1.0, len(load.seconds), load.errors, *memory, fates, tuple(states))


async def _looking(here: Watched, seconds: float, states: dict[str, None]) -> None:
    """Let time pass, and note every state on the way; a few looks a minute suffice for a long phase."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (left := end - loop.time()) > 0:
        await asyncio.sleep(min(left, max(_LOOK_S, seconds / 60)))
        for key in (await asyncio.to_thread(here.status))["drift"]:
            states[key["state"]] = None
