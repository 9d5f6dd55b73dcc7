"""By hand: run the defects, a line for each; see the package."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tests.e2e.defects import __doc__ as about
from tests.e2e.defects.cases import Seen, cases
from tests.e2e.defects.run import run_alone
from tests.e2e.defects.systems import here, processes
from tests.e2e.defects.table import with_tables


def _tell(seen: Seen) -> Seen:
    case = seen.case
    alarms = ", ".join(map(str, seen.alarms)) or "no alarm"
    counted = f"; {case.metric} {seen.counted:g} in {seen.requests}" if case.metric else ""
    lines = [f"{case.fault}: {alarms}{counted}"]
    lines += [f"    FAIL {fault}" for fault in seen.faults]
    sys.stdout.write("\n".join([*lines, ""]))
    sys.stdout.flush()
    return seen


def main() -> int:
    """Exit code 1 when one of them was not named in time."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.defects", description=str(about).partition("\n")[0])
    parser.add_argument("faults", nargs="*", help="names of faults; none: all")
    parser.add_argument("--processes", action="store_true", help="through the processes of paramwall serve")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many runs at a time")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="a page into which to write the tables")
    given = parser.parse_args()
    wanted = [case for case in cases() if not given.faults or case.name in given.faults]
    with ProcessPoolExecutor(given.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = [
            _tell(seen) for seen in pool.map(partial(run_alone, stage=processes if given.processes else here), wanted)
        ]
    if given.markdown is not None:
        page: Path = given.markdown
        page.write_text(with_tables(page.read_text(encoding="utf-8"), found), encoding="utf-8")
    return 1 if any(seen.faults for seen in found) else 0


if __name__ == "__main__":
    sys.exit(main())
