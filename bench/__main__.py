"""`python -m bench`: measure, and write the tables.

Here: the command line. Not here: how anything is measured. Invariant: tables go to stdout, progress to stderr; an
interrupt or a SIGTERM ends everything that was started.

    python -m bench                                          everything, about 20 minutes
    python -m bench cpu --workloads small,stream --seconds 2 --rounds 1
    python -m bench --json bench/figures.json --markdown docs/benchmarks.md --markdown README.md
    python -m bench --from bench/figures.json --markdown README.md      write the tables again, measure nothing
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Final, NoReturn

from bench import cpu, latency, memory
from bench.processes import raise_file_limit, two_cpus
from bench.proxies import OUR_COMMAND, missing, proxies
from bench.report import Report, fill, from_json, machine, tables, to_json
from bench.workloads import WORKLOADS

_PROBES: Final = ("cpu", "memory", "latency")


def _options() -> argparse.ArgumentParser:
    names = [workload.name for workload in WORKLOADS]
    options = argparse.ArgumentParser(
        prog="python -m bench", description="Side-by-side cost of proxies on the same work."
    )
    options.add_argument(
        "probes", nargs="*", metavar="PROBE", help=f"what to measure: {', '.join(_PROBES)}; default all"
    )
    options.add_argument("--workloads", default=",".join(names), help="of the CPU probe; default %(default)s")
    options.add_argument("--proxies", default=",".join(proxies()), help="default %(default)s")
    options.add_argument(
        "--ours", default=OUR_COMMAND, metavar="COMMAND", help="with {port}, {vendor}, {admin} and {config}"
    )
    options.add_argument("--seconds", type=float, default=6.0, help="of one measurement; default %(default)s")
    options.add_argument("--rounds", type=int, default=3, help="each of all proxies in turn; default %(default)s")
    options.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    options.add_argument(
        "--markdown", type=Path, action="append", default=[], metavar="FILE", help="write the tables in FILE anew"
    )
    options.add_argument(
        "--from", type=Path, dest="kept", metavar="FILE", help="take the figures from FILE, measure nothing"
    )
    return options


def _measured(said: argparse.Namespace) -> Report:
    probes = said.probes or _PROBES
    cpus = two_cpus()
    os.sched_setaffinity(0, {cpus[1]})
    raise_file_limit()
    wanted = [name for name in said.proxies.split(",") if not _left_out(name)]
    launchers = {name: launcher for name, launcher in proxies(said.ours).items() if name in wanted}
    workloads = [workload for workload in WORKLOADS if workload.name in said.workloads.split(",")]
    return Report(
        machine(said.seconds, said.rounds),
        cpu.measure(launchers, workloads, said.seconds, said.rounds, cpus, _say) if "cpu" in probes else (),
        memory.measure(launchers, cpus, _say) if "memory" in probes else (),
        latency.measure(launchers, said.seconds, said.rounds, cpus, _say) if "latency" in probes else (),
    )


def _left_out(name: str) -> bool:
    why = missing(name)
    if why:
        _say(f"{why}; left out")
    return bool(why)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _stop(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(143)


def _checked(options: argparse.ArgumentParser) -> argparse.Namespace:
    said = options.parse_args()
    unknown = {
        "probe": set(said.probes) - set(_PROBES),
        "workload": set(said.workloads.split(",")) - {workload.name for workload in WORKLOADS},
        "proxy": set(said.proxies.split(",")) - set(proxies()),
    }
    for what, names in unknown.items():
        if names:
            options.error(f"no such {what}: {', '.join(sorted(names))}")
    if not said.kept and shutil.which("wrk") is None:
        options.error("wrk is not installed; hint: bash bench/setup.sh")
    return said


def main() -> None:
    """Run the command. Exit code 0: measured; 1: a program did not start or broke; 2: usage."""
    said = _checked(_options())
    signal.signal(signal.SIGTERM, _stop)
    if said.kept:
        report = from_json(said.kept.read_text())
    else:
        try:
            report = _measured(said)
        except (RuntimeError, OSError) as error:
            _say(f"stopped: {error}")
            raise SystemExit(1) from None
    for text in tables(report):
        print(text, end="\n\n")
    if said.json:
        said.json.write_text(to_json(report))
    for file in said.markdown:
        file.write_text(fill(file.read_text(), report))


if __name__ == "__main__":
    main()
