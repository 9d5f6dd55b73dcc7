"""Mutated request streams through the proxy to real origins, and which of them was misunderstood.

    python -m tests.desync.run --streams 100000 --seed 1
    python -m tests.desync.run --streams 2000 --origins nginx,apache,node
    python -m tests.desync.run --show 4711 --seed 1

Each stream goes to one origin, in turn. A desync is any of: an origin understood a request that the client did not
frame by a strict reading of RFC 9112, or other bytes of it; an answer went to another request; the proxy's count of
requests sent is not the origin's; an origin answered unasked; the request after the stream, on the same vendor
connection, did not get its own answer. As a control some of the same streams go straight to every origin: there they
must be misunderstood, or they show nothing.

Not here: the streams (streams.py), the origins (origins.py) and the judgement (judging.py). Invariant: exit code 0 says
that at least `--fewest` origins took part, that the streams bite without the proxy, and that there was no desync.
"""

# ruff: noqa: T201  (a command)
from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import uvloop

from tests.desync.judging import Told, faults, strangers, stream_of
from tests.desync.origins import ORIGINS, Origin, Running, missing, running
from tests.desync.play import Lane, Player, configuration, lanes_of, lines, probe_of, reading_of, straight
from tests.desync.reference import Framed
from tests.desync.streams import stream
from tests.proxying import Proxy, proxying

FEWEST: Final = 8
_COLUMNS: Final = (
    "streams",
    "framed",
    "sent",
    "seen",
    "refused",
    "refused by origin",
    "lost",
    "cut",
    "late",
    "desyncs",
)


