"""A thousand clients that ask for endless answers and read nothing: what each costs, and when it is cut off.

`python -m tests.load.stuck_readers --readers 1000`, with `limits.write_stall` of 10 s for the run (1 m by default). All
are stuck before the first is cut off. Not here: the readers (stuck_readers_hold.py) and the good clients (besieged.py).
Invariant: a reader counts as cut off when its own kernel says so, although it has read nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Final

from bench.processes import raise_file_limit, two_cpus
from tests.load.bars import Row, verdict, zero
from tests.load.besieged import Found, Place, alternated, besieged

EACH_BYTES: Final = 256 * 1024
"""Of the proxy's own memory for a stuck reader, as bench/memory.py counts it; the kernel's buffers are shown beside."""
TOLERANCE_S: Final = 2.0
"""Beyond `write_stall`, which runs from when the buffers are full: filling them, a sweep, a loop's turn under load."""
_HOLD: Final = str(Path(__file__).with_name("stuck_readers_hold.py"))
_RAMP: Final = 0.8
"""Of the deadline: the time within which all ask."""
_LIMIT_S: Final = 60.0
_RELEASED_S: Final = 20.0


def measure(
    readers: int, turns: int, stall_s: float, rate: float, cpus: tuple[int, int] | None
) -> tuple[Found, int, int, int]:
    """The turns, how many answers the proxy counted as left by their client, and how many connections to vendors and
    permits are left at the end.
    """
    with besieged(1, {"write_stall": f"{stall_s:g}s"}, cpus) as place:
        attack = (_HOLD, place.port, readers, _RAMP * stall_s, stall_s + _LIMIT_S)
        found = asyncio.run(alternated(place, tuple(map(str, attack)), turns, rate))
        kept = _kept(place)
        stalled = place.counted("paramwall_requests_total", 'vendor="flood"', 'outcome="client_gone"')
        return found, stalled, kept, place.counted("paramwall_requests_in_flight")


def _kept(place: Place) -> int:
    """Connections to vendors that are open still; those that are idle end by themselves after a while."""
    end = time.monotonic() + _RELEASED_S
    while (kept := place.counted("paramwall_upstream_connections")) and time.monotonic() < end:
        time.sleep(0.2)
    return kept


def rows(found: Found, stalled: int, kept: int, permits: int, readers: int, stall_s: float) -> list[Row]:
    """What was measured, beside the bars."""
    attacks = [turn.attack for turn in found.attacked]
    took = sorted(second for attack in attacks for second in attack["took_s"])
    wanted, ended = readers * len(attacks), sum(attack["ended"] for attack in attacks)
    last, bar = (took[-1] if took else 0.0), stall_s + TOLERANCE_S
    own = max(turn.peak for turn in found.attacked) - found.idle
    kernel = max(turn.kernel for turn in found.attacked)
    grown = found.attacked[-1].after - found.attacked[0].after
    return [
        Row("stuck at once", str(min(attack["most_open"] for attack in attacks)), f"{readers}"),
        Row("cut off", f"{ended} of {wanted}", "all", ended == wanted),
        Row("counted by the proxy", str(stalled), str(wanted), stalled == wanted),
        zero("left open", sum(attack["open"] for attack in attacks)),
        Row("cut off after, median", f"{took[len(took) // 2] if took else 0:.2f} s"),
        Row("cut off after, the last", f"{last:.2f} s", f"<= {bar:g} s", stall_s - 0.5 <= last <= bar),
        Row("memory for each", f"{own / readers / 1024:.1f} KiB", "<= 256 KiB", own / readers <= EACH_BYTES),
        Row("of the kernel's for each, besides", f"{kernel / readers / 1024:.1f} KiB" if kernel else "no ss(8) to ask"),
        Row("memory kept after the first attack", f"{(found.attacked[0].after - found.idle) / 2**20:.1f} MiB"),
        Row("and grown by the last", f"{grown / 2**20:+.1f} MiB", "<= 10 MiB", grown <= 10 * 2**20),
        zero("vendor connections kept", kept),
        zero("permits kept", permits),
        *found.rows(),
    ]


def main() -> int:
    """The command."""
    options = argparse.ArgumentParser(prog="python -m tests.load.stuck_readers", description=__doc__.partition("\n")[0])
    options.add_argument("--readers", type=int, default=1000)
    options.add_argument("--turns", type=int, default=3, help="with the attack, and as many without")
    options.add_argument("--write-stall", type=float, default=10.0)
    options.add_argument("--rate", type=float, default=100.0, help="good requests a second")
    said = options.parse_args()
    raise_file_limit()
    sys.stdout.write(f"{said.readers} stuck readers\n")
    found, stalled, kept, permits = measure(said.readers, said.turns, said.write_stall, said.rate, two_cpus())
    return 0 if verdict(rows(found, stalled, kept, permits, said.readers, said.write_stall)) else 1


if __name__ == "__main__":
    sys.exit(main())
