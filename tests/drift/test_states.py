"""The table of states, golden."""

from __future__ import annotations

import pytest

from proxy.drift.states import RULES, Facts, State, state_of

GOLDEN = [
    (Facts(), State.OK),
    (Facts(enough=False), State.INCONCLUSIVE),
    (Facts(reference_fails=True), State.INCONCLUSIVE),
    (Facts(warned=True), State.WARN),
    (Facts(warned=True, enough=False), State.WARN),
    (Facts(warned=True, reference_fails=True), State.WARN),
    (Facts(blamed=1), State.DEGRADED),
    (Facts(blamed=1, enough=False, reference_fails=True, warned=True), State.DEGRADED),
    (Facts(blamed=2, recovering=1), State.DEGRADED),
    (Facts(blamed=2, recovering=2), State.RECOVERING),
    (Facts(blamed=1, recovering=1, warned=True, enough=False), State.RECOVERING),
    (Facts(suspected=1), State.REFERENCE_SUSPECT),
    (Facts(suspected=3, warned=True, enough=False), State.REFERENCE_SUSPECT),
    (Facts(suspected=1, blamed=1), State.DEGRADED),
    (Facts(suspected=1, blamed=1, recovering=1), State.RECOVERING),
]


@pytest.mark.parametrize(("facts", "state"), GOLDEN)
def test_golden(facts: Facts, state: State) -> None:
    assert state_of(facts) is state


def test_every_state_has_a_rule() -> None:
    assert {state for _, state in RULES} == set(State)
