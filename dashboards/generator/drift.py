"""The dashboard behind an alarm: which signal, since when, by how much, on how many answers.

Not here: what is mirrored and scored at all (mirror.py). Invariant: evidence is shown of a scorer as it is; over
several instances the largest counts, and only counters are added up.
"""

from __future__ import annotations

from typing import Final

from dashboards.generator.board import Board, Row
from dashboards.generator.fleet import ALARM, EVIDENCE_LIMITS, SERIES_ALARM, STATE_WORDS, STATES_TEXT
from dashboards.generator.panels import (
    COLOURED,
    Column,
    Query,
    bargauge,
    levels,
    note,
    stat,
    state_timeline,
    table,
    timeseries,
    words,
)
from dashboards.generator.probes import PROBES
from dashboards.generator.promql import (
    EVIDENCE_USED,
    SERIES,
    STATE_NUMBER,
    first,
    grown,
    highest,
    leading,
    pick,
    rate,
    share,
    total,
)

_TEN: Final = "2.302585"
"""The natural logarithm of ten: metrics are in natural logarithms, people read powers of ten."""
_CHECKED: Final = "paramwall_signal_checked_total"
_VIOLATIONS: Final = "paramwall_signal_violations_total"
_PAIRS: Final = "paramwall_shadow_pairs_total"
_CELLS: Final = "paramwall_shadow_cells_total"
_OBSERVATIONS: Final = highest(pick("paramwall_drift_observations"), SERIES)
_CHANGED: Final = f"{highest(pick('paramwall_drift_changepoint_timestamp_seconds'), SERIES)} > 0"
_KNOWN: Final = "> -Inf"
"""Lets through what is a number: what is not known is NaN."""
_ALARM_PEAK: Final = highest(f"max_over_time({pick(ALARM)}[$__range] @ end())", SERIES)
_ALARMED: Final = f"{SERIES_ALARM} and on ({SERIES}) {_ALARM_PEAK} > 0"
"""Every series that alarmed in the time range shown, its calm times too: a band without an end would seem to last."""
_NO_CHANGE: Final = "No change point: nothing alarms or warns"
_NO_EFFECT: Final = "No effect is known: too few values"
_NO_PAIRS: Final = "No pair was scored: there is no reference, or nothing was mirrored"

_HOW_TO_READ: Final = (
    "**An alarm** says that a vendor changed in one signal, since about when, and by how much. How often such a "
    "sentence is wrong was fixed beforehand (`drift.budget`), however often you look. **1.** Which series lead, and do "
    "they belong to one cause? **2.** When did it begin? **3.** Read the answers themselves: `paramwall evidence`. "
    "**4.** Move traffic, or accept a change you know of: `paramwall status --acknowledge VENDOR --note WHY`."
)
_ALARM_WORDS: Final = words((0, "-", "transparent"), (1, "alarm", "red"))
_ORANGE: Final = {"color": {"mode": "fixed", "fixedColor": "orange"}}
_BAND: Final = {"custom.lineWidth": 0, "custom.fillOpacity": 0, **_ORANGE}


def _ratio(name: str) -> str:
    return f"{highest(pick(f'paramwall_drift_{name}_ratio'), SERIES)} {_KNOWN}"


_STANDING = Row(
    "How the vendors stand",
    [
        note("How to read this", _HOW_TO_READ, h=3),
        stat(
            "Series in alarm",
            "Series with an alarm against their vendor that lasts, among the vendors and signals chosen above.",
            Query(total(SERIES_ALARM), "in alarm"),
            unit="none",
            limits=levels("green", (1, "red")),
            w=6,
            h=3,
        ),
        stat(
            "Alarms raised",
            "Alarms raised within the time range shown, recovered ones too, and those that blame no vendor: outages, "
            "late first tokens, the reference's.",
            Query(grown("paramwall_drift_alarms_total"), "raised", empty="No alarm since the scorer started"),
            unit="none",
            limits=levels("green", (0.5, "red")),
            decimals=0,
            w=6,
            h=3,
        ),
        stat(
            "Pairs scored",
            "Pairs scored within the time range shown. A verdict needs 50 a day in each mode; fewer make a vendor "
            "inconclusive.",
            Query(grown(_PAIRS), "pairs"),
            unit="locale",
            limits=levels("blue"),
            decimals=0,
            w=6,
            h=3,
        ),
        stat(
            "Answers checked",
            "The largest number of answers that one signal was read from, within the time range shown.",
            Query(f"max({grown(_CHECKED, 'signal')})", "answers"),
            unit="locale",
            limits=levels("blue"),
            decimals=0,
            w=6,
            h=3,
        ),
        state_timeline(
            "State over time",
            f"How each vendor stood; of several instances the worst. {STATES_TEXT}",
            Query(STATE_NUMBER, "{{vendor}}"),
            mappings=STATE_WORDS,
            h=5,
        ),
    ],
)

