"""What became of a mirrored exchange, as it is counted.

Not here: counting. Invariant: every admitted exchange has exactly one fate, a value of FATES.
"""

from __future__ import annotations

from typing import Final

from proxy.contract.exchange import Exchange
from proxy.drift.rows import LostRow, PairRow
from proxy.endpoint.reply import REASONS

_BUDGETS: Final = tuple(f"budget_{what}_per_{span}" for what in ("requests", "tokens") for span in ("minute", "day"))
_EXCLUDED: Final = ("would_be_refused", "repeat", "unreadable", "no_reference", "too_many_open", *_BUDGETS)
_VENDOR: Final = ("no_answer", "client_error", "server_error", "timeout", "reset", "not_sent")
_REFERENCE: Final = (*REASONS, "queue_full")

FATES: Final = (
    ("scored", ""),
    ("expired", ""),
    ("shed", "part_dropped"),
    ("shed", "stopped"),
    ("shed", "worker_gone"),
    ("failed", "client_gone"),
    ("failed", "defect"),
    *(("excluded", reason) for reason in _EXCLUDED),
    *(("failed", f"vendor_{reason}") for reason in _VENDOR),
    *(("failed", f"reference_{reason}") for reason in _REFERENCE),
)
"""(result, reason) of `paramwall_mirror_total` as the scorer steps it."""


def fate_of(row: PairRow | LostRow) -> tuple[str, str]:
    """One of FATES."""
    if isinstance(row, PairRow):
        return ("scored", "")
    match row.side:
        case "vendor" | "reference":
            return ("failed", f"{row.side}_{row.reason}")
        case "client":
            return ("failed", "client_gone")
    if row.reason in _BUDGETS:
        return ("excluded", row.reason)
    if row.reason == "expired":
        return ("expired", "")
    return ("shed", row.reason) if row.reason in ("part_dropped", "stopped", "worker_gone") else ("failed", "defect")


def vendor_loss(exchange: Exchange) -> tuple[str, str] | None:
    """(side, reason) when an exchange cannot be compared; None when the vendor's answer can be."""
    if exchange.upstream == "client_gone":
        return ("client", "client_gone")
    if exchange.upstream == "none":
        return ("vendor", "not_sent")
    if exchange.upstream in ("ok", "truncated"):
        return None if exchange.status == 200 else ("vendor", "no_answer")
    return ("vendor", exchange.upstream)
