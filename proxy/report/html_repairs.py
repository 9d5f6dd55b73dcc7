"""What the proxy did to requests before they reached a vendor.

Not here: what another policy would have done (paramwall policy backtest). Invariant: shares are of the requests of one
vendor, mode and policy, and their number is told.
"""

from __future__ import annotations

from proxy.report import charts, wording
from proxy.report.facts import Clause, Repaired, Report
from proxy.report.html_parts import quiet, section, tag
from proxy.report.markup import Markup, element

ACTIONS = {
    "fill": "filled in",
    "rewrite": "replaced",
    "drop": "dropped",
    "reject": "rejected",
    "observe": "seen, left as it was",
}
_NOTE = (
    "On its way to the vendor a member that is absent is filled in with the contract's value, one that breaks the "
    "contract is replaced or dropped, and where no lawful request can be made of it, it is rejected."
)


def repairs(report: Report) -> Markup:
    """A card for each vendor and mode."""
    told = [(vendor.name, each) for vendor in report.vendors for each in vendor.repaired if each.requests]
    if not told:
        return Markup()
    note = element("p", {"class": "quiet small"}, _NOTE)
    cards = element("div", {"class": "repairs"}, [_card(name, each) for name, each in told])
    return section("repairs", "What the firewall repaired", note, cards)


def _card(name: str, each: Repaired) -> Markup:
    total = each.requests
    counts = (("passed as they were", each.passed), ("changed", each.rewritten), ("rejected", each.rejected))
    said = "; ".join(f"{wording.share(count / total)} {what}" for what, count in counts)
    mode = f" {each.mode} mode, " if each.mode else " mode not told, "
    head = element("h3", {}, name, quiet(mode, f"{each.policy}, {each.enforcement}"), " ", tag(each.source))
    whole = element(
        "div",
        {"class": "figure"},
        element("p", {}, element("strong", {}, wording.plural(total, "request")), quiet(f": {said}")),
        charts.outcomes(each, f"{total} requests: {said}"),
    )
    clauses = sorted(each.clauses, key=lambda clause: (-clause.requests, clause.clause))
    return element("article", {"class": "card"}, head, whole, [_clause(clause, total) for clause in clauses])


def _clause(clause: Clause, total: int) -> Markup:
    share = clause.requests / total
    done = f"{clause.member or 'body'} {ACTIONS.get(clause.action, clause.action)}"
    count = f"{wording.thousands(clause.requests)}, {wording.share(share)}"
    return element(
        "div",
        {"class": "clause"},
        element("p", {}, clause.clause, quiet(f" {done}")),
        element("p", {"class": "count"}, count),
        charts.bar(share, f"{clause.clause}: {count} of {total} requests"),
    )
