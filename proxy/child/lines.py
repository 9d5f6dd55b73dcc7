"""Finished log lines on their way to a file descriptor, without ever making the event loop wait.

Not here: what a line says. Invariants: `put` returns at once; at most `limit` lines wait, the rest are dropped and
counted; a write ends at the end of a line and, on a pipe, is no larger than PIPE_BUF unless one line alone is, so the
lines of several processes that share one pipe do not mix (POSIX, write()).
"""

from __future__ import annotations

import os
import select
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

_FILE_BATCH: Final = 64 * 1024
_GATHER_S: Final = 0.02
"""How long the thread lets lines gather once there is one: a wake-up per line would take the interpreter's lock away
from the event loop at every request."""
_STALLED_WAIT_MS: Final = 1000


class Lines:
    """A bounded queue of lines and the daemon thread that writes them to `fd`.

    `on_drop` is called by `put`, on its thread, once for each line that found the queue full.
    """

    def __init__(self, fd: int, on_drop: Callable[[], None] = lambda: None, limit: int = 10_000) -> None:
        self._fd = fd
        self._on_drop = on_drop
        self._limit = limit
        self._batch = select.PIPE_BUF if stat.S_ISFIFO(os.fstat(fd).st_mode) else _FILE_BATCH
        self._queue: deque[bytes] = deque()
        self._work = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Queue one line; its newline may be missing."""
        if len(self._queue) >= self._limit:
            self._on_drop()
            return
        self._queue.append(line if line.endswith(b"\n") else line + b"\n")
        if not self._work.is_set():
            self._work.set()

    def close(self, timeout_s: float) -> None:
        """Write what waits, for `timeout_s` at most; lines put afterwards are lost."""
        self._ended = True
        self._work.set()
        self._thread.join(timeout_s)

    def _write_all(self) -> None:
        while True:
            self._work.wait()
            self._work.clear()
            if not self._ended:
                time.sleep(_GATHER_S)
            while batch := self._next_batch():
                if not self._write(batch):
                    return
            if self._ended:
                return

    def _next_batch(self) -> bytes:
        queue, size = self._queue, 0
        parts: list[bytes] = []
        while queue and (not parts or size + len(queue[0]) <= self._batch):
            line = queue.popleft()
            parts.append(line)
            size += len(line)
        return b"".join(parts)

    def _write(self, batch: bytes) -> bool:
        """False when nobody can read this descriptor any more."""
        rest = memoryview(batch)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # another process made the shared descriptor non-blocking
                writable = select.poll()
                writable.register(self._fd, select.POLLOUT)
                writable.poll(_STALLED_WAIT_MS)
            except OSError:
                return False
        return True
