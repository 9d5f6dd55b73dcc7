"""Our proxy with checks and a mirror, as real processes: its configuration, and what its admin port and /proc tell.

Not here: what is measured. Invariant: leaving the `with` block ends the proxy and all its processes; a figure of a
process is of the pid that `/status` names at that moment.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from bench.processes import Program, free_port

AMPLE: Final = {
    "requests_per_minute": 1_000_000,
    "requests_per_day": 1_000_000,
    "tokens_per_minute": 900_000_000,
    "tokens_per_day": 900_000_000,
}
"""Budgets of the mirror that leave nothing out."""
_ROOT: Final = Path(__file__).parents[1]
_START_S: Final = 60.0
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Watched:
    """A running proxy: its program, and the ports of its clients and of its admin."""

    program: Program
    port: int
    admin: int

    def status(self) -> dict[str, Any]:
        """`/status`. Raises OSError."""
        found: dict[str, Any] = json.loads(fetch(self.admin, "/status")[1])
        return found

    def worker(self) -> int:
        """Pid of the only worker."""
        (worker,) = self.status()["workers"]
        return int(worker["pid"])

    def scorer(self) -> int | None:
        """Pid of the scorer that serves; None while there is none."""
        scorer = self.status()["scorer"]
        return int(scorer["pid"]) if scorer is not None and scorer["state"] == "serving" else None

    def samples(self, *names: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
        """The samples of these names, with their labels, from `/metrics`."""
        for family in text_string_to_metric_families(fetch(self.admin, "/metrics")[1]):
            for sample in family.samples:
                if sample.name in names:
                    yield sample.name, sample.labels, sample.value

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples of a name that carry these labels."""
        return sum(value for _, found, value in self.samples(name) if labels.items() <= found.items())

    def fates(self) -> dict[str, int]:
        """What became of the mirrored exchanges, as `result reason`; without zeros."""
        found = {
            f"{labels['result']} {labels['reason']}".strip(): int(value)
            for _, labels, value in self.samples("paramwall_mirror_total")
        }
        return {name: count for name, count in sorted(found.items()) if count}


def settings(vendor_port: int, reference_port: int | None, **more: object) -> dict[str, object]:
    """The members of paramwall.yaml for one vendor, by default without checks; `more` as in the file."""
    vendor = {"url": f"http://127.0.0.1:{vendor_port}/v1", "profile": "openai-compatible"}
    said: dict[str, object] = {"version": 1, "workers": 1, "vendors": {"bench": vendor}}
    if reference_port is None:
        return {**said, "signals": {"fraction": 0}, **more}
    reference = {"url": f"http://127.0.0.1:{reference_port}/v1", "profile": "openai-compatible"}
    given = more.pop("reference", {})
    assert isinstance(given, dict)
    return {**said, "signals": {"fraction": 1}, "reference": {**reference, **given}, **more}


def write(folder: Path, said: Mapping[str, object]) -> Path:
    """paramwall.yaml in `folder`; JSON is YAML."""
    file = folder / "paramwall.yaml"
    file.write_text(json.dumps(said))
    return file


@contextlib.contextmanager
def watched(name: str, folder: Path, cpu: int | None, said: Mapping[str, object]) -> Iterator[Watched]:
    """`paramwall serve` with this configuration, ready. Raises RuntimeError, with its last words, when it is not."""
    own = folder / name
    own.mkdir(exist_ok=True)
    port, admin = free_port(), free_port()
    file = write(own, {**said, "listen": f"127.0.0.1:{port}", "admin": f"127.0.0.1:{admin}"})
    program = Program(name, (sys.executable, "-P", "-m", "proxy", "serve", "--config", str(file)), cpu, own)
    try:
        here = Watched(program, port, admin)
        if not _ready(here, scoring="reference" in said):
            raise RuntimeError(f"{name} did not start; its last words:\n{program.said()}")
        yield here
    finally:
        program.stop()


@contextlib.contextmanager
def honest_vendor(name: str, port: int, folder: Path, cpu: int, behaviour: str = "honest") -> Iterator[Program]:
    """shadow_vendor.py on `port`. Raises RuntimeError when it does not listen."""
    command = (sys.executable, "-m", "bench.shadow_vendor", str(port), behaviour)
    program = Program(name, command, cpu, folder, {"PYTHONPATH": str(_ROOT)})
    try:
        deadline = time.monotonic() + _START_S
        while not _answers(port, "/"):
            if time.monotonic() > deadline or not program.running():
                raise RuntimeError(f"{name} did not start; its last words:\n{program.said()}")
            time.sleep(0.05)
        yield program
    finally:
        program.stop()


def fetch(port: int, path: str) -> tuple[int, str]:
    """Status and body of a GET. Raises OSError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error


def _answers(port: int, path: str) -> bool:
    with contextlib.suppress(OSError):
        return fetch(port, path)[0] == 200
    return False


def _ready(here: Watched, *, scoring: bool) -> bool:
    """Whether the worker serves and, where there is one, the scorer has told what it wants mirrored."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and here.program.running():
        if _answers(here.admin, "/readyz") and (not scoring or here.status()["mirror"]):
            return True
        time.sleep(0.1)
    return False


def cpu_s(pid: int) -> float:
    """CPU seconds of one process so far (proc(5), stat, utime and stime); 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def rss_bytes(pid: int) -> int:
    """Resident memory of one process; 0 when it is gone."""
    try:
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
