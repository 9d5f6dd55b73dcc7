"""From a loaded configuration to a supervising process.

Not here: the supervisor's life (supervisor.py). Invariant: what makes a start impossible is found before anything is
started, or ends all that was.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

import uvloop

from proxy.child.lines import Lines
from proxy.config.load import Loaded
from proxy.config.values import Address
from proxy.supervisor import sockets
from proxy.supervisor.crew import Patience
from proxy.supervisor.launches import WORKER, launches
from proxy.supervisor.notes import Notes
from proxy.supervisor.reload import Load
from proxy.supervisor.supervisor import Supervisor

_STDERR: Final = 2
_LAST_LINES_S: Final = 1.0


def run(load: Load, loaded: Loaded, worker: Sequence[str] = WORKER, patience: Patience | None = None) -> None:
    """Supervise until SIGTERM or SIGINT. `worker` is the command that starts one.

    Raises sockets.CannotStart, with nothing left running.
    """
    sockets.raise_limits()
    with ExitStack() as closing:
        log_fd = os.dup(_STDERR)  # a worker's own stderr is a pipe to here, so that its last words are known
        closing.callback(os.close, log_fd)
        listening = _listen(closing, loaded.config.listen, "--listen")
        admin_sockets = _listen(closing, (loaded.config.admin,), "--admin")
        lines = Lines(log_fd)
        closing.callback(lines.close, _LAST_LINES_S)
        # At a terminal people read along, whatever form the request log has.
        as_json = loaded.config.log_format == "json" and not os.isatty(_STDERR)
        notes = Notes(lines.put, time.time, as_json=as_json)
        started = launches(closing, listening, log_fd, worker)

        async def supervise() -> None:
            await Supervisor(load, loaded, listening, admin_sockets, started, notes, patience or Patience()).run()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(supervise())


def _listen(closing: ExitStack, addresses: Sequence[Address], flag: str) -> list[socket.socket]:
    return [closing.enter_context(sock) for sock in sockets.listen(addresses, flag)]
