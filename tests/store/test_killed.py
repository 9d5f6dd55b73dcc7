"""kill -9 at any moment: what was committed is there, once; the state equals a replay, bit for bit."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from proxy.drift.fleet import Fleet
from proxy.store import Store
from tests.source import ROOT
from tests.store.rows import row

SEED = 11


def killed(folder: Path, after_s: float) -> int:
    """Let a writer commit for a while, kill it; the last row it said was committed, or 0."""
    command = [sys.executable, "-m", "tests.store.writer", str(folder), str(SEED)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        first = child.stdout.readline()
        timer = threading.Timer(after_s, child.kill)
        timer.start()
        said = [first, *child.stdout.readlines()]
        timer.join()
        errors = child.stderr.read()
    assert child.returncode == -signal.SIGKILL, errors
    whole = [line for line in said if line.endswith(b"\n")]
    return int(whole[-1]) if whole else 0


def bits(state: object) -> bytes:
    return msgspec.msgpack.encode(state)


class Truth:
    """The fold of the first rows, none missing and none twice."""

    def __init__(self) -> None:
        self.fleet, self.last = Fleet(), 0

    def check(self, folder: Path, said: int) -> None:
        """What a kill may not have broken."""
        with Store.read(folder) as store:
            after, state = store.replay_from()
            replay, last = Fleet() if state is None else Fleet.restored(state), after
            for number, found in store.rows(after):
                last += 1
                assert number == last
                assert found == row(SEED, number)
                replay.fold(found)
            folded, checkpoint = store.checkpoint() or (0, None)
        assert folded == last >= said > self.last
        while self.last < last:
            self.last += 1
            self.fleet.fold(row(SEED, self.last))
        assert bits(checkpoint) == bits(replay.state()) == bits(self.fleet.state())


def kill_often(folder: Path, times: int) -> None:
    draw, truth = random.Random(times), Truth()
    for _ in range(times):
        truth.check(folder, killed(folder, draw.uniform(0.0, 0.25)))
    assert truth.fleet.view(row(SEED, truth.last).at_s)


def test_killed_ten_times(tmp_path: Path) -> None:
    kill_often(tmp_path, 10)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_killed_a_hundred_times(tmp_path: Path) -> None:
    kill_often(tmp_path, 100)
