"""Recording rules, alerts, their unit tests, the runbook and the example for Alertmanager: each with the others.

Not here: whether the rules fire on a living proxy (tests/e2e). The tools are Prometheus' and Alertmanager's own.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from proxy.metrics.catalogue import catalogue
from proxy.metrics.scorer import STATES
from proxy.metrics.shadow import DROP_REASONS, FINAL, SELECTED, WORKER_REASONS
from proxy.metrics.supervisor import RESTART_REASONS
from proxy.metrics.worker import ACTIONS, CODES, OUTCOMES, UPSTREAM_OUTCOMES
from proxy.scorer.fates import FATES
from proxy.signals import SIGNALS
from proxy.signals.signal import Kind
from tests.dashboards.expressions import dashboards
from tests.dashboards.reading import Reading
from tests.dashboards.rules import (
    ALERTMANAGER,
    FILES,
    RUNBOOK,
    Yaml,
    checked,
    groups,
    key,
    rule_queries,
    rules,
    unit_tests,
)
from tests.source import none_of
from tests.test_docs import anchors, blocks, broken_links

ALERTS = rules("alert")
LE = frozenset({"le"})
LABELS = {
    **{
        sample: frozenset(entry.labels) | {"job", "instance"} | (LE if sample.endswith("_bucket") else frozenset())
        for entry in catalogue()
        for sample in entry.samples
    },
    "up": frozenset({"job", "instance"}),
}
COUNTERS = frozenset(sample for entry in catalogue() if entry.kind != "gauge" for sample in entry.samples)
BOUNDS = {entry.name: entry.bounds for entry in catalogue()}
BUDGETS = re.compile(r"([\d.]+ \* )?scalar\((.*?)\)")
"""The reader knows numbers for what they are, and a budget is one."""
EVER = "paramwall_scorer_restarts_total within nothing: a counter's growth, a gauge as it is"
"""Meant: a scorer that died before the first scrape is as dead as one that died after it."""
WITHOUT_DATA = "without any data only two alerts speak"
ALWAYS = ("ParamwallWatchdog", "info")
KNOWN = {
    ("paramwall_requests_total", "outcome"): OUTCOMES,
    ("paramwall_upstream_requests_total", "outcome"): UPSTREAM_OUTCOMES,
    ("paramwall_mirror_total", "result"): (SELECTED, *FINAL),
    ("paramwall_mirror_total", "reason"): [reason for _, reason in (*WORKER_REASONS, *FATES)],
    ("paramwall_answers_dropped_total", "reason"): DROP_REASONS,
    ("paramwall_worker_restarts_total", "reason"): RESTART_REASONS,
    ("paramwall_scorer_restarts_total", "reason"): RESTART_REASONS,
    ("paramwall_policy_verdicts_total", "action"): ACTIONS,
    ("paramwall_drift_state", "state"): STATES,
    **{(metric, "code"): CODES for metric in ("paramwall_requests_total", "paramwall_upstream_requests_total")},
}
"""The values that a label of a closed set can have."""


def ran(*command: str | Path) -> None:
    """A tool of Prometheus or Alertmanager is content; skips where it is not installed, but fails in CI."""
    program = str(command[0])
    if shutil.which(program) is None:
        package = {"promtool": "prometheus", "amtool": "prometheus-alertmanager"}[program]
        why = f"{program} is not installed; hint: apt-get install {package}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(name="promql")
def promql_fixture() -> ModuleType:
    try:
        return importlib.import_module("promql_parser")
    except ImportError:
        why = "promql-parser is not installed; hint: pip install -c constraints.txt -e '.[dev,ops]'"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
        raise


# What the tools say


def test_the_rules_are_well_formed() -> None:
    ran("promtool", "check", "rules", "--lint=all", "--lint-fatal", *FILES)


@pytest.mark.parametrize("name", unit_tests())
def test_the_rules_do_what_their_unit_tests_say(name: str) -> None:
    ran("promtool", "test", "rules", FILES[0].parent.parent / "tests" / name)


def test_no_file_needs_a_prometheus_newer_than_2_42() -> None:
    """The promtool of 2.42 refuses such files itself; a newer one would not."""
    allowed = {"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"}
    none_of((group["name"] for group in groups() if not group.keys() <= {"name", "interval", "rules"}), "newer")
    none_of((rule["expr"] for group in groups() for rule in group["rules"] if not rule.keys() <= allowed), "newer")


def test_the_runbooks_configuration_of_prometheus_is_one(tmp_path: Path) -> None:
    (text,) = [block.text for block in blocks(RUNBOOK) if block.text.startswith("# prometheus.yaml")]
    (tmp_path / "prometheus.yaml").write_text(text)
    shutil.copytree(FILES[0].parent, tmp_path / "rules")
    ran("promtool", "check", "config", tmp_path / "prometheus.yaml")


def test_the_example_for_alertmanager_is_well_formed() -> None:
    ran("amtool", "check-config", ALERTMANAGER)


@pytest.mark.parametrize("alert", [*map(key, ALERTS)], ids=" ".join)
def test_each_alert_has_its_receiver(alert: tuple[str, str]) -> None:
    name, severity = alert
    receiver = "heartbeat" if alert == ALWAYS else {"critical": "pager", "warning": "team"}[severity]
    labels = (f"alertname={name}", f"severity={severity}", "vendor=moonshot")
    route = ("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", f"--verify.receivers={receiver}")
    ran(*route, *labels)


# Expressions


@cache
def read() -> dict[str, tuple[Reading, frozenset[str]]]:
    """Every rule's expression, with the labels that it gives; what is recorded is known to those that follow."""
    parse = importlib.import_module("promql_parser").parse
    labels, found = dict(LABELS), {}
    for name, expr in rule_queries():
        reading = Reading(labels, COUNTERS, follows=frozenset())
        for _, budget in BUDGETS.findall(expr):
            assert labels[budget] == frozenset(), f"scalar() of {budget} would be NaN"
        given = reading.of(parse(BUDGETS.sub("1", expr)))
        found[name] = (reading, given)
        labels[name] = given
    return found


