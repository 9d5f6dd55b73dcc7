"""`python -m bench.shadow`: what checks and the mirror cost, how much the scorer takes, and what trouble does.

Here: the command line. Not here: how anything is measured (shadow_cost.py, shadow_throughput.py, shadow_trouble.py,
shadow_killed.py). Invariants: a section that is measured replaces its own figures alone; tables go to stdout, progress
to stderr; an interrupt or a SIGTERM ends everything that was started.

    python -m bench.shadow cost --workloads agent,swarm --seconds 4 --rounds 5     about 3 minutes
    python -m bench.shadow throughput                                              about 1 minute
    python -m bench.shadow trouble --seconds 20                                    about 3 minutes; bar: --seconds 600
    python -m bench.shadow killed --kills 100                                      about 6 minutes
    python -m bench.shadow --markdown docs/benchmarks.md           writes the tables again, measures nothing

Exit code 0: all that was measured is within its bar; 1: not, or a program did not start or broke; 2: usage.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from bench import shadow_cost, shadow_killed, shadow_throughput, shadow_trouble
from bench.processes import raise_file_limit, two_cpus
from bench.report import machine, to_text
from bench.shadow_report import TABLES, Figure, fill, section, to_json
from bench.workloads import WORKLOADS

SECTIONS: Final = ("cost", "throughput", "trouble", "killed")
FIGURES: Final = Path(__file__).with_name("shadow.json")
_SECONDS: Final = {"cost": 6.0, "throughput": 6.0, "trouble": 20.0}


def _options() -> argparse.ArgumentParser:
    names = ",".join(workload.name for workload in WORKLOADS)
    options = argparse.ArgumentParser(prog="python -m bench.shadow", description="Cost and robustness of the shadow.")
    options.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"what to measure: {', '.join(SECTIONS)}; default nothing"
    )
    lengths = ", ".join(f"{name} {seconds:g}" for name, seconds in _SECONDS.items())
    options.add_argument("--seconds", type=float, help=f"of one measurement or phase; default {lengths}")
    options.add_argument("--rounds", type=int, default=5, help="of cost; default %(default)s")
    options.add_argument("--workloads", default=names, help="of cost; default %(default)s")
    options.add_argument("--cases", type=int, default=96, help="recorded exchanges of throughput; default %(default)s")
    options.add_argument("--kills", type=int, default=100, help="default %(default)s")
    options.add_argument("--seed", type=int, default=1, help="of the moments of killed; default %(default)s")
    options.add_argument("--json", type=Path, default=FIGURES, metavar="FILE", help="figures; default %(default)s")
    options.add_argument(
        "--markdown", type=Path, action="append", default=[], metavar="FILE", help="write the tables in FILE anew"
    )
    return options


def _figures(name: str, said: argparse.Namespace, seconds: float, cpus: tuple[int, int]) -> Sequence[Figure]:
    match name:
        case "cost":
            workloads = [workload for workload in WORKLOADS if workload.name in said.workloads.split(",")]
            return shadow_cost.measure(workloads, seconds, said.rounds, cpus, _say)
        case "throughput":
            scored = shadow_throughput.measure(seconds, said.cases, _say)
            return [*scored, shadow_throughput.crossing(20)]
        case "trouble":
            return shadow_trouble.measure(seconds, cpus, _say)
        case _:
            return [shadow_killed.measure(said.kills, said.seed, cpus, _say)]


def _measured(name: str, said: argparse.Namespace, cpus: tuple[int, int]) -> dict[str, Any]:
    seconds = said.seconds or _SECONDS.get(name, 0.0)
    on = machine(seconds, said.rounds)
    on["measured"] = {
        "cost": on["measured"],
        "throughput": f"{seconds:g} s of CPU each",
        "trouble": f"{seconds:g} s each",
        "killed": f"{said.kills} kills, seed {said.seed}",
    }[name]
    return section(on, _figures(name, said, seconds, cpus))


def _measured_all(kept: dict[str, Any], said: argparse.Namespace) -> dict[str, Any]:
    """What was kept, with the wanted sections new; written after each."""
    cpus = two_cpus()
    os.sched_setaffinity(0, {cpus[1]})
    raise_file_limit()
    for name in said.sections:
        kept = {**kept, name: _measured(name, said, cpus)}
        kept = {each: kept[each] for each in SECTIONS if each in kept}
        said.json.write_text(to_json(kept))
    return kept


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _stop(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(143)


def _checked(options: argparse.ArgumentParser) -> argparse.Namespace:
    said = options.parse_args()
    unknown = {
        "section": set(said.sections) - set(SECTIONS),
        "workload": set(said.workloads.split(",")) - {workload.name for workload in WORKLOADS},
    }
    for what, names in unknown.items():
        if names:
            options.error(f"no such {what}: {', '.join(sorted(names))}")
    for name, value in (("--rounds", said.rounds), ("--kills", said.kills), ("--cases", said.cases)):
        if value < 1:
            options.error(f"{name} {value}: at least 1")
    if said.seconds is not None and said.seconds <= 0:
        options.error(f"--seconds {said.seconds:g}: more than 0")
    if "cost" in said.sections and shutil.which("wrk") is None:
        options.error("wrk is not installed; hint: bash bench/setup.sh")
    return said


def main() -> None:
    """Run the command."""
    said = _checked(_options())
    signal.signal(signal.SIGTERM, _stop)
    kept: dict[str, Any] = json.loads(said.json.read_text()) if said.json.exists() else {}
    try:
        if said.sections:
            kept = _measured_all(kept, said)
    except (RuntimeError, OSError) as error:
        _say(f"stopped: {error}")
        raise SystemExit(1) from None
    for make in TABLES.values():
        rows = make(kept)
        if len(rows) > 1:
            print(to_text(rows), end="\n\n")
    for file in said.markdown:
        file.write_text(fill(file.read_text(), kept))
    missed = [name for name in said.sections if not kept[name]["kept"]]
    if missed:
        _say(f"not within the bar: {', '.join(missed)}")
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    main()
