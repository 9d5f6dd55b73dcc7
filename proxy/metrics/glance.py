"""Which counters `/status` repeats for people: requests by vendor, and what was lost.

Not here: adding up (supervisor/merge.py). Invariant: everything named here is a counter of the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Counter(NamedTuple):
    """A family, and which of its samples count: those with all of these labels."""

    family: str
    labels: Mapping[str, str] = {}


REQUESTS: Final = Counter("paramwall_requests")
"""By `vendor`."""
LOSSES: Final = {
    "answers_dropped": Counter("paramwall_answers_dropped"),
    "mirror_shed": Counter("paramwall_mirror", {"result": "shed"}),
    "mirror_expired": Counter("paramwall_mirror", {"result": "expired"}),
    "log_failures": Counter("paramwall_scorer_log_failures"),
    "bodies_unkept": Counter("paramwall_scorer_unkept"),
    "defects": Counter("paramwall_scorer_defects"),
    "log_lines_dropped": Counter("paramwall_log_lines_dropped"),
}
