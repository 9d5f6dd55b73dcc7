"""kill -9 at any moment: no request is lost, none is sent again that was recorded, and the results are the same."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy.cli.terminal import FINDING
from proxy.replay.checkpoint import SCHEMA
from proxy.replay.summary import Latency, Summary, read_summary
from proxy.store import StoreMissing, database
from tests.replay.datasets import constant_vendor, number_of, write_dataset
from tests.source import ROOT

SEED = 7
MOMENTS = ("came", "half", "sent")


class Witness:
    """Sees what reaches the vendor, and sends the child a signal at a moment set before."""

    def __init__(self, signal_sent: int = signal.SIGKILL) -> None:
        self.came: Counter[int] = Counter()
        self.child = 0
        self._signal = signal_sent
        self._left = -1
        self._moment = ""

    def kill_at(self, requests: int, moment: str) -> None:
        """At that moment of the request that is so many from now."""
        self._left, self._moment = requests, moment

    def saw(self, body: bytes, moment: str) -> None:
        self.came[number_of(body)] += moment == "came"
        if moment == self._moment and self._left > 0:
            self._left -= 1
            if not self._left:
                os.kill(self.child, self._signal)


async def replayed(data: Path, output: Path, url: str, witness: Witness) -> tuple[int | None, str]:
    """Run the command; its exit code, and what it said beside the answer."""
    command = ("-m", "proxy", "replay", data, "--vendor", url, "--output", output, "--mode", "instant")
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        "--concurrency",
        "8",
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    witness.child = child.pid
    _, said = await child.communicate()
    return child.returncode, said.decode()


def recorded(output: Path) -> set[int]:
    """Which requests have ended, as the checkpoint says."""
    try:
        connection = database.open_reading(output / "replay.db", SCHEMA)
    except StoreMissing:
        return set()
    rows = connection.execute("SELECT record FROM calls").fetchall()
    connection.close()
    assert len(rows) == len(set(rows))
    return {record for (record,) in rows}


def results(output: Path) -> list[dict[str, Any]]:
    lines = (output / "results.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name != "run"} for line in lines]


def timeless(output: Path) -> Summary:
    """The summary without its times."""
    summary = read_summary(output / "summary.json")
    targets = tuple(msgspec.structs.replace(target, latency=Latency()) for target in summary.targets)
    return msgspec.structs.replace(summary, at_s=0.0, targets=targets)


async def kill_often(folder: Path, count: int, kills: int) -> dict[str, int]:
    """Kill a replay of `count` requests that often, let it end, and compare. What was seen."""
    draw, witness = random.Random(SEED), Witness()
    data, output, whole = write_dataset(folder / "data.jsonl", count), folder / "out", folder / "whole"
    ended: set[int] = set()
    async with constant_vendor(witness.saw) as url:
        for _ in range(kills):
            witness.kill_at(draw.randrange(1, count // (kills + 1) * 3 // 2), draw.choice(MOMENTS))
            before = witness.came.copy()
            code, said = await replayed(data, output, url, witness)
            assert code == -signal.SIGKILL, said
            assert not ended & (witness.came - before).keys(), "sent again although it was recorded"
            assert ended <= recorded(output), "a recorded request is lost"
            ended = recorded(output)
        before = witness.came.copy()
        code, said = await replayed(data, output, url, witness)
        assert code == FINDING, f"this vendor's arguments are off their schema often enough for an alarm: {said}"
        assert not ended & (witness.came - before).keys()
        assert recorded(output) == witness.came.keys() == set(range(count))
        calls = witness.came.total()
        await replayed(data, whole, url, witness)
        assert witness.came.total() == calls + count
    assert results(output) == results(whole)
    assert timeless(output) == timeless(whole)
    return {"requests": count, "kills": kills, "ended_before_the_last": len(ended), "calls": calls}


async def test_killed_three_times(tmp_path: Path) -> None:
    seen = await kill_often(tmp_path, 120, 3)
    assert 0 < seen["ended_before_the_last"] < 120
    # What is under way at a kill is asked again, and nothing else.
    assert seen["calls"] <= 120 + 3 * 8


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_and_says_how_to_go_on(number: signal.Signals, tmp_path: Path) -> None:
    data, output, witness = write_dataset(tmp_path / "data.jsonl", 200), tmp_path / "out", Witness(number)
    witness.kill_at(20, "sent")
    async with constant_vendor(witness.saw) as url:
        code, said = await replayed(data, output, url, witness)
    ended = len(recorded(output))
    assert code == 128 + number
    assert 0 < ended < 200
    assert said.splitlines()[1:] == [
        f"paramwall: broken off; {ended} of 200 calls have ended and are kept",
        "  hint: give the same command again to go on; with --export to score what is there",
    ]


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_two_thousand_requests_killed_ten_times(tmp_path: Path) -> None:
    seen = await kill_often(tmp_path, 2000, 10)
    sys.stdout.write(f"{seen}\n")
    assert seen["calls"] <= 2000 + 10 * 8
