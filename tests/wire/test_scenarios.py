"""Every wire scenario (tests/cases/wire/*.yaml), as it is written and with all bytes sent in small pieces.

Not here: the format (scenario.py) and how it is played (stage.py). Invariant: what a scenario says holds however the
bytes are cut on their way.
"""

from __future__ import annotations

import pytest

from tests.wire.scenario import CASES, Scenario, read_file
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