@dataclass(slots=True)
class Found:
    """What came of a run. `counts` and `bites` (control: streams misunderstood, of how many) are by origin; `wrong` has
    the faults of each stream that has any, by its number.
    """

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    bites: dict[str, tuple[int, int]] = field(default_factory=dict)
    wrong: dict[int, tuple[str, list[str]]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def desyncs(self) -> int:
        """Streams with a fault."""
        return len(self.wrong)


async def measure(origins: Sequence[Origin], streams: int, seed: int, *, each: int = 4, direct: int = 0) -> Found:
    """Play and judge `streams` streams on `each` lanes for every origin, then `direct` streams to every origin."""
    found = Found()
    async with running(origins) as started:
        lanes = lanes_of(started, each)
        async with proxying(configuration(lanes), tap=None) as proxy:
            began = time.monotonic()
            turns = (_lane(proxy, lane, seed, range(place, streams, len(lanes))) for place, lane in enumerate(lanes))
            told = dict(one for lane in await asyncio.gather(*turns) for one in lane)
            found.seconds = time.monotonic() - began
        owner = {number: lanes[number % len(lanes)] for number in told}
        for origin in started:
            _judge(
                origin, {number: told[number] for number in told if owner[number].origin is origin}, owner, seed, found
            )
    if direct:
        async with running(origins) as started:
            await asyncio.gather(*(straight(origin, seed, iter(range(direct))) for origin in started))
            for origin in started:
                found.bites[origin.name] = (_bites(origin, seed), direct)
    return found


async def _lane(proxy: Proxy, lane: Lane, seed: int, numbers: range) -> list[tuple[int, Told]]:
    player = Player(proxy, lane)
    played = []
    for number in numbers:
        one = stream(seed, number, lane.prefix)
        played.append((number, await player.play(one, reading_of(one.data, lane.prefix))))
    return played


def _by_stream(seen: Sequence[Framed]) -> dict[int | None, list[Framed]]:
    grouped: dict[int | None, list[Framed]] = defaultdict(list)
    for one in seen:
        grouped[stream_of(one)].append(one)
    return grouped


def _judge(origin: Running, told: dict[int, Told], owner: dict[int, Lane], seed: int, found: Found) -> None:
    seen = _by_stream(lines(origin))
    counts = found.counts[origin.name]
    for number, one in told.items():
        prefix = owner[number].prefix
        reading = reading_of(stream(seed, number, prefix).data, prefix)
        wrong = faults(reading, one, seen.pop(number, []), probe_of(number)[1])
        if wrong:
            found.wrong[number] = (origin.name, wrong)
        counts.update(
            streams=1,
            framed=len(reading.requests),
            sent=one.sent,
            seen=sum(isinstance(each, Framed) for each in one.heard),
            refused=sum(isinstance(each, str) and not each.startswith("vendor-") for each in one.heard),
            lost=sum(isinstance(each, str) and each.startswith("vendor-") for each in one.heard),
            cut=one.end == "cut",
            late=one.end == "late",
            desyncs=bool(wrong),
        )
        counts["refused by origin"] += sum(isinstance(each, int) for each in one.heard)
    for stray, rest in seen.items():
        found.wrong[-1 if stray is None else stray] = (origin.name, [f"of no stream that was sent here: {rest}"])
        counts["desyncs"] += 1


def _bites(origin: Running, seed: int) -> int:
    """Streams of which the origin understood a request that was not framed."""
    seen = _by_stream(lines(origin))
    return sum(
        number is None or bool(strangers(reading_of(stream(seed, number).data, "").requests, each))
        for number, each in seen.items()
    )


def _show(found: Found) -> None:
    names = [*found.counts, "all"]
    total: Counter[str] = sum(found.counts.values(), Counter())
    width = max(map(len, names))
    print(f"{'origin':{width}}  " + "  ".join(f"{name:>7}" for name in _COLUMNS) + "  misread without the proxy")
    for name in names:
        counts = total if name == "all" else found.counts[name]
        cells = "  ".join(f"{counts[column]:>{max(7, len(column))}}" for column in _COLUMNS)
        bitten, played = found.bites.get(name, (0, 0))
        print(f"{name:{width}}  {cells}  {f'{bitten} of {played}' if played else ''}")


def transcript(number: int, seed: int, prefix: str) -> str:
    """A stream as it was sent, a line for each of its own, and what a strict reading makes of it."""
    one = stream(seed, number, prefix)
    said = [f"stream {number} of seed {seed}, sent in {len(one.pieces())} pieces"]
    for piece in one.pieces():
        said += [f"  > {line!r}"[:-1].replace("b'", "", 1) for line in piece.splitlines(keepends=True)]
        said.append("  --")
    reading = reading_of(one.data, prefix)
    return "\n".join((*said, *(f"  framed: {each}" for each in reading.requests), f"  ends: {reading.end}"))


def _save(found: Found, seed: int, each: int, origins: Sequence[Origin], folder: Path) -> None:
    """Every stream with a fault as a transcript; the first few are printed."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, (number, (origin, wrong)) in enumerate(sorted(found.wrong.items())):
        lane = number % (each * len(origins)) // len(origins)
        prefix = f"/vendors/{origin.replace('_', '-')}-{lane}"
        text = "\n".join((f"origin {origin}", transcript(max(0, number), seed, prefix), *wrong, ""))
        (folder / f"seed-{seed}-stream-{number}.txt").write_text(text, encoding="utf-8")
        if place < 5:
            print(text)
    print(f"{found.desyncs} transcripts in {folder}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.desync.run", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--streams", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--origins", default=",".join(one.name for one in ORIGINS), help="names, with commas between")
    parser.add_argument("--fewest", type=int, default=FEWEST, help="exit code 1 with fewer origins")
    parser.add_argument("--direct", type=int, default=300, help="streams of the control to every origin; 0: no control")
    parser.add_argument("--each", type=int, default=4, help="lanes for every origin")
    parser.add_argument("--save", type=Path, default=Path(tempfile.gettempdir()) / "paramwall-desyncs")
    parser.add_argument("--show", type=int, help="print one stream and end")
    asked = parser.parse_args(arguments)
    if asked.show is not None:
        print(transcript(asked.show, asked.seed, ""))
        return 0
    wanted = [one for one in ORIGINS if one.name in asked.origins.split(",")]
    absent = missing(wanted)
    for one in absent:
        print(f"{one.name} is not here: {one.advice}")
    origins = [one for one in wanted if one not in absent]
    if len(origins) < max(1, asked.fewest):
        print(f"{len(origins)} origins, at least {asked.fewest} are needed")
        return 1
    found = uvloop.run(measure(origins, asked.streams, asked.seed, each=asked.each, direct=asked.direct))
    _show(found)
    if found.wrong:
        _save(found, asked.seed, asked.each, origins, asked.save)
    bitten = sum(number for number, _ in found.bites.values())
    bites = bitten > 0 or not asked.direct
    print(f"desyncs: {found.desyncs} of {asked.streams} streams over {len(origins)} origins in {found.seconds:.0f} s")
    print(f"control: {bitten} streams misread without the proxy{'' if bites else ': the streams show nothing'}")
    return int(found.desyncs > 0 or not bites)


if __name__ == "__main__":
    sys.exit(main())
