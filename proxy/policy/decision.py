"""Decision: what is to become of one request, with all that follows from that: its edits, its receipt, its counts.

Not here: how it is reached (decide.py). Invariant: everything here is derived once, when the decision is made; a
decision that is remembered costs nothing more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from proxy.contract.envelope import Changes, Edits, changes
from proxy.contract.mode import Mode
from proxy.contract.profile import Translation
from proxy.policy.verdict import Allow, Finding, Reject, Rewrite, Verdict

MAX_ACTIONS_BYTES: Final = 2048
"""Length of the actions receipt; more are counted as `+N more`. Clients bound a header field at 8 KiB."""


class Decision(msgspec.Struct, frozen=True):
    """`applies`: the policy covers the request's model. `translation` spells the mode as the vendor does; it is empty
    in observe, on routes other than chat, when the policy does not apply, and when the request is refused.

    `changes` are the edits of verdict and translation together. `actions` is the receipt, "" when nothing is done.
    `observed` are the clauses of findings that were only counted. `counts` are one (clause, action, member) a finding,
    all from closed sets (values of `paramwall_policy_verdicts_total`).
    """

    verdict: Verdict
    mode: Mode
    applies: bool
    translation: Translation
    changes: Changes
    actions: str
    observed: tuple[str, ...]
    counts: tuple[tuple[str, str, str], ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was repaired, filled in or refused."""
        return () if isinstance(self.verdict, Allow) else self.verdict.findings


def concluded(
    params: Collection[str], verdict: Verdict, mode: Mode, translation: Translation, *, applies: bool
) -> Decision:
    """The decision with what follows from it. `params` are the members that may be named in a count."""
    edits: Edits = translation.edits
    receipts: list[str] = []
    if isinstance(verdict, Rewrite):
        edits = {**edits, **verdict.edits}
        receipts = [finding.receipt for finding in verdict.findings]
    if translation.receipt:
        receipts.append(translation.receipt)
    counts = tuple(_counts(params, verdict))
    observed = tuple(finding.clause for finding in verdict.observed)
    return Decision(verdict, mode, applies, translation, changes(edits), _joined(receipts), observed, counts)


def _joined(receipts: list[str]) -> str:
    joined = ";".join(receipts)
    if len(joined) <= MAX_ACTIONS_BYTES:
        return joined
    kept: list[str] = []
    while receipts and sum(map(len, kept)) + len(receipts[0]) + len(kept) < MAX_ACTIONS_BYTES - 16:
        kept.append(receipts.pop(0))
    return ";".join([*kept, f"+{len(receipts)} more"])


def _counts(params: Collection[str], verdict: Verdict) -> Iterator[tuple[str, str, str]]:
    for finding in verdict.observed:
        yield finding.clause, "observe", _param(params, finding)
    for finding in () if isinstance(verdict, Allow) else verdict.findings:
        yield finding.clause, _action(verdict, finding), _param(params, finding)


def _param(params: Collection[str], finding: Finding) -> str:
    """The member as a label: one that the policy names, else `other`."""
    name = finding.member
    if name in params:
        return name
    name = name.partition(".")[0].partition("[")[0]
    return name if name in params else "other"


def _action(verdict: Verdict, finding: Finding) -> str:
    if isinstance(verdict, Reject):
        return "reject"
    if finding.fills:
        return "fill"
    return "drop" if finding.edits and None in finding.edits.values() else "rewrite"
