"""Workers replaced and configurations changed under load, in small: nothing fails, whatever the machine's speed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.load import reloads, rolling
from tests.load.steady import Load, Told

LOAD = Load(rate=20.0, kept=12, streams=12, chunks=10, gap_s=0.1)


def check(told: list[Told], ok: int) -> None:
    """Every request was answered, and the proxy counted the same."""
    asked, answered = Counter[str](), Counter[str]()
    for each in told:
        assert not each.failed
        asked.update(each.asked)
        answered.update(each.answered)
    assert answered == asked
    assert asked.keys() == {"new", "kept", "stream"}
    assert answered.total() == ok


async def test_a_rolling_restart_under_load_fails_no_request(tmp_path: Path) -> None:
    found = await rolling.measure(tmp_path, LOAD, restarts=1)
    check([found.told], found.ok)
    assert found.restarts == 2
    assert found.told.told_to_close + found.told.closed_idle >= LOAD.kept / 2, "kept connections met the drain"
    assert not found.unexpected


async def test_reloads_under_streams_cut_none_and_leave_no_descriptor(tmp_path: Path) -> None:
    found = await reloads.measure(tmp_path, LOAD, warm_up=2, reloads=8)
    check(found.told, found.ok)
    assert found.reloads == 10
    assert not found.unexpected
    assert found.before.keys() == found.after.keys(), "no process was replaced"
    for pid, after in found.after.items():
        assert after.open_fds <= found.before[pid].open_fds, after.role
