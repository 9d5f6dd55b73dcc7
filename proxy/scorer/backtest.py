"""A policy tried on the requests of the log: what it would have done, against what the policies in force did.

Not here: judging one request (policy/anew.py), and what is printed (cli/policy_backtest.py). Invariant: every request
of the rows is counted once: as a change, as not known, or as unrecorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from proxy.drift.rows import RequestsRow
from proxy.policy.anew import Anew, Terms, judged_anew
from proxy.policy.facts import Facts
from proxy.policy.plan import Plan

EXAMPLES: Final = 5
_OUTCOMES: Final = ("reject", "rewrite", "pass")
_decode: Final = msgspec.json.Decoder(Facts).decode


class Change(NamedTuple):
    """What became of requests and what would have: pass, rewrite or reject. `more` are the clauses that act now and
    did not, `less` those that did; with an action that is another one, a clause is in both.
    """

    before: str
    after: str
    more: tuple[str, ...]
    less: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether anything is done differently."""
        return self.before != self.after or bool(self.more or self.less)

    @property
    def breaks(self) -> bool:
        """Whether a request that got an answer would be refused."""
        return self.before != "reject" and self.after == "reject"


class Act(NamedTuple):
    """A clause, what it does (fill, rewrite, drop, reject, observe), and the member it is about."""

    clause: str
    action: str
    member: str


@dataclass(slots=True)
class Backtest:
    """The counts. `before` and `after` by act, `examples` the values of its member by how often they came. `unknown` by
    reason (see policy.anew.Anew); `uncovered` are of another model than the policy is for. `policies` are the labels
    and enforcements in force, with their requests.
    """

    changes: Counter[Change] = field(default_factory=Counter)
    before: Counter[Act] = field(default_factory=Counter)
    after: Counter[Act] = field(default_factory=Counter)
    examples: dict[Act, Counter[str]] = field(default_factory=dict)
    change_examples: dict[Change, Counter[str]] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    unrecorded: int = 0
    uncovered: int = 0
    policies: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    first_s: float | None = None
    last_s: float | None = None

    @property
    def recorded(self) -> int:
        """Requests with facts."""
        return self.changes.total() + self.unknown.total()

    def outcomes(self) -> dict[str, int]:
        """How many the new policy would pass, rewrite and reject."""
        return {each: sum(n for change, n in self.changes.items() if change.after == each) for each in _OUTCOMES}

    @property
    def broken(self) -> int:
        """Requests that got through and would be refused."""
        return sum(n for change, n in self.changes.items() if change.breaks)

    def listed(self) -> list[tuple[Change, int]]:
        """Changes, the worst and most frequent first; what stays as it is last."""
        return sorted(
            self.changes.items(), key=lambda each: (not each[0].breaks, not each[0].differs, -each[1], each[0])
        )

    def acts(self) -> list[Act]:
        """All that any policy did, what changes most first."""
        acts = {*self.before, *self.after}
        return sorted(acts, key=lambda act: (-abs(self.after[act] - self.before[act]), act))


def backtest(rows: Iterable[RequestsRow], plan_for: Callable[[str], Plan]) -> Backtest:
    """Try a policy; `plan_for` compiles it for the vendor profile of a name."""
    tried = Backtest()
    known: dict[tuple[str, str, Terms], tuple[Facts, Anew]] = {}
    for row in rows:
        tried.first_s = row.at_s if tried.first_s is None else tried.first_s
        tried.last_s = row.at_s
        tried.unrecorded += row.unrecorded
        tried.policies[row.vendor, row.policy, row.enforcement] += sum(row.requests.values()) + row.unrecorded
        terms = Terms(row.models, row.names, row.vocabulary)
        for text, count in row.requests.items():
            found = known.get((text, row.profile, terms))
            if found is None:
                facts = _decode(text)
                found = known[text, row.profile, terms] = (facts, judged_anew(plan_for(row.profile), facts, terms))
            _count(tried, *found, count)
    return tried


def _count(tried: Backtest, facts: Facts, anew: Anew, count: int) -> None:
    if anew.unknown:
        tried.unknown[anew.unknown] += count
        return
    change = Change(
        facts.outcome, anew.outcome, _clauses(anew.counts, facts.counts), _clauses(facts.counts, anew.counts)
    )
    tried.changes[change] += count
    tried.uncovered += count if anew.decision is not None and not anew.decision.applies else 0
    shown = tried.change_examples.setdefault(change, Counter())
    before, after = ({Act(*each) for each in counts} for counts in (facts.counts, anew.counts))
    tried.before.update(dict.fromkeys(before, count))
    tried.after.update(dict.fromkeys(after, count))
    for act in before | after:
        tried.examples.setdefault(act, Counter())[_shown(facts, act.member)] += count
    differing = {act.member for act in before ^ after if act.member}
    for member in sorted(differing):
        shown[f"{member} {_shown(facts, member)}"] += count


def _clauses(counts: tuple[tuple[str, str, str], ...], others: tuple[tuple[str, str, str], ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each[0] for each in counts if each not in others))


def _shown(facts: Facts, member: str) -> str:
    """A value as the log has it, in words where it was not kept."""
    raw = (facts.shape or {}).get(member)
    if raw is None:
        return "absent" if member else "-"
    text = bytes(raw).decode()
    return "not kept" if text.startswith(('"!', '"[!', '"{!')) else _IN_WORDS.get(text, text)


_IN_WORDS: Final = {
    '"?"': "a string",
    '"#"': "a number",
    '"[?]"': "an array",
    '"[.]"': "an array",
    '"{.}"': "an object",
    '".."': "not read",
    '"+"': "a covered model",
    '"-"': "another model",
}
