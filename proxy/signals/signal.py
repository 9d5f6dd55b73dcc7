"""What a signal is: one number read from an answer, a pair or a triple.

Here: one class for each way of comparing. Not here: the signals (one file each), their order (SIGNALS in __init__.py)
and what several of them need of one answer (features.py). Invariants: a read is pure and total: it gives None where the
signal does not apply, never an error; a filter is symmetric: it may look at the request and at both answers alike,
never at the vendor's alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from proxy.signals.features import Read

CONTRACT_TOLERANCE: Final = 1e-3
"""What a contract may be broken: the model's own text can look like a broken contract once in a thousand answers."""
PAIR_TOLERANCE: Final = 0.02
"""How far a vendor may lean without being adrift: at 0 a harmless, permanent difference of a point would alarm."""


class Kind(StrEnum):
    """How a signal becomes a bet (drift.md section 3, here by name): each has one detector in drift/."""

    RATE = "rate"
    """A violation in the vendor's own answer, against a stated tolerance (N2)."""
    SWAP = "swap"
    """A yes or no of each answer; vendor-only against reference-only (N1)."""
    SIZE = "size"
    """An amount of each answer; the log ratio, squashed by its own scale (N1)."""
    SIGN = "sign"
    """A payoff in [-1, 1] read from both answers, odd under their exchange (N1)."""
    TRIPLE = "triple"
    """A similarity; the vendor's to two reference answers against theirs to each other (N4)."""
    OFFSET = "offset"
    """A difference that is constant for one shape of request; any other value is a violation (N2)."""
    BASELINE = "baseline"
    """A rate without a stated tolerance, against the vendor's own past (N3); never part of the drift state."""


class Group(StrEnum):
    """How the false-alarm budget is shared: contracts 30 %, schema and tools 30 %, the rest 40 %."""

    CONTRACT = "contract"
    TOOLS = "tools"
    REST = "rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """`tolerance` is the violation rate (RATE, OFFSET) or the mean payoff (SWAP, SIZE, SIGN, TRIPLE) that is no drift.
    `unit` names the effect's unit, `source` where the signal comes from, `finds` what it gives away.
    """

    kind: ClassVar[Kind]

    name: str
    unit: str
    group: Group
    tolerance: float
    finds: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate(Signal):
    """True: a violation; None: the signal does not apply to this answer."""

    kind: ClassVar[Kind] = Kind.RATE
    violated: Callable[[Read], bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed(Signal):
    """A failed probe is a violation; whoever sends the probes judges."""

    kind: ClassVar[Kind] = Kind.RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap(Signal):
    """Read from each answer of a pair; the pair counts where both are not None."""

    kind: ClassVar[Kind] = Kind.SWAP
    has: Callable[[Read], bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size(Signal):
    """An amount >= 0 of each answer; the pair counts where both are not None."""

    kind: ClassVar[Kind] = Kind.SIZE
    amount: Callable[[Read], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign(Signal):
    """`payoff(vendor, reference)` in [-1, 1] with payoff(a, b) == -payoff(b, a)."""

    kind: ClassVar[Kind] = Kind.SIGN
    payoff: Callable[[Read, Read], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Triple(Signal):
    """`alike(a, b)` in [0, 1], symmetric."""

    kind: ClassVar[Kind] = Kind.TRIPLE
    alike: Callable[[Read, Read], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset(Signal):
    """`offset(vendor, reference)` with the shape of request it belongs to: (bucket, offset)."""

    kind: ClassVar[Kind] = Kind.OFFSET
    offset: Callable[[Read, Read], tuple[str, int] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline(Signal):
    """Known from the outcome and the timings of an exchange, not from its answer; whoever has them judges."""

    kind: ClassVar[Kind] = Kind.BASELINE
