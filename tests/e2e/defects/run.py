"""One defect: healthy traffic first, then the fault for every request, until a signal names it or the bound is reached.

Not here: what is expected (cases.py), the traffic (traffic.py), the proxy (systems.py). Invariant: what is reported is
folded anew from the log that the scorer wrote, so it is what an operator would find there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import aiohttp

from proxy.drift.fleet import Fleet
from proxy.drift.report import Alarm
from proxy.drift.rows import AnswersRow, PairRow
from proxy.simulator import Lengths, Lognormal, Options, Simulator, parse_faults
from proxy.store import Store
from tests.e2e.defects.cases import Case, Named, Seen
from tests.e2e.defects.systems import Stage, System, here
from tests.e2e.defects.traffic import request

HEALTHY: Final = 120
AT_ONCE: Final = 10
LENGTHS: Final = Lengths(reasoning=Lognormal(80, 0.7), content=Lognormal(60, 0.6))
_DEADLINE_S: Final = 60.0


class Client:
    """Sends the traffic. `sent` counts the requests so far."""

    def __init__(self, system: System, session: aiohttp.ClientSession, fit: tuple[str, ...]) -> None:
        self.sent = 0
        self._fit = fit
        self._system = system
        self._session = session

    async def send(self, count: int) -> None:
        """The next `count` requests, AT_ONCE at a time; an answer may break off."""
        numbers = iter(range(self.sent, self.sent + count))
        self.sent += count

        async def one_after_another() -> None:
            for number in numbers:
                await self._ask(request(number, self._fit))

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(one_after_another())

    async def _ask(self, body: dict[str, Any]) -> None:
        try:
            async with self._session.post(f"{self._system.url}/chat/completions", json=body) as answer:
                await answer.read()
        except aiohttp.ClientError:
            pass

    async def settled(self) -> None:
        """Wait until every mirrored exchange has been folded and committed, and with it every answer before it."""
        end = time.monotonic() + _DEADLINE_S
        while await self._unsettled():
            assert time.monotonic() < end, f"pairs are still open after {_DEADLINE_S} s"
            await asyncio.sleep(0.02)

    async def begin(self) -> None:
        """Wait until the mirror runs: requests before that are not mirrored."""
        end = time.monotonic() + _DEADLINE_S
        while not await self._system.metric("paramwall_mirror_total", result="selected"):
            assert time.monotonic() < end, f"nothing is mirrored after {_DEADLINE_S} s"
            await self.send(1)
            await asyncio.sleep(0.05)
        await self.settled()

    async def _unsettled(self) -> bool:
        fates = await self._system.metric("paramwall_mirror_total")
        return fates != 2 * await self._system.metric("paramwall_mirror_total", result="selected")


async def run(case: Case, folder: Path, stage: Stage = here, *, healthy: int = HEALTHY) -> Seen:
    """One defect after `healthy` requests to an honest vendor."""
    async with (
        Simulator(Options(seed=1, instant=True, lengths=LENGTHS, received_size=1)) as vendor,
        Simulator(Options(seed=2, instant=True, lengths=LENGTHS, received_size=1)) as reference,
        stage(folder, vendor, reference, case) as system,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        client = Client(system, session, case.fit)
        await client.begin()
        await client.send(healthy)
        await client.settled()
        since_s, before = time.time(), client.sent
        counted = await system.metric(case.metric, **case.labels) if case.metric else 0.0
        vendor.set_faults(parse_faults(*filter(None, [case.fault])))
        step = AT_ONCE if case.signals else min(case.requests, 100)
        while client.sent - before < case.requests and not await _alarmed(system, case.signals):
            await client.send(step)
            await client.settled()
        if case.metric:
            counted = await system.metric(case.metric, **case.labels) - counted
        sent = client.sent - before
    return replace(folded(case, folder / "state", since_s), requests=sent, counted=counted)


def run_alone(case: Case, stage: Stage = here) -> Seen:
    """The same in an event loop and a folder of its own."""
    with TemporaryDirectory() as folder:
        return asyncio.run(run(case, Path(folder), stage))


async def _alarmed(system: System, signals: Iterable[str]) -> bool:
    return any([await system.metric("paramwall_drift_alarms_total", signal=name) for name in signals])


def folded(case: Case, state: Path, since_s: float) -> Seen:
    """What the log says, by folding it anew; the fault began at `since_s`."""
    fleet, answers, pairs = Fleet(), 0, 0
    alarms, early = list[Named](), list[str]()
    with Store.read(state) as store:
        for _, row in store.rows():
            if row.at_s >= since_s:
                answers += row.count if isinstance(row, AnswersRow) else 0
                pairs += isinstance(row, PairRow)
            for event in fleet.fold(row):
                if isinstance(event, Alarm) and row.at_s >= since_s:
                    alarms.append(Named(event.series, event.key.mode, answers, pairs))
                elif isinstance(event, Alarm):
                    early.append(event.series)
    return Seen(case, tuple(alarms), tuple(early), answers, pairs)
