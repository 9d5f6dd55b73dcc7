"""The rule files and their unit tests, read: what tests judge, and what may be asked of a living Prometheus.

Not here: what is demanded of them (test_rules.py). Invariant: read from the files that are shipped, nothing is added.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias

import yaml

from tests.source import ROOT

Yaml: TypeAlias = dict[str, Any]

RULES: Final = ROOT / "dashboards/rules"
UNIT_TESTS: Final = ROOT / "dashboards/tests"
RUNBOOK: Final = ROOT / "dashboards/runbook.md"
ALERTMANAGER: Final = ROOT / "dashboards/alertmanager.yaml"
FILES: Final = (RULES / "recording.yaml", RULES / "alerts.yaml")


class RuleQuery(NamedTuple):
    """The expression of one rule. `name` is what it records, or the alert with its severity."""

    name: str
    expr: str


class Checked(NamedTuple):
    """One moment of a unit test: the (alert, severity) pairs that fire of one alert."""

    test: str
    alert: str
    firing: frozenset[tuple[str, str]]


@cache
def groups() -> list[Yaml]:
    """Every group of rules, those that record first."""
    return [group for file in FILES for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]


def rules(kind: str) -> list[Yaml]:
    """Every rule of a kind, `record` or `alert`, in its order."""
    return [rule for group in groups() for rule in group["rules"] if kind in rule]


def key(alert: Yaml) -> tuple[str, str]:
    """What tells alerts apart: two may share a name, with different severities."""
    return alert["alert"], alert["labels"]["severity"]


def rule_queries() -> list[RuleQuery]:
    """Every expression of every rule; those of alerts ask for what the others record."""
    return [
        RuleQuery(rule.get("record") or " ".join(key(rule)), rule["expr"])
        for group in groups()
        for rule in group["rules"]
    ]


@cache
def unit_tests() -> dict[str, Yaml]:
    """Every file of unit tests, by its name."""
    return {file.name: yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(UNIT_TESTS.glob("*.yaml"))}


def checked() -> list[Checked]:
    """Every moment at which a unit test looks at an alert."""
    return [
        Checked(
            test["name"],
            each["alertname"],
            frozenset((each["alertname"], one["exp_labels"]["severity"]) for one in each["exp_alerts"]),
        )
        for file in unit_tests().values()
        for test in file["tests"]
        for each in test.get("alert_rule_test", [])
    ]
