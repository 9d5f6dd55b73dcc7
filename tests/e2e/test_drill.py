"""The chain with a real Prometheus and Alertmanager: drills, and every query of dashboards and rules on live data.

Invariant: what a query may rightly find nothing for is declared beside the query, with the reason; anything else that
is empty fails, and so does a declaration for a query that can no longer be found.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import orjson
import pytest

from dashboards.generator import EMPTY_REASONS
from proxy.cli.demo_stage import Stage
from proxy.cli.demo_story import STEPS
from proxy.cli.drill import ALLOWED_S, DEGRADED, claims, course_of_degradation, performing
from proxy.cli.drill_monitoring import ALERTMANAGER, PROMETHEUS, Missing, Monitoring, found, query
from proxy.metrics.catalogue import catalogue
from tests.dashboards.expressions import panel_queries
from tests.dashboards.rules import rule_queries

WINDOW = "20s"
"""For $__rate_interval: ten scrapes."""
RANGE = "2m"
METRICS = [name for entry in catalogue() for name in entry.samples]
FIRING = ("ParamwallVendorDegraded warning", "ParamwallVendorContractViolations warning", "ParamwallWatchdog info")
"""The alerts of this drill. The expressions of all others must be empty: what they look for does not happen."""
OF_THE_MACHINE = "ParamwallEventLoopLag warning"
"""Speaks of the machine that the tests run on, which may be busy."""


def programs() -> tuple[str, str]:
    """The two programs; where they are missing the test is skipped, in CI it fails."""
    try:
        return found(None, PROMETHEUS, "prometheus"), found(None, ALERTMANAGER, "prometheus-alertmanager")
    except Missing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


async def amiss(stage: Stage, monitoring: Monitoring) -> list[str]:
    """What is empty without being declared so, and what is not although it should be. Raises ValueError for what
    Prometheus cannot read.
    """

    async def finds(expression: str) -> bool:
        return bool(await query(stage.session, monitoring.prometheus_url, expression))

    wrong = [
        f"empty: {panel.uid} / {panel.title} / {panel.ref}: {panel.expr}"
        for panel in panel_queries(WINDOW, RANGE)
        if panel[:3] not in EMPTY_REASONS and not await finds(panel.expr)
    ]
    for name, expression in rule_queries():
        if name == OF_THE_MACHINE:
            continue
        silent = name.startswith("Paramwall") and name not in FIRING
        if await finds(expression) is silent:
            wrong.append(f"{'not ' if silent else ''}empty: {name}: {expression}")
    wrong += [f"in the catalogue and not there: {metric}" for metric in METRICS if not await finds(metric)]
    return wrong


async def play_all(stage: Stage) -> None:
    """Requests that are repaired and refused, for the panels of the policy."""
    for step in STEPS:
        await stage.play(step, lambda _: None)


@pytest.mark.timeout(500)
async def test_a_degradation_reaches_the_webhook_and_every_query_finds_something() -> None:
    wrong: list[str] | None = None
    async with performing(programs()) as (stage, monitoring, done):
        await play_all(stage)
        async for _ in course_of_degradation(done, stage, monitoring):
            if done.broken_s is None:
                await play_all(stage)  # once more: a counter has grown when it was there before
            if done.alert_s is not None and wrong is None:
                wrong = await amiss(stage, monitoring)
        done.notices = monitoring.notices
    assert not [text for text, holds in claims(done, None) if not holds]
    assert done.alert_s is not None
    assert done.broken_s is not None
    assert done.alert_s - done.broken_s <= ALLOWED_S
    assert wrong == [], "\n".join(wrong or ["never asked"])
    texts = [each for each in done.notices if each.name == DEGRADED]
    assert all("degrading" in each.annotations["summary"] for each in texts)
    assert all(each.annotations["runbook_url"].endswith("#paramwallvendordegraded") for each in texts)


@pytest.mark.timeout(300)
async def test_a_healthy_drill_of_the_same_length_is_silent() -> None:
    programs()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", "drill", "--healthy", "--seconds", "45", "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    said: dict[str, Any] = orjson.loads(out)
    assert not [each["claim"] for each in said["claims"] if not each["holds"]]
    assert said["over_s"] >= 45
    assert process.returncode == 0


def test_every_declaration_is_about_a_query() -> None:
    assert EMPTY_REASONS.keys() <= {panel[:3] for panel in panel_queries()}
    assert {*FIRING, OF_THE_MACHINE} <= {name for name, _ in rule_queries()}
