"""Chaos for half an hour, and books that balance to the request.

    python -m tests.load.soak --minutes 30 --seed 1

`paramwall serve` with two workers and a scorer stands before two simulated vendors and mirrors to a third. Toxics and
faults change all the time, the mirror fails in turns, the configuration is reloaded, also an invalid one. Clients ask
in every way there is, abort at random bytes, dawdle and send what is refused. The first act (a third of the time) adds
rolling restarts and kill -9 of workers and of the scorer. The second act has neither: its processes are older than it
is, so their memory has a slope. After each act the clients rest until nothing is under way, and the books are closed.

Rules of the books:

- A client has one word for each request: whole, cut, left, or lost. Whoever saw a number (x-paramwall-request-id) finds
  exactly one log line with it, and its outcome fits the word. `lost` (a connection that ended before an answer began)
  happens by a kill only.
- Lines that no client saw a number of are at most as many as clients left before an answer began: whether the proxy had
  read the request of such a client nobody can know from outside.
- Every worker numbers its requests without a gap, so none that was begun lacks its line.
- `/metrics` and the lines agree for every label (route, vendor, stream, outcome, code).
- A request reaches a vendor once or never; what a vendor answered had reached it; what was refused had not.
- Every request that was selected for the mirror has one fate.

A killed worker takes with it: the answers it was giving, lines it had not written (at most 0.5 s), counts since its
last report (the soak reads `/metrics` right before a kill). So around a kill only this can be said, and is: each
request that is lost, cut without a line, or counted on one side only was under way between that reading and the death,
on a connection made before it ("touched by the kill"); the differences are no more than these requests. Pairs of the
mirror that a killed scorer had open have no fate, so the mirror's books are closed for the second act only. The second
act has no kills, and balances exactly.

Memory: resident, every few seconds; the slope is Theil and Sen's of each minute's least, over the second act without
its first third.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.load.soak_books import Act, differences
from tests.load.soak_clients import Load
from tests.load.soak_lines import parsed, unexplained
from tests.load.soak_memory import LIVED, Slope, slopes
from tests.load.soak_world import COUNTED, World, world

MOST_MIB_H: Final = 1.0
LONG_ENOUGH_S: Final = 480.0
"""A shorter stretch has a slope of noise; it is shown and not judged."""
ROLES: Final = frozenset({"supervisor", "worker", "scorer"})
_SAMPLE_S: Final = 3.0
_UNSENT: Final = ("unreachable", "timeout", "cancelled", "rate_limited")


@dataclass(slots=True)
class Result:
    """What a soak came to."""

    acts: list[Act] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    unexplained: Counter[str] = field(default_factory=Counter)
    weighed: set[str] = field(default_factory=set)
    slopes: list[Slope] = field(default_factory=list)
    to_judge: frozenset[str] = frozenset()
    happened: Counter[str] = field(default_factory=Counter)
    lines: int = 0

    @property
    def steep(self) -> list[Slope]:
        return [each for each in self.slopes if each.seconds >= LONG_ENOUGH_S and not each.floor_mib_h <= MOST_MIB_H]

    @property
    def unjudged(self) -> frozenset[str]:
        """Roles whose memory was to be judged, and no process of them lived long enough."""
        return self.to_judge - {each.role for each in self.slopes if each.seconds >= LONG_ENOUGH_S}

    @property
    def holds(self) -> bool:
        return not (self.differences or self.unexplained or self.steep or self.unjudged)


async def soak(folder: Path, seconds: float, clients: int, seed: int, say: Callable[[str], None]) -> Result:
    """Both acts."""
    async with world(folder, seed) as here:
        load = Load(int(here.proxy.url.rpartition(":")[2]), seed)
        asking = [asyncio.create_task(load.client(number)) for number in range(clients)]
        watching = asyncio.create_task(_every(_SAMPLE_S, here.measure))
        result = Result()
        try:
            books = _Books(here, load, await here.rest())
            result.acts.append(await books.act("first act", _rough(here, seconds / 3)))
            say(f"first act over: {dict(here.happened)}, {dict(result.acts[0].words())}")
            began = time.monotonic()
            result.acts.append(await books.act("second act", _steady(here, seconds * 2 / 3)))
            acting_s = books.rested_from - began
            result.slopes = slopes(here.samples, began + acting_s / 3, books.rested_from)
            result.to_judge = ROLES if acting_s * 2 / 3 >= LONG_ENOUGH_S / LIVED else frozenset()
            result.weighed = {each.role for each in here.samples}
            for task in (*asking, watching):
                await _ended(task)
        finally:
            for task in (*asking, watching):
                task.cancel()
            await asyncio.wait({*asking, watching})
        result.differences += [*load.troubles, *(said for act in result.acts for said in differences(act))]
    result.happened = here.happened
    result.lines = len(here.proxy.lines)
    result.unexplained = unexplained(here.proxy.lines)
    return result


async def _rough(here: World, seconds: float) -> None:
    """Everything. Each kind of restart at least once, then in turn until the time is over."""
    end = time.monotonic() + seconds
    changing = asyncio.create_task(_keep_changing(here))
    pause = min(8.0, seconds / 8)
    try:
        turn = 0
        while turn < 3 or time.monotonic() < end:
            await asyncio.sleep(here.draw.uniform(pause / 2, pause))
            await (here.kill_worker, here.roll, here.kill_scorer)[turn % 3]()
            turn += 1
    finally:
        await _ended(changing)


async def _steady(here: World, seconds: float) -> None:
    """Everything but restarts and kills."""
    changing = asyncio.create_task(_keep_changing(here))
    try:
        await asyncio.sleep(seconds)
    finally:
        await _ended(changing)


async def _keep_changing(here: World) -> None:
    """Toxics, faults, the mirror and the configuration, for ever; every fourth reload is invalid."""
    turn = 0
    while True:
        here.change_vendors()
        if turn % 2:
            here.change_reference()
        else:
            here.reload(valid=turn % 8 != 6)
        turn += 1
        await asyncio.sleep(here.draw.uniform(1.0, 3.0))


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancel it, unless it has failed already."""
    if task.done():
        task.result()
    task.cancel()
    await asyncio.wait({task})


