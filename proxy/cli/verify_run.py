"""A verification carried out: connections, progress, Ctrl-C, and the result.

Not here: options (verify.py) and what is printed of the result (verify_show.py). Invariants: however the run ends, what
was answered is judged; the state of a run that came to its end is removed, that of any other is kept.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from proxy import __version__
from proxy.cli.terminal import note, refuse
from proxy.config.values import Reference, Timeouts, Vendor
from proxy.endpoint.endpoint import Endpoint, Upstream
from proxy.endpoint.retry import Bounds, PersistentCaller
from proxy.probes.probe import shown
from proxy.verify.result import ReferenceSeen, VendorSeen, VerifyResult
from proxy.verify.runner import GIVE_UP, Runner, Unwelcome
from proxy.verify.selection import Chain, Item, Parties, Side, chains
from proxy.verify.state import Run, State, StateError
from proxy.verify.verdict import judge, spent

USER_AGENT: Final = f"paramwall-verify/{__version__}"
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)
WAITING_S: Final = 120.0
"""How long one request may wait between its attempts, all together."""


@dataclass(frozen=True, slots=True)
class Order:
    """A verification as it was ordered."""

    vendor: Vendor
    reference: Reference | None
    parties: Parties
    items: tuple[Item, ...]
    state: Path
    concurrency: int
    timeout_s: float
    attempts: int

    @property
    def chains(self) -> tuple[Chain, ...]:
        """All its requests."""
        return chains(self.items, self.parties)

    @property
    def run(self) -> Run:
        """What its state belongs to."""
        vendor, reference = self.parties.vendor, self.parties.reference
        return Run(
            vendor=url_of(self.vendor),
            model=vendor.model,
            profile=vendor.plan.profile.name,
            contract=vendor.contract,
            reference=None if reference is None or self.reference is None else url_of(self.reference),
        )


def carry_out(order: Order) -> tuple[VerifyResult, bool]:
    """The result, and whether the run came to its end. Ends with exit code 2 when the vendor cannot be asked."""
    before = {number: signal.getsignal(number) for number in _STOPPING}
    fresh = False
    try:
        with State(order.state, order.run) as state:
            fresh = not state.entries
            if not fresh:
                count = len(state.entries)
                note(f"paramwall: going on from {order.state}, which has {count} replies; remove it to start anew")
            runner = asyncio.run(_asked(order, state))
            whole = not runner.stop.is_set()
            if runner.gave_up:
                note(f"paramwall: gave up: {GIVE_UP} requests in a row had no answer")
            if whole:
                state.remove()
            return _result(order, state, runner), whole
    except StateError as error:
        refuse(str(error), error.hint)
    except Unwelcome as error:
        if fresh:
            order.state.unlink(missing_ok=True)
        refuse(f"{order.vendor.name} turns every request away: {shown(error.reply)}", _remedy(error.reply.status))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def url_of(upstream: Upstream) -> str:
    """As it is written in a configuration."""
    host = f"[{upstream.host}]" if ":" in upstream.host else upstream.host
    usual = {"http": 80, "https": 443}[upstream.scheme] == upstream.port
    return f"{upstream.scheme}://{host}{'' if usual else f':{upstream.port}'}{upstream.path}"


async def _asked(order: Order, state: State) -> Runner:
    """Ask everything, or until Ctrl-C."""
    asked = order.chains
    upstreams: dict[Side, Upstream] = {Side.VENDOR: order.vendor}
    if order.reference is not None:
        upstreams[Side.REFERENCE] = order.reference
    endpoints = {
        side: Endpoint(_in_time(each, order.timeout_s), USER_AGENT, time.monotonic) for side, each in upstreams.items()
    }
    bounds = Bounds(attempts=order.attempts, total_s=WAITING_S)
    draw = random.Random().random  # noqa: S311  (jitter, not a secret)
    callers = {
        side: PersistentCaller(endpoint, bounds, order.concurrency, time.monotonic, draw)
        for side, endpoint in endpoints.items()
    }
    try:
        with _progress() as bar:
            task = bar.add_task("asking", total=sum(map(len, asked)))
            runner = Runner(callers, state, order.concurrency, advance=lambda: bar.advance(task))
            bar.advance(task, sum(map(len, asked)) - sum(map(len, runner.unasked(asked))))
            with _stopped_by_signals(runner):
                await runner.run(asked)
    finally:
        for endpoint in endpoints.values():
            await endpoint.close()
    return runner


def _in_time(upstream: Upstream, timeout_s: float) -> Upstream:
    """As it is, but within our bounds: a probe waits for nobody half an hour."""
    connect_s = min(upstream.timeouts.connect_s or timeout_s, timeout_s)
    return replace(upstream, timeouts=Timeouts(connect_s, timeout_s, timeout_s, timeout_s))


@contextmanager
def _stopped_by_signals(runner: Runner) -> Iterator[None]:
    """The first Ctrl-C ends the asking; what was answered is then judged."""
    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, runner.stop.set)
    try:
        yield
    finally:
        for number in _STOPPING:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)  # a second one must not cost the result, which takes a moment


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on stderr where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("asking"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield bar


def _result(order: Order, state: State, runner: Runner) -> VerifyResult:
    judged = judge(order.items, order.parties, runner.reply)
    setting, reference = order.parties.vendor, order.reference
    return VerifyResult(
        version=__version__,
        at_s=time.time(),
        vendor=VendorSeen(order.vendor.name, url_of(order.vendor), setting.plan.profile.name, setting.model),
        reference=None if reference is None else ReferenceSeen(reference.name, url_of(reference), reference.model),
        contract=setting.contract,
        verdict=str(judged.verdict),
        layers=judged.layers,
        probes=judged.probes,
        spent=spent(state.entries.values()),
        no_answer_share=judged.no_answer_share,
    )


def _remedy(status: int) -> str:
    if status in (401, 403):
        return "set PARAMWALL_VENDOR_KEY to a key of this host, or name its variable with --api-key-env"
    if status == 404:
        return "check the URL (it ends in /v1) and the model's name there (--model NAME, or --profile)"
    if status < 400:
        return "give the URL that it redirects to"
    return "the vendor must answer POST /chat/completions first"
