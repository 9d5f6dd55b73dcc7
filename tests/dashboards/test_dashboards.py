"""The committed dashboards: as generated, well formed, and asking only for what the proxy exports.

Not here: whether the queries give anything (that takes a running proxy and a Prometheus). The rules for panels and
variables are those of Grafana's dashboard-linter, as far as they concern us, written anew.
"""

from __future__ import annotations

import importlib
import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from types import ModuleType

import pytest
import yaml

from dashboards.generator import BOARDS, EMPTY_REASONS
from dashboards.generator.__main__ import files
from dashboards.generator.promql import STATES as STATES_IN_ORDER
from proxy.metrics.catalogue import catalogue
from proxy.metrics.scorer import STATES
from tests.dashboards.expressions import EVERYTHING, Json, dashboards, panel_queries, substituted, targets
from tests.dashboards.reading import FOLLOWED, Reading, legend_labels
from tests.source import ROOT, none_of

UIDS = {"fleet", "drift", "policy", "mirror", "internals"}
WITH_UNIT = {"timeseries", "stat", "table", "bargauge", "heatmap", "state-timeline"}
PROVISIONING = ROOT / "dashboards/provisioning"
SCRAPED = {"job", "instance"}
LABELS = {
    **{
        sample: frozenset(entry.labels) | SCRAPED | ({"le"} if sample.endswith("_bucket") else set())
        for entry in catalogue()
        for sample in entry.samples
    },
    **dict.fromkeys(("up", "scrape_duration_seconds"), frozenset(SCRAPED)),
}
COUNTERS = frozenset(sample for entry in catalogue() if entry.kind != "gauge" for sample in entry.samples)
OPINIONS = frozenset(
    entry.name for entry in catalogue() if entry.name.startswith(("paramwall_drift_", "paramwall_kvv_"))
) - {"paramwall_drift_alarms_total"}
RATE_INTERVAL, SHOWN = "7m", "13m"
"""Told apart by their lengths in the tree."""


def panels(kind: str = "") -> Iterator[tuple[str, Json]]:
    """(where, panel) of all that show data."""
    for name, board in dashboards().items():
        for panel in board["panels"]:
            if panel["type"] == kind or (not kind and panel["type"] in WITH_UNIT):
                yield f"{name}: {panel['title']}", panel


@pytest.fixture(name="promql")
def promql_fixture() -> ModuleType:
    try:
        return importlib.import_module("promql_parser")
    except ImportError:
        why = "promql-parser is not installed; hint: pip install -c constraints.txt -e '.[dev,ops]'"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
        raise


@cache
def readings() -> dict[tuple[str, str, str], tuple[Reading, frozenset[str]]]:
    """Every query read, with the labels that it gives."""
    parse = importlib.import_module("promql_parser").parse
    marks = {
        (board["uid"], one["name"]): frozenset(each["name"] for each in board["templating"]["list"])
        for board in dashboards().values()
        for one in board["annotations"]["list"]
    }
    found = {}
    for uid, title, ref, expr in panel_queries(RATE_INTERVAL, SHOWN):
        reading = Reading(LABELS, COUNTERS, OPINIONS, marks.get((uid, title), FOLLOWED))
        found[uid, title, ref] = (reading, reading.of(parse(expr)))
    return found


# As generated


def test_the_files_are_what_the_generator_writes() -> None:
    stale = [file.name for file, text in files() if not file.exists() or file.read_text(encoding="utf-8") != text]
    none_of(stale, "run: python -m dashboards.generator")
    assert set(dashboards()) == UIDS == {board.name for board in BOARDS}


def test_reasons_for_emptiness_belong_to_a_query_and_are_shown() -> None:
    asked = {(uid, title, ref) for uid, title, ref, _ in panel_queries()}
    assert set(EMPTY_REASONS) <= asked
    shown = {(board["uid"], panel["title"]): panel for board in dashboards().values() for panel in board["panels"]}
    none_of(
        (f"{uid}: {title}" for uid, title, _ in EMPTY_REASONS
         if not shown[uid, title]["fieldConfig"]["defaults"].get("noValue")),
        "the reader must be told why there is nothing",
    )  # fmt: skip


