"""The wall clock is set while the scorer runs: what is seen is logged all the same, and times in the log never go back.

Deadlines hang on the event loop's clock alone; of the wall's, rows carry the time, and what is too old is
pruned by it, but by no more than has passed.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from proxy.config.values import Retention
from proxy.drift.rows import AnswersRow
from proxy.scorer.book import Book
from proxy.scorer.journal import Journal
from proxy.store import Store
from tests.shadow.test_mirror import ask, body, simulated
from tests.shadow.watching import watching
from tests.store.rows import KEY
from tests.wire.client import until

ROOT = Path(__file__).parents[2]
HOUR_S = 3600.0
BEGAN_S = 1e9
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


@pytest.mark.parametrize(
    ("wall_s", "passed_s", "kept"),
    [(1e9, 60.0, 2), (1e9, 2 * HOUR_S, 1), (2 * HOUR_S, 2 * HOUR_S, 1), (-1e9, 2 * HOUR_S, 2)],
    ids=["set forward", "set forward, and hours passed", "hours passed", "set back"],
)
async def test_the_log_is_pruned_by_no_more_than_the_time_that_passed(
    tmp_path: Path, wall_s: float, passed_s: float, kept: int
) -> None:
    now, said = SimpleNamespace(wall_s=BEGAN_S, passed_s=5.0), list[str]()

    async def opened() -> tuple[Journal, Book]:
        journal = Journal(tmp_path, said.append, lambda: now.wall_s, lambda: now.passed_s)
        return journal, await journal.open()

    journal, book = await opened()
    assert await journal.commit([AnswersRow(BEGAN_S, KEY, 1)], [], book)
    journal.close()  # a place up to which it can be pruned
    journal, book = await opened()
    assert await journal.commit([AnswersRow(BEGAN_S + 1.0, KEY, 1)], [], book)
    now.wall_s += wall_s
    now.passed_s += passed_s
    await journal.retain(Retention(age_s=HOUR_S))
    journal.close()
    assert answers(tmp_path)[0] == kept
    assert not said
