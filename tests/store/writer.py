"""The child of test_killed.py: folds synthetic rows for ever, and says what is committed.

`python -m tests.store.writer FOLDER SEED`: goes on after the last row of the checkpoint, as a scorer does after a
restart. One line on stdout for each commit: the id of its last row.
"""

from __future__ import annotations

import random
import sys
from itertools import islice
from pathlib import Path

from proxy.drift.fleet import Fleet
from proxy.store import Store
from tests.store.rows import synthetic


def main(folder: Path, seed: int) -> None:
    with Store.open(folder, anchor_rows=40) as store:
        last, state = store.checkpoint() or (0, None)
        fleet = Fleet() if state is None else Fleet.restored(state)
        rows, draw = synthetic(seed, last + 1), random.Random(last)
        while True:
            batch = list(islice(rows, draw.randrange(1, 20)))
            for row in batch:
                fleet.fold(row)
            store.append(batch, fleet.state())
            last += len(batch)
            sys.stdout.write(f"{last}\n")
            sys.stdout.flush()
            if draw.random() < 0.2:
                store.retain(batch[-1].at_s, 40.0, 10**9)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
