"""Parse, decide, encode: from a body received to the body that leaves.

Not here: the rules (policy/) and the network. Invariant: what is returned to be sent is the encoding of exactly the
envelope that was judged.
"""

from __future__ import annotations

import msgspec

from proxy.contract.envelope import Envelope, MalformedBody
from proxy.policy.decide import Decision, Plan, decide
from proxy.policy.verdict import Reject, Route
from proxy.wire.problems import Refused, from_findings, from_malformed


class Judged(msgspec.Struct, frozen=True):
    """A body fit to be sent, what was decided about it, whether its answer is to be streamed, and what was judged."""

    body: bytes
    decision: Decision
    stream: bool
    envelope: Envelope


class Rejected(Refused):
    """Refused by policy; the decision and what was judged are kept to be counted."""

    def __init__(self, verdict: Reject, decision: Decision, envelope: Envelope) -> None:
        super().__init__(from_findings(verdict.findings, decision.mode))
        self.decision = decision
        self.envelope = envelope


class Unreadable(Refused):
    """The body cannot be read in one way only; no envelope: not even its members."""

    def __init__(self, error: MalformedBody, envelope: Envelope | None) -> None:
        super().__init__(from_malformed(error))
        self.envelope = envelope


def judge(plan: Plan, route: Route, body: bytes) -> Judged:
    """Raises Rejected (the policy says no) or Unreadable."""
    envelope = None
    try:
        envelope = Envelope.parse(body)
        decision = decide(plan, route, envelope)
    except MalformedBody as error:
        raise Unreadable(error, envelope) from None
    if isinstance(decision.verdict, Reject):
        raise Rejected(decision.verdict, decision, envelope)
    stream = envelope.members.get("stream")
    streams = stream is not None and bytes(stream) == b"true"
    return Judged(envelope.encode(decision.changes), decision, streams, envelope)
