"""What checks on every answer and a mirror cost the worker: CPU per request with and without, the two taking turns.

The load is that of the CPU probe (cpu.py), but no two requests are alike: the mirror chooses by conversation and takes
no request twice. Not here: the scorer's own speed (shadow_throughput.py). Invariant: the figure is of the worker alone,
the process a client waits for; what the scorer spends, and what it could not take, is told beside it.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from bench.client import answer_bytes, request
from bench.cpu import SCRIPT_HEAD, await_flow, failures, received_bytes, start_wrk
from bench.fleet import fleet
from bench.proxies import DIRECT
from bench.shadow_load import split
from bench.shadow_proxy import AMPLE, Watched, cpu_s, settings, watched
from bench.workloads import AT_ONCE, Workload, body

BAR: Final = 1.15
MIRRORED: Final = 0.01
_BARRED: Final = ("agent", "swarm")
"""Workloads the bar is about; the others are for information."""
_EACH: Final = 10_000_000
"""Numbers that one round may use up."""


@dataclass(frozen=True, slots=True)
class CostFigure:
    """One workload. Microseconds of CPU a request, each the median of the rounds; `ratio` is the median of the rounds'
    own ratios, of which `lowest` and `highest` are the ends. `unscored`: share of the answers that did not reach the
    scorer; `mirrored`: share of the requests that were selected.
    """

    workload: str
    title: str
    barred: bool
    without_us: float
    with_us: float
    ratio: float
    lowest: float
    highest: float
    scorer_us: float
    unscored: float
    mirrored: float
    failed: int
    rounds: int

    @property
    def kept(self) -> bool:
        return (self.ratio <= BAR or not self.barred) and not self.failed


@dataclass(frozen=True, slots=True)
class _Round:
    worker_us: float
    scorer_us: float
    unscored: float
    mirrored: float
    failed: int


def measure(
    workloads: Sequence[Workload], seconds: float, rounds: int, cpus: tuple[int, int], say: Callable[[str], None]
) -> list[CostFigure]:
    """All workloads, without and with taking turns within each round and going first in turn."""
    figures: list[CostFigure] = []
    for streaming, group in groupby(workloads, key=lambda workload: workload.vendor):
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            vendor = stack.enter_context(fleet({}, streaming, cpus)).ports[DIRECT]
            reference = stack.enter_context(fleet({}, AT_ONCE, cpus)).ports[DIRECT]
            mirror = {**AMPLE, "fraction": MIRRORED, "raised_fraction": MIRRORED}
            both = (
                stack.enter_context(watched("without", folder, cpus[0], settings(vendor, None))),
                stack.enter_context(watched("with", folder, cpus[0], settings(vendor, reference, mirror=mirror))),
            )
            figures += [
                _figure(workload, list(_rounds(workload, both, seconds, rounds, cpus[1], say))) for workload in group
            ]
    return figures


def _rounds(
    workload: Workload,
    both: tuple[Watched, Watched],
    seconds: float,
    rounds: int,
    load_cpu: int,
    say: Callable[[str], None],
) -> Iterator[tuple[_Round, _Round]]:
    numbers = itertools.count(1, _EACH)
    for number in range(rounds):
        taken = {}
        for one in both if number % 2 == 0 else both[::-1]:
            taken[one.program.name] = _round(one, workload, seconds, load_cpu, next(numbers))
        without, with_all = taken["without"], taken["with"]
        costs = f"without {without.worker_us:.0f} us a request, with {with_all.worker_us:.0f}"
        say(f"cost {workload.name} round {number + 1}: {costs}, unscored {with_all.unscored:.0%}")
        yield without, with_all


def _figure(workload: Workload, taken: Sequence[tuple[_Round, _Round]]) -> CostFigure:
    ratios = [with_all.worker_us / without.worker_us for without, with_all in taken]
    return CostFigure(
        workload.name,
        workload.title,
        workload.name in _BARRED,
        statistics.median(without.worker_us for without, _ in taken),
        statistics.median(with_all.worker_us for _, with_all in taken),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        statistics.median(with_all.scorer_us for _, with_all in taken),
        statistics.median(with_all.unscored for _, with_all in taken),
        statistics.median(with_all.mirrored for _, with_all in taken),
        sum(one.failed for each in taken for one in each),
        len(taken),
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    worker_s: float
    scorer_s: float
    dropped: float
    selected: float


def _read(here: Watched, worker: int, scorer: int | None) -> _Reading:
    found = {"paramwall_answers_dropped_total": 0.0, "paramwall_mirror_total": 0.0}
    if scorer is not None:
        for name, labels, value in here.samples(*found):
            if labels.get("result", "selected") == "selected":
                found[name] += value
    return _Reading(cpu_s(worker), 0.0 if scorer is None else cpu_s(scorer), *found.values())


def _round(here: Watched, workload: Workload, seconds: float, load_cpu: int, first: int) -> _Round:
    window_s = max(1, round(seconds / workload.cycle_s)) * workload.cycle_s
    size = answer_bytes(here.port, request(body(workload.body, stream=workload.stream)))
    worker, scorer = here.worker(), here.scorer()
    script = here.program.log.parent / f"{workload.name}.lua"
    script.write_text(script_of(workload, first))
    with start_wrk(script, here.port, workload.connections, load_cpu) as wrk:
        try:
            await_flow(wrk)
            before, received = _read(here, worker, scorer), received_bytes(wrk)
            time.sleep(window_s)
            after, received = _read(here, worker, scorer), received_bytes(wrk) - received
            wrk.send_signal(signal.SIGINT)  # it stops and reports
            said, _ = wrk.communicate(timeout=30)
        finally:
            wrk.kill()
    requests = received / size
    if not requests or (worker, scorer) != (here.worker(), here.scorer()):
        raise RuntimeError(f"a process of {here.program.name} ended in {workload.name}:\n{here.program.said()}")
    return _Round(
        (after.worker_s - before.worker_s) * 1e6 / requests,
        (after.scorer_s - before.scorer_s) * 1e6 / requests,
        (after.dropped - before.dropped) / requests,
        (after.selected - before.selected) / requests,
        failures(said),
    )


def script_of(workload: Workload, first: int) -> str:
    """The script for wrk: every request is a conversation of its own, numbered from `first`."""
    before, after = (half.decode() for half in split(workload.body, stream=workload.stream))
    return (
        f"{SCRIPT_HEAD}local number, before, after = {first}, [==[{before}]==], [==[{after}]==]\n"
        "request = function()\n"
        "  number = number + 1\n"
        '  return wrk.format(nil, nil, nil, before .. string.format("%010d ", number) .. after)\n'
        "end\n"
    )
