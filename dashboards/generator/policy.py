"""The dashboard of what the proxy changes and refuses: findings by clause, rejected requests, how requests end.

Not here: what the vendors answer to it (fleet.py). Invariant: rewrites and rejects are shown apart, since only a reject
is seen by a client's user.
"""

from __future__ import annotations

from typing import Final

from dashboards.generator.board import Board, Row
from dashboards.generator.panels import Column, Query, bargauge, levels, stat, table, timeseries
from dashboards.generator.promql import grown, happened, rate, share

_VERDICTS: Final = "paramwall_policy_verdicts_total"
_REQUESTS: Final = "paramwall_requests_total"
_TRANSLATIONS: Final = "paramwall_mode_translations_total"
_CHANGED: Final = 'action=~"rewrite|fill|drop"'
_REJECTED: Final = 'outcome="rejected"'
_NO_REQUEST: Final = "No request"
_NO_FINDING: Final = "No request broke a clause"


_KIND: Final = "clause, param, vendor"


def _found(action: str) -> str:
    """Of one action, a row for all that found anything by any: so no column is missing as a whole."""
    return f"""{grown(_VERDICTS, _KIND, f'action="{action}"')} and on ({_KIND}) {grown(_VERDICTS, _KIND)} > 0"""


_NOW = Row(
    "Now",
    [
        stat(
            "Rejected requests",
            "Share of the requests that were refused for what they ask. A jump after a deployment of yours: a client "
            "sends what the contract forbids. A jump after a change of policy: it is stricter than meant.",
            Query(share(rate(_REQUESTS, "", _REJECTED), rate(_REQUESTS)), "rejected", empty=_NO_REQUEST),
            unit="percentunit",
            limits=levels("green", (0.01, "yellow"), (0.1, "red")),
            w=6,
        ),
        stat(
            "Rejecting findings",
            "Findings a second that refuse a request. One request may have several.",
            Query(rate(_VERDICTS, "", 'action="reject"'), "rejects"),
            unit="findings/s",
            limits=levels("green", (0.01, "yellow")),
            w=6,
        ),
        stat(
            "Repairing findings",
            "Findings a second that replaced, filled in or dropped a parameter. Clients can read each in the receipt. "
            "Many are normal where clients do not know the contract.",
            Query(rate(_VERDICTS, "", _CHANGED), "repairs"),
            unit="findings/s",
            limits=levels("blue"),
            w=6,
        ),
        stat(
            "Switches translated",
            "Requests a second whose thinking switch was spelled anew for the vendor.",
            Query(rate(_TRANSLATIONS), "translated"),
            unit="reqps",
            limits=levels("blue"),
            w=6,
        ),
    ],
)

_FINDINGS = Row(
    "Findings",
    [
        timeseries(
            "Findings by what was done",
            "fill: a missing parameter was put in; rewrite: a wrong one replaced; drop: taken out; reject: the request "
            "refused; observe: only counted.",
            Query(rate(_VERDICTS, "action"), "{{action}}"),
            unit="findings/s",
            stacked=True,
        ),
        timeseries(
            "Findings by clause",
            "The ten clauses that found most in the time range shown. A new line is a client that began to send "
            "something.",
            Query(
                f"{rate(_VERDICTS, 'clause')} and on (clause) topk(10, {grown(_VERDICTS, 'clause')} > 0)",
                "{{clause}}",
                empty=_NO_FINDING,
            ),
            unit="findings/s",
        ),
        table(
            "Clauses in the time range shown",
            "A row for each clause, parameter and vendor that found anything: what clients send, and what was made of "
            "it. docs/policies.md says what each clause stands on.",
            {"clause": "Clause", "param": "Parameter", "vendor": "Vendor"},
            *(
                Column(action, _found(action), empty=_NO_FINDING, looks={"decimals": 0})
                for action in ("reject", "rewrite", "fill", "drop", "observe")
            ),
            w=14,
            h=10,
            sort="reject",
        ),
        bargauge(
            "Parameters in the time range shown",
            "Findings by parameter, the nine most frequent.",
            Query(f"topk(9, {grown(_VERDICTS, 'param')} > 0)", "{{param}}", empty=_NO_FINDING),
            unit="locale",
            limits=levels("blue"),
            w=10,
            h=10,
        ),
        timeseries(
            "Repairs by vendor",
            "Parameters replaced, filled in or dropped, for each vendor.",
            Query(rate(_VERDICTS, "vendor", _CHANGED), "{{vendor}}"),
            unit="findings/s",
        ),
        timeseries(
            "Switches translated by vendor",
            "Requests whose thinking switch was spelled anew, for each vendor. A vendor whose line stays at zero reads "
            "the switch as clients send it.",
            Query(rate(_TRANSLATIONS, "vendor"), "{{vendor}}"),
            unit="reqps",
        ),
    ],
)

_OUTCOMES = Row(
    "How requests end",
    [
        timeseries(
            "Rejected requests by vendor",
            "Share of each vendor's requests that were refused for what they ask. These clients got an error from the "
            "proxy, not from the vendor.",
            Query(
                share(rate(_REQUESTS, "vendor", _REJECTED), rate(_REQUESTS, "vendor")), "{{vendor}}", empty=_NO_REQUEST
            ),
            unit="percentunit",
        ),
        timeseries(
            "Outcomes",
            "How requests ended for the client. shed: there was no room in the proxy; client_gone: the client left; "
            "client_error: the vendor's 4xx; upstream_error and timeout: the vendor's failures.",
            Query(rate(_REQUESTS, "outcome"), "{{outcome}}"),
            unit="reqps",
            stacked=True,
        ),
        timeseries(
            "Statuses other than 200",
            "By the status that the client got. 400 is a refusal, 429 and 503 want of room or the vendor's limit, 502 "
            "and 504 a vendor that did not answer.",
            Query(happened(_REQUESTS, "code", 'code!="200"'), "{{code}}", empty="Every request ended with 200"),
            unit="reqps",
            stacked=True,
        ),
        timeseries(
            "Requests by route",
            "Only /v1/chat/completions is judged in full, checked and mirrored. A route you do not expect is a client "
            "that goes around the policy.",
            Query(happened(_REQUESTS, "route"), "{{route}}", empty=_NO_REQUEST),
            unit="reqps",
        ),
    ],
)

POLICY: Final = Board(
    "policy",
    "Paramwall: policy",
    "What the proxy found in requests, what it made of them, and how they ended.",
    [_NOW, _FINDINGS, _OUTCOMES],
)
