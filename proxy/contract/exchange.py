"""Exchange: one request, its answer and its timings, as the wire hands them to the tap when all is over.

Not here: pairs and the record that crosses to the scorer. Invariant: values only; nothing in an Exchange refers to a
connection, and no credential is in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from proxy.contract.mode import Mode


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds on the monotonic clock, all relative to the first moment the request was known; None: it never came to
    that.
    """

    sent_s: float | None
    first_byte_s: float | None
    first_token_s: float | None
    end_s: float
    worst_gap_s: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """One finished exchange.

    `body` is what left for the vendor (b"" when nothing did); `answer` the head and the tail of the vendor's body,
    `answer_bytes` its true length, so the answer is whole exactly when `len(answer) == answer_bytes`. `outcome` is a
    value of metrics.OUTCOMES.
    """

    request_id: str
    vendor: str
    route: str
    policy: str
    mode: Mode
    stream: bool
    outcome: str
    status: int
    body: bytes
    answer: bytes
    answer_bytes: int
    content_type: str
    content_coding: str
    timings: Timings


Tap: TypeAlias = Callable[[Exchange], None]
"""Called once for every exchange, after the client has its last byte. It must return at once and never raise."""
