"""Programs started by the harness: pinned, measured and ended as whole process trees.

Not here: what is started (proxies.py, vendor.py). Invariant: a program is the leader of its own session, and only
processes of that session are ever signalled.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_END_S: Final = 5.0
"""How long a program may take to end by itself."""


def two_cpus() -> tuple[int, int]:
    """The CPU of the proxies and the CPU of everything else. Raises RuntimeError when there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise RuntimeError("the benchmark needs two CPUs, one for the proxy and one for the load; this machine has one")
    return allowed[0], allowed[1]


def raise_file_limit() -> None:
    """Let this process and what it starts open as many files as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def end_as_interrupted() -> None:
    """From now on SIGTERM ends this process as Ctrl-C does, so that whatever it started is ended first."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


class Program:
    """One running program and all its descendants; on one CPU, or on any (None)."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        cpu: int | None,
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        end_as_interrupted()
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*(() if cpu is None else ("taskset", "-c", str(cpu))), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=folder,
                start_new_session=True,
            )

    def running(self) -> bool:
        """Whether the program itself has not ended."""
        return self._process.poll() is None

    def said(self) -> str:
        """The end of its output, for a message."""
        return self.log.read_text(errors="replace")[-600:].strip()

    def cpu_s(self) -> float:
        """CPU seconds used so far by the tree, children that ended included."""
        ticks = 0
        for pid in self._tree():
            with contextlib.suppress(OSError):
                ticks += sum(int(field) for field in _stat(pid)[11:15])
        return ticks / _TICKS_PER_S

    def rss_bytes(self) -> int:
        """Resident memory of the tree."""
        return self._memory("VmRSS")

    def peak_bytes(self) -> int:
        """Highest resident memory of each process since `reset_peak`, added up."""
        return self._memory("VmHWM")

    def reset_peak(self) -> None:
        """Start `peak_bytes` anew (proc(5), clear_refs, value 5)."""
        for pid in self._tree():
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")

    def stop(self) -> None:
        """Ask the program to end; after a few seconds end what is left of its session."""
        if self.running():
            os.killpg(self._process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_S)
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if int(_stat(int(entry.name))[3]) == self._process.pid:
                        os.kill(int(entry.name), signal.SIGKILL)
        self._process.wait()

    def _tree(self) -> list[int]:
        found: list[int] = []
        pending = [self._process.pid]
        while pending:
            pid = pending.pop()
            found.append(pid)
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    pending += [int(child) for child in (task / "children").read_text().split()]
        return found

    def _memory(self, field: str) -> int:
        total_kib = 0
        for pid in self._tree():
            with contextlib.suppress(OSError):
                match = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
                total_kib += int(match[1]) if match else 0
        return total_kib * 1024


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on (state), as proc(5) numbers them; the name may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
