"""How an exchange went: the two signals that are not read from an answer.

They have no twin at the reference, whose infrastructure is another, and their failures come in waves; so they are
compared with the vendor's own past and never decide whether the model drifts. Not here: the judging (scorer/).
Invariant: tolerance 0, since the past sets it.
"""

from __future__ import annotations

from proxy.signals.signal import Baseline, Group

EXCHANGE_FAILED = Baseline(
    name="exchange-failed",
    unit="share of exchanges",
    group=Group.REST,
    tolerance=0.0,
    finds="server errors, timeouts, answers cut off: an outage rather than drift",
    source="K2.6 host requirements R15 and R16",
)
FIRST_TOKEN_LATE = Baseline(
    name="first-token-late",
    unit="share of answers",
    group=Group.REST,
    tolerance=0.0,
    finds="load: the first token later than the vendor's usual",
    source="Kimi-Vendor-Verifier README",
)