# Well formed


def test_a_dashboard_is_found_kept_and_linked() -> None:
    for name, board in dashboards().items():
        assert board["uid"] == f"paramwall-{name}"
        assert board["editable"] is False
        assert board["schemaVersion"] == 39
        assert board["tags"] == ["paramwall"]
        assert board["refresh"]
        (link,) = board["links"]
        assert (link["type"], link["tags"], link["includeVars"], link["keepTime"]) == (
            "dashboards", ["paramwall"], True, True,
        )  # fmt: skip
        ids = [panel["id"] for panel in board["panels"]]
        assert ids == list(range(1, len(ids) + 1))
        titles = Counter(panel["title"] for panel in board["panels"] if panel["type"] != "row")
        assert [title for title, times in titles.items() if times > 1] == []


def test_the_data_source_and_the_targets_are_chosen_by_variables() -> None:
    for name, board in dashboards().items():
        source, *others = board["templating"]["list"]
        assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
        assert [one["name"] for one in others][:3] == ["job", "instance", "vendor"], name
        for one in others:
            assert one["type"] == "query"
            assert (one["multi"], one["includeAll"], one["allValue"], one["refresh"]) == (True, True, ".+", 2)
            assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            metric, asked, label = re.fullmatch(
                r"label_values\((\w+)(?:\{(.*)\})?, (\w+)\)", one["definition"]
            ).groups()  # type: ignore[union-attr]
            assert label == one["name"]
            assert {label, *re.findall(r"(\w+)=~", asked or "")} <= LABELS[metric]
            assert one["query"]["query"] == one["definition"]
        used = set(re.findall(r'"\$(\w+)"', "".join(target["expr"] for _, target in targets(board))))
        assert used == {one["name"] for one in others}, f"{name}: a variable that chooses nothing, or none for a $"


def test_panels_explain_themselves() -> None:
    mute = [where for where, panel in panels() if len(panel["description"].split()) < 7 or not panel["title"]]
    none_of(mute, "a title, and a description that says what it means and what is bad")
    none_of(
        (where for where, panel in panels() if not panel["fieldConfig"]["defaults"].get("unit")), "a panel has a unit"
    )
    for where, panel in panels():
        assert panel["targets"], where
        uids = {one["datasource"]["uid"] for one in (panel, *panel["targets"])}
        assert uids == {"${datasource}"}, where


def test_series_have_names() -> None:
    nameless = [
        f"{where} {target['refId']}"
        for where, panel in panels()
        for target in panel["targets"]
        if panel["type"] != "table" and not target.get("legendFormat")
    ]
    none_of(nameless, "a legend names its series")


