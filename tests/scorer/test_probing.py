"""Scheduled probes against simulated vendors: when they are asked, what they find, what they cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from proxy.config.values import Config, Probes
from proxy.metrics.scorer import ScorerMetrics
from proxy.probes import PROBES, SCHEDULED
from proxy.scorer.probing import Probing, Rim, signal_of
from proxy.signals import PROBED
from proxy.simulator import Options, Simulator, parse_faults
from tests.exposed import value
from tests.proxying import configured
from tests.wire.client import until

OFTEN_S = 0.02
KEY = "sk-probe-canary"


@dataclass(slots=True)
class Running:
    """Probing under way, with what it said."""

    vendor: Simulator
    probing: Probing
    metrics: ScorerMetrics
    warned: list[str] = field(default_factory=list)
    defects: list[Exception] = field(default_factory=list)

    def count(self, result: str) -> float:
        """Probes with this result, over all modes and layers."""
        family = self.metrics.probes
        return sum(n for values, n in zip(family.children(), family.numbers(), strict=True) if values[-1] == result)

    def outcomes(self) -> dict[str, bytes]:
        """What was found since the last call, by signal, of both modes."""
        found: dict[str, bytes] = {}
        for row in self.probing.rows(1.0):
            for name, each in row.outcomes.items():
                found[name] = found.get(name, b"") + each
        return found


LAYERS = tuple({probe.layer: None for probe in PROBES if probe.id in SCHEDULED})


def config_for(vendor: Simulator, probes: Probes) -> Config:
    said = configured(vendor.url, vendor={"api_key_env": "K"}, environ={"K": KEY})
    return replace(said, probes=probes)


@asynccontextmanager
async def running(*faults: str, probes: Probes = Probes(OFTEN_S, 10**9)) -> AsyncIterator[Running]:  # noqa: B008
    async with Simulator(Options(instant=True, faults=parse_faults(*faults), api_key=KEY)) as vendor:
        metrics, warned, defects = ScorerMetrics(), list[str](), list[Exception]()
        probing = Probing(metrics, Rim(time.monotonic, time.time, warned.append, defects.append))
        probing.use(config_for(vendor, probes))
        try:
            yield Running(vendor, probing, metrics, warned, defects)
        finally:
            await probing.close()


def test_every_scheduled_probe_is_known_and_makes_a_signal() -> None:
    layers = {probe.id: probe.layer for probe in PROBES}
    assert [signal.name for signal in PROBED] == [f"probe-{each}" for each in dict.fromkeys(
        layer for layer in layers.values() if layer in LAYERS
    )]  # fmt: skip
    assert {layers[name] for name in SCHEDULED} == set(LAYERS)
    assert {signal_of(layer) for layer in LAYERS} == {signal.name for signal in PROBED}


async def test_an_honest_vendor_passes_all_of_them_round_and_round() -> None:
    async with running() as probed:
        await until(lambda: probed.count("pass") >= 3 * len(SCHEDULED), 30)
        assert not probed.warned
        assert probed.count("fail") == probed.count("no_answer") == 0
        outcomes = probed.outcomes()
        assert outcomes.keys() == {signal.name for signal in PROBED}
        assert not any(any(each) for each in outcomes.values())
        assert probed.outcomes() == {}, "they are told once"
    assert not probed.warned
    assert not probed.defects


@pytest.mark.parametrize(
    ("fault", "signal"),
    [
        ("thinking-not-disabled", "probe-template"),
        ("injected-system-prompt", "probe-template"),
        ("missing-reasoning", "probe-reasoning"),
        ("inflated-completion-tokens", "probe-accounting"),
    ],
)
async def test_a_defect_fails_the_probes_of_its_layer(fault: str, signal: str) -> None:
    async with running(fault) as probed:
        await until(lambda: 1 in probed.outcomes().get(signal, b""), 30)
    assert not probed.defects
    assert any(f"({signal.removeprefix('probe-')}, " in line for line in probed.warned)


async def test_what_is_not_answered_says_nothing() -> None:
    async with running("rate-limited") as probed:
        await until(lambda: probed.count("no_answer") >= 3, 60)
        assert probed.outcomes() == {}
    assert not probed.warned


async def test_a_refused_key_is_in_no_sentence() -> None:
    async with running("echo-key") as probed:
        await until(lambda: probed.count("no_answer") + probed.count("fail") >= 3, 60)
    assert KEY not in "".join(probed.warned)


async def test_the_budget_of_the_day_ends_it() -> None:
    async with running(probes=Probes(OFTEN_S, 3000)) as probed:
        await until(lambda: probed.count("over_budget") >= 3, 60)
        usage = [
            value(probed.metrics.registry, "paramwall_probe_tokens_total", vendor="sim", type=kind) or 0.0
            for kind in ("input", "output")
        ]
        used = value(probed.metrics.registry, "paramwall_probe_budget_used_ratio", vendor="sim")
    assert 0 < sum(usage) < 4500, "what one probe turned out to cost more than was thought, and no more"
    assert used == pytest.approx(sum(usage) / 3000)


async def test_a_vendor_that_states_no_usage_is_within_the_budget_too() -> None:
    async with running("missing-usage", probes=Probes(OFTEN_S, 3000)) as probed:
        await until(lambda: probed.count("over_budget") >= 3, 60)
        assert 0 < len(probed.vendor.received) < 40


async def test_a_new_configuration_ends_it() -> None:
    async with running() as probed:
        await until(lambda: probed.count("pass") >= 1, 60)
        probed.probing.use(config_for(probed.vendor, Probes(None)))
        await asyncio.sleep(0)
        probed.vendor.received.clear()
        before = probed.count("pass")
        await asyncio.sleep(5 * OFTEN_S)  # a span in which there would have been some
        assert (len(probed.vendor.received), probed.count("pass")) == (0, before)


async def test_nothing_is_asked_twice_by_a_restart() -> None:
    """The next probe follows from the time alone."""
    now = [1000.0]
    asked: list[str] = []
    async with Simulator(Options(instant=True, api_key=KEY)) as vendor:
        for _ in range(2):
            metrics = ScorerMetrics()
            probing = Probing(metrics, Rim(time.monotonic, lambda: now[0], asked.append, lambda _: None))
            probing.use(config_for(vendor, Probes(1000.0)))
            await asyncio.sleep(0.05)
            await probing.close()
        assert not vendor.received, "the stretch that is under way had its probe"
