"""The metrics of the mirror: what became of every exchange that was selected, by result and reason.

Here: the one family that workers and the scorer share (the supervisor adds them up), and what a worker counts of its
outbox. Not here: the scorer's other metrics (scorer.py). Invariant: every selected exchange is counted once more, under
exactly one of FINAL, when its fate is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from proxy.metrics.cells import Cell, Counters, Gauges, Registry

SELECTED: Final = "selected"
FINAL: Final = ("excluded", "shed", "scored", "failed", "expired")
"""excluded: not to be shown to the reference; shed: no room, no scorer, or a busy worker; scored: a
pair; failed: one side gave no answer that could be compared; expired: not complete in time.
"""
WORKER_REASONS: Final = (
    (SELECTED, ""),
    ("excluded", "vendor_opt_out"),
    ("excluded", "client_opt_out"),
    ("excluded", "header_opt_out"),
    ("excluded", "too_large"),
    ("shed", "outbox_full"),
    ("shed", "no_scorer"),
    ("shed", "busy"),
)
DROP_REASONS: Final = ("outbox_full", "no_scorer", "busy")


def mirror_counters(registry: Registry) -> Counters:
    """`paramwall_mirror_total`."""
    return Counters(
        "paramwall_mirror",
        "Exchanges selected for the mirror, and what became of each.",
        ("vendor", "result", "reason"),
        registry,
    )


class ShadowMetrics:
    """A worker's share, in its registry."""

    def __init__(self, registry: Registry) -> None:
        self._mirror = mirror_counters(registry)
        self._dropped = Counters(
            "paramwall_answers_dropped",
            "Answers that were to be looked at and did not reach the scorer.",
            ("vendor", "reason"),
            registry,
        )
        self.outbox_bytes = Gauges(
            "paramwall_outbox_bytes", "Bytes that wait in the workers for the scorer.", (), registry
        ).labels()
        self.outbox_capacity = Gauges(
            "paramwall_outbox_capacity_bytes", "Bytes that may wait in the workers.", (), registry
        ).labels()

    def prepare(self, vendors: Iterable[str]) -> None:
        """Make the children of these vendors, so that what never happened reads as zero."""
        for vendor in vendors:
            for result, reason in WORKER_REASONS:
                self.mirror(vendor, result, reason)
            for reason in DROP_REASONS:
                self.dropped(vendor, reason)

    def mirror(self, vendor: str, result: str, reason: str) -> Cell:
        """`paramwall_mirror_total`."""
        return self._mirror.labels(vendor, result, reason)

    def dropped(self, vendor: str, reason: str) -> Cell:
        """`paramwall_answers_dropped_total`."""
        return self._dropped.labels(vendor, reason)
