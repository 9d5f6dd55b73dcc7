"""Synthetic vendors and references: the generators of drift.md section 8, one stream at a time.

Here: draws. Not here: detectors (proxy/drift) and what is measured (drift.py). Invariant: a stream is a function of its
Random; it is drawn lazily, so that a run may stop at its alarm.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import exp, log, log1p
from random import Random
from typing import Final, NamedTuple

_LEVEL: Final = 7.0
"""ln(1 + characters) around which lengths vary; only differences matter."""


def rate_runs(random: Random, before: float, after: float, change: int, end: int) -> Iterator[tuple[int, int]]:
    """(outcome, length) of runs: violations at rate `before`, from `change` on at rate `after`."""
    for rate, length in ((before, change), (after, end - change)):
        left = length
        while left > 0:
            gap = int(log(1.0 - random.random()) / log1p(-rate)) if rate < 1.0 else 0
            if gap >= left:
                yield 0, left
                break
            if gap:
                yield 0, gap
            yield 1, 1
            left -= gap + 1


def outcomes(random: Random, rate: float, count: int) -> bytes:
    """As many answers, violated at one rate."""
    return b"".join(bytes([violated]) * length for violated, length in rate_runs(random, rate, rate, count, count))


def sizes(random: Random, shift: float = 0.0, halved: float = 0.0) -> Iterator[list[float]]:
    """S3: pairs of log lengths, spread 0.4 with a tenth at 1.2; the vendor's shifted, or a share of them halved."""
    while True:
        spread_v = 1.2 if random.random() < 0.1 else 0.4
        spread_r = 1.2 if random.random() < 0.1 else 0.4
        vendor = random.gauss(_LEVEL, spread_v) + shift
        if halved and random.random() < halved:
            vendor -= log(2.0)
        yield [max(vendor, 0.0), max(random.gauss(_LEVEL, spread_r), 0.0)]


class Triggers(NamedTuple):
    """Whether each of three answers to one prompt called a tool."""

    vendor: bool
    reference: bool
    again: bool

    @property
    def cell(self) -> int:
        """As the value of a swap."""
        return (0, 2, 1, 3)[2 * self.vendor + self.reference]

    @property
    def h(self) -> float:
        """As the value of a triple."""
        return (self.reference is self.again) - 0.5 * ((self.vendor is self.reference) + (self.vendor is self.again))


def triggers(random: Random, floor: float, shift: float = 0.0, scrambled: float = 0.0) -> Iterator[Triggers]:
    """S5: prompts with a trigger probability of mean 1/2, two answers to one differing at rate `floor`; the vendor's
    probability shifted by a logit, or a share of its decisions turned round.
    """
    weight = _concentration(floor)
    draw = random.random
    while True:
        p = random.betavariate(weight, weight)
        q = _shifted(p, shift) if shift else p
        vendor = draw() < q
        if scrambled and draw() < scrambled:
            vendor = not vendor
        yield Triggers(vendor, draw() < p, draw() < p)


@cache
def logit_shift(floor: float, target: float) -> float:
    """The shift that takes the mean trigger rate from 1/2 to `target`, on 40,000 prompts, half of them the mirror image
    of the others, so that their mean is 1/2 without a shift.
    """
    random, weight = Random(0), _concentration(floor)
    drawn = [random.betavariate(weight, weight) for _ in range(20_000)]
    prompts = [*drawn, *(1.0 - p for p in drawn)]
    low, high = -4.0, 4.0
    for _ in range(14):
        middle = (low + high) / 2
        if sum(_shifted(p, middle) for p in prompts) / len(prompts) < target:
            low = middle
        else:
            high = middle
    return low


def _concentration(floor: float) -> float:
    """The a of Beta(a, a) with E[2 p (1 - p)] = floor."""
    share = floor / 0.5
    return 0.5 * share / (1 - share)


def _shifted(p: float, shift: float) -> float:
    p = min(max(p, 1e-12), 1 - 1e-12)
    return 1 / (1 + exp(-(log(p) - log1p(-p) + shift)))
