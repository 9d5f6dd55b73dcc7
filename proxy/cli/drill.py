"""`paramwall drill`: that an alert reaches somebody when a vendor degrades, and that it is taken back afterwards.

Here: the course of a drill and its claims. Not here: the vendors and the proxy (demo_stage.py), Prometheus and
Alertmanager (drill_monitoring.py). Invariants: the rules are those that are shipped; every time that is told was taken
at the end of the chain, where the webhook is called; nothing of the chain is told what to say.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Annotated, Final

import typer
import uvloop

from proxy.cli.demo_stage import Ended, Stage, hear_signals, staged
from proxy.cli.demo_watch import DEGRADING, FAULTS, Watched, rows, status, traffic
from proxy.cli.drill_monitoring import (
    ALERTMANAGER,
    EVERY_S,
    PROMETHEUS,
    WATCHDOG,
    Missing,
    Monitoring,
    Notice,
    found,
    monitored,
    query,
)
from proxy.cli.terminal import FINDING, answer, answer_json, note, refuse
from proxy.simulator import parse_faults
from proxy.supervisor.sockets import CannotStart

DEGRADED: Final = "ParamwallVendorDegraded"
ALLOWED_S: Final = 90.0
"""From the beginning of the degradation until the webhook has the alert."""
SILENT_S: Final = 90.0
"""How long a drill without a degradation must stay silent, unless told."""
HEALTHY_S: Final = 90.0
"""How long vendors may take until both have answered enough to be called healthy."""
RECOVERY_S: Final = 240.0
"""From the repair until the webhook has been told that it is over."""
_POLL_S: Final = 0.5
_PROBES: Final = "probes: {every: 5s, tokens_per_day: 100000000}\n"
_INTERRUPTED: Final = 130


@dataclass(slots=True)
class Drill:
    """What happened, in seconds since the start; None where it did not."""

    healthy_s: float | None = None
    broken_s: float | None = None
    alarm_s: float | None = None
    alert_s: float | None = None
    repaired_s: float | None = None
    well_s: float | None = None
    resolved_s: float | None = None
    over_s: float = 0.0
    watchdog: bool = False
    notices: list[Notice] = field(default_factory=list)
    started_s: float = field(default_factory=time.time)

    def now(self) -> float:
        """Seconds since the start."""
        return time.time() - self.started_s


def drill(
    *,
    healthy: Annotated[bool, typer.Option("--healthy", help="Nothing degrades, and no alert may come.")] = False,
    seconds: Annotated[
        float | None, typer.Option(metavar="S", help="With --healthy: how long it must stay silent; 90 unless given.")
    ] = None,
    prometheus: Annotated[str | None, typer.Option(metavar="PATH", help="The prometheus program.")] = None,
    alertmanager: Annotated[str | None, typer.Option(metavar="PATH", help="The alertmanager program.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave all of it running afterwards, until Ctrl-C.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Let a simulated vendor degrade and see the alert arrive, through a real Prometheus and Alertmanager.

    All of it runs on this machine; no key and no network are needed. Exit code 0: everything went as claimed. 1:
    something did not. 2: a program is missing.
    """
    if keep and json:
        refuse("--keep and --json are both given", "leave one of them out")
    if seconds is not None and not healthy:
        refuse("--seconds goes with --healthy", "a drill with a degradation takes as long as it takes; add --healthy")
    try:
        programs = (
            found(prometheus, PROMETHEUS, "prometheus"),
            found(alertmanager, ALERTMANAGER, "prometheus-alertmanager"),
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            held = runner.run(_perform(programs, None if not healthy else seconds or SILENT_S, keep=keep, as_json=json))
        raise typer.Exit(0 if held else FINDING)
    except Missing as error:
        refuse(*str(error).split("\n  hint: "))
    except CannotStart as error:
        note(f"paramwall: the drill cannot go on: {error}")
        raise typer.Exit(FINDING) from error
    except (Ended, KeyboardInterrupt) as error:
        note("paramwall: stopped; nothing is left running")
        raise typer.Exit(_INTERRUPTED) from error


async def _perform(programs: tuple[str, str], healthy_for_s: float | None, *, keep: bool, as_json: bool) -> bool:
    """The whole drill; whether every claim holds."""
    tell = _silent if as_json else answer
    course = course_of_degradation if healthy_for_s is None else _silence(healthy_for_s)
    async with performing(programs) as (stage, monitoring, done):
        tell(f"  0.0 s  {' and '.join(monitoring.versions)} watch a proxy with two vendors and a reference")

        async def play() -> None:
            async for line in course(done, stage, monitoring):
                tell(f"{done.now():5.1f} s  {line}")

        stopped, playing = asyncio.create_task(hear_signals().wait()), asyncio.create_task(play())
        try:
            await asyncio.wait({playing, stopped, stage.proxy}, return_when=asyncio.FIRST_COMPLETED)
            if not playing.done():
                raise Ended if stopped.done() else CannotStart("the proxy ended before the drill did")
            playing.result()
            held = _told(done, monitoring, healthy_for_s, as_json=as_json)
            if keep:
                _show_doors(stage, monitoring)
                await asyncio.wait({stopped, stage.proxy}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            playing.cancel()
            stopped.cancel()
            await asyncio.wait({playing, stopped})
    return held


@asynccontextmanager
async def performing(programs: tuple[str, str]) -> AsyncIterator[tuple[Stage, Monitoring, Drill]]:
    """Vendors, proxy, Prometheus, Alertmanager and clients that ask without end."""
    async with staged(_silent, _PROBES) as stage:
        admin = stage.admin_url.removeprefix("http://")
        async with monitored(admin, *programs, stage.session) as monitoring, traffic(stage):
            yield stage, monitoring, Drill()


def _silent(_: str) -> None:
    """Say nothing."""


# The course


async def course_of_degradation(done: Drill, stage: Stage, monitoring: Monitoring) -> AsyncIterator[str]:
    """Degrade, be noticed, repair, be taken back; a line for each thing as it happens. What does not happen ends it."""
    if not await _until_healthy(done, stage):
        return
    yield "both vendors are healthy"
    done.broken_s = done.now()
    stage.degrading.set_faults(parse_faults(*FAULTS))
    yield f"{DEGRADING} begins to degrade: {', '.join(FAULTS)}"
    alarm = await _row(stage, lambda row: row.alarmed, ALLOWED_S)
    done.alarm_s = done.now() if alarm else None
    if alarm:
        yield f"the proxy calls it {alarm.state}: {alarm.signal}"
    left_s = done.broken_s + ALLOWED_S - done.now()
    notice = await _notice(monitoring, left_s, lambda each: each.firing and each.name == DEGRADED)
    if notice is None:
        return
    done.alert_s = notice.at_s - done.started_s
    yield f"the webhook has {notice.name}: {notice.annotations['summary']}"
    done.repaired_s = done.now()
    stage.degrading.set_faults(())
    yield f"{DEGRADING} is repaired"
    if await _row(stage, lambda row: row.state in ("ok", "warn"), RECOVERY_S):
        done.well_s = done.now()
        yield "the proxy calls it well again"
    done.resolved_s = await _all_resolved(done, monitoring, done.repaired_s + RECOVERY_S)
    if done.resolved_s is not None:
        yield "the webhook is told that it is over"


def _silence(for_s: float) -> Callable[[Drill, Stage, Monitoring], AsyncIterator[str]]:
    """A drill in which nothing happens, for as long as is said."""

    async def course(done: Drill, stage: Stage, monitoring: Monitoring) -> AsyncIterator[str]:
        if await _until_healthy(done, stage):
            yield "both vendors are healthy, and stay so"
        await asyncio.sleep(max(for_s - done.now(), 0.0))
        found = await query(stage.session, monitoring.prometheus_url, f'ALERTS{{alertname="{WATCHDOG}"}}')
        done.watchdog, done.over_s = bool(found), done.now()

    return course


async def _until_healthy(done: Drill, stage: Stage) -> bool:
    end = time.monotonic() + HEALTHY_S
    while time.monotonic() < end:
        if all(row.healthy for row in rows(await status(stage))):
            done.healthy_s = done.now()
            return True
        await asyncio.sleep(_POLL_S)
    return False


async def _row(stage: Stage, holds: Callable[[Watched], bool], within_s: float) -> Watched | None:
    """How the vendor that degrades stands, once that is as asked for; None when it is not in time."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        row = next(each for each in rows(await status(stage)) if each.vendor == DEGRADING)
        if holds(row):
            return row
        await asyncio.sleep(_POLL_S)
    return None


async def _notice(monitoring: Monitoring, within_s: float, wanted: Callable[[Notice], bool]) -> Notice | None:
    end = time.monotonic() + within_s
    while True:
        for each in monitoring.notices:
            if wanted(each):
                return each
        if time.monotonic() >= end:
            return None
        await asyncio.sleep(_POLL_S)


async def _all_resolved(done: Drill, monitoring: Monitoring, until_s: float) -> float | None:
    """When the last alert about the degradation was taken back, in seconds since the start."""
    while done.now() < until_s:
        fired = {frozenset(each.labels.items()) for each in monitoring.notices if each.firing and each.name == DEGRADED}
        over = {frozenset(each.labels.items()): each.at_s for each in monitoring.notices if not each.firing}
        if fired <= over.keys():
            return max(over[labels] for labels in fired) - done.started_s
        await asyncio.sleep(_POLL_S)
    return None


# What is claimed


def claims(done: Drill, healthy_for_s: float | None) -> Iterator[tuple[str, bool]]:
    """What must have turned out to be true."""
    if healthy_for_s is not None:
        names = ", ".join(sorted({each.name for each in done.notices})) or "none"
        yield f"alerts in {done.over_s:.0f} s of health: {names}", not done.notices and done.healthy_s is not None
        yield f"the rules were evaluated all the while: {WATCHDOG} fires", done.watchdog
        return
    took = None if done.alert_s is None or done.broken_s is None else done.alert_s - done.broken_s
    said = "no alert came" if took is None else f"the alert was there {took:.1f} s after the degradation began"
    yield f"{said}; {ALLOWED_S:.0f} s are allowed", took is not None and took <= ALLOWED_S
    about = [each for each in done.notices if each.labels.get("vendor") != DEGRADING]
    others = ", ".join(sorted({each.name for each in about})) or "none"
    yield f"alerts about anybody else: {others}", not about
    over = None if done.resolved_s is None or done.repaired_s is None else done.resolved_s - done.repaired_s
    said = "it was not taken back" if over is None else f"it was taken back {over:.1f} s after the repair"
    yield f"{said}; {RECOVERY_S:.0f} s are allowed", over is not None


def _told(done: Drill, monitoring: Monitoring, healthy_for_s: float | None, *, as_json: bool) -> bool:
    """Print what came of it; whether every claim holds."""
    done.notices = monitoring.notices
    held = list(claims(done, healthy_for_s))
    if as_json:
        answer_json({**asdict(done), "claims": [{"claim": text, "holds": holds} for text, holds in held]})
    else:
        _show_claims(done, held)
    return all(holds for _, holds in held)


def _show_claims(done: Drill, held: list[tuple[str, bool]]) -> None:
    if done.notices:
        answer("")
        answer("what the webhook got:")
        for each in done.notices:
            labels = ", ".join(f"{name}={value}" for name, value in sorted(each.labels.items()) if name != "alertname")
            verb = "fires" if each.firing else "over"
            answer(f"{each.at_s - done.started_s:5.1f} s  {verb:5}  {each.name}  {labels}")
    answer("")
    for text, holds in held:
        answer(f"{'ok' if holds else 'NOT SO'}: {text}")
    answer(f"Scraped and evaluated every {EVERY_S} s; with 15 s, as in the shipped example, add up to half a minute.")


def _show_doors(stage: Stage, monitoring: Monitoring) -> None:
    answer("")
    for name, url in (
        ("proxy", f"{stage.proxy_url}/v1"),
        ("admin", stage.admin_url),
        ("Prometheus", monitoring.prometheus_url),
        ("Alertmanager", monitoring.alertmanager_url),
    ):
        answer(f"{name}: {url}")
    answer("Everything stays up, and clients go on asking, until Ctrl-C.")
