"""The search for an input that fails: from the corpus, by chance, and by which lines of proxy/ it reaches.

Not here: the targets, the command line (run.py). Invariant: the same target, corpus, seed and count give the same
inputs, unless edges are followed, which depends on nothing but the code.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from types import FrameType
from typing import Any, Final

from tests.fuzz.mutation import mutated
from tests.fuzz.target import Target
from tests.source import ROOT

_PROXY: Final = str(ROOT / "proxy")
_MOST_KEPT: Final = 2000


@dataclass(frozen=True, slots=True)
class Failure:
    """An input, and what came of it: the kind of error and where it was raised."""

    data: bytes
    error: Exception

    @property
    def mark(self) -> tuple[str, str, int]:
        """The same for inputs that fail alike."""
        trace = self.error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = ("", 0) if trace is None else (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        return type(self.error).__name__, *place


def failure(target: Target, data: bytes) -> Failure | None:
    """What an input does to a target; None: nothing wrong."""
    try:
        target.check(data)
    except Exception as error:
        return Failure(data, error)
    return None


def inputs(target: Target, seed: int, kept: Sequence[bytes]) -> Iterator[bytes]:
    """Inputs without end; `kept` may grow meanwhile."""
    draw = Random(seed)
    while True:
        if target.make is not None and draw.random() < 0.4:
            made = target.make(draw)
            yield made if draw.random() < 0.3 else mutated(draw, made, kept, target.words, target.longest)
        else:
            yield mutated(draw, draw.choice(kept), kept, target.words, target.longest)


def hunt(target: Target, seed: int, go_on: Callable[[int], bool], *, guided: bool) -> tuple[int, list[Failure]]:
    """Feed inputs while `go_on` of their number says so. Returns that number, and one failure of each kind."""
    kept = [path.read_bytes() for path in target.corpus()]
    found: dict[tuple[str, str, int], Failure] = {}
    edges = Edges() if guided else None
    count = 0
    for data in inputs(target, seed, kept):
        if not go_on(count):
            break
        count += 1
        failed = failure(target, data) if edges is None else edges.watched(partial(failure, target, data))
        if failed is not None:
            found.setdefault(failed.mark, failed)
        elif edges is not None and edges.new and len(kept) < _MOST_KEPT:
            kept.append(data)
    return count, list(found.values())


def smallest(target: Target, failed: Failure, most: int = 3000) -> Failure:
    """The failing input with everything taken away that it fails without, in at most so many tries."""
    best, tries, size = failed, 0, max(1, len(failed.data) // 2)
    while size and tries < most:
        at, shorter = 0, False
        while at < len(best.data) and tries < most:
            tries += 1
            less = failure(target, best.data[:at] + best.data[at + size :])
            if less is not None and less.mark == failed.mark:
                best, shorter = less, True
            else:
                at += size
        size = size if shorter and size == 1 else size // 2
    return best


class Edges:
    """Which lines of proxy/ were followed by which, of all inputs so far. `new`: the last input added to them."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, int, int]] = set()
        self.new = False

    def watched(self, run: Callable[[], Failure | None]) -> Failure | None:
        """Run, and note the edges."""
        before, outer = len(self._seen), sys.gettrace()
        sys.settrace(self._enter)
        try:
            return run()
        finally:
            sys.settrace(outer)
            self.new = len(self._seen) > before

    def _enter(self, frame: FrameType, event: str, _argument: Any) -> Callable[..., Any] | None:  # noqa: ANN401
        if not frame.f_code.co_filename.startswith(_PROXY):
            return None
        code, last, seen = hash(frame.f_code), 0, self._seen

        def trace(inner: FrameType, _event: str, _argument: Any) -> Callable[..., Any]:  # noqa: ANN401
            nonlocal last
            seen.add((code, last, inner.f_lineno))
            last = inner.f_lineno
            return trace

        return trace
