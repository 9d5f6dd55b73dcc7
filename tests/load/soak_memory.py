"""Memory of the proxy's processes over time, and how steeply it grows.

Here: what /proc tells, and the slope. Not here: the bar. Invariant: a slope is that of one process over one stretch of
its life; a process that was replaced within the stretch has none.

What is resident is what is kept, and on top of it what the requests of this moment need: mebibytes that come and go,
with which a slope over a quarter of an hour is uncertain by several MiB an hour. So the slope that counts is that of
the floor, the least of each minute; the one of all samples stands beside it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_KIB_PER_MIB: Final = 1024
_S_PER_H: Final = 3600
LIVED: Final = 0.8
"""Of a stretch, for which a process must have samples to be judged by it."""
_FLOOR_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment: what is resident, in KiB."""

    at_s: float
    role: str
    pid: int
    rss: int


@dataclass(frozen=True, slots=True)
class Slope:
    """How one process grew over `seconds`: the floor of each minute in MiB, the slope of the floors and that of all
    samples, in MiB an hour, extrapolated; NaN for less than three whole minutes.
    """

    role: str
    pid: int
    seconds: float
    samples: int
    floors_mib: tuple[float, ...]
    floor_mib_h: float
    all_mib_h: float


def sample(at_s: float, role: str, pid: int) -> Sample | None:
    """None when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return None
    found = {name: rest for name, _, rest in (line.partition(":") for line in text.splitlines())}
    return Sample(at_s, role, pid, int(found["Rss"].split()[0]))


def slopes(samples: Sequence[Sample], begin_s: float, end_s: float) -> list[Slope]:
    """Of every process that lived all through the stretch."""
    found = []
    for pid in dict.fromkeys(each.pid for each in samples):
        mine = [each for each in samples if each.pid == pid and begin_s <= each.at_s <= end_s]
        if len(mine) < 3 or mine[-1].at_s - mine[0].at_s < (end_s - begin_s) * LIVED:
            continue
        floors = _floors(mine)
        found.append(
            Slope(
                mine[0].role,
                pid,
                mine[-1].at_s - mine[0].at_s,
                len(mine),
                tuple(each.rss / _KIB_PER_MIB for each in floors),
                _slope(floors),
                _slope(mine),
            )
        )
    return found


def _floors(samples: Sequence[Sample]) -> list[Sample]:
    """The least of each minute; what is left at the end is none."""
    minutes: dict[int, list[Sample]] = {}
    for each in samples:
        minutes.setdefault(int((each.at_s - samples[0].at_s) // _FLOOR_S), []).append(each)
    if len(minutes) > 1:
        minutes.popitem()
    return [min(each, key=lambda sample: sample.rss) for each in minutes.values()]


def _slope(samples: Sequence[Sample]) -> float:
    if len(samples) < 3:
        return math.nan
    return theil_sen([each.at_s for each in samples], [each.rss / _KIB_PER_MIB for each in samples]) * _S_PER_H


def theil_sen(times: Sequence[float], values: Sequence[float]) -> float:
    """The median of the slopes between all pairs of points: a few steps or outliers do not move it."""
    return statistics.median(
        (values[late] - values[early]) / (times[late] - times[early])
        for early in range(len(times))
        for late in range(early + 1, len(times))
    )