async def _every(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    while True:
        await step()
        await asyncio.sleep(seconds)


class _Books:
    """What was counted at the last rest, so that each act has its own."""

    def __init__(self, here: World, load: Load, counted: dict[str, Counter[tuple[str, ...]]]) -> None:
        self._here, self._load = here, load
        self._counted = counted
        self._sent = self._lines = self._kills = 0
        self.rested_from = 0.0

    async def act(self, name: str, course: Awaitable[None]) -> Act:
        """Play one act with the clients going, let all of it come to rest, and close its books."""
        here, load = self._here, self._load
        taking = asyncio.create_task(_every(0.5, self._take))
        load.going.set()
        try:
            await course
        finally:
            load.going.clear()
            self.rested_from = time.monotonic()
            here.calm()
        while load.open:  # noqa: ASYNC110  (a count, not an event)
            await asyncio.sleep(0.1)
        counted = await here.rest()
        await _ended(taking)
        await self._take()
        act = self._closed(name, counted)
        self._counted = counted
        return act

    async def _take(self) -> None:
        for heard in (*self._here.vendors.values(), self._here.reference):
            heard.take()

    def _closed(self, name: str, counted: dict[str, Counter[tuple[str, ...]]]) -> Act:
        here = self._here
        since = {each: counted[each] - self._counted[each] for each in COUNTED}
        lines = [parsed(line) for line in here.proxy.lines[self._lines :]]
        calls = since["paramwall_reference_requests_total"]
        arrived: Counter[str] = Counter()
        for heard in here.vendors.values():
            arrived += heard.arrived
            heard.arrived.clear()
        act = Act(
            name,
            self._load.sent[self._sent :],
            here.kills[self._kills :],
            [line for line in lines if line is not None and line.get("event") == "request"],
            Counter({(a, b, c, d, e): n for (a, b, c, d, e), n in since["paramwall_requests_total"].items()}),
            _by_first(since["paramwall_upstream_requests_total"]),
            arrived,
            sum(since["paramwall_log_lines_dropped_total"].values()),
            _by_first(since["paramwall_mirror_total"]),
            sum(calls.values()),
            sum(calls[(outcome,)] for outcome in _UNSENT),
            sum(here.reference.arrived.values()),
            sum(counted["paramwall_shadow_open_pairs"].values()),
        )
        here.reference.arrived.clear()
        self._sent, self._lines, self._kills = len(self._load.sent), len(here.proxy.lines), len(here.kills)
        return act


def _by_first(counted: Counter[tuple[str, ...]]) -> Counter[str]:
    return Counter({labels[0]: count for labels, count in counted.items()})


def table(result: Result) -> list[str]:
    """What is printed: each bar, its figure, and whether it is met."""
    rows = [f"happened: {', '.join(f'{count} {name}' for name, count in sorted(result.happened.items()))}"]
    for act in result.acts:
        rows.append(f"{act.name}: {len(act.sent)} requests: {_counts(act.words())}; lines: {len(act.lines)}")
        rows.append(f"  outcomes in /metrics: {_counts(_outcomes(act))}; reached a vendor: {len(act.arrived)}")
        rows.append(f"  touched by {len(act.killed)} killed workers: {sum(map(act.touched, act.sent))}")
        rows.append(f"  mirror: {_counts(act.mirror)}; the reference heard {act.reference_arrived}")
    rows += [f"  ! {said}" for said in result.differences[:40]]
    rows += [f"  ? {count} x {line}" for line, count in result.unexplained.most_common(40)]
    rows.append("bar                                    figure                          ok")
    rows.append(_row("books balance: differences", str(len(result.differences)), met=not result.differences))
    explained = f"{sum(result.unexplained.values())} of {result.lines}"
    rows.append(_row("unexplained log lines", explained, met=not result.unexplained))
    for each in result.slopes:
        name = f"memory, {each.role} {each.pid} <= {MOST_MIB_H:g} MiB/h"
        figure = f"{each.floor_mib_h:+.2f} MiB/h (all {each.all_mib_h:+.2f})"
        judged = each.seconds >= LONG_ENOUGH_S
        rows.append(_row(name, figure, met=each not in result.steep if judged else None))
        floors = " ".join(f"{mib:.2f}" for mib in each.floors_mib)
        rows.append(f"    least of each minute {floors} MiB, {each.samples} samples in {each.seconds:.0f} s")
    rows += [_row(f"memory, {role}", "no process lived long enough", met=False) for role in sorted(result.unjudged)]
    return rows


def _row(bar: str, figure: str, *, met: bool | None) -> str:
    return f"{bar:38} {figure:31} {'too short to judge' if met is None else 'yes' if met else 'NO'}"


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counted.items())) or "none"


def _outcomes(act: Act) -> Counter[str]:
    found: Counter[str] = Counter()
    for labels, count in act.requests.items():
        found[labels[3]] += count
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 when a bar is not met."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="a third for the first act")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        result = asyncio.run(soak(Path(folder), asked.minutes * 60, asked.clients, asked.seed, _say))
    for row in table(result):
        _say(row)
    return 0 if result.holds else 1


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