def test_panels_lie_beside_each_other_and_never_overlap() -> None:
    for name, board in dashboards().items():
        taken: Counter[tuple[int, int]] = Counter()
        for panel in board["panels"]:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24, f"{name}: {panel['title']}"
            taken.update((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"]))
        assert max(taken.values()) == 1, name


def test_every_state_has_its_number_word_and_colour() -> None:
    assert set(STATES_IN_ORDER) == set(STATES)
    timelines = [panel for _, panel in panels("state-timeline") if panel["title"] == "State over time"]
    assert len(timelines) == 2
    for panel in timelines:
        (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
        words = [mapping["options"][str(number)]["text"] for number in range(len(STATES))]
        assert [word.replace(" ", "_") for word in words] == list(STATES_IN_ORDER)
        assert len({one["color"] for one in mapping["options"].values()}) == len(STATES)


# Asking only for what there is


@pytest.mark.usefixtures("promql")
def test_every_query_parses_and_follows_metrics_labels_and_variables() -> None:
    faults = [f"{' / '.join(place)}: {fault}" for place, (reading, _) in readings().items() for fault in reading.faults]
    none_of(faults, "a query asks for what the catalogue does not have")


@pytest.mark.usefixtures("promql")
def test_every_metric_is_on_a_dashboard() -> None:
    asked = set().union(*(reading.metrics for reading, _ in readings().values()))
    none_of((entry.name for entry in catalogue() if not asked & set(entry.samples)), "nobody would see it")


@pytest.mark.usefixtures("promql")
def test_growth_is_taken_over_the_interval_of_the_graph_or_the_time_shown() -> None:
    allowed = {"rate": {7 * 60.0}, "increase": {7 * 60.0, 13 * 60.0}, "max_over_time": {13 * 60.0}}
    wrong = [
        f"{' / '.join(place)}: {function} over {seconds} s"
        for place, (reading, _) in readings().items()
        for function, seconds in reading.ranges
        if seconds not in allowed.get(function, set())
    ]
    none_of(wrong, "rate takes $__rate_interval, increase $__rate_interval or $__range")


@pytest.mark.usefixtures("promql")
def test_legends_and_keys_name_labels_that_the_query_gives() -> None:
    for board in dashboards().values():
        for panel, target in targets(board):
            labels = readings()[board["uid"], panel["title"], target["refId"]][1]
            missing = set(legend_labels(target.get("legendFormat", ""))) - labels
            assert not missing, f"{board['uid']}: {panel['title']} {target['refId']} gives {sorted(labels)}"
    for where, panel in panels("table"):
        uid = f"paramwall-{where.partition(':')[0]}"
        of_query = [readings()[uid, panel["title"], target["refId"]][1] for target in panel["targets"]]
        names = panel["transformations"][1]["options"]["indexByName"]
        keys = {name for name in names if not name.startswith("Value")}
        assert keys == set().union(*of_query), f"{where}: a label without a heading, or a heading without a label"
        assert frozenset.intersection(*of_query), f"{where}: its rows cannot be joined"


# Provisioning


def test_grafana_is_provisioned_with_the_data_source_and_the_folder() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources/prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["uid"], source["isDefault"]) == ("prometheus", "prometheus", True)
    assert source["jsonData"]["timeInterval"] == "15s"
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards/paramwall.yaml").read_text())["providers"]
    assert (provider["type"], provider["disableDeletion"], provider["allowUiUpdates"]) == ("file", True, False)
    assert provider["options"]["path"].startswith("/")


# The tests themselves


@pytest.mark.parametrize(
    ("expr", "fault"),
    [
        ("paramwall_requets_in_flight{ALL}", "no metric"),
        ('paramwall_requests_in_flight{ALL, mode="x"}', "has no label mode"),
        ("sum by (signal) (paramwall_requests_in_flight{ALL})", "grouped by what is not there: signal"),
        ('paramwall_requests_in_flight{instance=~".+", vendor=~".+"}', "does not follow $job"),
        ('paramwall_requests_in_flight{job=~".+", instance=~".+"}', "does not follow $vendor"),
        ("sum(paramwall_requests_total{ALL})", "within nothing"),
        ("sum(rate(paramwall_requests_in_flight{ALL}[7m]))", "within rate"),
        ("sum by (vendor) (paramwall_requests_in_flight{ALL}) / sum(paramwall_requests_in_flight{ALL})", "nowhere"),
        ("sum(clamp_min(paramwall_drift_state{ALL}, 0))", "added up"),
        ("histogram_quantile(0.5, sum(rate(paramwall_overhead_seconds_bucket{ALL}[7m])))", "without le"),
    ],
)
def test_the_reading_finds(promql: ModuleType, expr: str, fault: str) -> None:
    everything = ", ".join(
        f'{name}=~"$$"'.replace("$$", value) for name, value in EVERYTHING.items() if name != "signal"
    )
    reading = Reading(LABELS, COUNTERS, OPINIONS)
    reading.of(promql.parse(substituted(expr.replace("ALL", everything))))
    assert any(fault in one for one in reading.faults), reading.faults
