"""How the signals share the false-alarm budget of one vendor.

Contracts 30 %, schema and tools 30 %, the rest 40 %, equal within a group. Not here: what a share of the budget means
(drift/). Invariant: the shares of what is given sum to 1; a group without signals leaves its part to the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from proxy.signals.signal import Group, Kind, Signal

GROUPS: Final[dict[str, float]] = {Group.CONTRACT: 0.30, Group.TOOLS: 0.30, Group.REST: 0.40}
SELF_TESTS_SHARE: Final = 0.01
"""Taken from the rest: the reference's tests against itself guard every verdict, so they must alarm too."""
_TESTS: Final = "self-tests"


def shares(signals: Iterable[Signal], self_tests: Iterable[Signal] = ()) -> dict[str, float]:
    """The share of each signal by name, self-tests among them; a baseline has none, since it decides nothing."""
    members: dict[str, list[str]] = {group: [] for group in GROUPS} | {_TESTS: [one.name for one in self_tests]}
    for signal in signals:
        if signal.kind is not Kind.BASELINE:
            members[signal.group].append(signal.name)
    tested = SELF_TESTS_SHARE if members[_TESTS] else 0.0
    parts = {**GROUPS, Group.REST: GROUPS[Group.REST] - tested, _TESTS: tested}
    whole = sum(part for group, part in parts.items() if members[group])
    return {name: parts[group] / whole / len(names) for group, names in members.items() for name in names}
