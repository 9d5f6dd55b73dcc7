"""Whole runs against honest vendors: the official API, and the engine with and without a strict proxy before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.simulator import Options, Simulator
from tests.proxying import configured, proxying
from tests.verify.verifying import FAST, Ran, vendor_at, verified


def unpassed(ran: Ran) -> dict[str, str]:
    """Probes that did not pass, but for those that were skipped, with what was seen."""
    return {f"{one.id} ({one.mode})": one.seen for one in ran.judged.probes if one.verdict not in ("pass", "skipped")}


async def test_the_official_api_passes_whole(tmp_path: Path) -> None:
    async with Simulator(Options(seed=1, instant=True)) as vendor, Simulator(Options(seed=2, instant=True)) as other:
        reference = vendor_at(other.url, "moonshot")
        ran = await verified(vendor_at(vendor.url, "moonshot"), tmp_path / "state", reference=reference)
    assert unpassed(ran) == {}
    assert ran.judged.verdict == "pass"
    assert ran.judged.no_answer_share == 0.0
    assert len(ran.layers) == 9
    assert [(one.id, one.mode) for one in ran.judged.probes if one.verdict == "skipped"] == [
        ("mode-default", "instant")
    ]
    assert ran.requests == len(vendor.received) + len(other.received), "what is wanted twice is asked once"


@pytest.mark.parametrize("contract", ["exact", "range"])
async def test_the_engine_passes_behind_a_strict_proxy(tmp_path: Path, contract: str) -> None:
    async with Simulator(Options(seed=1, instant=True, profile="vllm")) as vendor:
        config = configured(vendor.url, vendor={"profile": "vllm"}, enforcement="strict", contract=contract)
        async with proxying(config) as proxy:
            ran = await verified(vendor_at(proxy.url), tmp_path / "state", contract=contract, only=FAST)
    assert unpassed(ran) == {}
    assert ran.judged.verdict == "pass"


async def test_the_bare_engine_accepts_everything_and_one_spelling(tmp_path: Path) -> None:
    async with Simulator(Options(seed=1, instant=True, profile="vllm")) as vendor:
        ran = await verified(vendor_at(vendor.url), tmp_path / "state", only=FAST)
    assert ran.failed() == {"parameters"}
    assert {name.partition(" ")[0] for name in unpassed(ran)} == {
        "temperature-unlawful",
        "top-p-unlawful",
        "presence-penalty-unlawful",
        "frequency-penalty-unlawful",
        "n-unlawful",
        "reasoning-history-missing",
    }
    assert ran.found("mode-switch", "instant").seen == "does not think, told by chat_template_kwargs.thinking"


async def test_a_proxy_that_repairs_accepts_what_it_repairs(tmp_path: Path) -> None:
    async with Simulator(Options(seed=1, instant=True)) as vendor:
        config = configured(vendor.url, vendor={"profile": "moonshot"}, enforcement="repair")
        async with proxying(config) as proxy:
            ran = await verified(vendor_at(proxy.url), tmp_path / "state", only=["parameters"])
    assert ran.failed() == {"parameters"}
    assert all("unlawful" in name or "missing" in name for name in unpassed(ran))


async def test_the_wrong_contract_is_told(tmp_path: Path) -> None:
    async with Simulator(Options(seed=1, instant=True)) as vendor:
        ran = await verified(vendor_at(vendor.url, "moonshot"), tmp_path / "state", contract="range", only=FAST[1:2])
    found = ran.found("temperature-lawful")
    assert found.verdict == "fail"
    assert found.seen == "2 of 3 refused: 400 invalid temperature: only 1 is allowed for this model"


async def test_another_profile_than_the_vendors_is_named(tmp_path: Path) -> None:
    """Thinking cannot be switched off in a spelling the host does not read."""
    async with Simulator(Options(seed=1, instant=True, profile="vllm", model="m")) as vendor:
        ran = await verified(vendor_at(vendor.url, "moonshot"), tmp_path / "state", only=["template"], model="m")
    assert ran.found("mode-switch", "instant").seen == "thinks, told otherwise by thinking.type"
    assert ran.failed() == {"template"}
