"""`python -m bench.scrape`: what reading `/metrics` takes under load, and what it does to the requests.

Four workers behind a mock vendor; load as high as it goes and at half of that; a scrape every second as Prometheus
asks, against rounds without any. Not here: the load (scrape_load.py). Invariant: rounds with and without scrapes take
turns, so that a machine that slows down slows both.

    python -m bench.scrape --rounds 5 --seconds 8        about 3 minutes

Exit code 0: within the bar; 1: not, or a program did not start or broke; 2: usage.
"""

from __future__ import annotations

import argparse
import http.client
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from bench.processes import Program, free_port, raise_file_limit
from bench.report import Rows, machine, to_text
from bench.shadow_proxy import Watched, watched

BAR_MS: Final = 50.0
"""What a scrape may take under load: the median of all."""
_EVERY_S: Final = 1.0
_WORKERS: Final = 4
_ROOT: Final = Path(__file__).parents[1]
_ASKED: Final = {
    "Accept": "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "Accept-Encoding": "gzip",
    "User-Agent": "Prometheus/2.42.0",
}


@dataclass(frozen=True, slots=True)
class Round:
    """One stretch of load: requests a second, their times, failures, and what each scrape took."""

    rate: float
    p50_ms: float
    p99_ms: float
    failed: float
    scrapes_ms: Sequence[float] = ()


def scrape(connection: http.client.HTTPConnection) -> tuple[float, int]:
    """Milliseconds of one scrape, and its series. Raises OSError."""
    begun_s = time.perf_counter()
    connection.request("GET", "/metrics", headers=_ASKED)
    response = connection.getresponse()
    text = response.read()
    taken_ms = (time.perf_counter() - begun_s) * 1e3
    if response.status != 200 or not text.endswith(b"# EOF\n"):
        raise ConnectionError(f"no metrics: {response.status}")
    return taken_ms, sum(not line.startswith(b"#") for line in text.splitlines())


def loaded(proxy: Watched, seconds: float, rate: float, *, scraping: bool) -> Round:
    """One round. Raises RuntimeError when the load broke."""
    command = (sys.executable, "-m", "bench.scrape_load", str(proxy.port))
    flags = ("--rate", f"{rate:.3f}", "--seconds", f"{seconds:g}")
    with subprocess.Popen((*command, *flags), stdout=subprocess.PIPE, cwd=_ROOT) as load:
        took: list[float] = []
        connection = http.client.HTTPConnection("127.0.0.1", proxy.admin, timeout=10)
        time.sleep(2.0)  # the interpreter starts, and the load warms up
        while scraping and load.poll() is None:
            took.append(scrape(connection)[0])
            time.sleep(max(0.0, _EVERY_S - took[-1] / 1e3))
        connection.close()
        said, _ = load.communicate()
    if load.returncode:
        raise RuntimeError("the load broke")
    return Round(**json.loads(said), scrapes_ms=took)


def measured(proxy: Watched, seconds: float, rounds: int, share: float) -> tuple[list[Round], list[Round]]:
    """Rounds without scrapes and with them. `share` of what goes at most; 1: as much as goes."""
    rate = 0.0 if share == 1 else share * loaded(proxy, seconds, 0.0, scraping=False).rate
    pairs = [
        tuple(loaded(proxy, seconds, rate, scraping=scraping) for scraping in order)
        for order in ((False, True) if number % 2 else (True, False) for number in range(rounds))
    ]
    both = [one for pair in pairs for one in pair]
    return [one for one in both if not one.scrapes_ms], [one for one in both if one.scrapes_ms]


def rows(title: str, without: Sequence[Round], with_: Sequence[Round]) -> tuple[Sequence[str], float]:
    """One line of the table, and the median of all scrapes."""
    took = sorted(value for one in with_ for value in one.scrapes_ms)
    middle = statistics.median(took)
    cells = [title, f"{middle:.1f}", f"{took[int(len(took) * 0.99)]:.1f}", f"{took[-1]:.1f}", str(len(took))]
    for name, digits in (("rate", 0), ("p50_ms", 2), ("p99_ms", 2)):
        bare, scraped = (statistics.median(getattr(one, name) for one in side) for side in (without, with_))
        ratio = statistics.median(
            getattr(one, name) / getattr(other, name) for one, other in zip(with_, without, strict=True)
        )
        cells += [f"{bare:,.{digits}f}", f"{scraped:,.{digits}f}", f"{ratio:.3f}"]
    cells.append(f"{sum(one.failed for one in (*without, *with_)):.0f}")
    return cells, middle


HEAD: Final = (
    "load", "scrape p50 ms", "p99", "max", "scrapes", "requests/s without", "with", "ratio", "p50 ms without", "with",
    "ratio", "p99 ms without", "with", "ratio", "failed",
)  # fmt: skip


def run(said: argparse.Namespace) -> tuple[Rows, bool]:
    """The table, and whether the bar is kept. Raises RuntimeError, OSError."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, port = Path(name), free_port()
        vendor = Program(
            "vendor", (sys.executable, "-m", "bench.vendor", str(port)), None, folder, {"PYTHONPATH": str(_ROOT)}
        )
        endpoint = {"url": f"http://127.0.0.1:{port}/v1", "profile": "openai-compatible", "credentials": "pass"}
        vendors = {f"vendor-{number}": endpoint for number in range(said.vendors)}
        settings = {"version": 1, "workers": _WORKERS, "vendors": vendors, "signals": {"fraction": 0}}
        try:
            with watched("proxy", folder, None, settings) as proxy:
                connection = http.client.HTTPConnection("127.0.0.1", proxy.admin, timeout=10)
                idle = sorted(scrape(connection) for _ in range(20))
                _say(f"idle: {idle[10][0]:.1f} ms, {idle[10][1]} series")
                table: list[Sequence[str]] = [HEAD]
                kept = True
                for title, share in (("all that goes", 1.0), ("half of it", 0.5)):
                    line, middle = rows(title, *measured(proxy, said.seconds, said.rounds, share))
                    table.append(line)
                    kept = kept and middle <= BAR_MS
                    _say(f"{title}: median scrape {middle:.1f} ms")
        finally:
            vendor.stop()
    return table, kept


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _stop(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(143)


def main() -> None:
    """Run the command."""
    options = argparse.ArgumentParser(prog="python -m bench.scrape", description="Scrapes under load.")
    options.add_argument("--rounds", type=int, default=5, help="pairs for each load; default %(default)s")
    options.add_argument("--seconds", type=float, default=8.0, help="of a round; default %(default)s")
    options.add_argument("--vendors", type=int, default=6, help="default %(default)s")
    said = options.parse_args()
    if min(said.rounds, said.seconds, said.vendors) < 1:
        options.error("--rounds, --seconds and --vendors: at least 1")
    signal.signal(signal.SIGTERM, _stop)
    raise_file_limit()
    on = machine(said.seconds, said.rounds)
    try:
        table, kept = run(said)
    except (RuntimeError, OSError) as error:
        _say(f"stopped: {error}")
        raise SystemExit(1) from None
    print(to_text(table))
    print("; ".join(f"{name}: {value}" for name, value in on.items()))
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
