"""The command of clients that leave, in small: nothing stays, nothing is counted wrong, nothing stays open."""

from __future__ import annotations

from tests.load.aborts import PHASES, RELEASE_MS, draws, measure, rows


async def test_clients_leave_at_random_bytes() -> None:
    found = await measure(8 * len(PHASES), seed=3, cpu=None)
    timed = f"<= {RELEASE_MS:.0f} ms"
    assert not [row for row in rows(found) if not row.right and row.bar != timed]
    assert found.released_s
    assert found.heard_whole
    assert found.outcomes("sim")["client_gone"] >= found.reached["sim"]
    assert found.outcomes("unheard")["client_gone"] > 0


def test_a_seed_is_a_course() -> None:
    first, again, other = (list(draws(200, seed, 900)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert {one.phase for one in first} == set(PHASES)
