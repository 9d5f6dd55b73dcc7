"""How the processes of a run are started, and the socket on which workers find the scorer.

Not here: starting them (crew.py). Invariants: the socket lies in a folder that only this user may enter, and both go
with the run; it outlives every scorer, so a worker's connection waits for the next one instead of failing.
"""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxy.supervisor.child import Launch
from proxy.supervisor.sockets import BACKLOG, CannotStart

# -P: a folder of the working directory that happens to be called `proxy` is not ours.
WORKER: Final = (sys.executable, "-P", "-m", "proxy.supervisor.worker")
SCORER: Final = (sys.executable, "-P", "-m", "proxy.supervisor.scorer")


@dataclass(frozen=True, slots=True)
class Launches:
    """One for each kind of process."""

    worker: Launch
    scorer: Launch


def launches(
    closing: ExitStack, listening: Sequence[socket.socket], log_fd: int, worker: Sequence[str] = WORKER
) -> Launches:
    """Make the socket and both ways to start. Raises CannotStart; what is made ends with `closing`."""
    try:
        folder = tempfile.mkdtemp(prefix="paramwall-")  # of mode 0700
    except OSError as exc:
        raise CannotStart(
            f"no temporary folder can be made: {exc.strerror}\n  hint: set TMPDIR to a folder that can be written"
        ) from exc
    closing.callback(shutil.rmtree, folder, ignore_errors=True)
    path = str(Path(folder, "scorer"))
    inbox = closing.enter_context(socket.socket(socket.AF_UNIX))
    inbox.settimeout(0.0)
    inbox.bind(path)
    inbox.listen(BACKLOG)
    return Launches(
        Launch(tuple(worker), tuple(sock.fileno() for sock in listening), log_fd, outbox=path),
        Launch(SCORER, (inbox.fileno(),), log_fd, kind="scorer"),
    )
