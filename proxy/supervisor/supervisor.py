"""The life of the supervisor: start the crew, serve until told to stop, reload meanwhile, drain.

Not here: proxy traffic, which never passes this process. Invariants: a configuration that does not load changes nothing
and says so; whichever way this process ends no worker outlives it for longer than its drain: an orderly end waits for
them, and a worker whose supervisor is gone leaves by itself.
"""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from importlib import metadata
from typing import Final

import orjson

from proxy import __version__
from proxy.child.snapshot import NOTHING, Snapshot, snapshot
from proxy.config.load import Loaded
from proxy.metrics.supervisor import SupervisorMetrics
from proxy.supervisor import admin, sockets, status
from proxy.supervisor.browsing import Browsing
from proxy.supervisor.crew import Crew, Patience
from proxy.supervisor.evidence import EvidenceReader
from proxy.supervisor.history import History
from proxy.supervisor.launches import Launches
from proxy.supervisor.merge import Totals
from proxy.supervisor.notes import Notes
from proxy.supervisor.reload import Attempt, Load, Reloading
from proxy.supervisor.usage import usage_of

REPORT_EVERY_S: Final = 2.0
"""How often the workers report unasked: what a crash can lose of their counters."""
SCORER_DRAIN_S: Final = 10.0
"""How long the scorer may take to write down what it has been told."""
_BOUND_AT_START: Final = ("listen", "admin", "tls", "state_dir")
"""What a reload leaves as it is."""