_SERIES_TABLE = Row(
    "Every series",
    [
        table(
            "Every series",
            "A row for each vendor, mode and signal that has seen anything. Evidence 100 % is an alarm; where no alarm "
            "stands beside it, it speaks against the reference, or is an outage, which makes no state. Effect is the "
            "difference since the change point (or over all values), with 95 % bounds that hold however often you "
            "look; tolerance is what is still no drift. A large effect with little evidence is chance.",
            {"vendor": "Vendor", "mode": "Mode", "signal": "Signal"},
            Column("Alarm", SERIES_ALARM, looks={"mappings": _ALARM_WORDS, **COLOURED}),
            Column("Evidence", highest(EVIDENCE_USED, SERIES), "percentunit",
                   looks={"thresholds": EVIDENCE_LIMITS, "decimals": 0, **COLOURED}),
            Column("Effect", _ratio("effect"), "percentunit", empty=_NO_EFFECT, looks={"decimals": 1}),
            Column("Lower bound", _ratio("effect_lower"), "percentunit", empty=_NO_EFFECT, looks={"decimals": 1}),
            Column("Upper bound", _ratio("effect_upper"), "percentunit", empty=_NO_EFFECT, looks={"decimals": 1}),
            Column("Tolerance", _ratio("tolerance"), "percentunit", looks={"decimals": 1}),
            Column("Values", f"{_OBSERVATIONS} > 0", looks={"decimals": 0}),
            Column("Changed", f"({_CHANGED}) * 1000", "dateTimeFromNow", empty=_NO_CHANGE),
            h=11,
            sort="Evidence",
        ),
    ],
)  # fmt: skip

_LAST: Final = ("lastNotNull",)
_DASHED: Final = {"custom.lineStyle": {"fill": "dash", "dash": [8, 6]}, "custom.fillOpacity": 0}

_EVIDENCE = Row(
    "Evidence",
    [
        state_timeline(
            "Alarms",
            "Series with an alarm against their vendor that lasts. A band that ends has recovered, was accepted, or "
            "its scorer is gone. Bands that begin together are mostly one cause.",
            Query(_ALARMED, "{{vendor}} {{mode}} {{signal}}", empty="No alarm in this time range"),
            mappings=_ALARM_WORDS,
        ),
        timeseries(
            "Evidence as a share of what is an alarm",
            "The ten series whose evidence rose highest in the time range shown; logarithms on both sides. A healthy "
            "series wanders in the lower half and falls back. A steady climb is a vendor that has changed; the dashed "
            "line is the alarm.",
            Query(leading(highest(EVIDENCE_USED, SERIES), 10), "{{vendor}} {{mode}} {{signal}}"),
            unit="percentunit",
            limits=levels("transparent", (1, "red")),
            w=24,
            h=10,
        ),
        timeseries(
            "Evidence and its threshold",
            "The five leading series as powers of ten: 6 says that the evidence is a million to one. Each has the "
            "threshold of its share of the budget (dashed). While an alarm lasts its evidence stands still.",
            Query(leading(f"{highest(pick('paramwall_drift_log_evidence'), SERIES)} / {_TEN}", 5),
                  "{{vendor}} {{mode}} {{signal}}"),
            Query(f"max by (signal) ({leading(highest(pick('paramwall_drift_log_threshold'), SERIES), 5)}) / {_TEN}",
                  "threshold of {{signal}}", look=_DASHED),
            unit="none",
            calcs=_LAST,
        ),
        timeseries(
            "Effect of the leading series",
            "The one series, of one instance, whose evidence rose highest in the time range shown: how large the "
            "change is, its 95 % bounds (shaded) and the tolerance (dashed). Bad: the whole band lies beyond the "
            "tolerance. No band yet: too few values.",
            Query(first(pick("paramwall_drift_effect_ratio")), "{{vendor}} {{mode}} {{signal}} at {{instance}}",
                  look={"custom.lineWidth": 2, "custom.fillOpacity": 0, **_ORANGE}),
            Query(first(pick("paramwall_drift_effect_lower_ratio")), "lower bound",
                  look=_BAND),
            Query(first(pick("paramwall_drift_effect_upper_ratio")), "upper bound",
                  look={**_BAND, "custom.fillBelowTo": "lower bound", "custom.fillOpacity": 20}),
            Query(first(pick("paramwall_drift_tolerance_ratio")), "tolerance",
                  look={**_DASHED, "color": {"mode": "fixed", "fixedColor": "red"}}),
            unit="percentunit",
            least=None,
            calcs=_LAST,
        ),
        timeseries(
            "Effect of the ten leading series",
            "How large the difference is, for each. It is counted anew from the change point, so it may jump when one "
            "is found. Without evidence it means nothing.",
            Query(leading(highest(pick("paramwall_drift_effect_ratio"), SERIES), 10), "{{vendor}} {{mode}} {{signal}}"),
            unit="percentunit",
            least=None,
            calcs=_LAST,
        ),
        timeseries(
            "Values behind the evidence",
            "Pairs or answers folded into the ten leading series since they began. A line that stays flat gets no more "
            "data, and its evidence can neither grow nor fall.",
            Query(leading(_OBSERVATIONS, 10), "{{vendor}} {{mode}} {{signal}}"),
            unit="locale",
            calcs=_LAST,
        ),
    ],
)  # fmt: skip

