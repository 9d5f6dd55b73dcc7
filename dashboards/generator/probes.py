"""The row of the drift dashboard about scheduled probes.

Not here: their evidence, which stands with that of all other signals (drift.py). Invariant: without probes every panel
is empty and says that they are switched off.
"""

from __future__ import annotations

from typing import Final

from dashboards.generator.board import Row
from dashboards.generator.panels import Column, Query, levels, stat, table, timeseries
from dashboards.generator.promql import grown, highest, pick

_PROBES: Final = "paramwall_probes_total"
_OFF: Final = "No scheduled probes (they are off by default)"


def _found(result: str) -> str:
    return grown(_PROBES, "vendor, mode, layer", f'result="{result}"')


PROBES: Final = Row(
    "What probes say",
    [
        table(
            "Scheduled probes",
            "Short requests of the proxy's own, in the time range shown, by the layer of the vendor's stack that they "
            "test. A failed one stands in the log with what was seen; `paramwall verify` asks them all. No answer says "
            "nothing about the layer.",
            {"vendor": "Vendor", "mode": "Mode", "layer": "Layer"},
            Column("Failed", _found("fail"), empty=_OFF, looks={"decimals": 0}),
            Column("Passed", _found("pass"), empty=_OFF, looks={"decimals": 0}),
            Column("No answer", _found("no_answer"), empty=_OFF, looks={"decimals": 0}),
            w=12,
            h=9,
            sort="Failed",
        ),
        timeseries(
            "Tokens that probes cost",
            "Tokens of a vendor, read and written, that its probes used, as it states them or estimated.",
            Query(grown("paramwall_probe_tokens_total", "vendor, type"), "{{vendor}} {{type}}", empty=_OFF),
            unit="locale",
            w=5,
            h=9,
        ),
        timeseries(
            "Budget of probes spent",
            "Share of a vendor's tokens for probes (`probes.tokens_per_day`) that the last 24 hours used. At 100 % "
            "probes wait.",
            Query(highest(pick("paramwall_probe_budget_used_ratio"), "vendor"), "{{vendor}}", empty=_OFF),
            unit="percentunit",
            limits=levels("green", (1, "red")),
            w=4,
            h=9,
        ),
        stat(
            "Last probe",
            "How long ago the vendor was probed that was left out longest. Much more than `probes.every`: its budget "
            "is spent, or its probes hang.",
            Query(f"time() - min({highest(pick('paramwall_probe_timestamp_seconds'), 'vendor')})", "ago", empty=_OFF),
            unit="s",
            limits=levels("blue"),
            decimals=0,
            w=3,
            h=9,
        ),
    ],
)
