"""The processes of one kind that should be there: started, restarted, replaced one after another, told to leave.

Not here: sockets, signals, files, HTTP. Invariants: every place has one worker that serves or is on its way, until the
crew closes; a worker that is replaced leaves only after its successor accepts; every process that was started is
followed to its end, and what it had counted goes into the totals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field
from typing import Final

from proxy.child.channel import Start, Swap, encode_order
from proxy.config.values import Config
from proxy.metrics.supervisor import CrewMetrics, Usage
from proxy.supervisor.backoff import BackOff
from proxy.supervisor.child import Child, Launch, State
from proxy.supervisor.merge import Totals
from proxy.supervisor.notes import Notes
from proxy.supervisor.sockets import CannotStart

STILLBORN_LIMIT: Final = 5
"""How many workers in a row may die in one place before they accept, until the first start is given up."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait: for a report, for the answer to a swap, for a worker to accept, for one that reports no more,
    and for processes to end once their requests have.
    """

    report_s: float = 1.0
    swap_s: float = 5.0
    start_s: float = 60.0
    stuck_s: float = 30.0
    end_s: float = 5.0


@dataclass(slots=True, eq=False)
class Place:
    """One of the workers there should be. `child` is the one that serves here, or did last."""

    number: int
    child: Child | None = None
    restarts: int = 0
    stillborn: int = 0
    back_off: BackOff = field(default_factory=BackOff)


class Crew:
    """All processes of one kind: first `start` or `begin`, at the end `close`, in between anything else.

    `wanted` says how many there should be; `totals` takes what the dead had counted.
    """

    def __init__(
        self,
        launch: Launch,
        wanted: Callable[[Config], int],
        totals: Totals,
        metrics: CrewMetrics,
        notes: Notes,
        clock: Callable[[], float],
        patience: Patience,
    ) -> None:
        self.places: list[Place] = []
        self.children: list[Child] = []
        """Every process that has not ended, also those that are leaving."""
        self.totals = totals
        self._buried = Usage()
        self._launch = launch
        self._wanted = wanted
        self._kind = launch.kind
        self._metrics = metrics
        self._notes = notes
        self._clock = clock
        self._patience = patience
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self._started: asyncio.Future[str] | None = None
        """Where somebody waits for the start: done when all accept, with "", or when no more is tried, with why."""
        self._replacing = asyncio.Lock()

    def serving(self) -> int:
        """Workers that accept connections."""
        return sum(child.state is State.SERVING for child in self.children)

    def present(self) -> Child | None:
        """The first that was not told to leave: of a crew of one, that one."""
        return next((child for child in self.children if not child.leaving), None)

    def in_flight(self) -> int:
        """Requests under way by the last reports."""
        return sum(child.in_flight for child in self.children)

    def usage(self) -> Usage:
        """What all workers use, with the processor time of those that have ended."""
        return sum((child.usage for child in self.children), self._buried)

    async def start(self, config: Config) -> None:
        """Start all and wait until they accept. Raises CannotStart when that is not to be had."""
        self._started = asyncio.get_running_loop().create_future()
        self.begin(config)
        if failure := await self._started:
            raise CannotStart(failure)

    def begin(self, config: Config) -> None:
        """Start all without waiting for any; one that dies again and again is started again and again."""
        self._config = config
        self._resize(self._wanted(config))

    async def swap(self, config: Config) -> list[str]:
        """Give every worker another configuration. A worker that fails at that is replaced by one that starts with it;
        what went wrong is returned, a line for each.
        """
        self._config = config
        order = encode_order(Swap(config))
        answers = {child: child.swap(order) for child in self.children if not child.leaving}
        awaited = [answer for child, answer in answers.items() if child.state is State.SERVING]
        if awaited:
            await asyncio.wait(awaited, timeout=self._patience.swap_s)
        self._resize(self._wanted(config))
        refused = {child: answer.result() for child, answer in answers.items() if answer.done() and answer.result()}
        if refused:
            self._begin(self.replace(refused))
        silent = [child for child, answer in answers.items() if answer in awaited and not answer.done()]
        return [
            f"{self._kind} {child.pid} could not take it over and is replaced: {why}" for child, why in refused.items()
        ] + [f"{self._kind} {child.pid} has not answered within {self._patience.swap_s:g} s" for child in silent]

    async def replace(self, only: Collection[Child] | None = None) -> None:
        """Replace every worker, or `only` those, one after another; each leaves when its successor accepts.

        Stops at the first successor that does not come to accept: the rest stay as they are.
        """
        async with self._replacing:
            self._notes.say(f"replacing {self._kind}s")
            for place in list(self.places):
                old = place.child
                if old is None or old.state is not State.SERVING or (only is not None and old not in only):
                    continue
                if not await self._succeed(place, old):
                    return
            self._notes.say(f"{self._kind}s replaced; the former ones finish what they have under way")

    def roll(self) -> None:
        """Begin to replace every worker, unless that is under way."""
        if self._replacing.locked():
            self._notes.warn(f"{self._kind}s are being replaced already")
        else:
            self._begin(self.replace())

    async def refresh(self) -> None:
        """Have a new report of every worker that gives one in time; kill those that have given none for too long."""
        now_s = self._clock()
        children = list(self.children)
        fresh = await asyncio.gather(*(child.ask(self._patience.report_s, now_s) for child in children))
        for child, came in zip(children, fresh, strict=True):
            if not came:
                self._metrics.reports_missed.inc()
            # Several misses as well as the time: after a suspend the clock has jumped, but nobody was asked meanwhile.
            silent = child.missed > 3 and now_s - child.missed_since_s > self._patience.stuck_s
            late = child.state is State.STARTING and now_s - child.started_s > self._patience.start_s
            if silent or late:
                child.stuck = True
                child.kill()

    def start_no_more(self) -> None:
        """From here on no worker is started, so the sockets they would inherit may be closed."""
        self._closing.set()

    async def close(self, grace_s: float, deadline_s: float) -> None:
        """Tell every worker to leave and wait for the last; end those that do not. May be called again to hurry."""
        self.start_no_more()
        for child in self.children:
            child.drain(grace_s, deadline_s)
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=grace_s + deadline_s + self._patience.end_s)
        for child in self.children:
            child.kill()
        await asyncio.gather(*self._tasks)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self._notes.fail(f"a {self._kind} could not be started or replaced: {type(failure).__name__}: {failure}")

    def _resize(self, workers: int) -> None:
        while len(self.places) < workers:
            place = Place(len(self.places))
            self.places.append(place)
            self._begin(self._fill(place, 0.0))
        while len(self.places) > workers:
            child = self.places.pop().child
            if child is not None:
                child.drain(self._config.drain_grace_s, self._config.drain_s)

    async def _fill(self, place: Place, pause_s: float) -> None:
        """Start a worker in a place after a pause, unless meanwhile somebody else has or nobody wants it any more."""
        former = place.child
        while True:
            await self._pause(pause_s)
            if self._closing.is_set() or place not in self.places or place.child is not former:
                return
            try:
                place.child = await self._start_child(place)
            except OSError as exc:
                pause_s = place.back_off.after(0.0)
                self._notes.fail(f"no process for a {self._kind}: {exc}; the next try is in {pause_s:g} s")
            else:
                return

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._closing.wait()
        except TimeoutError:
            return

    async def _start_child(self, place: Place) -> Child:
        config = self._config
        child = await Child.start(
            self._launch, encode_order(Start(config)), self._clock(), self._changed, self._notes.warn
        )
        self.children.append(child)
        self._begin(self._follow(place, child))
        if self._config is not config:  # swapped while the process was made
            child.swap(encode_order(Swap(self._config)))
        if self._closing.is_set():
            child.drain(0.0, 0.0)
        return child

    async def _follow(self, place: Place, child: Child) -> None:
        """From the start of a process to its end, and to its successor where it ended unasked."""
        await child.gone.wait()
        self.children.remove(child)
        self.totals.bury(child.snapshot, gauges=self._kind == "worker")
        self._buried += Usage(cpu_s=child.usage.cpu_s)
        if child.leaving or place.child is not child:
            return
        pause_s = place.back_off.after(self._clock() - child.started_s)
        place.restarts += 1
        self._metrics.restarted(_reason(child))
        self._notes.fail(
            f"{self._kind} {child.pid} {child.ended()}; another is started in {pause_s:g} s{_last_line(child)}"
        )
        place.stillborn = 0 if child.was_ready else place.stillborn + 1
        if place.stillborn >= STILLBORN_LIMIT and self._tell_start(_hopeless(child)):
            return
        await self._fill(place, pause_s)

    async def _succeed(self, place: Place, old: Child) -> bool:
        """Have a new worker in the place of `old`; False when it does not come to accept, and `old` stays."""
        try:
            new = await self._start_child(place)
        except OSError as exc:
            self._notes.fail(f"{self._kind} {old.pid} stays, there is no process for its successor: {exc}")
            return False
        await new.settled.wait()
        if not new.was_ready or self._closing.is_set() or place not in self.places:
            new.drain(0.0, 0.0)
            self._notes.fail(f"{self._kind} {old.pid} stays, its successor {new.ended()}{_last_line(new)}")
            return False
        place.child = new
        place.restarts += 1
        self._metrics.restarted("rolling")
        old.drain(self._config.drain_grace_s, self._config.drain_s)
        return True

    def _changed(self) -> None:
        serving = self.serving()
        self._metrics.serving.set(serving)
        if serving >= len(self.places):
            self._tell_start("")

    def _tell_start(self, failure: str) -> bool:
        """Whether somebody still waited for the start, and has been told."""
        if self._started is None or self._started.done():
            return False
        self._started.set_result(failure)
        return True


def _reason(child: Child) -> str:
    """A value of RESTART_REASONS."""
    if child.stuck:
        return "stuck"
    if not child.was_ready:
        return "never_ready"
    return "killed" if child.exit_code < 0 else "exited"


def _last_line(child: Child) -> str:
    """With the line before it where the last one is the remedy alone."""
    said = list(child.last_lines)[-2:]
    if len(said) == 2 and not said[1].startswith("hint: "):
        said = said[1:]
    return f"; its last line: {'; '.join(said)}" if said else ""


def _hopeless(child: Child) -> str:
    lines = "\n".join(f"  {line}" for line in child.last_lines) or "  (it wrote nothing)"
    return (
        f"no worker comes to accept: {STILLBORN_LIMIT} died one after another; the last {child.ended()}\n"
        f"what it wrote last:\n{lines}\n"
        "  hint: the last line names the cause; certificate and key files are read by each worker"
    )
