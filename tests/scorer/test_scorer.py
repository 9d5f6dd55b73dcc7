"""The scorer as a whole, by what it logs: nothing twice, nothing judged that is not known, nothing forgotten."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from proxy.contract.exchange import Admitted
from proxy.drift.rows import AnswersRow, PairRow, Row
from proxy.scorer.bodies import Bodies
from proxy.scorer.book import Book
from proxy.scorer.inbox import Line
from proxy.scorer.journal import replayed
from proxy.simulator import parse_faults
from proxy.store import Store
from tests import exposed
from tests.proxying import configured
from tests.shadow.test_mirror import ask, body, simulated
from tests.shadow.watching import Watched, watching
from tests.wire.client import until

TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


async def test_a_stop_in_the_middle_of_a_commit_writes_no_row_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, begun = Store.append, asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(self: Store, rows: Sequence[Row], checkpoint: object, taken: Sequence[int] = ()) -> None:
        if any(isinstance(row, PairRow) for row in rows):
            loop.call_soon_threadsafe(begun.set)
            time.sleep(0.3)
        append(self, rows, checkpoint, taken)

    monkeypatch.setattr(Store, "append", slow)
    state = tmp_path / "state"
    async with simulated(1) as vendor, simulated(2) as reference:
        async with watching(tmp_path, vendor.url, reference.url, state_dir=str(state)) as watched:
            await ask(watched, *(body(i) for i in range(5)))
            await begun.wait()
    with Store.read(state) as store:
        numbers = [row.number for _, row in store.rows() if isinstance(row, PairRow)]
        answers = sum(row.count for _, row in store.rows() if isinstance(row, AnswersRow))
        found = store.checkpoint()
        assert found is not None
        assert replayed(store).state() == found[1]
    assert numbers == sorted(set(numbers))
    assert answers == 5


async def test_an_answer_to_tools_that_did_not_cross_is_not_judged_by_them(tmp_path: Path) -> None:
    """As after a restart of the scorer, for requests that were under way."""
    async with simulated(1, tool_rate=1.0) as vendor:
        async with watching(tmp_path, vendor.url, None) as watched:
            for line in list(watched.scorer._inbox.lines):
                line._keep = lambda *_: None  # type: ignore[method-assign]
            await ask(watched, *(body(i, tools=TOOLS) for i in range(30)))
            await until(lambda: [key["answers"] for key in watched.status()["drift"]] == [30])
            assert watched.status()["alarms"] == []
            assert watched.count("paramwall_scorer_unjudged_total") == 30


async def test_an_answer_to_more_tools_than_are_read_is_not_judged_by_them(tmp_path: Path) -> None:
    many = [*TOOLS, {"type": "function", "function": {"name": "many", "parameters": {"x": [{}] * 5000}}}]
    async with simulated(1, tool_rate=1.0) as vendor, simulated(2) as reference:
        async with watching(tmp_path, vendor.url, reference.url) as watched:
            await ask(watched, *(body(i, tools=many) for i in range(5)))
            await until(lambda: watched.count("paramwall_scorer_unjudged_total") == 5)
            assert watched.status()["alarms"] == []


async def test_a_scorer_that_leaves_admits_no_pair(tmp_path: Path) -> None:
    """Workers speak until it has ended, and its calls have ended before."""
    async with simulated(1) as vendor, simulated(2) as reference:
        async with watching(tmp_path, vendor.url, reference.url) as watched:
            await watched.scorer._pairs.close()
            await ask(watched, *(body(i) for i in range(3)))
            excluded = partial(
                watched.count, "paramwall_mirror_total", vendor="sim", result="excluded", reason="no_reference"
            )
            await until(lambda: excluded() == 3)
            assert watched.count("paramwall_scorer_defects_total") == 0


async def test_a_pair_with_tools_is_kept_as_it_was_said(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with simulated(1) as vendor, simulated(2) as reference:
        watch = watching(tmp_path, vendor.url, reference.url, state_dir=str(state), evidence={"bodies": "all"})
        async with watch as watched:
            await ask(watched, *(body(i, tools=TOOLS) for i in range(5)))
            await until(partial(has_pairs, watched, 5))
        assert watched.count("paramwall_scorer_defects_total") == 0
    with Bodies.read(state) as bodies:
        kept = [bodies.find(number) for number in range(1, 6)]
    for one in kept:
        assert one is not None
        assert b'"look"' in one.request
        assert one.vendor_answer is not None
        assert one.reference_answer is not None


async def test_a_worker_that_is_gone_holds_nobody_up(tmp_path: Path) -> None:
    async with simulated(1) as vendor, simulated(2) as reference:
        async with watching(tmp_path, vendor.url, reference.url) as watched:
            await ask(watched, body(0))
            await until(lambda: watched.fates().get(("scored", "")) == 1)
            line = Line(watched.scorer._inbox)
            sent = b'{"model":"kimi-k2.6","messages":[{"role":"user","content":"Hm"}],"temperature":1.0,"top_p":0.95}'
            watched.scorer._take(line, Admitted("gone", "sim", "kimi-k2.6", "thinking", sent))
            await ask(watched, body(1))
            line.connection_lost(None)
            await until(lambda: watched.fates().get(("scored", "")) == 2)
            assert watched.fates().get(("shed", "worker_gone")) == 1


async def test_a_reference_that_is_configured_no_more_has_no_budget_and_no_share(tmp_path: Path) -> None:
    async with simulated(1) as vendor, simulated(2) as reference:
        async with watching(tmp_path, vendor.url, reference.url) as watched:

            def shown(name: str) -> int:
                return len(list(exposed.samples(watched.metrics.registry, name)))

            budget, share = "paramwall_reference_budget_used_ratio", "paramwall_mirror_fraction_ratio"
            await until(lambda: (shown(budget), shown(share)) == (4, 1))
            watched.scorer.swap(configured(vendor.url))
            await until(lambda: (shown(budget), shown(share)) == (0, 0))


async def test_an_acknowledged_alarm_is_over_and_the_vendor_starts_anew(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with simulated(1) as vendor:
        vendor.set_faults(parse_faults("leaked-markers"))
        async with watching(tmp_path, vendor.url, None, state_dir=str(state)) as watched:
            await ask(watched, *(body(i) for i in range(60)))
            await until(lambda: state_of(watched) == "degraded")
            vendor.set_faults(())
            Store.ask_acknowledge(state, "sim", "", "a new engine", at_s=time.time())
            await until(lambda: all(alarm["recovered_at_s"] for alarm in watched.status()["alarms"]))
            await until(lambda: state_of(watched) != "degraded")


def state_of(watched: Watched) -> str:
    views: list[dict[str, Any]] = watched.status()["drift"]
    return str(views[0]["state"]) if views else ""


async def test_a_restart_goes_on_from_what_was_folded(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with simulated(1) as vendor, simulated(2) as reference:
        for start in (0, 20):
            async with watching(tmp_path, vendor.url, reference.url, state_dir=str(state)) as watched:
                await ask(watched, *(body(i) for i in range(start, start + 20)))
                await until(partial(has_pairs, watched, start + 20))
            (tmp_path / "scorer").unlink()
    with Store.read(state) as store:
        numbers = [row.number for _, row in store.rows() if isinstance(row, PairRow)]
    assert numbers == list(range(1, 41))


def has_pairs(watched: Watched, count: int) -> bool:
    return bool(sum(view["pairs"] for view in watched.status()["drift"]) == count)


def test_a_book_of_another_version_is_not_read() -> None:
    with pytest.raises(ValueError, match="fold the rows again"):
        Book.restored({"version": 0})
