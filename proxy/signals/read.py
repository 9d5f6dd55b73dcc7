"""One answer, pair or triple -> the values of its signals, as the log keeps them.

A value, by the kind of its signal:

    rate    True: violated
    swap    0 neither, 1 vendor only, 2 reference only, 3 both
    size    [ln(1 + vendor's amount), ln(1 + reference's amount)]
    sign    the payoff in [-1, 1]
    triple  h = k(R, R') - (k(V, R) + k(V, R')) / 2
    offset  [bucket, offset]

Not here: the signals (one file each). Invariants: a signal that does not apply is left out; exchanging the two answers
of a pair exchanges swap and size and turns the sign around. An Answer may be given as a Read (features.read), so that
what one call found out the next one need not.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log1p
from typing import Final, TypeAlias

from proxy.contract.answer import Answer
from proxy.contract.asked import Asked
from proxy.signals import SELF_TESTS, SIGNALS
from proxy.signals.features import Read, read
from proxy.signals.signal import Offset, Rate, Sign, Size, Swap, Triple

Value: TypeAlias = int | float | list[float] | list[str | int]
_Swaps: TypeAlias = tuple[tuple[str, Callable[[Read], bool | None]], ...]
_Sizes: TypeAlias = tuple[tuple[str, Callable[[Read], float | None]], ...]

_RATES: Final = tuple((one.name, one.violated) for one in SIGNALS if isinstance(one, Rate))
_SWAPS: Final = tuple((one.name, one.has) for one in SIGNALS if isinstance(one, Swap))
_SIZES: Final = tuple((one.name, one.amount) for one in SIGNALS if isinstance(one, Size))
_SIGNS: Final = tuple((one.name, one.payoff) for one in SIGNALS if isinstance(one, Sign))
_OFFSETS: Final = tuple((one.name, one.offset) for one in SIGNALS if isinstance(one, Offset))
_TRIPLES: Final = tuple((one.name, one.alike) for one in SIGNALS if isinstance(one, Triple))
_TESTED_SWAPS: Final = tuple((one.name, one.has) for one in SELF_TESTS if isinstance(one, Swap))
_TESTED_SIZES: Final = tuple((one.name, one.amount) for one in SELF_TESTS if isinstance(one, Size))


def read_rates(answer: Answer, asked: Asked) -> dict[str, bool]:
    """The rate signals that apply to one answer; True: violated."""
    one = read(answer, asked)
    return {name: value for name, violated in _RATES if (value := violated(one)) is not None}


def read_pair(vendor: Answer, reference: Answer, asked: Asked) -> dict[str, Value]:
    """The swap, size, sign and offset signals that apply to a pair."""
    one, other = read(vendor, asked), read(reference, asked)
    values = _compared(one, other, _SWAPS, _SIZES)
    for name, payoff in _SIGNS:
        if (value := payoff(one, other)) is not None:
            values[name] = value
    for name, offset in _OFFSETS:
        if (found := offset(one, other)) is not None:
            placed: list[str | int] = [*found]
            values[name] = placed
    return values


def read_triple(vendor: Answer, reference: Answer, second: Answer, asked: Asked) -> dict[str, Value]:
    """The triple signals that apply, and SELF_TESTS: the reference's second answer in the vendor's place."""
    one, other, third = read(vendor, asked), read(reference, asked), read(second, asked)
    values = _compared(third, other, _TESTED_SWAPS, _TESTED_SIZES)
    for name, alike in _TRIPLES:
        floor, first, last = alike(other, third), alike(one, other), alike(one, third)
        if floor is not None and first is not None and last is not None:
            values[name] = floor - (first + last) / 2
    return values


def _compared(one: Read, other: Read, swaps: _Swaps, sizes: _Sizes) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, has in swaps:
        ours = has(one)
        if ours is not None and (theirs := has(other)) is not None:
            values[name] = ours + 2 * theirs
    for name, amount in sizes:
        mine = amount(one)
        if mine is not None and (its := amount(other)) is not None:
            values[name] = [log1p(mine), log1p(its)]
    return values
