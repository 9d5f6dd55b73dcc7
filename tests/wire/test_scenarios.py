"""Every wire scenario (tests/cases/wire/*.yaml), as it is written and with all bytes sent in small pieces.

Not here: the format (scenario.py) and how it is played (stage.py). Invariant: what a scenario says holds however the
bytes are cut on their way.
"""

from __future__ import annotations

import pytest

from tests.wire.scenario import CASES, Scenario, ScenarioError, read_file, read_scenario
from tests.wire.stage import Stage

FILES = {path.stem: read_file(path) for path in sorted(CASES.glob("*.yaml"))}
WHOLE, PIECE = 1 << 24, 11
RUNS = [
    pytest.param(scenario, piece, id=f"{subject}: {scenario.name}: {'whole' if piece == WHOLE else 'in pieces'}")
    for subject, scenarios in FILES.items()
    for scenario in scenarios
    for piece in ([WHOLE] if scenario.whole_only else [WHOLE, PIECE])
]


@pytest.mark.parametrize(("scenario", "piece"), RUNS)
async def test_scenario(scenario: Scenario, piece: int) -> None:
    await Stage(scenario, piece).play()


def test_there_are_enough() -> None:
    assert sum(map(len, FILES.values())) >= 300


STEP = {"client sends": "<<ask>>"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"steps": [{"client shouts": "x"}]}, "a: step 1: 'client shouts' is none of client sends, "),
        ({"steps": [STEP, {"client sends": "<<nothing>>"}]}, "a: step 2: <<nothing>> stands for nothing"),
        ({"steps": [{"client sends": "\u20ac"}]}, "a: step 1: a character is one byte"),
        ({"steps": [{"client gets": {"state": 200}}]}, "a: step 1: .* is no mapping of status, code, "),
        ({"steps": [{"client connection": "open"}]}, "a: step 1: 'open' is none of kept, closed, dropped"),
        ({"steps": [{"time passes": "1s"}]}, "a: step 1: '1s' is no number"),
        ({"steps": [{"vendor closes": "now"}]}, "a: step 1: nothing is said with it, not 'now'"),
        ({"steps": [{**STEP, "vendor closes": None}]}, "a: step 1: .* is not one step"),
        ({"counted": {"requests": {"fine": 1}}}, "a: counted requests .* is no mapping of ok, rejected, "),
        ({"count": {}}, "a scenario has name, steps and counted"),
    ],
)
def test_what_cannot_be_played_is_refused(changed: dict[str, object], said: str) -> None:
    good = {"name": "a", "steps": [STEP], "counted": {"requests": {"ok": 1}}}
    assert read_scenario(good).name == "a"
    with pytest.raises(ScenarioError, match=said):
        read_scenario({**good, **changed})


async def test_what_is_not_declared_fails() -> None:
    """An outcome, a request at the vendor, a field, bytes and an interim answer that are not as declared."""
    invited = "<<post>>Expect: 100-continue\r\nContent-Length: 31\r\n"
    steps = [STEP, "vendor receives", {"vendor sends": "<<ok>>"}, {"client gets": {"status": 200}}]
    counted = {"requests": {"ok": 1}, "exchanges": {"ok": 1}}
    await Stage(read_scenario({"name": "as it is", "steps": steps, "counted": counted}), WHOLE).play()
    wrong = (
        (steps, {"requests": {"ok": 1}}),
        (steps, {"requests": {"rejected": 1}, "exchanges": {"ok": 1}}),
        ([STEP, steps[2], steps[3]], counted),
        ([*steps[:3], {"client gets": {"status": 200, "lacks": ["Content-Type"]}}], counted),
        ([STEP, {"vendor receives": {"lacks": ["Via"]}}, *steps[2:]], counted),
        ([*steps, {"client connection": "closed"}], counted),
        ([*steps[:3], {"client gets head": {"status": 200}}], counted),
        ([{"client sends": f"{invited}\r\n"}, {"client sends": "<<chat>>"}, *steps[1:]], counted),
    )
    for broken, books in wrong:
        with pytest.raises(AssertionError):
            await Stage(read_scenario({"name": "wrong", "steps": broken, "counted": books}), WHOLE).play()
