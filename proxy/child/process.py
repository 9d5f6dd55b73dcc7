"""A child process: obeys its supervisor over a socket pair and runs one service on inherited listening sockets.

Not here: what the service does. Invariants: a child takes its configuration from the channel alone, so all of them
always run what the supervisor has read once; it ignores every polite signal, since only the supervisor knows in which
order processes may leave; when the channel closes (the supervisor is gone) it drains and ends, so a killed supervisor
leaves nothing behind.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

import uvloop

from proxy.child.channel import (
    Ask,
    Channel,
    Drain,
    Order,
    Ready,
    Report,
    Start,
    Swap,
    Swapped,
    Word,
    decode_order,
    encode_word,
)
from proxy.child.lines import Lines
from proxy.child.memory import PROMPT, Thrift, freeze, give_back, settle
from proxy.child.snapshot import Layout, snapshot
from proxy.config.values import Config
from proxy.metrics.cells import Buckets, Cell, Registry

_LAG_EVERY_S: Final = 1.0
_LAST_LINES_S: Final = 1.0
_SMALL_BYTES: Final = 4096
"""A larger order holds a configuration, which takes its time to be read; all others cost less than a thread's turn."""
_SWITCH_S: Final = 0.001
"""How long another thread of the worker, the log's or one that reads a configuration, may keep the event loop waiting
for the interpreter's lock.
"""
_GIVING_SHARE: Final = 0.01
"""Of the time at most, that giving memory back may take."""
_OVERDUE_S: Final = 10.0
"""How much longer than its deadline a drain may take before the process ends anyway."""
_IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

Log: TypeAlias = Callable[[bytes], None]


class Metered(Protocol):
    """The metrics of a child: all of them, and the two that are stepped here."""

    @property
    def registry(self) -> Registry:
        """What a report holds."""

    @property
    def loop_lag(self) -> Buckets:
        """How late a timer of the event loop fired, in seconds."""

    @property
    def log_lines_dropped(self) -> Cell:
        """Log lines that found the queue full."""


class Service(Protocol):
    """What a child runs: wire.server.DataPlane, or the scorer."""

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Begin to accept on inherited listening sockets."""

    def swap(self, config: Config) -> None:
        """New requests use `config`; those under way keep theirs."""

    async def drain(self, grace_s: float, deadline_s: float) -> None:
        """Stop accepting and return when no request is under way, aborting what is left after `deadline_s`."""

    def in_flight(self) -> int:
        """Requests under way."""

    def detail(self) -> bytes:
        """What a report says beyond numbers: a JSON object, or b"" for nothing."""


ServiceFactory: TypeAlias = Callable[[Config, Log, str], Service]
"""Makes the service from its configuration, its log, and the path of the scorer's socket ("" where there is none)."""


