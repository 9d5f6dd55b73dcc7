"""Scheduled probes: every vendor is sent the next of a few cheap probes now and then, round and round.

Here: when, within which budget, and what becomes of a finding. Not here: the probes (probes/), one call (endpoint/),
and the fold (drift/). Invariants: a vendor has one request of ours under way at most, never made again, so that probes
are no load; a probe that was not answered is counted and folded nowhere; which probe is the first follows from the time
alone, so restarts do not ask the same one again and again.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from proxy import __version__
from proxy.config.values import Config, Vendor
from proxy.contract.mode import Mode
from proxy.drift.rows import Key, ProbesRow
from proxy.endpoint.endpoint import Endpoint
from proxy.endpoint.reply import Reply
from proxy.metrics.scorer import ScorerMetrics
from proxy.probes import PROBES, SCHEDULED
from proxy.probes.probe import Ask, Finding, Layer, Probe, Setting, Verdict, estimate
from proxy.scorer.budget import DAY_S, Window

USER_AGENT: Final = f"paramwall-probe/{__version__}"
TOTAL_S: Final = 300.0
"""The longest that one request of a probe may take; its token limit is far below what that allows."""
_RESULTS: Final = {
    Verdict.PASS: "pass",
    Verdict.FAIL: "fail",
    Verdict.NO_ANSWER: "no_answer",
    Verdict.SKIPPED: "skipped",
}
OVER_BUDGET: Final = "over_budget"


@dataclass(frozen=True, slots=True)
class Rim:
    """What probing needs of the world: two clocks in seconds, one of them Unix time; how to wait; and where a sentence
    about a failed probe goes, and a fault of ours.
    """

    clock: Callable[[], float]
    wall: Callable[[], float]
    warn: Callable[[str], None]
    on_defect: Callable[[Exception], None]


_PROBES: Final = {probe.id: probe for probe in PROBES}
_LAYERS: Final = tuple(dict.fromkeys(_PROBES[name].layer for name in SCHEDULED))


def turns(setting: Setting, modes: tuple[Mode, ...]) -> tuple[tuple[Probe, Mode], ...]:
    """The probes in the order in which they come round, for a vendor that has these modes: one mode, then the other."""
    probes = [_PROBES[name] for name in SCHEDULED]
    return tuple((one, mode) for mode in modes for one in probes if mode in one.modes and one.asks(setting, mode))


class Probing:
    """Give it the configuration; take rows from it."""

    def __init__(self, metrics: ScorerMetrics, rim: Rim) -> None:
        self._metrics = metrics
        self._rim = rim
        self._outcomes: dict[Key, dict[str, bytearray]] = {}
        self._spent: dict[str, Window] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def use(self, config: Config) -> None:
        """Probe as this configuration says, from now on."""
        for task in self._tasks.values():
            task.cancel()
        probed = [vendor for vendor in config.vendors if vendor.probed and config.probes.every_s is not None]
        self._spent = {vendor.name: self._spent.get(vendor.name, Window(DAY_S)) for vendor in probed}
        self._tasks = {
            vendor.name: asyncio.create_task(
                self._round(vendor, config.probes.every_s or DAY_S, config.probes.tokens_per_day)
            )
            for vendor in probed
        }
        for family in (self._metrics.probed_at, self._metrics.probe_budget_used):
            family.clear()
        for vendor in probed:
            self._prepare(vendor.name)

    def rows(self, now_s: float) -> list[ProbesRow]:
        """What was found since the last call, a row for each key."""
        found, self._outcomes = self._outcomes, {}
        return [
            ProbesRow(now_s, key, {name: bytes(each) for name, each in outcomes.items()})
            for key, outcomes in found.items()
        ]

    async def close(self) -> None:
        """Give up what is under way."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _prepare(self, vendor: str) -> None:
        """What never happened reads as zero."""
        for layer in _LAYERS:
            for mode in Mode:
                for result in ("pass", "fail", "no_answer"):
                    self._metrics.probes.labels(vendor, mode, layer, result)
        for kind in ("input", "output"):
            self._metrics.probe_tokens.labels(vendor, kind)

    async def _round(self, vendor: Vendor, every_s: float, tokens_per_day: int) -> None:
        """One probe in each stretch of `every_s`, at a moment of the vendor's own."""
        names = vendor.profile.models.get(vendor.plan.name) or (vendor.plan.name,)
        setting = Setting(names[0], vendor.plan)
        order = turns(setting, (vendor.plan.default_mode,) if vendor.plan.mode_fixed else tuple(Mode))
        offset_s = every_s * zlib.crc32(vendor.name.encode()) / (1 << 32)
        wait_s = min(vendor.timeouts.first_byte_s or TOTAL_S, TOTAL_S)
        patient = replace(vendor, timeouts=replace(vendor.timeouts, first_byte_s=wait_s, total_s=TOTAL_S))
        endpoint = Endpoint(patient, USER_AGENT, self._rim.clock)
        number = int((self._rim.wall() - offset_s) // every_s)
        try:
            while True:
                await asyncio.sleep(every_s - (self._rim.wall() - offset_s) % every_s)
                number += 1
                probe, mode = order[number % len(order)]
                try:
                    await self._probe(endpoint, setting, probe, mode, tokens_per_day)
                except Exception as defect:  # the next one may do better
                    self._rim.on_defect(defect)
        finally:
            await endpoint.close()

    async def _probe(self, endpoint: Endpoint, setting: Setting, probe: Probe, mode: Mode, tokens_per_day: int) -> None:
        vendor = endpoint.upstream.name
        asks, spent = probe.asks(setting, mode), self._spent[vendor]
        spent.turn(self._rim.clock())
        likely = sum(each.prompt + each.completion for each in map(estimate, asks))
        if spent.total + likely > tokens_per_day:
            self._metrics.probes.labels(vendor, mode, probe.layer, OVER_BUDGET).inc()
            return
        replies = []
        for ask in asks:
            reply = await endpoint.call(ask.body, stop_after_bytes=ask.stop_after_bytes)
            replies.append(reply)
            self._spend(vendor, reply, ask, tokens_per_day)
        self._note(Key(vendor, setting.plan.name, mode), probe, probe.find(setting, mode, replies))

    def _spend(self, vendor: str, reply: Reply, ask: Ask, tokens_per_day: int) -> None:
        """Count what a request cost: as the vendor states it, else as it may well have been."""
        usage = None if reply.answer is None else reply.answer.usage
        worked = reply.status == 200 or reply.reason in ("timeout", "cut")
        read = (usage.prompt if usage else None) or estimate(ask).prompt
        written = (usage.completion if usage else None) or (estimate(ask).completion if worked else 0)
        self._metrics.probe_tokens.labels(vendor, "input").inc(read)
        self._metrics.probe_tokens.labels(vendor, "output").inc(written)
        spent = self._spent[vendor]
        spent.add(self._rim.clock(), read + written)
        self._metrics.probe_budget_used.labels(vendor).set(spent.total / tokens_per_day)

    def _note(self, key: Key, probe: Probe, found: Finding) -> None:
        self._metrics.probes.labels(key.vendor, key.mode, probe.layer, _RESULTS[found.verdict]).inc()
        self._metrics.probed_at.labels(key.vendor).set(self._rim.wall())
        if found.verdict in (Verdict.PASS, Verdict.FAIL):
            outcomes = self._outcomes.setdefault(key, {}).setdefault(signal_of(probe.layer), bytearray())
            outcomes.append(found.verdict is Verdict.FAIL)
        if found.verdict is Verdict.FAIL:
            self._rim.warn(
                f"probe {probe.id} of {key.vendor} failed ({probe.layer}, {key.mode}): {found.seen}; "
                f"allowed: {found.allowed}; hint: {found.hint}"
            )


def signal_of(layer: Layer) -> str:
    """The signal that the probes of a layer make (signals/probed.py)."""
    return f"probe-{layer}"
