"""The soak in small: chaos, and books that balance to the request; and the arithmetic that it is judged by.

Not here: the slope of memory, which takes half an hour (`python -m tests.load.soak`). Invariant: what is asserted are
counts, never times.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from random import Random

import pytest

from tests.load.soak import ROLES, Result, soak, table
from tests.load.soak_books import Act, Kill, differences
from tests.load.soak_clients import Sent
from tests.load.soak_lines import parsed, unexplained
from tests.load.soak_memory import Sample, slopes, theil_sen


@pytest.mark.timeout(300)
async def test_books_balance_and_every_line_is_explained(tmp_path: Path) -> None:
    result = await soak(tmp_path, seconds=18.0, clients=8, seed=1, say=lambda _: None)
    shown = "\n".join(table(result))
    assert not result.differences, shown
    assert not result.unexplained, shown
    for what in ("workers killed", "scorers killed", "rolling restarts", "reloads", "toxics and faults changed"):
        assert result.happened[what], shown
    seen = sum((act.words() for act in result.acts), start=result.acts[0].words())
    assert seen["whole"], shown
    assert seen["left"], shown
    assert {"supervisor", "worker", "scorer"} <= result.weighed, shown


def sent(number: int, word: str = "whole", status: int = 200, **more: object) -> Sent:
    """One request of a client, on a connection of second 0, from second 1 to 2."""
    one = Sent(f"soak-{number}-", "plain", 0.0, 1.0, 2.0, word, status=status, request_id=f"pw-a-{number:08x}")
    for name, value in more.items():
        setattr(one, name, value)
    return one


def line(number: int, outcome: str = "ok", status: int = 200) -> dict[str, object]:
    return {"id": f"pw-a-{number:08x}", "outcome": outcome, "status": status, "vendor": "sim", "route": "chat"}


def books(*requests: Sent, lines: list[dict[str, object]], kills: tuple[Kill, ...] = ()) -> Act:
    """An act in which all agrees; tests then change something."""
    act = Act("act", requests, kills, lines)
    for each in lines:
        act.requests["chat", "sim", "false", str(each["outcome"]), str(each["status"])] += 1
        act.exchanges[str(each["outcome"])] += 1
    act.arrived.update(each.marker for each in requests)
    return act


def test_books_that_agree_balance() -> None:
    assert differences(books(sent(1), sent(2), lines=[line(1), line(2)])) == []


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (books(sent(1), sent(2), lines=[line(1)]), "has no line"),
        (books(sent(1), lines=[line(1), line(1)]), "2 lines for"),
        (books(sent(1, "cut"), lines=[line(1)]), "was cut 200 , its line says outcome=ok"),
        (books(sent(1), lines=[line(1, "timeout")]), "its line says outcome=timeout"),
        (books(sent(1), lines=[line(1), line(2)]), "lines are of nobody"),
        (books(sent(1), sent(3), lines=[line(1), line(3)]), "1 workers have requests without a line"),
        (books(sent(1, "lost", 0, request_id=""), lines=[]), "was lost, and no kill explains it"),
        (books(sent(1, request_id=""), lines=[]), "without a number"),
        (books(sent(1, status=400, source="proxy", code="x"), lines=[line(1, "rejected", 400)]), "reached a vendor"),
    ],
    ids=lambda each: each.replace(" ", "-") if isinstance(each, str) else "books",
)
def test_what_does_not_balance_is_said(act: Act, said: str) -> None:
    assert any(said in each for each in differences(act)), differences(act)


def test_every_count_is_compared() -> None:
    for change, said in (
        (lambda act: act.requests.update({("chat", "sim", "false", "ok", "200"): 1}), "/metrics less the lines"),
        (lambda act: act.arrived.update(["soak-1-"]), "reached a vendor twice"),
        (lambda act: act.arrived.update(["soak-9-"]), "that nobody sent"),
        (lambda act: act.arrived.clear(), "reached no vendor"),
        (lambda act: act.exchanges.update(ok=5), "reached a vendor; 6 exchanges"),
        (lambda act: act.mirror.update(selected=2, scored=1), "were selected for the mirror"),
        (lambda act: setattr(act, "reference_calls", 1), "reached the reference"),
        (lambda act: setattr(act, "dropped_lines", 1), "were dropped"),
    ):
        act = books(sent(1), lines=[line(1)])
        change(act)
        assert any(said in each for each in differences(act)), (said, differences(act))


def test_a_kill_explains_what_it_touched_and_nothing_else() -> None:
    kill = Kill("worker", 1.5, 1.8)
    lost = sent(1, "lost", 0, request_id="")
    assert differences(books(lost, lines=[], kills=(kill,))) == []
    assert differences(books(lost, lines=[], kills=(Kill("scorer", 1.5, 1.8),)))
    later = sent(1, "lost", 0, request_id="", connected_at=1.9)
    assert any("no kill explains" in each for each in differences(books(later, lines=[], kills=(kill,))))
    earlier = sent(1, "lost", 0, request_id="", ended_at=1.2)
    assert any("no kill explains" in each for each in differences(books(earlier, lines=[], kills=(kill,))))


def test_lines_that_nobody_declared_are_unexplained() -> None:
    good = '{"event":"request","outcome":"ok"}', '{"event":"supervisor","message":"ready"}'
    bad = (
        "Traceback (most recent call last):",
        '{"event":"fault","error":"KeyError"}',
        '{"event":"request","outcome":"upstream_error","code":"internal-error"}',
        '{"event":"supervisor","message":"worker 7: something"}',
        '{"event":"supervisor","message":"ready or not"}',
        "7",
    )
    assert sum(unexplained(good).values()) == 0
    assert sum(unexplained(bad).values()) == len(bad)
    assert parsed("[1]") is None


def test_a_slope_is_that_of_the_line_whatever_the_outliers() -> None:
    draw = Random(1)
    times = [3.0 * step for step in range(200)]
    values = [50.0 + at / 3600 + draw.gauss(0.0, 0.001) for at in times]
    values[20], values[90] = 500.0, 1.0
    assert theil_sen(times, values) * 3600 == pytest.approx(1.0, abs=0.02)


def test_only_a_process_that_lived_through_the_stretch_has_a_slope() -> None:
    began = time.monotonic()
    samples = [Sample(began + step, "worker", 1, 1024 * step) for step in range(20)]
    samples += [Sample(began + step, "worker", 2, 1024) for step in range(15, 20)]
    (slope,) = slopes(samples, began, began + 19)
    assert (slope.pid, slope.samples) == (1, 20)
    assert slope.all_mib_h == pytest.approx(3600)
    assert math.isnan(slope.floor_mib_h)  # of less than a minute


def test_a_slope_is_of_what_is_kept_and_not_of_what_comes_and_goes() -> None:
    draw = Random(1)
    kept = [1024 * 50 + 3 * step for step in range(270)]  # KiB; 3 every 3 s are 3.5 MiB an hour
    samples = [
        Sample(3.0 * step, "scorer", 1, least + int(draw.expovariate(1 / 1500))) for step, least in enumerate(kept)
    ]
    (slope,) = slopes(samples, 0.0, 810.0)
    assert slope.floor_mib_h == pytest.approx(3600 / 1024, abs=1.0)


def test_a_steep_slope_fails_a_long_soak_only() -> None:
    steep = slopes([Sample(60.0 * step, "scorer", 1, 50 * step) for step in range(20)], 0.0, 1140.0)
    assert not Result(slopes=steep).holds
    short = slopes([Sample(1.0 * step, "scorer", 1, 50 * step) for step in range(20)], 0.0, 19.0)
    assert Result(slopes=short).holds
    assert "too short to judge" in "\n".join(table(Result(slopes=short)))
    assert not Result(slopes=short, to_judge=frozenset({"scorer"})).holds
    assert "no process lived long enough" in "\n".join(table(Result(to_judge=ROLES)))


def test_a_slope_that_cannot_be_told_is_no_flat_one() -> None:
    unknown = slopes([Sample(300.0 * step, "scorer", 1, 1024) for step in range(3)], 0.0, 600.0)
    assert math.isnan(unknown[0].floor_mib_h)
    assert not Result(slopes=unknown).holds