class Obedience:
    """The child's side of the channel."""

    def __init__(
        self,
        channel: Channel,
        make_service: Callable[[Config], Service],
        registry: Registry,
        lag: Buckets,
        thrift: Thrift = PROMPT,
    ) -> None:
        self._channel = channel
        self._make_service = make_service
        self._registry = registry
        self._lag = lag
        self._thrift = thrift
        self._draining: asyncio.Task[None] | None = None
        self._lag_s = 0.0
        self._told: Layout = ()

    async def run(self, sockets: Sequence[socket.socket]) -> None:
        """Obey until drained. Returns as well when the supervisor is gone and the last request is done.

        Raises whatever the plane's start raises: the supervisor reads the traceback from this process's stderr.
        """
        first = await self._channel.receive()
        if first is None:
            return
        start = decode_order(first)
        if not isinstance(start, Start):
            raise TypeError(f"the first order was {type(start).__name__}; only Start can be")
        self._config, self._service = start.config, self._make_service(start.config)
        await self._service.start(sockets)
        self._say(Ready())
        beside = [asyncio.create_task(self._watch_lag()), asyncio.create_task(_give_back_memory(self._thrift))]
        while (frame := await self._channel.receive()) is not None:
            small = len(frame) <= _SMALL_BYTES
            await self._obey(decode_order(frame) if small else await asyncio.to_thread(decode_order, frame))
        if self._draining is None:  # the supervisor is gone
            await self._begin_drain(self._config.drain_grace_s, self._config.drain_s)
        assert self._draining is not None
        await self._draining
        for task in beside:
            task.cancel()

    async def _obey(self, order: Order) -> None:
        match order:
            case Swap(config):
                self._say(Swapped(self._swap(config)))
            case Ask():
                self._say(self._report())
            case Drain(grace_s, deadline_s):
                await self._begin_drain(grace_s, deadline_s)
            case Start():  # pragma: no branch  (there are four orders)
                raise TypeError("a second Start; a configuration is changed by Swap")

    def _swap(self, config: Config) -> str:
        try:
            self._service.swap(config)
        except Exception as exc:  # the supervisor replaces a child that cannot swap
            return f"{type(exc).__name__}: {exc}"
        self._config = config
        return ""

    async def _begin_drain(self, grace_s: float, deadline_s: float) -> None:
        if self._draining is not None:
            self._draining.cancel()
            await asyncio.wait({self._draining})
        self._draining = asyncio.create_task(self._drain(grace_s, deadline_s))

    async def _drain(self, grace_s: float, deadline_s: float) -> None:
        """Drain the plane, send the last report and close the channel, which ends `run`."""
        try:
            async with asyncio.timeout(grace_s + deadline_s + _OVERDUE_S):
                await self._service.drain(grace_s, deadline_s)
        except Exception:  # said where the supervisor reads it; the process ends either way
            traceback.print_exc()
        self._say(self._report())
        await self._channel.flush()
        self._channel.close()

    def _report(self) -> Report:
        before, now = self._told, snapshot(self._registry, self._told)
        self._told = now.layout
        changed = None if now.layout is before else now.layout
        return Report(self._service.in_flight(), self._lag_s, tuple(now.numbers), changed, self._service.detail())

    def _say(self, word: Word) -> None:
        self._channel.send(encode_word(word))

    async def _watch_lag(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + _LAG_EVERY_S
            await asyncio.sleep(_LAG_EVERY_S)
            self._lag_s = max(0.0, clock() - due)
            self._lag.observe(self._lag_s)


async def _give_back_memory(thrift: Thrift) -> None:
    settled_blocks, took_s, collected = freeze(), 0.0, time.perf_counter()
    while True:
        await asyncio.sleep(max(thrift.every_s, took_s / _GIVING_SHARE))
        began = time.perf_counter()
        if give_back(thrift, settled_blocks, began - collected):
            collected = began
        took_s = time.perf_counter() - began


def main(  # pragma: no cover  (the process itself: it sets its signals)
    make_service: ServiceFactory, metrics: Metered, thrift: Thrift = PROMPT, arguments: Sequence[str] | None = None
) -> None:
    """The process: `--channel FD --log FD --listen FD ...`, all inherited from the supervisor."""
    parser = argparse.ArgumentParser(prog="paramwall child", description="Started by `paramwall serve` only.")
    parser.add_argument("--channel", type=int, required=True)
    parser.add_argument("--log", type=int, required=True)
    parser.add_argument("--listen", type=int, nargs="+", required=True)
    parser.add_argument("--outbox", default="")
    given = parser.parse_args(arguments)
    faulthandler.enable()
    sys.setswitchinterval(_SWITCH_S)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    settle(thrift)
    lines = Lines(given.log, metrics.log_lines_dropped.inc)

    async def obey() -> None:
        channel = await Channel.over(socket.socket(fileno=given.channel))
        sockets = [socket.socket(fileno=fd) for fd in given.listen]

        def make(config: Config) -> Service:
            return make_service(config, lines.put, given.outbox)

        await Obedience(channel, make, metrics.registry, metrics.loop_lag, thrift).run(sockets)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(obey())
    lines.close(_LAST_LINES_S)
