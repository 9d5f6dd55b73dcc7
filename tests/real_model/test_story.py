"""A real model before the real proxy: a vendor of another precision is left alone, a degraded one is found.

The reference serves Q8_0, the vendor Q4_1 at first: two healthy hosts whose texts differ nearly always. Then, behind
the same address, the vendor becomes Q2_K, or renders prompts by another model's chat template. Nothing else changes.

    pytest tests/real_model -m real_model -n0 -s      # docs/real-model.md says what it needs

What was measured is written to stdout. All waiting is for answers and rows; the limits are for a machine of two cores.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.e2e.serving import serving
from tests.real_model.engine import Engine
from tests.real_model.models import DEGRADED, REFERENCE, SHIPPED, WRONG_TEMPLATE, Kit, kit, variant
from tests.real_model.traffic import request
from tests.supervisor.running import Running, until

pytestmark = [pytest.mark.real_model, pytest.mark.timeout(5400)]

HEALTHY_PAIRS: Final = 250
DEGRADED_PAIRS: Final = 600
TEMPLATE_PAIRS: Final = 50
BLOCK: Final = 25
"""Requests between two looks at the state."""
BUDGET_PAIRS: Final = 10_000
"""One false alarm in so many pairs: 250 healthy pairs then alarm with a chance of at most 2.5 %."""
SIDE_BY_SIDE: Final = 4
SCORED_WITHIN_S: Final = 600.0


@pytest.fixture(scope="module")
def tools() -> Kit:
    return kit()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the requantised models are kept while the tests run."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def reference(tools: Kit, folder: Path) -> Iterator[Engine]:
    with Engine(tools.server, variant(tools, REFERENCE, folder)) as engine:
        yield engine


@pytest.fixture
def vendor(tools: Kit) -> Iterator[Engine]:
    with Engine(tools.server, variant(tools, SHIPPED, tools.shipped.parent)) as engine:
        yield engine


@dataclass(slots=True)
class Stage:
    """The proxy between a client and the vendor; `asked` counts the questions, so that none comes twice."""

    proxy: Running
    client: aiohttp.ClientSession
    asked: int = field(default=0)

    async def ask(self, count: int) -> dict[str, Any]:
        """Send the next `count` questions and wait until each is a pair or lost; the state of the vendor."""
        numbers = range(self.asked, self.asked + count)
        self.asked += count
        slots = asyncio.Semaphore(SIDE_BY_SIDE)

        async def one(number: int) -> None:
            async with slots, self.client.post(f"{self.proxy.url}/v1/chat/completions", json=request(number)) as answer:
                assert answer.status == 200, await answer.text()
                assert (await answer.json())["choices"][0]["message"]["content"] is not None

        await asyncio.gather(*(one(number) for number in numbers))
        return await self._scored()

    async def _scored(self) -> dict[str, Any]:
        async def settled() -> dict[str, Any] | None:
            said = await self.proxy.status()
            views, mirror = said["drift"], said["mirror"]
            checked = views and views[0]["answers"] >= self.asked
            view: dict[str, Any] | None = views[0] if checked and mirror["open_pairs"] == 0 else None
            return view

        view: dict[str, Any] = await until(settled, f"{self.asked} answers are checked and compared", SCORED_WITHIN_S)
        return view

    async def fates(self) -> str:
        """What became of the mirrored exchanges, and how the reference answered, for people."""
        _, text = await self.proxy.fetch("/metrics")
        told = ("paramwall_mirror_total{", "paramwall_reference_requests_total{")
        return "".join(
            f"  {line}\n" for line in text.splitlines() if line.startswith(told) and not line.endswith(" 0.0")
        )

    async def ask_until_alarm(self, most: int) -> tuple[dict[str, Any], int]:
        """Ask in blocks until a signal has alarmed; the state, and how many questions that took."""
        before = self.asked
        while True:
            view = await self.ask(BLOCK)
            count = self.asked - before
            if alarmed(view):
                return view, count
            assert count < most, f"no alarm within {count} pairs:\n{figures(view)}"


@asynccontextmanager
async def staged(tmp_path: Path, vendor: Engine, reference: Engine) -> AsyncIterator[Stage]:
    """Everything is mirrored, and each pair has a second answer of the reference."""
    vendors = [{"name": "local", "url": vendor.url, "profile": "openai-compatible"}]
    settings: dict[str, Any] = {
        "policy": "kimi-k2.6",
        "reference": {"url": reference.url, "profile": "openai-compatible", "model": "kimi-k2.6"},
        "mirror": {"fraction": 1, "second_answer": 1, "requests_per_minute": 100_000, "requests_per_day": 100_000},
        "drift": {"budget": f"{BUDGET_PAIRS} pairs"},
        "state_dir": str(tmp_path / "state"),
    }
    async with (
        serving(tmp_path, vendors, **settings) as proxy,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600.0)) as client,
    ):
        yield Stage(proxy, client)


def alarmed(view: dict[str, Any]) -> set[str]:
    """The signals that have alarmed; the self-tests of the reference are no signals of the vendor."""
    return {one["name"] for one in view["series"] if one["alarmed_at_s"] is not None and not one["of_reference"]}


def figures(view: dict[str, Any]) -> str:
    """The ten series with most evidence, for people."""
    leading = sorted(view["series"], key=lambda one: one["log_threshold"] - one["log_evidence"])[:10]
    lines = [f"state {view['state']}, {view['pairs']} pairs, leading {view['leading']}"]
    for one in leading:
        effect = "" if one["effect"] is None else f"effect {one['effect']:+.3f}"
        lines.append(
            f"  {one['name']:32} n {one['n']:4}  evidence {one['log_evidence']:7.2f} of {one['log_threshold']:5.2f}  "
            f"{effect}{'  ALARM' if one['alarmed_at_s'] is not None else ''}"
        )
    return "\n".join(lines) + "\n"


async def test_another_precision_is_left_alone_and_a_degraded_one_is_found(
    tmp_path: Path, tools: Kit, folder: Path, vendor: Engine, reference: Engine
) -> None:
    async with staged(tmp_path, vendor, reference) as stage:
        healthy = await stage.ask(HEALTHY_PAIRS)
        sys.stdout.write(f"\n{SHIPPED}: {figures(healthy)}{await stage.fates()}")
        assert alarmed(healthy) == set()
        assert healthy["state"] in ("ok", "warn")

        vendor.become(variant(tools, DEGRADED, folder))
        degraded, count = await stage.ask_until_alarm(DEGRADED_PAIRS)
        sys.stdout.write(f"{DEGRADED}, alarm after at most {count} pairs: {figures(degraded)}")
        assert degraded["state"] == "degraded"


async def test_a_wrong_chat_template_is_found_at_once(
    tmp_path: Path, tools: Kit, vendor: Engine, reference: Engine
) -> None:
    async with staged(tmp_path, vendor, reference) as stage:
        healthy = await stage.ask(2 * BLOCK)
        assert alarmed(healthy) == set()

        vendor.become(tools.shipped, template=WRONG_TEMPLATE)
        broken, count = await stage.ask_until_alarm(TEMPLATE_PAIRS)
        sys.stdout.write(f"\nwrong template, alarm after at most {count} pairs: {figures(broken)}")
        assert "prompt-token-offset" in alarmed(broken)
