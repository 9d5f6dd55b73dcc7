"""Memory of the proxy's processes over time, and how steeply it grows.

Here: what /proc tells, and the slope. Not here: the bar. Invariant: a slope is that of one process over one stretch of
its life; a process that was replaced within the stretch has none.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_KIB_PER_MIB: Final = 1024
_S_PER_H: Final = 3600


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment: resident, its share of what is shared (PSS), and its own alone (USS); in KiB."""

    at_s: float
    role: str
    pid: int
    rss: int
    pss: int
    uss: int


@dataclass(frozen=True, slots=True)
class Slope:
    """How one process grew over `seconds`, in MiB; slopes in MiB an hour, extrapolated."""

    role: str
    pid: int
    seconds: float
    samples: int
    first_mib: float
    last_mib: float
    rss_mib_h: float
    uss_mib_h: float


def sample(at_s: float, role: str, pid: int) -> Sample | None:
    """None when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return None
    found = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in text.splitlines()[1:])}
    return Sample(at_s, role, pid, found["Rss"], found["Pss"], found["Private_Clean"] + found["Private_Dirty"])


def slopes(samples: Sequence[Sample], begin_s: float, end_s: float) -> list[Slope]:
    """Of every process that lived all through the stretch."""
    found = []
    for pid in dict.fromkeys(each.pid for each in samples):
        mine = [each for each in samples if each.pid == pid and begin_s <= each.at_s <= end_s]
        if len(mine) < 3 or mine[-1].at_s - mine[0].at_s < (end_s - begin_s) * 0.8:
            continue
        times = [each.at_s for each in mine]
        found.append(
            Slope(
                mine[0].role,
                pid,
                times[-1] - times[0],
                len(mine),
                mine[0].rss / _KIB_PER_MIB,
                mine[-1].rss / _KIB_PER_MIB,
                theil_sen(times, [each.rss / _KIB_PER_MIB for each in mine]) * _S_PER_H,
                theil_sen(times, [each.uss / _KIB_PER_MIB for each in mine]) * _S_PER_H,
            )
        )
    return found


def theil_sen(times: Sequence[float], values: Sequence[float]) -> float:
    """The median of the slopes between all pairs of points: a few steps or outliers do not move it."""
    return statistics.median(
        (values[late] - values[early]) / (times[late] - times[early])
        for early in range(len(times))
        for late in range(early + 1, len(times))
    )
