"""`paramwall drill`: what it claims of what happened, and what it says when it cannot begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxy.cli.demo_watch import DEGRADING, HONEST
from proxy.cli.drill import ALLOWED_S, DEGRADED, Drill, claims
from proxy.cli.drill_monitoring import WATCHDOG, Missing, Monitoring, Notice, found
from tests.cli.running import run


def notice(at_s: float, name: str = DEGRADED, vendor: str = DEGRADING, *, firing: bool = True) -> Notice:
    return Notice(at_s, firing, {"alertname": name, "vendor": vendor}, {})


GOOD: dict[str, Any] = {
    "healthy_s": 4.0, "broken_s": 5.0, "alert_s": 15.0, "repaired_s": 16.0, "resolved_s": 40.0,
    "notices": [notice(15.0), notice(40.0, firing=False)],
}  # fmt: skip
COURSES = {
    "as told": ({}, [True, True, True]),
    "no alert": ({"alert_s": None, "resolved_s": None, "notices": []}, [False, True, False]),
    "too late": ({"alert_s": 5.1 + ALLOWED_S}, [False, True, True]),
    "never taken back": ({"resolved_s": None}, [True, True, False]),
    "about another": ({"notices": [notice(15.0), notice(16.0, vendor=HONEST)]}, [True, False, True]),
    "about nobody": ({"notices": [Notice(15.0, True, {"alertname": "ParamwallScorerDown"}, {})]}, [True, False, True]),
    "vendors never healthy": (
        {name: None for name in GOOD if name.endswith("_s")} | {"notices": []},
        [False, True, False],
    ),
}


@pytest.mark.parametrize(("changed", "holds"), COURSES.values(), ids=COURSES)
def test_claims_of_a_degradation(changed: dict[str, Any], holds: list[bool]) -> None:
    assert [held for _, held in claims(Drill(**{**GOOD, **changed}), None)] == holds


@pytest.mark.parametrize(
    ("changed", "holds"),
    [
        ({}, [True, True]),
        ({"notices": [notice(9.0)]}, [False, True]),
        ({"healthy_s": None}, [False, True]),
        ({"watchdog": False}, [True, False]),
    ],
)
def test_claims_of_health(changed: dict[str, Any], holds: list[bool]) -> None:
    assert [held for _, held in claims(Drill(**{"healthy_s": 4.0, "watchdog": True, **changed}), 60.0)] == holds


def test_the_watchdog_is_no_alert_and_what_is_told_again_is_no_news() -> None:
    monitoring = Monitoring("", "", ("", ""))
    alerts = [{"status": "firing", "labels": {"alertname": name}, "annotations": {}} for name in (WATCHDOG, DEGRADED)]
    for _ in range(2):
        monitoring.take({"alerts": alerts})
    assert [each.name for each in monitoring.notices] == [DEGRADED]
    monitoring.take({"alerts": [{**alerts[1], "status": "resolved"}]})
    assert [each.firing for each in monitoring.notices] == [True, False]


def test_a_program_that_is_missing_is_named_with_its_package(tmp_path: Path) -> None:
    result = run("drill", "--prometheus", str(tmp_path / "prometheus"))
    assert result.code == 2
    assert "prometheus is no program" in result.err
    assert "apt-get install prometheus" in result.err


def test_the_first_program_on_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match="none of a, b is on the PATH"):
        found(None, ("a", "b"), "prometheus-a")
    (tmp_path / "b").touch(mode=0o755)
    assert found(None, ("a", "b"), "prometheus-a") == str(tmp_path / "b")


@pytest.mark.parametrize(
    ("flags", "says"), [(("--keep", "--json"), "leave one of them out"), (("--seconds", "5"), "add --healthy")]
)
def test_flags_that_do_not_go_together(flags: tuple[str, ...], says: str) -> None:
    result = run("drill", *flags)
    assert result.code == 2
    assert says in result.err