def test_every_rule_asks_for_what_there_is(promql: ModuleType) -> None:
    assert promql
    faults = {(name, fault) for name, (reading, _) in read().items() for fault in reading.faults}
    none_of(map(": ".join, faults - {("ParamwallScorerDown warning", EVER)}), "an expression that cannot be meant")


def test_every_recorded_series_is_named_by_its_labels_and_used(promql: ModuleType) -> None:
    assert promql
    asked = {metric for reading, _ in read().values() for metric in reading.metrics}
    asked |= {budget for _, expr in rule_queries() for _, budget in BUDGETS.findall(expr)}
    for rule in rules("record"):
        level = rule["record"].split(":")[0]
        expected = set() if level == "paramwall" else set(level.split("_"))
        assert read()[rule["record"]][1] == expected, rule["record"]
        assert rule["record"] in asked, f"{rule['record']}: nobody uses it"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: " ".join(key(alert)))
def test_texts_use_labels_and_metrics_that_there_are(alert: Yaml, promql: ModuleType) -> None:
    assert promql
    given = read()[" ".join(key(alert))][1] - (LABELS["up"] if "absent" in alert["expr"] else set())
    texts = " ".join(alert["annotations"].values())
    none_of(set(re.findall(r"\$labels\.(\w+)", texts)) - given, "not a label of this alert")
    families = {entry.name for entry in catalogue()} | LABELS.keys() | {"paramwall_runbook"}
    named = re.findall(r"\bparamwall_\w+(?!\w*:)", re.sub(r"\bparamwall:\w+:\w+", "", texts))
    none_of(set(named) - families, "no such metric")


def matchers() -> Iterator[tuple[str, str, str]]:
    """(metric, label, value) of every matcher; a pattern gives one for each of its alternatives."""
    for _, expr in rule_queries():
        for metric, inside in re.findall(r"(\w+)\s*\{([^}]*)\}", expr):
            for label, value in re.findall(r'(\w+)\s*(?:=~?|!=|!~)\s*"([^"]*)"', inside):
                yield from ((metric, label, one) for one in value.split("|"))


def test_every_value_asked_for_can_occur() -> None:
    asked = [(metric, label, one) for metric, label, one in matchers() if (metric, label) in KNOWN]
    assert len(asked) > 20
    none_of(
        (f"{metric} {label} {one}" for metric, label, one in asked
         if not any(re.fullmatch(one, value) for value in KNOWN[metric, label])),
        "such a value never occurs",
    )  # fmt: skip


def test_every_bound_asked_for_is_one_of_the_histogram() -> None:
    bounds = [(metric.removesuffix("_bucket"), value) for metric, label, value in matchers() if label == "le"]
    assert len(bounds) == 2
    for metric, value in bounds:
        assert float(value.partition("(")[0]) in BOUNDS[metric], metric


