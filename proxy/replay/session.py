"""Session: one replay with everything that was found usable: what it is of, its checkpoint, its run and its score.

Not here: what is shown of it (cli/replay.py). Invariants: nothing is sent before every line, target and setting was
found usable; scoring sends nothing and may be done at any time, also of a replay that is not finished.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from proxy import __version__
from proxy.config.values import Config
from proxy.replay.checkpoint import Call, Checkpoint
from proxy.replay.dataset import Dataset
from proxy.replay.prepare import Destination, Settings
from proxy.replay.results import FILE as RESULTS
from proxy.replay.results import lines, replacing
from proxy.replay.rounds import rounds
from proxy.replay.run import Run, Ways
from proxy.replay.scoring import Scoring, noise_floor
from proxy.replay.summary import Dataset as DatasetFacts
from proxy.replay.summary import Summary, Target
from proxy.replay.survey import Survey, laid_over, plan_of
from proxy.scorer.answers import ModelNames

SUMMARY: Final = "summary.json"


class BrokenOff(KeyboardInterrupt):
    """A signal came while a replay was scored. No Exception, so that nothing on its way takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = signal.Signals(number)


@dataclass(frozen=True, slots=True)
class Session:
    """`config` is where terms and model names come from; files are written into `output`."""

    dataset: Dataset
    targets: tuple[Destination, ...]
    settings: Settings
    surveyed: Survey
    config: Config
    output: Path

    @property
    def planned(self) -> int:
        """Calls in all."""
        return self.surveyed.records * self.settings.epochs * len(self.targets)

    def open(self, now_s: float) -> Checkpoint:
        """Begin it, or go on with it. Raises AnotherReplay, or StoreError."""
        plan = plan_of(self.surveyed, self.targets, self.settings, self.dataset.limit)
        return Checkpoint.open(self.output, plan, now_s)

    def run(self, checkpoint: Checkpoint, ways: Ways, on_end: Callable[[int, Call], None]) -> Run:
        """Its calls, to be finished."""
        return Run(self.dataset, self.targets, self.settings, checkpoint, ways, on_end)

    def score(self, checkpoint: Checkpoint) -> Summary:
        """Write results.jsonl and summary.json, and return the latter. Raises StoreError, UnusableDataset,
        or OSError, and BrokenOff at SIGINT and SIGTERM.
        """
        with _interruptible():
            return self._score(checkpoint)

    def _score(self, checkpoint: Checkpoint) -> Summary:
        most = max(self.surveyed.modes.values()) * self.settings.epochs
        scoring = Scoring(self.targets, self.config, most)
        names = ModelNames(self.config.vendors)
        with replacing(self.output / RESULTS) as file:
            for each in rounds(self.dataset, self.targets, self.settings, checkpoint, names):
                scoring.add(each)
                file.writelines(lines(each, self.targets))
        summary = self._summary(scoring.targets(seed=0), checkpoint.at_s)
        with replacing(self.output / SUMMARY) as file:
            file.write(msgspec.json.format(msgspec.json.encode(summary), indent=1) + b"\n")
        return summary

    def _summary(self, targets: tuple[Target, ...], at_s: float) -> Summary:
        found, settings = self.surveyed, self.settings
        facts = DatasetFacts(
            name=self.dataset.path.name,
            sha256=found.sha256,
            records=found.records,
            modes={str(mode): n for mode, n in sorted(found.modes.items())},
            would_reject=dict(sorted(found.broken.items())),
        )
        return Summary(
            version=__version__,
            at_s=at_s,
            dataset=facts,
            settings={"mode": settings.mode, "repair": str(settings.repair).lower(), **laid_over(settings)},
            epochs=settings.epochs,
            planned=self.planned,
            complete=sum(target.asked for target in targets) == self.planned,
            targets=targets,
            noise_floor=noise_floor(targets),
        )


@contextmanager
def _interruptible() -> Iterator[None]:
    """Both signals raise BrokenOff. By itself SIGTERM ends a process at once, with a half-written file of texts left
    behind, and after an event loop's end neither is sure to have a handler.
    """

    def break_off(number: int, _frame: object) -> NoReturn:
        raise BrokenOff(number)

    before = {number: signal.signal(number, break_off) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
