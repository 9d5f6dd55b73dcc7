"""Rounds: what all targets answered to one record in one epoch, read again from the checkpoint in the dataset's order.

Not here: folding (scoring.py) and writing (results.py). Invariants: memory is one record with its answers; the same
dataset and checkpoint give the same rounds, however often the replay was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from proxy.contract.asked import Asked
from proxy.contract.envelope import MalformedBody
from proxy.contract.mode import Mode
from proxy.replay.checkpoint import Call, Checkpoint
from proxy.replay.dataset import Dataset
from proxy.replay.facts import FAILED, Facts, facts_of
from proxy.replay.prepare import Destination, Settings, prepare
from proxy.replay.records import UNSCORED, Record
from proxy.replay.scorers import Mark, mark
from proxy.scorer.answers import KnownTools, ModelNames
from proxy.signals.features import Read, read
from proxy.signals.read import read_rates


@dataclass(frozen=True, slots=True)
class Side:
    """One target's call. `answer` is whatever came of one, `rates` what its signals say; `mark` None: not scored, or
    not answered.
    """

    call: Call
    mode: Mode
    answer: Read | None
    rates: dict[str, bool]
    facts: Facts
    mark: Mark | None


@dataclass(frozen=True, slots=True)
class Round:
    """`sides` are in the order of the targets; None: that call has not ended."""

    record: Record
    epoch: int
    sides: tuple[Side | None, ...]


def rounds(
    dataset: Dataset, targets: Sequence[Destination], settings: Settings, checkpoint: Checkpoint, names: ModelNames
) -> Iterator[Round]:
    """All rounds in which any call has ended."""
    readers = [_Reader(target, settings, checkpoint.calls(number), names) for number, target in enumerate(targets)]
    for record in dataset.records():
        found = [reader.of(record) for reader in readers]
        for epoch in range(settings.epochs):
            sides = tuple(sides.get(epoch) for sides in found)
            if any(side is not None for side in sides):
                yield Round(record, epoch, sides)


class _Reader:
    """One target's calls, taken record by record."""

    def __init__(self, target: Destination, settings: Settings, calls: Iterator[Call], names: ModelNames) -> None:
        self._target = target
        self._settings = settings
        self._calls = calls
        self._names = names
        self._tools = KnownTools()
        self._next = next(calls, None)

    def of(self, record: Record) -> dict[int, Side]:
        """By epoch."""
        sides: dict[int, Side] = {}
        asked: Asked | None = None
        while self._next is not None and self._next.record == record.index:
            asked = asked or self._asked(record)
            sides[self._next.epoch] = self._side(record, self._next, asked)
            self._next = next(self._calls, None)
        return sides

    def _asked(self, record: Record) -> Asked:
        try:
            prepared = prepare(record, self._target, self._settings)
        except MalformedBody:  # it was never sent
            return Asked(Mode.THINKING)
        return self._tools.asked(prepared.members, prepared.mode, frozenset(), whole=True)

    def _side(self, record: Record, call: Call, asked: Asked) -> Side:
        if call.answer is None:
            return Side(call, asked.mode, None, {}, FAILED, None)
        models = self._names.allowed(self._target.name, self._target.model, call.answer.model)
        answer = read(call.answer, replace(asked, models=models))
        rates = read_rates(answer, answer.asked)
        if call.whole is None:
            return Side(call, asked.mode, answer, rates, FAILED, None)
        scored = None if record.scorer == UNSCORED else mark(record.scorer, answer.content, record.expected)
        return Side(call, asked.mode, answer, rates, facts_of(answer, rates), scored)
