"""Parse, decide, encode: from a body received to the body that leaves.

Not here: the rules (policy/) and the network. Invariant: what is returned to be sent is the encoding of exactly the
envelope that was judged.
"""

from __future__ import annotations

from typing import Final

import msgspec

from proxy.contract.envelope import Envelope, MalformedBody
from proxy.contract.mode import Mode
from proxy.policy.decide import Plan, decide
from proxy.policy.verdict import Finding, Reject, Rewrite, Route
from proxy.wire.problems import Refused, from_findings, from_malformed

MAX_ACTIONS_BYTES: Final = 2048
"""Length of the actions receipt; more are counted as `+N more`. Clients bound a header field at 8 KiB."""


class Judged(msgspec.Struct, frozen=True):
    """A body fit to be sent, and what was done to make it so. `actions` is the receipt, "" when nothing was done."""

    body: bytes
    mode: Mode
    stream: bool
    applies: bool
    actions: str
    findings: tuple[Finding, ...]
    observed: tuple[Finding, ...]
    translated: bool


class Rejected(Refused):
    """Refused by policy, with the findings for the metrics."""

    def __init__(self, verdict: Reject, mode: Mode) -> None:
        super().__init__(from_findings(verdict.findings, mode))
        self.findings = verdict.findings
        self.observed = verdict.observed
        self.mode = mode


def judge(plan: Plan, route: Route, body: bytes) -> Judged:
    """Raises Rejected (the policy says no) or Refused (the body cannot be read in one way only)."""
    try:
        envelope = Envelope.parse(body)
        decision = decide(plan, route, envelope)
    except MalformedBody as error:
        raise Refused(from_malformed(error)) from None
    verdict, translation = decision.verdict, decision.translation
    if isinstance(verdict, Reject):
        raise Rejected(verdict, decision.mode)
    findings: tuple[Finding, ...] = ()
    edits = translation.edits
    if isinstance(verdict, Rewrite):
        findings = verdict.findings
        edits = {**edits, **verdict.edits} if edits else verdict.edits
    stream = envelope.members.get("stream")
    return Judged(
        envelope.encode(edits),
        decision.mode,
        stream is not None and bytes(stream) == b"true",
        decision.applies,
        _actions(findings, translation.receipt) if findings or translation.receipt else "",
        findings,
        verdict.observed,
        bool(translation.receipt),
    )


def _actions(findings: tuple[Finding, ...], translation: str) -> str:
    receipts = [finding.receipt for finding in findings]
    if translation:
        receipts.append(translation)
    joined = ";".join(receipts)
    if len(joined) <= MAX_ACTIONS_BYTES:
        return joined
    kept: list[str] = []
    while receipts and sum(map(len, kept)) + len(receipts[0]) + len(kept) < MAX_ACTIONS_BYTES - 16:
        kept.append(receipts.pop(0))
    return ";".join([*kept, f"+{len(receipts)} more"])
