"""`python -m bench.cardinality`: how many series hostile traffic can make of one instance.

The real `paramwall serve` with four workers and a mirror, before vendors with every status and every way to break off,
and clients with ever new models, paths, keys, members and header fields. Not here: the traffic
(cardinality_traffic.py). Invariant: what is counted are the lines of `/metrics` that are no comment, as Prometheus
stores them.

    python -m bench.cardinality                              a million requests, 2 vendors
    python -m bench.cardinality --requests 50000 --vendors 1

Exit code 0: at most 5,000 series; 1: more, or a program did not start or broke; 2: usage.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NoReturn

import uvloop

from bench.cardinality_traffic import Traffic, sent
from bench.processes import Program, free_port, raise_file_limit
from bench.report import Rows, to_text
from bench.shadow_proxy import Watched, fetch, watched

BAR: Final = 5000
_ROOT: Final = Path(__file__).parents[1]
_CONNECTIONS: Final = 96
_BATCH: Final = 20_000
_ENFORCEMENTS: Final = ("repair", "strict", "observe")
_SETTLED_S: Final = 3.0
"""After that the scorer has told what it made of the last answers."""


def series(port: int) -> Counter[str]:
    """How many of each family, from the admin port. Raises OSError."""
    found: Counter[str] = Counter()
    family = ""
    for line in fetch(port, "/metrics")[1].splitlines():
        if line.startswith("# TYPE "):
            family = line.split(" ")[2]
        elif line and not line.startswith("#"):
            found[family] += 1
    return found


@contextlib.contextmanager
def besieged(folder: Path, vendors: int, workers: int, *, scoring: bool = True) -> Iterator[Watched]:
    """The proxy, before hostile vendors that are one program. Raises RuntimeError when one does not start."""
    port = free_port()
    command = (sys.executable, "-m", "bench.cardinality_vendor", str(port))
    vendor = Program("vendor", command, None, folder, {"PYTHONPATH": str(_ROOT)})
    url = f"http://127.0.0.1:{port}/v1"
    timeouts = {"first_byte": "300ms", "idle": "300ms"}
    endpoint = {"url": url, "profile": "vllm", "credentials": "pass", "timeouts": timeouts}
    named = {
        f"vendor-{number}": {**endpoint, "enforcement": _ENFORCEMENTS[number % len(_ENFORCEMENTS)]}
        for number in range(vendors)
    }
    checks: dict[str, object] = {"signals": {"fraction": 0}}
    if scoring:
        reference = {"url": url, "profile": "moonshot"}
        checks = {"signals": {"fraction": "20%"}, "reference": reference, "mirror": {"fraction": "20%"}}
    settings = {"version": 1, "workers": workers, "vendors": named, **checks}
    try:
        with watched("proxy", folder, None, settings) as proxy:
            yield proxy
    finally:
        vendor.stop()


def rows(before: Mapping[str, int], after: Mapping[str, int]) -> Rows:
    """Families that grew, then the rest in one line, then all."""
    grown = [name for name in after if after[name] != before.get(name, 0)]
    others = [name for name in after if name not in grown]
    lines = [(name, str(before.get(name, 0)), str(after[name])) for name in sorted(grown, key=lambda n: -after[n])]
    rest = str(sum(after[name] for name in others))
    return [
        ("family", "series before", "after"),
        *lines,
        (f"{len(others)} others", rest, rest),
        ("all", str(sum(before.values())), str(sum(after.values()))),
    ]


def run(requests: int, vendors: int) -> tuple[Rows, int]:
    """The table, and the series in the end. Raises RuntimeError, OSError."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, besieged(Path(name), vendors, 4) as proxy:
        before = series(proxy.admin)
        traffic = Traffic([f"vendor-{number}" for number in range(vendors)], requests)
        begun_s, unanswered = time.monotonic(), 0
        for start in range(0, requests, _BATCH):
            numbers = range(start, min(start + _BATCH, requests))
            unanswered += uvloop.run(sent(proxy.port, traffic, numbers, _CONNECTIONS))
            rate = numbers.stop / (time.monotonic() - begun_s)
            now = sum(series(proxy.admin).values())
            _say(f"{numbers.stop:,} requests, {rate:,.0f} a second: {now:,} series")
        time.sleep(_SETTLED_S)
        after = series(proxy.admin)
        if unanswered:
            raise RuntimeError(f"{unanswered} requests were never answered; the proxy said:\n{proxy.program.said()}")
    return rows(before, after), sum(after.values())


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _stop(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(143)


def main() -> None:
    """Run the command."""
    options = argparse.ArgumentParser(prog="python -m bench.cardinality", description="Series after hostile traffic.")
    options.add_argument("--requests", type=int, default=1_000_000, help="default %(default)s")
    options.add_argument("--vendors", type=int, default=2, help="default %(default)s")
    said = options.parse_args()
    if min(said.requests, said.vendors) < 1:
        options.error("--requests and --vendors: at least 1")
    signal.signal(signal.SIGTERM, _stop)
    raise_file_limit()
    try:
        table, total = run(said.requests, said.vendors)
    except (RuntimeError, OSError) as error:
        _say(f"stopped: {error}")
        raise SystemExit(1) from None
    print(to_text(table))
    raise SystemExit(0 if total <= BAR else 1)


if __name__ == "__main__":
    main()
