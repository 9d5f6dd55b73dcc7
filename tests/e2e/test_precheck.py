"""The Kimi Vendor Verifier's pre-check through the proxy, before a vendor that by itself accepts anything."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import pytest

from proxy.simulator import Options, Received, Simulator, parse_faults
from tests.e2e.precheck import Outcome, check, probes
from tests.proxying import configured, proxying
from tests.source import ROOT

HOSTS = (("openai-compatible", "moonshot"), ("moonshot", "moonshot"), ("vllm", "vllm"))
"""A profile of the proxy, and the shape of the vendor behind it."""


def anything(shape: str) -> Simulator:
    """A vendor that accepts every parameter."""
    return Simulator(Options(instant=True, profile=shape, faults=parse_faults("accept-any-parameters")))


def failures(outcomes: Iterable[Outcome]) -> list[str]:
    return [f"{outcome.probe}; {outcome.status} {outcome.error}" for outcome in outcomes if not outcome.passed]


def mode_read(shape: str, body: Mapping[str, Any]) -> str:
    """The mode that a host of this shape answers in: each reads one switch only."""
    if shape == "vllm":
        thinks = body.get("chat_template_kwargs", {}).get("thinking", True)
    else:
        thinks = body.get("thinking", {}).get("type", "enabled") == "enabled"
    return "thinking" if thinks else "instant"


def unlawful(received: Received, mode: str, temperatures: Mapping[str, set[float]]) -> list[str]:
    body = orjson.loads(received.body)
    lawful: dict[str, set[float]] = {
        "temperature": temperatures[mode],
        "top_p": {0.95},
        "presence_penalty": {0},
        "frequency_penalty": {0},
        "n": {1},
    }
    unsent = {"presence_penalty": 0, "frequency_penalty": 0, "n": 1}
    seen = {name: body.get(name, unsent.get(name)) for name in lawful}
    return [f"{name}={value!r} in {mode} mode" for name, value in seen.items() if value not in lawful[name]]


EXACT: dict[str, set[float]] = {"thinking": {1.0}, "instant": {0.6}}
RANGE: dict[str, set[float]] = {"thinking": {0.0, 0.6, 1.0}, "instant": {0.6}}


def test_the_probes_are_those_of_the_verifier() -> None:
    april = probes("april")
    assert (len(april), sum(not probe.accept for probe in april)) == (44, 20)
    per_mode = {(probe.spelling, probe.mode) for probe in april}
    assert all(sum((probe.spelling, probe.mode) == each for probe in april) == 11 for each in per_mode)
    assert len(probes("range")) == 71


@pytest.mark.parametrize(("profile", "shape"), HOSTS)
@pytest.mark.parametrize(("suite", "contract"), [("april", "exact"), ("range", "range")])
async def test_strict_passes_every_probe(profile: str, shape: str, suite: str, contract: str) -> None:
    async with anything(shape) as vendor:
        config = configured(vendor.url, vendor={"profile": profile}, enforcement="strict", contract=contract)
        async with proxying(config) as proxy:
            outcomes = await check(proxy.url, suite)
        assert failures(outcomes) == []
        assert len(outcomes) == len(probes(suite))
        assert len(vendor.received) == sum(probe.accept for probe in probes(suite))


@pytest.mark.parametrize(("profile", "shape"), HOSTS)
@pytest.mark.parametrize(("suite", "contract", "temperatures"), [("april", "exact", EXACT), ("range", "range", RANGE)])
async def test_repair_accepts_every_probe_and_sends_lawful_values_only(
    profile: str, shape: str, suite: str, contract: str, temperatures: dict[str, set[float]]
) -> None:
    async with anything(shape) as vendor:
        config = configured(vendor.url, vendor={"profile": profile}, contract=contract)
        async with proxying(config) as proxy:
            outcomes = await check(proxy.url, suite)
        assert [str(each.probe) for each in outcomes if each.status != 200 or not each.text] == []
        assert len(vendor.received) == len(outcomes)
        for outcome, received in zip(outcomes, vendor.received, strict=True):
            mode = outcome.probe.mode
            if profile != "openai-compatible":  # what is not translated reaches the vendor in the client's spelling
                assert mode_read(shape, orjson.loads(received.body)) == mode, str(outcome.probe)
            assert unlawful(received, mode, temperatures) == [], str(outcome.probe)


async def test_without_the_proxy_every_reject_probe_fails() -> None:
    async with anything("moonshot") as vendor:
        outcomes = await check(vendor.url, "april")
    assert [outcome.probe.accept for outcome in outcomes if not outcome.passed] == [False] * 20
    assert all(outcome.passed for outcome in outcomes if outcome.probe.accept)


async def test_the_wrong_contract_fails_the_other_suite() -> None:
    async with anything("moonshot") as vendor:
        async with proxying(configured(vendor.url, enforcement="strict", contract="range")) as proxy:
            outcomes = await check(proxy.url, "april")
        assert {str(each.probe.value) for each in outcomes if not each.passed} == {"0.5"}
        async with proxying(configured(vendor.url, enforcement="strict", contract="exact")) as proxy:
            outcomes = await check(proxy.url, "range")
        assert {str(each.probe.value) for each in outcomes if not each.passed} == {"0.6", "0.0"}


@pytest.mark.parametrize("fault", ["server-error", "rate-limited", "cut-before-headers", "empty-answer"])
async def test_a_broken_host_passes_nothing(fault: str) -> None:
    async with Simulator(Options(instant=True, faults=parse_faults(fault))) as vendor:
        outcomes = await check(vendor.url, "april")
    assert not any(outcome.passed for outcome in outcomes if outcome.probe.accept)
    if fault != "empty-answer":  # that one refuses wrong values as it should
        assert not any(outcome.passed for outcome in outcomes)


async def test_by_hand() -> None:
    async with anything("moonshot") as vendor, proxying(configured(vendor.url, enforcement="strict")) as proxy:
        for url, code, last in ((proxy.url, 0, b"44 of 44"), (vendor.url, 1, b"24 of 44")):
            command = (sys.executable, "-m", "tests.e2e.precheck", url)
            process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
            out, _ = await process.communicate()
            assert (process.returncode, out.splitlines()[-1]) == (code, last)
