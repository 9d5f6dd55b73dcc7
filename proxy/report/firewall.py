"""From the counts of what policy did to requests to facts.

Not here: the counting (scorer/repairs.py). Invariant: what was not recorded is told.
"""

from __future__ import annotations

from collections.abc import Iterator

from proxy.report.facts import Clause, Repaired, Unknown, Vendor
from proxy.scorer.repairs import Outcomes, Repairs


def repaired(found: Repairs, source: str) -> tuple[tuple[Vendor, ...], tuple[Unknown, ...]]:
    """The vendors that requests were judged for, and what is not known of them."""
    names = dict.fromkeys(each.vendor for each in found.outcomes)
    vendors = tuple(
        Vendor(name, repaired=tuple(_of(each, found, source) for each in found.outcomes if each.vendor == name))
        for name in names
    )
    return vendors, tuple(_gaps(found))


def _of(outcomes: Outcomes, found: Repairs, source: str) -> Repaired:
    clauses = tuple(
        Clause(each.clause, each.action, each.member, each.requests)
        for each in found.clauses
        if (each.vendor, each.policy, each.mode) == (outcomes.vendor, outcomes.policy, outcomes.mode)
    )
    return Repaired(
        outcomes.mode,
        outcomes.policy,
        outcomes.enforcement,
        outcomes.passed,
        outcomes.rewritten,
        outcomes.rejected,
        clauses,
        source,
    )


def _gaps(found: Repairs) -> Iterator[Unknown]:
    if found.first_s is None:
        what = "what the firewall repaired: the log holds no facts of requests"
        yield Unknown("", "", what, "serve with --state-dir by this version; rows come once a minute")
    for vendor, count in found.unrecorded.items():
        yield Unknown(vendor, "", f"what was done to {count} requests: they were not recorded", "see docs/limits.md")
