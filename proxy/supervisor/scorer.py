"""The scorer's process: `python -m proxy.supervisor.scorer`, started by the supervisor only.

Here: what it is made of. Not here: how a process obeys (child/) and what the scorer does (scorer/). Invariant: it is
nicer than the workers, so where processors are short it is the one that waits.
"""

from __future__ import annotations

import os
import time

from proxy.child.memory import SPARING
from proxy.child.process import Log, main
from proxy.config.values import Config
from proxy.metrics.scorer import ScorerMetrics
from proxy.scorer.scorer import Scorer
from proxy.supervisor.notes import Notes

_NICER = 10


def _made(config: Config, log: Log, metrics: ScorerMetrics) -> Scorer:
    notes = Notes(log, time.time, as_json=config.log_format == "json")
    return Scorer(config, metrics, notes.say, notes.warn)


if __name__ == "__main__":
    os.nice(_NICER)
    counted = ScorerMetrics()
    main(lambda config, log, _: _made(config, log, counted), counted, SPARING)
