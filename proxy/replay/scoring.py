"""Scoring: from the rounds of a replay to its Summary, with the signals and detectors of live traffic.

Here: the fold of pairs and answers in the dataset's order. Not here: the verifier's metrics and all other counts
(accounts.py), reading (rounds.py). Invariants: a pure function of the rounds and a seed; what failed in
transport is counted apart and enters no comparison but the verifier's own, which counts it as a negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Final

from proxy.config.values import Config, Reference, Vendor
from proxy.drift.rows import AnswersRow, Key, LostRow, PairRow, TermsRow
from proxy.replay.accounts import Account, target_of
from proxy.replay.figures import AGREEMENT, KVV
from proxy.replay.prepare import Destination
from proxy.replay.rounds import Round, Side
from proxy.replay.summary import Figure, Target
from proxy.scorer.book import KVV_INVALID, Book
from proxy.scorer.pairs import values_of
from proxy.scorer.terms import terms_of
from proxy.signals.features import Read

FALSE_ALARMS: Final = 0.05
"""Chance that a replay of vendors that do as the reference does raises any alarm, at most."""
_AT_S: Final = 1.0
"""The time of every row: how old a pair is plays no part in a replay."""
_OF_PAIRS: Final = (*list(KVV)[:3], *list(AGREEMENT)[:4])


class Scoring:
    """Take all rounds in order, then tell. `most` is how many pairs one vendor can have in one mode."""

    def __init__(self, targets: Sequence[Destination], config: Config, most: int) -> None:
        self._targets = targets
        self._accounts = [Account() for _ in targets]
        self._reference = next((n for n, each in enumerate(targets) if each.role == "reference"), None)
        self._second = next((n for n, each in enumerate(targets) if each.role == "reference-again"), None)
        self._record = -1
        self._number = 0
        vendors = tuple(each.upstream for each in targets if isinstance(each.upstream, Vendor))
        upstream = None if self._reference is None else targets[self._reference].upstream
        reference = upstream if isinstance(upstream, Reference) else None
        terms = terms_of(replace(config, vendors=vendors, reference=reference))
        self._book = Book()
        self._book.fold(TermsRow(_AT_S, replace(terms, clock="pairs", budget=max(most, 1) / FALSE_ALARMS)))

    def add(self, round_: Round) -> None:
        """The next round."""
        if round_.record.index != self._record:
            self._close_record()
            self._record = round_.record.index
        reference = None if self._reference is None else round_.sides[self._reference]
        second = None if self._second is None else round_.sides[self._second]
        for number, (target, side) in enumerate(zip(self._targets, round_.sides, strict=True)):
            if side is None:
                continue
            compared = None if reference is None or number == self._reference else reference.facts
            self._accounts[number].add(round_, side, compared)
            if target.role == "vendor":
                self._fold_answer(target, side)
                if reference is not None:
                    self._fold_pair(target, side, reference, second)

    def _close_record(self) -> None:
        for account in self._accounts:
            account.close_record()

    # The detectors

    def _fold_answer(self, target: Destination, side: Side) -> None:
        if side.answer is None:
            return
        outcomes = {name: bytes([violated]) for name, violated in side.rates.items()}
        if side.facts.triggered:
            outcomes[KVV_INVALID] = bytes([not side.facts.kvv_valid])
        self._book.fold(AnswersRow(_AT_S, _key(target, side), 1, outcomes))

    def _fold_pair(self, target: Destination, side: Side, reference: Side, second: Side | None) -> None:
        self._number += 1
        key = _key(target, side)
        vendor_answer, reference_answer = _whole(side), _whole(reference)
        if vendor_answer is None:
            self._book.fold(LostRow(_AT_S, self._number, key, "vendor", side.call.reason))
        elif reference_answer is None:
            self._book.fold(LostRow(_AT_S, self._number, key, "reference", reference.call.reason))
        else:
            third = None if second is None else _whole(second)
            values = values_of(vendor_answer, reference_answer, third, vendor_answer.asked)
            self._book.fold(PairRow(_AT_S, self._number, key, "reference", values))

    # The end

    def targets(self, seed: int) -> tuple[Target, ...]:
        """What was found of each target."""
        self._close_record()
        views = {(view.key.vendor, view.key.mode): view for view in self._book.fleet.view(_AT_S)}
        return tuple(
            target_of(target, account, views, Random(f"{seed}/{number}"))  # noqa: S311  (a bootstrap's dice)
            for number, (target, account) in enumerate(zip(self._targets, self._accounts, strict=True))
        )


def noise_floor(targets: Sequence[Target]) -> dict[str, dict[str, Figure]] | None:
    """The reference against itself, by mode; None: it was not asked twice."""
    again = next((target for target in targets if target.role == "reference-again"), None)
    if again is None:
        return None
    floors: dict[str, dict[str, Figure]] = {}
    for mode in again.modes:
        found = {name: getattr(mode.kvv, name, None) or getattr(mode.agreement, name) for name in _OF_PAIRS}
        floors[mode.mode] = {name: figure for name, figure in found.items() if figure.value is not None}
    return floors


def alarms(targets: Sequence[Target]) -> int:
    """How many series of vendors drifted."""
    return sum(signal.alarm for target in targets for mode in target.modes for signal in mode.signals)


def _key(target: Destination, side: Side) -> Key:
    return Key(target.name, target.strict.name, side.mode)


def _whole(side: Side) -> Read | None:
    return side.answer if side.facts.whole else None
