"""Long runs of one fuzz target: `python -m tests.fuzz.run TARGET --seconds 600 --seed 1 --workers 1`.

Here: the command. Not here: the search (hunting.py), the targets (targets/). Invariant: what fails is made small and
saved under a name that says its content, next to the seeds unless told otherwise; it fails there again in every test
run until it is mended.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import sys
import time
from pathlib import Path

from tests.fuzz.hunting import Failure, hunt, smallest
from tests.fuzz.targets import TARGETS


def searched(name: str, seed: int, seconds: float, save: str, guided: bool) -> tuple[int, int]:
    """One worker's run: how many inputs, how many kinds of failure."""
    target, end = TARGETS[name], time.monotonic() + seconds
    count, failures = hunt(target, seed, lambda _: time.monotonic() < end, guided=guided)
    folder = Path(save) if save else target.folder
    for each in failures:
        _save(smallest(target, each), folder)
    return count, len(failures)


def _save(failed: Failure, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"found-{hashlib.sha256(failed.data).hexdigest()[:12]}"
    path.write_bytes(failed.data)
    kind, where, line = failed.mark
    sys.stdout.write(f"{path.name}: {kind} at {Path(where).name}:{line}: {str(failed.error)[:300]}\n")


def main() -> int:
    """Exit code 1 when anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=str(__doc__).partition("\n")[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--save", default="", help="folder for what is found, instead of the target's corpus")
    parser.add_argument("--guided", action="store_true", help="keep inputs that reach new lines; several times slower")
    asked = parser.parse_args()
    started = time.monotonic()
    runs = [(asked.target, asked.seed + at, asked.seconds, asked.save, asked.guided) for at in range(asked.workers)]
    if asked.workers == 1:
        results = [searched(*runs[0])]
    else:
        with multiprocessing.get_context("spawn").Pool(asked.workers) as pool:
            results = pool.starmap(searched, runs)
    count, found = (sum(column) for column in zip(*results, strict=True))
    took = time.monotonic() - started
    sys.stdout.write(f"{asked.target}: {count} inputs, {found} failures, seed {asked.seed}, {took:.0f} s\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
