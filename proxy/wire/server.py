"""The data plane of one worker: listening sockets in, requests to the pipeline, drain at the end.

Not here: processes, signals and files (supervisor/). Invariant: a swap of configuration touches no request under way,
and a drain ends none before its deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import select
import socket
import ssl
import time
import traceback
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

from proxy.config.values import Config
from proxy.metrics.worker import Metrics
from proxy.wire import aiohttp_check, aiohttp_hooks, plane, problems
from proxy.wire.admission import Admission
from proxy.wire.body import READ_BUFFER
from proxy.wire.deadlines import Deadlines
from proxy.wire.pipeline import Pipeline, Rim
from proxy.wire.record import Line
from proxy.wire.relay import reset
from proxy.wire.tap import Tap

SEND_BUFFER: Final = 64 * 1024
"""SO_SNDBUF of the listening sockets, inherited by every client connection: what a stuck reader may hold in the
kernel."""
DRAIN_POLL_S: Final = 0.05
BACKLOG: Final = 4096
ACCEPTS_A_TURN: Final = 8
"""Handles of each listening socket. uvloop accepts one connection of a handle a turn, so a worker that is busy with
streams (turns of several milliseconds) would leave clients waiting that only need to hear that there is no room."""
SWEEP_S: Final = 0.25
"""How often deadlines and idle connections are looked at: all of them are seconds or more."""
LINGER_S: Final = 2.0
"""How long the rest of a refused body is read and dropped, so that the refusal is not lost to a reset."""


class DataPlane:
    """One worker's proxy. Make it inside a running event loop. `clock` is what deadlines and idle times are read by."""

    def __init__(
        self,
        config: Config,
        metrics: Metrics,
        log: Callable[[bytes], None],
        tap: Tap | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        aiohttp_check.verify()
        self._clock = clock
        self._metrics = metrics
        self._write_log = log
        self._console = config.log_format == "console"
        self._admission = Admission(config.limits)
        built = plane.build(config, metrics, clock, None)
        self._update_limits(config)
        self._deadlines = Deadlines()
        self._pipeline = Pipeline(
            built,
            self._admission,
            self._deadlines,
            metrics,
            Rim(clock, _request_ids(), self._log, self._fault, tap),
        )
        self._second, self._calendar = 0, ""
        self._servers: list[asyncio.Server] = []
        self._front: aiohttp_hooks.Front | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept on sockets that are bound already."""
        loop = asyncio.get_running_loop()
        config = self._pipeline.plane.config
        front = self._front = aiohttp_hooks.Front(
            self._pipeline.handle,
            on_error=self._answer_error,
            on_fault=self._fault,
            access_log=None,
            auto_decompress=False,
            read_bufsize=READ_BUFFER,
            lingering_time=LINGER_S,
            max_line_size=8190,
            max_field_size=8190,
            max_headers=128,
        )
        self._limit_connections(front, config)
        context = _tls(config)
        for sock in sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            for one in (sock, *(sock.dup() for _ in range(ACCEPTS_A_TURN - 1))):
                self._servers.append(await loop.create_server(front, sock=one, ssl=context, backlog=BACKLOG))
        self._sweep()

    def swap(self, config: Config, tap: Tap | None = None) -> None:
        """Use `config` and `tap` for requests from now on; those under way keep theirs. Listening addresses do not
        change.
        """
        self._pipeline.tap = tap
        self._pipeline.plane = plane.build(config, self._metrics, self._clock, self._pipeline.plane)
        self._console = config.log_format == "console"
        self._update_limits(config)
        if self._front is not None:
            self._limit_connections(self._front, config)

    def in_flight(self) -> int:
        """Requests under way."""
        return self._admission.total.now

    def detail(self) -> bytes:
        """Nothing but numbers."""
        return b""

    async def stop_accepting(self) -> None:
        """Leave new connections to other workers; those that are open are served on."""
        for server in self._servers:
            server.close()

    async def drain(self, grace_s: float, deadline_s: float) -> None:
        """Stop accepting, tell clients to go, finish what is under way, then end the rest without faking an end.

        A connection is closed once it has been idle for `grace_s`: its client may be sending a request right now, or
        had an answer that began before the drain and did not say `Connection: close`. A request that has arrived by
        then is answered, read or not. `deadline_s` bounds the whole.
        """
        self._pipeline.draining = True
        await self.stop_accepting()
        if self._front is not None:
            await self._wait_until_idle(self._front, grace_s, deadline_s)
            self._abort_the_rest(self._front)
            await self._front.shutdown(0.1)
        if self._sweeper is not None:
            self._sweeper.cancel()
        for lane in self._pipeline.plane.lanes.values():
            lane.pool.retire()

    async def _wait_until_idle(self, front: aiohttp_hooks.Front, grace_s: float, deadline_s: float) -> None:
        clock = asyncio.get_running_loop().time
        began = now = clock()
        while (front.connections or now - began < grace_s) and now - began < deadline_s:
            for connection in front.open_connections():
                idle_since = connection.idle_since()
                if idle_since is not None and now - max(idle_since, began) >= grace_s and _say_no_more(connection):
                    connection.force_close()
            await asyncio.sleep(min(DRAIN_POLL_S, max(0.0, began + deadline_s - now)))
            now = clock()

    @staticmethod
    def _abort_the_rest(front: aiohttp_hooks.Front) -> None:
        for connection in front.open_connections():
            if connection.reader is not None and connection.transport is not None:
                reset(connection.transport)

    @staticmethod
    def _limit_connections(front: aiohttp_hooks.Front, config: Config) -> None:
        limits = config.limits
        front.limit(
            head_timeout_s=limits.header_timeout_s, keepalive_s=limits.keepalive_s, stall_s=limits.write_stall_s
        )

    def _update_limits(self, config: Config) -> None:
        vendors = [(vendor.name, vendor.max_in_flight) for vendor in config.vendors]
        self._admission.update(config.limits, vendors, config.clients)
        for vendor in config.vendors:
            self._metrics.in_flight(vendor.name).set_function(self._admission.counter(vendor.name))

    def _sweep(self) -> None:
        self._deadlines.sweep()
        for lane in self._pipeline.plane.lanes.values():
            lane.pool.sweep()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _answer_error(self, status: int, exc: BaseException | None) -> bytes:
        """The answer to a request that aiohttp could not read: nothing of it is echoed or logged."""
        problem = problems.HEAD_TOO_LARGE if aiohttp_hooks.too_long(exc) else problems.MALFORMED_HEAD
        problem = problems.LATE_HEAD if status == 408 else problem
        self._metrics.requests("none", "none", False, "rejected", problem.status).inc()  # noqa: FBT003  (a label)
        self._log(Line("", "request", outcome="rejected", status=problem.status, code=problem.code))
        return problems.raw(problem, {}, close=True)

    def _fault(self, exc: BaseException) -> None:
        """A defect of ours: where it happened and its type. Its text may hold a client's bytes, so it stays out."""
        frames = traceback.extract_tb(exc.__traceback__)[-4:]
        where = tuple(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames)
        self._log(Line("", "fault", error=type(exc).__name__, at=where))

    def _log(self, line: Line) -> None:
        line.time = self._timestamp()
        self._write_log(line.rendered(console=self._console))

    def _timestamp(self) -> str:
        """Now in RFC 3339, to the millisecond; the calendar part is made once a second."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._calendar = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._calendar}.{int((now - second) * 1000):03d}Z"


def _say_no_more(connection: aiohttp_hooks.Connection) -> bool:
    """Tell the client of an idle connection that it ends, unless a request waits in the kernel that was not read yet.

    At once: a transport closes in another turn of the loop, and a request that comes until then would be reset away.
    What comes between looking and telling is lost, as HTTP/1.1 has no word for it, so nothing stands between these two.
    """
    if connection.transport is None:
        return True
    descriptor = connection.transport.get_extra_info("socket").fileno()
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    with socket.socket(fileno=os.dup(descriptor)) as sock, contextlib.suppress(OSError):  # the client may be gone
        if waiting.poll(0):
            return False
        sock.shutdown(socket.SHUT_WR)
    return True


def _request_ids() -> Callable[[], str]:
    """Ids that are unique over workers and restarts, and cost a counter's step."""
    prefix, numbers = secrets.token_hex(4), count(1)
    return lambda: f"pw-{prefix}-{next(numbers):08x}"


def _tls(config: Config) -> ssl.SSLContext | None:
    if config.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(config.tls.certificate, config.tls.key)
    return context
