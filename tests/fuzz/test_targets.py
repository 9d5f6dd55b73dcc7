"""Every fuzz target: its corpus, a short run by chance, and the proof that a defect in what it checks is found."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from proxy.contract.assemble import Assembler
from proxy.contract.sse import EventDecoder
from proxy.wire import headers
from proxy.wire.relay import Relay
from tests.fuzz import inprocess, run
from tests.fuzz.hunting import Edges, Failure, failure, hunt, smallest
from tests.fuzz.target import CORPORA, Target, splits
from tests.fuzz.targets import TARGETS

CASES = [(name, path) for name, target in TARGETS.items() for path in target.corpus()]
COUNTS = {
    "gate": 600,
    "policy": 30,
    "config": 20,
    "records": 4000,
    "sse": 400,
    "assembly": 250,
    "headers": 2000,
    "evidence": 8,
}
SEED = 17


@pytest.mark.parametrize(("name", "path"), CASES, ids=lambda value: value.name if isinstance(value, Path) else value)
def test_corpus(name: str, path: Path) -> None:
    TARGETS[name].check(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_by_chance(name: str) -> None:
    most = COUNTS.get(name, 800)
    count, found = hunt(TARGETS[name], SEED, lambda number: number < most, guided=False)
    assert count == most
    assert not found, "\n".join(f"{each.mark} {each.error} {each.data!r}" for each in found)


def test_corpora_are_small_and_each_has_a_target() -> None:
    assert {path.name for path in CORPORA.iterdir()} == set(TARGETS)
    assert sum(path.stat().st_size for path in CORPORA.rglob("*")) < 300_000
    assert len(TARGETS) >= 6


def _late(self: EventDecoder, received: bytes) -> None:
    self._line = bytearray(received)


def _no_rules(*_: object) -> headers.RequestHead:
    return headers.RequestHead({}, b"Connection: close\r\n")


def _unnamed(lines: list[bytes], *_: object) -> list[bytes]:
    return lines


PLANTED = {
    "sse": (EventDecoder, "_keep", _late),
    "assembly": (Assembler, "_whole", lambda _self, received: received + b" "),
    "headers": (headers, "_without_named", _unnamed),
    "vendor": (Relay, "vendor_closed", lambda relay: relay._finish(None)),
    "policy": ("tests.fuzz.targets.policy", "compile_plan", lambda *_: 1 / 0),
    "config": ("tests.fuzz.targets.config", "loaded", lambda *_: 1 / 0),
    "records": ("tests.fuzz.targets.records", "read_record", lambda *_: 1 / 0),
    "evidence": ("proxy.store.log", "understood", nullcontext),
    "gate": (inprocess, "judge", lambda *_: 1 / 0),
}
"""For each target something that breaks an invariant of what it looks at."""


@pytest.mark.parametrize("name", TARGETS)
def test_a_planted_defect_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, attribute, replacement = PLANTED[name]
    holder: Any = sys.modules[place] if isinstance(place, str) else place
    monkeypatch.setattr(holder, attribute, replacement)
    target = TARGETS[name]
    assert any(failure(target, path.read_bytes()) for path in target.corpus())


def _touchy(data: bytes) -> None:
    assert not (b"a" in data and b"z" in data), "both"


def test_what_fails_is_made_small() -> None:
    target = Target("touchy", _touchy, (b"a", b"z"))
    failed = failure(target, b"0123456789a0123456789" * 40 + b"z" + b"-" * 500)
    assert isinstance(failed, Failure)
    assert sorted(smallest(target, failed).data) == sorted(b"az")


def test_new_lines_are_noticed() -> None:
    edges, target = Edges(), TARGETS["sse"]
    seen = []
    for data in (b"data: a\n\n", b"data: a\n\n", b"event: b\r\ndata: c\r\n\r\n"):
        edges.watched(partial(failure, target, data))
        seen.append(edges.new)
    assert seen == [True, False, True]


def test_splits_are_the_same_bytes() -> None:
    for data in (b"", b"a", bytes(range(256)) * 3):
        assert all(b"".join(pieces) == data for pieces in splits(data))
        assert splits(data) == splits(data)


def test_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What is found is saved small; without a defect nothing is."""
    options = ["run", "records", "--seconds", "0.3", "--save", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", options)
    assert run.main() == 0
    assert "0 failures" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("tests.fuzz.targets.records.read_record", lambda *_: 1 / 0)
    assert run.main() == 1
    assert "ZeroDivisionError" in capsys.readouterr().out
    (saved,) = tmp_path.iterdir()
    assert saved.read_bytes() == b""
