"""One child process as the supervisor sees it: its state, its last report, what it wrote to stderr.

Not here: which workers there should be (crew.py). Invariants: `gone` is set only after everything the process said has
been read, so the report that is then at hand is the last one; nothing a worker says is believed beyond its numbers, and
one that says anything else is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from proxy.child.channel import Ask, Channel, Drain, Ready, Report, Swapped, Word, decode_word, encode_order
from proxy.child.snapshot import NOTHING, Snapshot
from proxy.metrics.supervisor import Usage
from proxy.supervisor.usage import usage_of

LAST_LINES: Final = 12
_ASK: Final = encode_order(Ask())
_LINE_LIMIT: Final = 1024 * 1024


class State(StrEnum):
    """STARTING until it accepts; DRAINING once it was told to leave; GONE when the process has ended."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Launch:
    """How processes of one kind are started: the command, and the descriptors they inherit. `outbox` is the path of the
    scorer's socket, "" for those that send nothing there.
    """

    command: tuple[str, ...]
    listen_fds: tuple[int, ...]
    log_fd: int
    kind: str = "worker"
    outbox: str = ""


class Child:
    """A started process. `on_change` is called after every change of state, `on_line` with what is worth telling."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        channel: Channel,
        first_order: bytes,
        started_s: float,
        on_change: Callable[[], None],
        on_line: Callable[[str], None],
        kind: str = "worker",
    ) -> None:
        self.kind = kind
        self.pid = process.pid
        self.started_s = started_s
        self.state = State.STARTING
        self.leaving = False
        """Told to leave, so its end needs no successor."""
        self.was_ready = False
        self.report: Report | None = None
        self.snapshot = NOTHING
        """What it has counted, by the last report."""
        self.usage = Usage()
        self.missed = 0
        """Reports in a row that did not come in time; the first of them was asked for at `missed_since_s`."""
        self.missed_since_s = 0.0
        self.stuck = False
        self.exit_code = 0
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self.settled = asyncio.Event()
        """No longer starting: it accepts, or it has ended."""
        self.gone = asyncio.Event()
        self._process = process
        self._channel = channel
        self._on_change = on_change
        self._on_line = on_line
        self._asked: asyncio.Future[None] | None = None
        self._swaps: deque[asyncio.Future[str]] = deque()
        self._channel.send(first_order)
        self._life = asyncio.create_task(self._live())

    @classmethod
    async def start(
        cls,
        launch: Launch,
        first_order: bytes,
        started_s: float,
        on_change: Callable[[], None],
        on_line: Callable[[str], None],
    ) -> Child:
        """Start a process and give it its first order. Raises OSError when the system has no room for one more."""
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                *launch.command,
                *("--channel", str(theirs.fileno()), "--log", str(launch.log_fd)),
                *("--listen", *(str(fd) for fd in launch.listen_fds)),
                *(("--outbox", launch.outbox) if launch.outbox else ()),
                pass_fds=(theirs.fileno(), launch.log_fd, *launch.listen_fds),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # a terminal's Ctrl-C is the supervisor's to hear
                limit=_LINE_LIMIT,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(process, await Channel.over(ours), first_order, started_s, on_change, on_line, launch.kind)

    @property
    def in_flight(self) -> int:
        """Requests under way by the last report."""
        return 0 if self.report is None else self.report.in_flight

    async def ask(self, timeout_s: float, now_s: float) -> bool:
        """Have a report that is newer than this call; False when a worker that serves gave none in time.

        A worker that already owes a report is not waited for again.
        """
        if self.state in (State.STARTING, State.GONE):
            return True
        asked = self._asked
        if asked is None:
            asked = self._asked = asyncio.get_running_loop().create_future()
            self._channel.send(_ASK)
        if not self.missed:
            await asyncio.wait({asked}, timeout=timeout_s)
            if asked.done():
                return True
            self.missed_since_s = now_s
        self.missed += 1
        return False

    def swap(self, order: bytes) -> asyncio.Future[str]:
        """Give it another configuration; the answer is what went wrong, or "". One that ends meanwhile answers ""."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._swaps.append(answer)
        self._channel.send(order)
        return answer

    def drain(self, grace_s: float, deadline_s: float) -> None:
        """Tell it to leave. One that does not accept yet has nothing to finish and is ended at once."""
        self.leaving = True
        if self.state is State.STARTING:
            self.kill()
        elif self.state is not State.GONE:
            self._channel.send(encode_order(Drain(grace_s, deadline_s)))
            self._become(State.DRAINING)

    def kill(self) -> None:
        """End it now."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)

    def ended(self) -> str:
        """How it ended, for a note."""
        if self.exit_code >= 0:
            return f"ended with exit code {self.exit_code}"
        return f"was killed by {signal.Signals(-self.exit_code).name}"

    async def _live(self) -> None:
        self.exit_code, *_ = await asyncio.gather(self._process.wait(), self._hear(), self._read_stderr())
        self._channel.close()
        if self._asked is not None:
            self._asked.set_result(None)
        for answer in self._swaps:
            if not answer.done():
                answer.set_result("")
        self._become(State.GONE)
        self.settled.set()
        self.gone.set()

    async def _hear(self) -> None:
        while (frame := await self._channel.receive()) is not None:
            try:
                self._take(decode_word(frame))
            except (msgspec.MsgspecError, ValueError):
                self._on_line(f"{self.kind} {self.pid} said what is no word of the channel and is ended")
                self.kill()

    def _take(self, word: Word) -> None:
        match word:
            case Ready():
                self.was_ready = True
                if self.state is State.STARTING:
                    self._become(State.SERVING)
                self.settled.set()
            case Swapped(error):
                if self._swaps:
                    answer = self._swaps.popleft()
                    if not answer.done():
                        answer.set_result(error)
            case Report():
                layout = self.snapshot.layout if word.layout is None else word.layout
                self.snapshot = Snapshot(layout, word.numbers)
                self.report = word
                self.usage = usage_of(self.pid) or self.usage
                self.missed = 0
                asked, self._asked = self._asked, None
                if asked is not None:
                    asked.set_result(None)

    async def _read_stderr(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        while True:
            try:
                line = await stderr.readline()
            except ValueError:  # longer than the limit; the reader has thrown it away
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            self.last_lines.append(text)
            if self.was_ready:  # before that, its end tells them
                self._on_line(f"{self.kind} {self.pid}: {text}")

    def _become(self, state: State) -> None:
        self.state = state
        self._on_change()
