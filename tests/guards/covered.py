"""Whether the modules that guard are reached line by line and branch by branch: `python -m tests.guards.covered`.

Here: one run of coverage.py for each set of own tests, and the table of what was missed. Not here: which tests are
whose (own.py). Invariant: a module is measured under its own tests alone, so what other tests happen to pass through
counts for nothing. Exit code 1 when anything is missed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.guards.own import OWN, ROOT


@dataclass(frozen=True, slots=True)
class Reached:
    """How much of one module its own tests reach. `missed` are lines, and branches as `from->to`."""

    module: str
    share: float
    missed: tuple[str, ...]


def by_tests(modules: Sequence[str] = tuple(OWN)) -> dict[tuple[str, ...], list[str]]:
    """The modules that have the same own tests are measured together."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for module in modules:
        groups.setdefault(OWN[module], []).append(module)
    return groups


def measured(tests: Sequence[str], modules: Sequence[str]) -> list[Reached]:
    """What these tests reach of these modules. Raises AssertionError when a test fails."""
    with tempfile.TemporaryDirectory() as folder:
        data, report = Path(folder, "data"), Path(folder, "report.json")
        run = ("run", "--branch", f"--data-file={data}", f"--include={','.join(modules)}", "-m", "pytest")
        done = _coverage(*run, "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *tests)
        assert done.returncode == 0, done.stdout[-4000:]
        done = _coverage("json", f"--data-file={data}", "-o", str(report))
        assert done.returncode == 0, done.stdout
        files: dict[str, Any] = json.loads(report.read_text())["files"]
    return [_reached(module, files.get(module)) for module in modules]


def _coverage(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "coverage", *arguments)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def _reached(module: str, found: dict[str, Any] | None) -> Reached:
    if found is None:
        return Reached(module, 0.0, ("all",))
    branches = (f"{start}->{'exit' if end < 0 else end}" for start, end in found["missing_branches"])
    missed = (*map(str, found["missing_lines"]), *branches)
    return Reached(module, found["summary"]["percent_covered"], missed)


def _rows(modules: Sequence[str]) -> Iterator[Reached]:
    for tests, guarded in by_tests(modules).items():
        sys.stdout.write(f"{' '.join(tests)}\n")
        for reached in measured(tests, guarded):
            sys.stdout.write(f"  {reached.share:6.2f} %  {reached.module}  {' '.join(reached.missed)}\n")
            sys.stdout.flush()
            yield reached


def main(modules: Sequence[str]) -> int:
    """Print the table; the modules asked for, or all."""
    return 1 if sum(bool(reached.missed) for reached in _rows(modules or tuple(OWN))) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
