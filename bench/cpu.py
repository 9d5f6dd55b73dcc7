"""CPU per request: what a proxy's processes spend on one request of each workload.

wrk loads the proxy; within its run a window is cut out of the steady state. CPU time comes from /proc. The work done is
what wrk received in the window, divided by the size of one answer, so neither start, end nor half-done streams distort
the quotient. Not here: latency. Invariant: an answer that is not 200, or a socket error, is counted and shown beside
the figure.
"""

from __future__ import annotations

import re
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from bench.client import answer_bytes, request
from bench.fleet import Fleet, fleet
from bench.proxies import DIRECT, YARDSTICK, Launch, Place
from bench.workloads import Workload, body

_LEAD_S: Final = 1.0
"""Load before the window opens."""
_FIRST_BYTES_S: Final = 90.0
"""How long a proxy may take until answers flow: LiteLLM first reads all of 300 bodies."""
_LONGEST_S: Final = 600.0
SCRIPT_HEAD: Final = (
    'wrk.method = "POST"\n'
    'wrk.headers["Content-Type"] = "application/json"\n'
    'wrk.headers["Authorization"] = "Bearer unused"\n'
)
"""Of every script for wrk."""


@dataclass(frozen=True, slots=True)
class CpuFigure:
    """One proxy on one workload: microseconds of CPU a request, its ratio to Envoy's (None without Envoy), requests a
    second, each the median of the rounds; `failed` over all rounds.
    """

    workload: str
    proxy: str
    us_per_request: float
    to_yardstick: float | None
    requests_per_s: float
    failed: int


@dataclass(frozen=True, slots=True)
class _Round:
    us_per_request: float
    requests_per_s: float
    failed: int


def measure(
    launchers: Mapping[str, Callable[[Place], Launch]],
    workloads: Sequence[Workload],
    seconds: float,
    rounds: int,
    cpus: tuple[int, int],
    say: Callable[[str], None],
) -> list[CpuFigure]:
    """All workloads by all proxies, the proxies taking turns within each round."""
    figures: list[CpuFigure] = []
    for streaming, group in groupby(workloads, key=lambda workload: workload.vendor):
        with fleet(launchers, streaming, cpus) as running:
            names = [name for name in running.ports if name != DIRECT]
            for workload in group:
                taken: dict[str, list[_Round]] = {name: [] for name in names}
                for number in range(rounds):
                    for name in names:
                        taken[name].append(_round(running, name, workload, seconds, cpus[1]))
                        cost = taken[name][-1].us_per_request
                        say(f"cpu {workload.name} round {number + 1}: {name} {cost:.0f} us a request")
                figures += [_figure(workload.name, name, taken) for name in names]
    return figures


def _figure(workload: str, name: str, taken: Mapping[str, Sequence[_Round]]) -> CpuFigure:
    own, yardstick = taken[name], taken.get(YARDSTICK)
    ratio = None
    if yardstick is not None:
        pairs = zip(own, yardstick, strict=True)
        ratio = statistics.median(mine.us_per_request / other.us_per_request for mine, other in pairs)
    return CpuFigure(
        workload,
        name,
        statistics.median(one.us_per_request for one in own),
        ratio,
        statistics.median(one.requests_per_s for one in own),
        sum(one.failed for one in own),
    )


def _round(running: Fleet, name: str, workload: Workload, seconds: float, load_cpu: int) -> _Round:
    window_s = max(1, round(seconds / workload.cycle_s)) * workload.cycle_s
    program, port = running.programs[name], running.ports[name]
    size = answer_bytes(port, request(body(workload.body, stream=workload.stream)))
    with start_wrk(_script(program.log.parent, workload), port, workload.connections, load_cpu) as wrk:
        try:
            await_flow(wrk)
            cpu_s, received, started_s = program.cpu_s(), received_bytes(wrk), time.monotonic()
            time.sleep(window_s)
            cpu_s, received = program.cpu_s() - cpu_s, received_bytes(wrk) - received
            elapsed_s = time.monotonic() - started_s
            wrk.send_signal(signal.SIGINT)  # it stops and reports
            said, _ = wrk.communicate(timeout=30)
        finally:
            wrk.kill()
    if not received:
        raise RuntimeError(f"{name} stopped answering in {workload.name}; its last words:\n{program.said()}")
    requests = received / size
    return _Round(cpu_s * 1e6 / requests, requests / elapsed_s, failures(said))


def await_flow(wrk: subprocess.Popen[str]) -> None:
    """Return when answers arrive, the lead at the earliest."""
    deadline = time.monotonic() + _FIRST_BYTES_S
    time.sleep(_LEAD_S)
    received = received_bytes(wrk)
    while time.monotonic() < deadline and received_bytes(wrk) == received:
        time.sleep(0.05)


def received_bytes(wrk: subprocess.Popen[str]) -> int:
    """All that wrk has read so far, sockets included (proc(5), io, rchar)."""
    return int(Path(f"/proc/{wrk.pid}/io").read_text().split(maxsplit=2)[1])


def _script(folder: Path, workload: Workload) -> Path:
    script = folder / f"{workload.name}.lua"
    script.write_text(SCRIPT_HEAD + f"wrk.body = [==[{body(workload.body, stream=workload.stream).decode()}]==]\n")
    return script


def start_wrk(script: Path, port: int, connections: int, cpu: int) -> subprocess.Popen[str]:
    """Start wrk with one thread on `cpu`; it reports on its standard output when it is interrupted."""
    load = ("-t1", f"-c{connections}", f"-d{_LONGEST_S:.0f}", "--timeout", "120", "-s", str(script))
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    return subprocess.Popen(["taskset", "-c", str(cpu), "wrk", *load, url], stdout=subprocess.PIPE, text=True)


def failures(said: str) -> int:
    """Failed requests by wrk's report: answers that are not 2xx or 3xx, and socket errors."""
    found = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    return (int(found[1]) if found else 0) + (sum(int(number) for number in sockets.groups()) if sockets else 0)
