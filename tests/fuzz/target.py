"""What a fuzz target is: a function of bytes that raises when something is wrong, and what its inputs are made of.

Not here: the targets (targets/), how inputs change (mutation.py), who runs them (run.py). Invariant: a check depends on
its input alone, so that a saved input fails wherever it is fed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.source import ROOT

CORPORA = ROOT / "tests" / "cases" / "fuzz"
Check = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Target:
    """`check` raises AssertionError when an invariant is broken; whatever else it raises is a finding as well. `words`
    are pieces of the format. `make` draws a whole input where mutated bytes alone would be refused at the first one.
    """

    name: str
    check: Check
    words: tuple[bytes, ...]
    make: Callable[[Random], bytes] | None = None
    longest: int = 4096

    @property
    def folder(self) -> Path:
        return CORPORA / self.name

    def corpus(self) -> list[Path]:
        """Seeds, and every input that once found something."""
        return sorted(self.folder.iterdir())


def splits(data: bytes) -> tuple[list[bytes], ...]:
    """The same bytes whole, one at a time, and in pieces that depend on nothing but them."""
    draw, pieces, at = Random(zlib.crc32(data)), [], 0
    while at < len(data):
        size = draw.choice((1, 2, 3, 7, 30, 200))
        pieces.append(data[at : at + size])
        at += size
    return [data], [data[i : i + 1] for i in range(len(data))], pieces


def option(data: bytes) -> tuple[int, bytes]:
    """A first byte that chooses how the rest is used, so that saved inputs keep their choice."""
    return (data[0] if data else 0), data[1:]
