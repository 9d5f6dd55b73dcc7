"""What a process uses, read from the kernel by its number.

The supervisor reads it for its workers too, so that a worker with ten thousand connections never lists its own
descriptors on the event loop that serves them. Not here: names of metrics. Source: proc(5).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from proxy.metrics.supervisor import Usage

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_USER_TICKS, _SYSTEM_TICKS, _RESIDENT_PAGES = 11, 12, 21
"""Places in /proc/PID/stat, counted from the field after the command's name."""


def usage_of(pid: int) -> Usage | None:
    """None when the process is gone, or where there is no /proc."""
    root = Path("/proc", str(pid))
    try:
        # The command's name stands in parentheses and may hold spaces and parentheses itself.
        fields = (root / "stat").read_bytes().rpartition(b")")[2].split()
        open_fds = len(os.listdir(root / "fd"))  # noqa: PTH208  (a Path for each of them costs more than the rest)
    except OSError:
        return None
    ticks = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
    return Usage(ticks / _TICKS_PER_S, int(fields[_RESIDENT_PAGES]) * _PAGE_BYTES, open_fds)
