"""The wall clock is set while the scorer runs: what is seen is logged all the same, and times in the log never go back.

Deadlines hang on the event loop's clock alone; of the wall's, rows carry the time, and what is too old is pruned by it.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from proxy.drift.rows import AnswersRow
from proxy.store import Store
from tests.shadow.test_mirror import ask, body, simulated
from tests.shadow.watching import watching
from tests.wire.client import until

ROOT = Path(__file__).parents[2]
HOUR_S = 3600.0
ON_THE_WAY = ("wire", "shadow", "child", "endpoint")
"""Packages whose waits a request or an answer meets."""
TELLS_THE_TIME = {"proxy/wire/problems.py": "Date", "proxy/wire/server.py": "the time of a log line"}


def answers(state: Path) -> tuple[int, list[float]]:
    with Store.read(state) as store:
        rows = [row for _, row in store.rows() if isinstance(row, AnswersRow)]
    return sum(row.count for row in rows), [row.at_s for row in rows]


@pytest.mark.parametrize("jump_s", [-5 * HOUR_S, 5 * HOUR_S], ids=["back", "forward"])
async def test_answers_are_logged_after_the_wall_clock_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    wall = SimpleNamespace(offset_s=0.0)
    clock = SimpleNamespace(time=lambda: time.time() + wall.offset_s, monotonic=time.monotonic)
    monkeypatch.setattr("proxy.scorer.scorer.time", clock)
    state = tmp_path / "state"
    async with simulated(1) as vendor, watching(tmp_path, vendor.url, None, state_dir=str(state)) as watched:
        await ask(watched, body(1))
        await until(lambda: answers(state)[0] == 1)
        wall.offset_s = jump_s
        await ask(watched, body(2), body(3))
        await until(lambda: answers(state)[0] == 3)
    times = answers(state)[1]
    assert times == sorted(times)


def test_no_deadline_hangs_on_the_wall_clock() -> None:
    """Where requests pass, the wall clock is read only to be shown."""
    found = {
        str(file.relative_to(ROOT))
        for package in ON_THE_WAY
        for file in (ROOT / "proxy" / package).rglob("*.py")
        if re.search(r"\btime\.time\b|\bdatetime\b.*\bnow\b", file.read_text())
    }
    assert found == TELLS_THE_TIME.keys()
