"""A mock vendor and the proxies before it, started, ready, and ended together.

Not here: what is measured on them. Invariant: leaving the `with` block ends every program that entering it started,
whatever happened in between.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.processes import Program, free_port
from bench.proxies import DIRECT, Launch, Place
from bench.workloads import Streaming, body

_VENDOR: Final = Path(__file__).with_name("vendor.py")
_START_S: Final = 90.0
"""LiteLLM needs more than ten seconds to start on one CPU."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the vendor did so far: answers begun and chunks written."""

    answers: int
    chunks: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """Running programs: where to send requests by proxy name (`direct` is the vendor itself), and the programs."""

    ports: Mapping[str, int]
    programs: Mapping[str, Program]

    def counts(self) -> Counts:
        """Ask the vendor."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[DIRECT], timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/counts")
            return Counts(**json.loads(connection.getresponse().read()))


@contextlib.contextmanager
def fleet(
    launchers: Mapping[str, Callable[[Place], Launch]], streaming: Streaming, cpus: tuple[int, int]
) -> Iterator[Fleet]:
    """Start a vendor and the proxies. Raises RuntimeError, with its last words, when one does not get ready."""
    ports: dict[str, int] = {}
    programs: dict[str, Program] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))

        def start(name: str, port: int, launch: Launch, cpu: int) -> None:
            program = Program(name, launch.command, cpu, folder, launch.environment)
            stack.callback(program.stop)
            if not _ready(program, port):
                raise RuntimeError(f"{name} did not start; its last words:\n{program.said()}")
            ports[name], programs[name] = port, program

        vendor_port = free_port()
        start(DIRECT, vendor_port, _vendor(vendor_port, streaming), cpus[1])
        for name, launcher in launchers.items():
            port = free_port()
            own = folder / name
            own.mkdir()
            folder.chmod(0o755)
            start(name, port, launcher(Place(port, vendor_port, own)), cpus[0])
        yield Fleet(ports, programs)


def _vendor(port: int, streaming: Streaming) -> Launch:
    pace = ("--chunks", str(streaming.chunks), "--gap", str(streaming.gap_s), "--block", str(streaming.block))
    return Launch((sys.executable, str(_VENDOR), str(port), *pace))


def _ready(program: Program, port: int) -> bool:
    """Whether it answers a small request with 200 in time."""
    headers = {"Content-Type": "application/json", "Authorization": "Bearer unused"}
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and program.running():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("POST", "/v1/chat/completions", body("small", stream=False), headers)
            if connection.getresponse().status == 200:
                return True
        time.sleep(0.1)
    return False
