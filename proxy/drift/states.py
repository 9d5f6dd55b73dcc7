"""The states of a key, as a table.

Not here: the evidence (detector.py) and the counts (window.py). Invariant: a state follows from the facts alone; what
lasts is in the facts: an alarm stays one until its series has recovered or the operator has accepted it.

    ok -> warn -> degraded -> recovering -> ok, with inconclusive before there is enough data
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """What can be said of a vendor under one policy in one mode."""

    OK = "ok"
    WARN = "warn"
    """Some evidence: mirror more, page nobody."""
    DEGRADED = "degraded"
    RECOVERING = "recovering"
    """Degraded, and the evidence that it is over grows."""
    INCONCLUSIVE = "inconclusive"
    REFERENCE_SUSPECT = "reference_suspect"
    """An alarm that speaks against the reference: do not page the vendor."""


@dataclass(frozen=True, slots=True)
class Facts:
    """`blamed`: alarmed series that speak against the vendor, `recovering` how many of them; `suspected`: alarmed
    series that speak against the reference. Baseline series are in none of these.
    """

    blamed: int = 0
    recovering: int = 0
    suspected: int = 0
    warned: bool = False
    reference_fails: bool = False
    enough: bool = True


RULES: Final[tuple[tuple[Callable[[Facts], bool], State], ...]] = (
    (lambda facts: facts.blamed > facts.recovering, State.DEGRADED),
    (lambda facts: facts.blamed > 0, State.RECOVERING),
    (lambda facts: facts.suspected > 0, State.REFERENCE_SUSPECT),
    (lambda facts: facts.warned, State.WARN),
    (lambda facts: facts.reference_fails or not facts.enough, State.INCONCLUSIVE),
    (lambda _facts: True, State.OK),
)
"""The first that holds. A warning comes before too little data: it is what brings more of it."""


def state_of(facts: Facts) -> State:
    """The state that follows from the facts."""
    return next(state for holds, state in RULES if holds(facts))
