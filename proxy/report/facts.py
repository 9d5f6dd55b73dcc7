"""What is known of the vendors, as values: every figure with its bounds, its count and the file it is from.

Not here: where it is read (live.py, verified.py, replayed.py), how it is joined (gather.py), written and drawn.
Invariants: what is not known is None or absent, never 0; a Figure's `source` is the id of one of the report's sources;
shares lie in [0, 1], times are Unix seconds, durations seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

FORMAT: Final = "paramwall-report/1"


class Origin(StrEnum):
    """Where figures come from."""

    LIVE = "live"
    VERIFY = "verify"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read. `id` stands beside its figures; `what` says what it holds; it tells of `from_s` (None: a
    moment) to `at_s`.
    """

    id: str
    origin: Origin
    path: str
    what: str
    at_s: float
    from_s: float | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """An estimate of `n` values. Without bounds it is a count of cases that were chosen, not a sample."""

    value: float
    lower: float | None
    upper: float | None
    n: int
    source: str


@dataclass(frozen=True, slots=True)
class Effect:
    """One signal, as the drift detectors see it (docs/drift.md). `beyond`: an alarm lasts. `against_reference`: it
    speaks against the reference. `learning`: what is usual is not known yet.
    """

    signal: str
    kind: str
    effect: float | None
    lower: float | None
    upper: float | None
    tolerance: float
    n: int
    alarm: bool
    source: str
    against_reference: bool = False
    learning: bool = False
    since_s: float | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A state from one moment to another."""

    state: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened: an alarm, the end of one, a change that was accepted."""

    at_s: float
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Past:
    """How a vendor stood over time in one mode. `evidence` is (time, share of the way to an alarm) of the series that
    was the furthest. Counts are of the whole log and of its last window of `window_s`.
    """

    state: str
    since_s: float
    spans: tuple[Span, ...]
    marks: tuple[Mark, ...]
    evidence: tuple[tuple[float, float], ...]
    pairs: int
    answers: int
    pairs_in_window: int
    answers_in_window: int
    reference_failures: int
    enough: int
    window_s: float
    mirrored: bool
    source: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The state in which a replay left a vendor in one mode."""

    state: str
    source: str


@dataclass(frozen=True, slots=True)
class Mode:
    """One vendor in one mode. Of each metric there is at most one figure for each source; `floors` are what the
    reference reaches against itself on the same requests, `past` is from the live log, `ended` from replays.
    """

    mode: str
    policy: str = ""
    contract: tuple[Figure, ...] = ()
    tool_call_f1: tuple[Figure, ...] = ()
    floors: tuple[Figure, ...] = ()
    schema_accuracy: tuple[Figure, ...] = ()
    effects: tuple[Effect, ...] = ()
    past: Past | None = None
    ended: tuple[Ended, ...] = ()


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of the vendor's stack, as probes found it."""

    layer: str
    verdict: str
    passed: int
    failed: int
    unanswered: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A probe that failed."""

    title: str
    layer: str
    mode: str
    seen: str
    allowed: str
    hint: str


@dataclass(frozen=True, slots=True)
class Verification:
    """One run of `paramwall verify`."""

    verdict: str
    contract: str
    layers: tuple[Layer, ...]
    failures: tuple[Failure, ...]
    no_answer_share: float
    at_s: float
    source: str


@dataclass(frozen=True, slots=True)
class Times:
    """Quantiles of one duration over `n` answers; None: not told."""

    what: str
    p50: float | None
    p95: float | None
    n: int
    source: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Requests and tokens of one source: those `asked`, each until it was answered or given up, or those sent
    (`requests`), repeats included.
    """

    asked: int | None
    answered: int | None
    failed: tuple[tuple[str, int], ...]
    retried: int | None
    requests: int | None
    prompt_tokens: int
    completion_tokens: int
    source: str


@dataclass(frozen=True, slots=True)
class Clause:
    """On how many requests a clause of the policy acted: fill, rewrite, drop, reject or (nothing but) observe."""

    clause: str
    action: str
    member: str
    requests: int


@dataclass(frozen=True, slots=True)
class Repaired:
    """What the proxy did to the requests of one vendor in one mode ("": it could not be told) under one policy."""

    mode: str
    policy: str
    enforcement: str
    passed: int
    rewritten: int
    rejected: int
    clauses: tuple[Clause, ...]
    source: str

    @property
    def requests(self) -> int:
        """All of them."""
        return self.passed + self.rewritten + self.rejected


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor, or a reference that was asked in a replay. URLs hold no credentials."""

    name: str
    role: str = "vendor"
    urls: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    modes: tuple[Mode, ...] = ()
    verifications: tuple[Verification, ...] = ()
    times: tuple[Times, ...] = ()
    usages: tuple[Usage, ...] = ()
    repaired: tuple[Repaired, ...] = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that the report cannot say of a vendor (all: "") and a mode, and what would tell."""

    vendor: str
    mode: str
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Place:
    """A vendor's place among those of one mode. `rank` None: not ranked, and `why`."""

    vendor: str
    rank: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """Who stands where in one mode, by the figures of one source; "": none ranks anybody."""

    mode: str
    source: str
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All of it."""

    title: str
    version: str
    made_at_s: float
    sources: tuple[Source, ...]
    vendors: tuple[Vendor, ...]
    rankings: tuple[Ranking, ...]
    unknown: tuple[Unknown, ...] = ()
    format: str = field(default=FORMAT)