def test_contract_violations_leave_out_what_healthy_vendors_do() -> None:
    left_out = {value for _, label, value in matchers() if label == "signal" and value != "unreadable-answer"}
    rates = [signal for signal in SIGNALS if signal.kind is Kind.RATE]
    baselines = {signal.name for signal in SIGNALS if signal.kind is Kind.BASELINE}
    assert left_out == baselines | {signal.name for signal in rates if signal.tolerance > 0.005}


# What an alert carries


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: " ".join(key(alert)))
def test_each_alert_tells_what_to_do_first_and_where_to_look(alert: Yaml) -> None:
    name, severity = key(alert)
    notes = alert["annotations"]
    assert notes.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
    assert severity in {"critical", "warning", "info"}
    assert re.search(r"\bFirst\b", notes["description"])
    assert re.search(r"\d|\$value|query", notes["summary"]) or name == "ParamwallReferenceSuspect"
    assert notes["runbook_url"] == (
        '{{ or $externalLabels.paramwall_runbook "dashboards/runbook.md" }}#' + name.lower()
    )
    found = re.match(r"\{\{ \$externalLabels\.grafana \}\}/d/([\w-]+)", notes["dashboard_url"])
    assert found
    assert found[1] in {board["uid"] for board in dashboards().values()}


@pytest.mark.parametrize("alert", [*map(key, ALERTS)], ids=" ".join)
def test_each_alert_is_seen_to_fire_and_to_be_silent(alert: tuple[str, str]) -> None:
    moments = [each.firing for each in checked() if each.alert == alert[0] and each.test != WITHOUT_DATA]
    assert any(alert in firing for firing in moments), "no unit test in which it fires"
    assert alert == ALWAYS or any(alert not in firing for firing in moments), (
        "no unit test with data in which it is silent"
    )


def test_without_data_only_two_alerts_fire() -> None:
    (nothing,) = [test for file in unit_tests().values() for test in file["tests"] if test["name"] == WITHOUT_DATA]
    said = {each["alertname"]: bool(each["exp_alerts"]) for each in nothing["alert_rule_test"]}
    assert said.keys() == {name for name, _ in map(key, ALERTS)}
    assert {name for name, fires in said.items() if fires} == {"ParamwallProxyAbsent", "ParamwallWatchdog"}


def test_only_outages_get_somebody_up() -> None:
    assert {name for name, severity in map(key, ALERTS) if severity == "critical"} == {
        "ParamwallVendorErrorBudgetBurn",
        "ParamwallVendorFirstTokenBurn",
        "ParamwallProxyAbsent",
    }


# The runbook


def test_every_link_of_the_runbook_resolves() -> None:
    none_of(broken_links(RUNBOOK), "link to nowhere")


def test_each_alert_has_its_section_with_every_part() -> None:
    sections = dict(re.findall(r"^## (Paramwall\w+)\n(.*?)(?=^## |\Z)", RUNBOOK.read_text(), re.MULTILINE | re.DOTALL))
    assert sections.keys() == {name for name, _ in map(key, ALERTS)}
    assert {name.lower() for name in sections} <= anchors(RUNBOOK)
    for name, text in sections.items():
        parts = ("Means", "Do", "Ends") if name == ALWAYS[0] else ("Means", "How sure", "Look at", "Do", "Ends")
        none_of((f"{name}: {part}" for part in parts if f"\n**{part}" not in text), "a part is missing")


def test_the_runbooks_table_says_what_the_rules_say() -> None:
    told, name = [], ""
    for line in RUNBOOK.read_text().splitlines():
        row = re.match(r"\| (?:\[(\w+)\]\(#\w+\))? ?\| (critical|warning|info) \|.*\| ([^|]+) \|$", line)
        if row:
            name = row[1] or name
            told.append((name, row[2], row[3]))
    waits = {key(alert): alert.get("for") for alert in ALERTS}
    expected = [(*alert, f"{wait[:-1]} min" if wait else "at once") for alert, wait in waits.items()]
    assert sorted(told) == sorted(expected)


def test_the_panels_that_the_runbook_names_are_there() -> None:
    named = re.findall(r"\*\*(fleet|drift|policy|mirror|internals) \W ([^*]+)\*\*", RUNBOOK.read_text())
    assert len(named) > 20
    there = {(name, panel["title"]) for name, board in dashboards().items() for panel in board["panels"]}
    none_of((": ".join(one) for one in named if one not in there), "no such panel")
