"""The second act of `paramwall demo`: two vendors under watch, one of which degrades while you look.

Here: the traffic, what is asked of the proxy's `/status`, and the claims. Not here: processes (demo_stage.py), printing
(demo_show.py). Invariants: every claim is read from what the proxy itself reports, and nothing is told to it; a busy
machine makes the act longer, not false.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import aiohttp
import msgspec

from proxy.cli.demo_stage import HEADERS, Stage
from proxy.cli.demo_story import MODEL
from proxy.scorer.standing import PastAlarm
from proxy.simulator import parse_faults

HONEST: Final = "honest"
DEGRADING: Final = "degrading"
FAULTS: Final = ("broken-tool-arguments=0.25", "leaked-markers=0.05")
HEALTHY_ANSWERS: Final = 120
"""Of each vendor, before one of them degrades."""
HEALTHY_S: Final = 90.0
"""How long these are waited for. An idle machine needs a few seconds."""
ALARM_S: Final = 60.0
"""How long the fault may be on before its alarm is overdue."""
RIGHT_SIGNALS: Final = ("tool-arguments", "tool-arguments-pair", "leaked-markers")
"""What looks at that which the faults spoil."""
CLIENTS: Final = 4
"""Applications that talk to each vendor."""
PAUSE_S: Final = 0.1
"""Between an application's requests: the machine is not what is to be shown."""
POLL_S: Final = 0.5
_TOOLS: Final = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["place"],
            },
        },
    }
    for name in ("forecast", "tide", "warning")
]


@dataclass(frozen=True, slots=True)
class Watched:
    """How one vendor stands, over its modes: the row of the table."""

    vendor: str
    state: str = "unknown"
    answers: int = 0
    pairs: int = 0
    signal: str = ""
    log_evidence: float = 0.0
    log_threshold: float = 1.0

    @property
    def alarmed(self) -> bool:
        """Whether the evidence has reached what is an alarm."""
        return self.state in ("degraded", "recovering")

    @property
    def healthy(self) -> bool:
        """Whether enough was seen to say that nothing is wrong. A warning is no alarm: it asks for more pairs."""
        return self.answers >= HEALTHY_ANSWERS and self.state in ("ok", "warn")


@dataclass(slots=True)
class Act:
    """What happened. `broken_s`: when the fault was switched on, in Unix time. `alarm`: the first after that, and its
    `number` in the list of `paramwall evidence`. `evidence`: what that printed, "" when it failed.
    """

    rows: list[Watched] = field(default_factory=list)
    broken_s: float | None = None
    alarm: PastAlarm | None = None
    number: int = 0
    evidence: str = ""

    def read(self, found: dict[str, Any]) -> None:
        """Take what `/status` says."""
        self.rows = rows(found)
        if self.broken_s is None or self.alarm is not None:
            return
        for number, alarm in enumerate(msgspec.convert(found["alarms"], list[PastAlarm]), 1):
            if alarm.key.vendor == DEGRADING and alarm.at_s >= self.broken_s:
                self.alarm, self.number = alarm, number
                return


async def status(stage: Stage) -> dict[str, Any]:
    """The admin port's JSON."""
    async with stage.session.get(f"{stage.admin_url}/status") as response:
        found: dict[str, Any] = await response.json()
        return found


def rows(found: dict[str, Any]) -> list[Watched]:
    """A row for each vendor under watch."""
    return [
        _row(name, [view for view in found["drift"] if view["key"]["vendor"] == name]) for name in (HONEST, DEGRADING)
    ]


def _row(vendor: str, views: list[dict[str, Any]]) -> Watched:
    if not views:
        return Watched(vendor)
    view = max(views, key=lambda each: (each["state"] == "degraded", each["answers"]))
    seen = (sum(each["answers"] for each in views), sum(each["pairs"] for each in views))
    leading = next((each for each in view["series"] if each["name"] == view["leading"]), None)
    if leading is None:
        return Watched(vendor, view["state"], *seen)
    return Watched(vendor, view["state"], *seen, leading["name"], leading["log_evidence"], leading["log_threshold"])


async def acts(stage: Stage) -> AsyncIterator[Act]:
    """Play it; the Act again whenever the rows were read anew. It ends with the alarm, or when that is overdue."""
    act, since = Act(), time.monotonic()
    async with traffic(stage):
        while True:
            await asyncio.sleep(POLL_S)
            act.read(await status(stage))
            waited_s = time.monotonic() - since
            if act.broken_s is None and (all(row.healthy for row in act.rows) or waited_s > HEALTHY_S):
                stage.degrading.set_faults(parse_faults(*FAULTS))
                act.broken_s, since, waited_s = time.time(), time.monotonic(), 0.0
            yield act
            if act.broken_s is not None and (act.alarm is not None or waited_s > ALARM_S):
                return


def claims(act: Act) -> Iterator[tuple[str, bool]]:
    """What must have turned out to be true."""
    honest, degrading = act.rows
    after = "" if act.alarm is None else f", {act.alarm.at_s - (act.broken_s or 0.0):.0f} s after it began"
    yield f"the vendor that degrades is called {degrading.state}{after}", degrading.alarmed and bool(after)
    name = "none" if act.alarm is None else act.alarm.series
    yield f"by a signal that looks at what is broken: {name}", name in RIGHT_SIGNALS
    state = "in warn, no alarm" if honest.state == "warn" else honest.state
    yield f"the honest vendor is {state}, after {honest.answers} answers", honest.healthy
    against = re.search(r"(\d+) against the vendor", act.evidence)
    count_against = 0 if against is None else int(against[1])
    yield f"paramwall evidence lists what the alarm rests on: {count_against} rows", count_against > 0


async def evidence_text(stage: Stage, act: Act) -> str:
    """What `paramwall evidence NUMBER` prints; "" without an alarm, or when the command fails."""
    if act.alarm is None:
        return ""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "proxy", "evidence", str(act.number), "--state-dir", str(stage.state)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        out, _ = await process.communicate()
    finally:  # told to stop meanwhile: nothing is left running
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out.decode() if process.returncode == 0 else ""


@asynccontextmanager
async def traffic(stage: Stage) -> AsyncIterator[None]:
    """Applications that ask both vendors under watch, until the block ends."""
    numbers = count()
    clients = [
        asyncio.create_task(_client(stage, vendor, numbers)) for vendor in (HONEST, DEGRADING) for _ in range(CLIENTS)
    ]
    try:
        yield
    finally:
        for client in clients:
            client.cancel()
        await asyncio.wait(clients)


async def _client(stage: Stage, vendor: str, numbers: Iterator[int]) -> None:
    """One application, asking one question after another."""
    url = f"{stage.proxy_url}/vendors/{vendor}/v1/chat/completions"
    while True:
        number = next(numbers)
        body: dict[str, Any] = {
            "model": MODEL,
            "messages": [{"role": "user", "content": f"Question {number}: will the river rise in {number % 7} days?"}],
            "tools": _TOOLS,
            "stream": number % 2 == 0,
        }
        if body["stream"]:
            body["stream_options"] = {"include_usage": True}
        with suppress(aiohttp.ClientError, TimeoutError):
            async with stage.session.post(url, data=json.dumps(body), headers=HEADERS) as response:
                await response.read()
        await asyncio.sleep(PAUSE_S)
