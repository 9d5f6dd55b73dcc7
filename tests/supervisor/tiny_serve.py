"""A supervisor over tiny workers: `python -m tests.supervisor.tiny_serve FILE`; prints what cannot start, exits 1.

A member `worker` of the file stands in for the arguments of the Python that a worker is.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

from proxy.supervisor.crew import Patience
from proxy.supervisor.run import run
from proxy.supervisor.sockets import CannotStart
from tests.supervisor import tiny


def main() -> None:
    file = Path(sys.argv[1])
    load = partial(tiny.load, file)
    worker = json.loads(file.read_text()).get("worker", ["-m", "tests.supervisor.tiny_worker"])
    patience = Patience(report_s=0.3, swap_s=2.0, start_s=10.0, stuck_s=1.0, end_s=1.0)
    try:
        run(load, load(), worker=(sys.executable, *worker), patience=patience)
    except CannotStart as exc:
        sys.exit(f"cannot start: {exc}")


if __name__ == "__main__":
    main()
