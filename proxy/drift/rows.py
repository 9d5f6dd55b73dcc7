"""The rows of the log: what the state is folded from, in their order.

Not here: how a row is stored (store.py) or made (scorer/). Invariant: a row is values only, with no text of any request
or answer; the state is a pure function of the rows.

Times `at_s` are Unix seconds; they never fall from row to row. A value of a pair, by the kind of its signal:

    swap    0 neither, 1 vendor only, 2 reference only, 3 both
    size    [ln(1 + vendor's amount), ln(1 + reference's amount)]
    sign    the payoff in [-1, 1]
    triple  h = k(R, R') - (k(V, R) + k(V, R')) / 2
    offset  [bucket, offset]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = int | float | list[float] | list[str | int]


@dataclass(frozen=True, slots=True)
class Key:
    """Whose behaviour is watched: one vendor, under one policy, in one mode."""

    vendor: str
    policy: str
    mode: str


@dataclass(frozen=True, slots=True)
class Series:
    """One signal as the fold sees it. `kind` and `group` are values of signals.signal.Kind and Group; `weight` is its
    share of the budget of one key (all weights of a key that count for its state sum to 1). `of_reference`: a self-test
    of the reference against itself (R' in the vendor's place).
    """

    name: str
    kind: str
    group: str
    tolerance: float
    weight: float
    of_reference: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """What an alarm means. `clock` "hours": on average at least `budget` hours between false alarms over all keys;
    "pairs": that many pairs (or checked answers). A series alarms at `budget` times `families` over its weight, and
    warns at `warn_at` over its weight. `families` is how many keys share the budget. `mirrored`: a reference is
    configured, so that a vendor without enough pairs is inconclusive.
    """

    series: tuple[Series, ...]
    clock: str = "hours"
    budget: float = 2160.0
    families: int = 1
    warn_at: float = 10.0
    recover_at: float = 1e4
    window_s: float = 86400.0
    enough: int = 50
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class TermsRow:
    """From here on these terms hold. A series that is new, or whose kind or tolerance changed, starts anew; the others
    keep their evidence.
    """

    at_s: float
    terms: Terms


@dataclass(frozen=True, slots=True)
class PairRow:
    """One scored pair or triple; `number` is its admission. `reference` names the reference and its model: when it
    changes, what was compared with the former one starts anew.
    """

    at_s: float
    number: int
    key: Key
    reference: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class LostRow:
    """A mirrored exchange that gave no pair: `side` "vendor", "reference" or "client" or "proxy" (expired, shed)."""

    at_s: float
    number: int
    key: Key
    side: str
    reason: str


@dataclass(frozen=True, slots=True)
class AnswersRow:
    """`count` checked answers in the order they completed, since the row before. `outcomes` by rate or baseline signal:
    one byte for each answer it applies to, 1 where it is violated.
    """

    at_s: float
    key: Key
    count: int
    outcomes: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProbesRow:
    """Probes of a vendor that were answered since the row before. `outcomes` by signal: one byte for each, 1 where the
    probe failed. They are no traffic, so they count neither as answers nor for what is enough.
    """

    at_s: float
    key: Key
    outcomes: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class AcknowledgedRow:
    """The operator accepts how a vendor is now: its series (all, or those of one signal) start anew."""

    at_s: float
    vendor: str
    signal: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class RequestsRow:
    """Requests that one policy judged since the row before, by their facts (proxy/policy/facts.py): no evidence of
    drift. `policy` is the policy's label; `profile`, `models`, `names` and `vocabulary` are what the facts are read by;
    of `unrecorded` requests more nothing is known.
    """

    at_s: float
    vendor: str
    policy: str
    enforcement: str
    profile: str
    models: str
    names: tuple[str, ...]
    vocabulary: str
    requests: Mapping[str, int]
    unrecorded: int = 0


Row: TypeAlias = TermsRow | PairRow | LostRow | AnswersRow | ProbesRow | AcknowledgedRow | RequestsRow
