"""A crew that nobody waits for goes on trying."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from proxy.metrics.cells import Registry
from proxy.metrics.supervisor import CrewMetrics
from proxy.supervisor.child import Launch
from proxy.supervisor.crew import STILLBORN_LIMIT, Crew, Patience
from proxy.supervisor.merge import Totals
from proxy.supervisor.notes import Notes
from tests.supervisor.running import until
from tests.supervisor.tiny import load


async def test_a_scorer_that_cannot_begin_is_tried_for_ever(tmp_path: Path) -> None:
    config = tmp_path / "tiny.json"
    config.write_text('{"name": "a"}')
    told: list[bytes] = []
    launch = Launch((sys.executable, "-I", "-S", "-c", "raise SystemExit(3)"), (), 2, kind="scorer")
    crew = Crew(
        launch,
        lambda _: 1,
        Totals(),
        CrewMetrics("scorer", "look at answers", Registry()),
        Notes(told.append, time.time, as_json=False),
        time.monotonic,
        Patience(),
    )
    crew.begin(load(config).config)
    try:
        await until(lambda: len(told) > STILLBORN_LIMIT, "more tries than a start is given", 60.0)
        assert crew.places[0].restarts > STILLBORN_LIMIT
    finally:
        await asyncio.wait_for(crew.close(0.0, 0.0), 30.0)
