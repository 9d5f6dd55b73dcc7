"""`paramwall demo`: the proxy at work on this machine, told in numbered steps, every one of them checked.

Not here: the steps of the first act (demo_story.py), the second (demo_watch.py), the processes (demo_stage.py) and the
printing (demo_show.py). Invariant: the exit code says whether every claim that was printed holds.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import aiohttp
import typer
import uvloop
from rich.console import Console

from proxy.cli.demo_show import Show
from proxy.cli.demo_stage import Ended, Stage, hear_signals, staged
from proxy.cli.demo_story import STEPS, Seen, Step, tallied, totals
from proxy.cli.demo_watch import acts, claims, evidence_text
from proxy.cli.terminal import FINDING, note, refuse
from proxy.supervisor.sockets import CannotStart

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C as shells have it: 128 and the number of SIGINT."""


def demo(
    *,
    ci: Annotated[bool, typer.Option("--ci", help="Without a terminal: plain text of 80 columns.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running afterwards, until Ctrl-C.")] = False,
) -> None:
    """Show the proxy at work, every claim checked.

    A simulated vendor, the real proxy before it, real requests; no key and no network needed. Exit code 0: everything
    went as told. 1: something did not.
    """
    if ci and keep:
        refuse("--ci and --keep are both given", "leave one of them out; --ci ends by itself")
    show = Show(Console(force_terminal=False if ci else None, highlight=False, markup=False, emoji=False))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(_perform(show, keep=keep))
    except CannotStart as error:
        note(f"paramwall: the demo cannot start: {error}")
        code = FINDING
    except (aiohttp.ClientError, TimeoutError) as error:
        note(f"paramwall: the demo broke off: {type(error).__name__}: {error}")
        code = FINDING
    except (Ended, KeyboardInterrupt):
        note("paramwall: stopped; nothing is left running")
        code = INTERRUPTED
    raise typer.Exit(code)


class Log:
    """What the proxy writes: dropped until somebody reads along."""

    def __init__(self) -> None:
        self.followed = False

    def take(self, line: str) -> None:
        """One line."""
        if self.followed:
            note(line)


async def _perform(show: Show, *, keep: bool) -> int:
    """The whole demo; its exit code. Raises Ended when it is told to stop before it is over."""
    started, log = time.monotonic(), Log()
    async with staged(log.take) as stage:
        stopped = asyncio.create_task(hear_signals().wait())
        playing = asyncio.create_task(_play(stage, show))
        try:
            await asyncio.wait({playing, stopped, stage.proxy}, return_when=asyncio.FIRST_COMPLETED)
            if not playing.done():
                raise Ended
            failed, claims = playing.result()
            show.verdict(failed, claims, time.monotonic() - started)
            show.next_steps(sys.argv[0])
            if keep:
                show.doors(stage, sys.argv[0])
                log.followed = True
                await asyncio.wait({stopped, stage.proxy}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # The client leaves before the proxy does, so that it is not seen to fail.
            playing.cancel()
            stopped.cancel()
            await asyncio.wait({playing, stopped})
    return FINDING if failed else 0


async def _play(stage: Stage, show: Show) -> tuple[int, int]:
    """Every act; how many claims did not hold, of how many. Raises Ended when nobody reads on."""
    results: list[bool] = []
    try:
        show.cast(stage)
        for act in ACTS:
            results += await act(stage, show)
    except SystemExit:  # what rich makes of a closed pipe; out of a task it would end the event loop at once
        raise Ended from None
    return results.count(False), len(results)


async def _send(stage: Stage, show: Show) -> list[bool]:
    """What becomes of requests: every step, then the metrics; whether each claim holds."""
    played: list[tuple[Step, Seen]] = []
    results: list[bool] = []
    for step in STEPS:
        show.opening(step.title, step.shows)
        show.sent(stage.url(step.door), step.body)
        seen = await stage.play(step, show.event)
        show.outcome(seen)
        results += show.claims((claim.text, claim.holds(seen)) for claim in step.claims)
        played.append((step, seen))
    counted = totals(await stage.metrics())
    show.metrics(stage.admin_url, counted)
    return results + show.claims(tallied(played, counted))


async def _watch(stage: Stage, show: Show) -> list[bool]:
    """Vendors under watch, one of which degrades; whether each claim holds."""
    show.watch_opening()
    async for act in acts(stage):
        show.watched(act)
    show.alarm(act)
    act.evidence = await evidence_text(stage, act)
    show.evidence(act)
    return show.claims(claims(act))


ACTS: Final[tuple[Callable[[Stage, Show], Awaitable[list[bool]]], ...]] = (_send, _watch)
