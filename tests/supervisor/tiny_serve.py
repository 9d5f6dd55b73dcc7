"""A supervisor over tiny workers: `python -m tests.supervisor.tiny_serve FILE`; prints what cannot start, exits 2."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from proxy.supervisor.crew import Patience
from proxy.supervisor.run import run
from proxy.supervisor.sockets import CannotStart
from tests.supervisor import tiny


def main() -> None:
    load = partial(tiny.load, Path(sys.argv[1]))
    patience = Patience(report_s=0.3, swap_s=2.0, start_s=10.0, stuck_s=1.0, end_s=1.0)
    try:
        run(load, load(), worker=(sys.executable, "-m", "tests.supervisor.tiny_worker"), patience=patience)
    except CannotStart as exc:
        sys.exit(f"cannot start: {exc}")


if __name__ == "__main__":
    main()