_MOST_VIOLATED: Final = f"topk(10, {grown(_VIOLATIONS, 'vendor, signal')} > 0)"

_CONTRACT = Row(
    "What answers must not do",
    [
        timeseries(
            "Violations as a share of checked answers",
            "The ten signals with most violations in the time range shown. Any violation is the vendor's own answer "
            "breaking the contract; compare with the tolerance in the table above.",
            Query(
                f"{share(rate(_VIOLATIONS, 'vendor, signal'), rate(_CHECKED, 'vendor, signal'))} "
                f"and on (vendor, signal) {_MOST_VIOLATED}",
                "{{vendor}} {{signal}}",
                empty="No answer broke a rule",
            ),
            unit="percentunit",
        ),
        bargauge(
            "Violations in the time range shown",
            "How many answers broke which rule: the seven largest. None at all is healthy.",
            Query(f"topk(7, {grown(_VIOLATIONS, 'vendor, signal')} > 0)", "{{vendor}} {{signal}}",
                  empty="No answer broke a rule"),
            unit="locale",
            limits=levels("green", (1, "orange")),
        ),
    ],
)  # fmt: skip


def _cell(name: str) -> str:
    return grown(_CELLS, "vendor, signal", f'cell="{name}"')


_PAIRED = Row(
    "What pairs say",
    [
        table(
            "Which side has the feature",
            "Pairs in the time range shown, by which answer has what the signal looks for. If the vendor behaves as "
            "the reference does, the two middle columns are alike up to chance; one far above the other is drift.",
            {"vendor": "Vendor", "signal": "Signal"},
            Column("Both", _cell("both"), empty=_NO_PAIRS, looks={"decimals": 0}),
            Column("Vendor only", _cell("vendor_only"), empty=_NO_PAIRS, looks={"decimals": 0}),
            Column("Reference only", _cell("reference_only"), empty=_NO_PAIRS, looks={"decimals": 0}),
            Column("Neither", _cell("neither"), empty=_NO_PAIRS, looks={"decimals": 0}),
            w=12,
            h=9,
            sort="Vendor only",
        ),
        timeseries(
            "Kimi Vendor Verifier: tool_call_f1",
            "As its scripts compute it, over all pairs since the log began; the lowest over the instances. For "
            "comparison with published tables only: the official API against itself reaches 0.76 to 0.84, and it moves "
            "with the traffic. It decides nothing here.",
            Query(f"min by (vendor, mode) ({pick('paramwall_kvv_tool_call_f1_ratio')})", "{{vendor}} {{mode}}",
                  empty="No pair with tool calls was scored"),
            unit="percentunit",
            w=6,
            h=9,
            most=1,
        ),
        timeseries(
            "Kimi Vendor Verifier: schema accuracy",
            "Share of tool calls whose arguments follow the declared schema, over all checked answers since the log "
            "began; the lowest over the instances. It decides nothing here; tool-arguments does.",
            Query(f"min by (vendor, mode) ({pick('paramwall_kvv_schema_accuracy_ratio')})", "{{vendor}} {{mode}}",
                  empty="No answer with tool calls was checked"),
            unit="percentunit",
            w=6,
            h=9,
            most=1,
        ),
    ],
)  # fmt: skip

DRIFT: Final = Board(
    "drift",
    "Paramwall: drift",
    "Which signal of which vendor has changed, since when, by how much, on how much evidence.",
    [_STANDING, _SERIES_TABLE, _EVIDENCE, _CONTRACT, _PAIRED, PROBES],
)