class Supervisor:
    """One run. `listening` are the sockets that workers inherit, `admin_sockets` those answered here."""

    def __init__(
        self,
        load: Load,
        loaded: Loaded,
        listening: Sequence[socket.socket],
        admin_sockets: Sequence[socket.socket],
        launches: Launches,
        notes: Notes,
        patience: Patience,
    ) -> None:
        self._loaded = loaded
        self._config = loaded.config
        self._listening = listening
        self._admin_sockets = admin_sockets
        self._notes = notes
        self._metrics = SupervisorMetrics()
        self._own = NOTHING
        totals = self._totals = Totals()
        self._crew = Crew(
            launches.worker,
            lambda config: config.workers,
            totals,
            self._metrics.workers,
            notes,
            time.monotonic,
            patience,
        )
        self._scorer = Crew(
            launches.scorer, lambda config: int(config.scoring), totals, self._metrics.scorers, notes, time.monotonic,
            patience,
        )  # fmt: skip
        self._reloading = Reloading(load, loaded)
        self._listen = tuple(sockets.shown(sock) for sock in listening)
        self._admin = sockets.shown(admin_sockets[0])
        self._history = History()
        self._phase = "starting"
        self._started_s = time.monotonic()
        self._loading = status.Loading(time.time(), "start")
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self) -> None:
        """Start, serve until told to stop, drain. Raises sockets.CannotStart."""
        self._hear_signals()
        self._describe()
        browsing = Browsing(self._history, EvidenceReader(lambda: self._config))
        views = admin.Views(self._families, self._refresh, self._not_ready, self._status, browsing)
        runners = [await admin.serve(sock, views) for sock in self._admin_sockets]
        try:
            await self._until(self._stop, self._serve())
            await self._drain()
        finally:
            await self._crew.close(0.0, 0.0)
            await self._scorer.close(0.0, 0.0)
            for runner in runners:
                await runner.cleanup()

    def _hear_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_asked)
        loop.add_signal_handler(signal.SIGHUP, self._reloading.ask)
        loop.add_signal_handler(signal.SIGUSR2, self._crew.roll)

    def _stop_asked(self) -> None:
        (self._hurry if self._stop.is_set() else self._stop).set()

    def _describe(self) -> None:
        self._metrics.build(__version__, _revision(), platform.python_version())
        self._metrics.start_time.set(time.time())
        self._metrics.loaded(self._config.hash, self._loading.at_s)
        for line in status.opening_lines(self._config, self._listen, self._admin):
            self._notes.say(line)
        self._tell(self._loaded)

    def _tell(self, loaded: Loaded) -> None:
        for notice in loaded.notices:
            self._notes.say(notice)
        for warning in loaded.warnings:
            self._notes.warn(warning)

    async def _until(self, event: asyncio.Event, work: Coroutine[None, None, None]) -> None:
        """Work until the event; raises what the work raises."""
        working, waiting = asyncio.create_task(work), asyncio.create_task(event.wait())
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if working.done():
            working.result()
        else:
            working.cancel()
            await asyncio.wait({working})

    async def _serve(self) -> None:
        self._scorer.begin(self._config)  # nobody waits for it
        await self._crew.start(self._config)
        self._phase = "serving"
        self._notes.say("ready")
        await asyncio.gather(self._forever(self._report), self._forever(self._reload))

    async def _forever(self, step: Callable[[], Awaitable[None]]) -> None:
        """Again and again; a defect in one step is told and must not end what serves."""
        while True:
            try:
                await step()
            except Exception as exc:
                self._notes.fail(f"{step.__name__.strip('_')}: {type(exc).__name__}: {exc}")
                await asyncio.sleep(REPORT_EVERY_S)

    async def _report(self) -> None:
        await asyncio.sleep(REPORT_EVERY_S)
        await self._have_reports()
        self._history.note(time.time(), status.said_by(self._scorer.present()))

    async def _have_reports(self) -> None:
        await asyncio.gather(self._crew.refresh(), self._scorer.refresh())

    async def _reload(self) -> None:
        attempt = await self._reloading.next()
        self._loading = status.Loading(time.time(), attempt.cause, attempt.error)
        if attempt.loaded is None:
            self._metrics.load_failed()
            self._notes.fail(f"not reloaded ({attempt.cause}), {self._config.hash} stays in use: {attempt.error}")
            return
        await self._use(attempt, attempt.loaded)

    async def _use(self, attempt: Attempt, loaded: Loaded) -> None:
        former, wanted = self._config, loaded.config
        ignored = [name for name in _BOUND_AT_START if getattr(former, name) != getattr(wanted, name)]
        self._config = replace(wanted, **{name: getattr(former, name) for name in _BOUND_AT_START})
        troubles = [*await self._crew.swap(self._config), *await self._scorer.swap(self._config)]
        self._metrics.loaded(self._config.hash, self._loading.at_s)
        self._notes.say(f"reloaded ({attempt.cause}): configuration {wanted.hash}, before it {former.hash}")
        self._tell(loaded)
        for name in ignored:
            self._notes.warn(f"the new value of `{name}` needs a restart; all else is in use")
        for trouble in troubles:
            self._notes.warn(trouble)

    async def _drain(self) -> None:
        self._phase = "draining"
        self._crew.start_no_more()
        self._scorer.start_no_more()
        for sock in self._listening:
            sock.close()  # with the workers' copies closed too, clients are refused instead of left waiting
        grace_s, drain_s = self._config.drain_grace_s, self._config.drain_s
        self._notes.say(f"stopping; what is under way has up to {drain_s:g} s, a second SIGTERM ends it now")
        await self._until(self._hurry, self._crew.close(grace_s, drain_s))
        await self._crew.close(0.0, 0.0)
        await self._scorer.close(0.0, SCORER_DRAIN_S)
        self._notes.say("stopped")

    async def _refresh(self) -> None:
        await self._have_reports()
        own = usage_of(os.getpid())
        if own is not None:
            self._metrics.processes.use(
                {"supervisor": own, "worker": self._crew.usage(), "scorer": self._scorer.usage()}
            )

    def _families(self) -> Snapshot:
        """What all processes have counted by their last reports."""
        reported = [child.snapshot for crew in (self._crew, self._scorer) for child in crew.children]
        self._own = snapshot(self._metrics.registry, self._own.layout)
        return self._totals.merged([self._own, *reported])

    def _not_ready(self) -> str:
        if self._stop.is_set():
            return "draining"
        return "" if self._crew.serving() else "no worker accepts connections"

    def _status(self) -> dict[str, object]:
        running = status.Running(
            config=self._config,
            listen=self._listen,
            admin=self._admin,
            loading=self._loading,
            uptime_s=time.monotonic() - self._started_s,
            phase=self._phase,
            not_ready=self._not_ready(),
        )
        return status.members(running, self._crew, self._scorer, self._families(), time.monotonic())


def _revision() -> str:
    """The commit this was installed from, where the installer noted one (PEP 610)."""
    try:
        noted = metadata.distribution("paramwall").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return ""
    origin = orjson.loads(noted) if noted else {}
    return str(origin.get("vcs_info", {}).get("commit_id", ""))
