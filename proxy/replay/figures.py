"""Figures: from counts by record to metrics with bounds.

Bounds are of a 95 % percentile bootstrap over records: all epochs of a record are drawn together, since they are not
independent. Where a metric is the same in every draw, that says nothing, and the exact binomial bounds over records
(Clopper and Pearson) stand in its place; a single record that is neither all right nor all wrong has none.

Not here: counting (facts.py). Invariant: the same counts and the same seed give the same figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from math import ceil, exp, lgamma, log
from random import Random
from typing import Final, NamedTuple, TypeAlias

import msgspec

from proxy.replay.facts import Counts
from proxy.replay.summary import Agreement, Figure, Kvv, KvvCounts
from proxy.signals import kvv

RESAMPLES: Final = 1000
_TAIL: Final = 0.025
_SAME: Final = 1e-9
"""Values that differ by less differ by rounding alone."""
_STEPS: Final = 50

Vector: TypeAlias = tuple[int, ...]


class Found(NamedTuple):
    """A metric of summed counts, made of `n` values; None: it has no meaning. `telling`: how many of them say anything
    about it.
    """

    value: float | None
    n: int
    telling: int


Metric: TypeAlias = Callable[[Vector], Found]


def _share(part: int, whole: int) -> Found:
    return Found(part / whole if whole else None, whole, whole)


def _kvv_f1(v: Vector) -> Found:
    return _of_pairs(v, kvv.f1(v[0], v[1], v[2]), sum(v[0:3]))


def _kvv_precision(v: Vector) -> Found:
    return _of_pairs(v, v[0] / (v[0] + v[1]) if v[0] + v[1] else 0.0, v[0] + v[1])


def _kvv_recall(v: Vector) -> Found:
    return _of_pairs(v, v[0] / (v[0] + v[2]) if v[0] + v[2] else 0.0, v[0] + v[2])


def _of_pairs(v: Vector, value: float, telling: int) -> Found:
    """The verifier's way: 0 where there is no denominator."""
    pairs = sum(v[0:4])
    return Found(value if pairs else None, pairs, telling)


def _trigger_f1(v: Vector) -> Found:
    telling = sum(v[4:7])
    return Found(kvv.f1(v[4], v[5], v[6]) if telling else None, sum(v[4:8]), telling)


KVV: Final[Mapping[str, Metric]] = {
    "tool_call_f1": _kvv_f1,
    "precision": _kvv_precision,
    "recall": _kvv_recall,
    "schema_accuracy": lambda v: _share(v[11], v[10]),
}
AGREEMENT: Final[Mapping[str, Metric]] = {
    "trigger_f1": _trigger_f1,
    "trigger_agreement": lambda v: _share(v[4] + v[7], sum(v[4:8])),
    "tool_agreement": lambda v: _share(v[8], v[4]),
    "arguments_agreement": lambda v: _share(v[9], v[4]),
    "valid_calls": lambda v: _share(v[13], v[12]),
}
LAWFUL: Final[Mapping[str, Metric]] = {"contract_pass_rate": lambda v: _share(v[15], v[14])}
CORRECT: Final[Mapping[str, Metric]] = {"correct": lambda v: _share(v[0], v[1])}


def figures(
    metrics: Mapping[str, Metric], records: Counter[Vector], draw: Random, resamples: int = RESAMPLES
) -> dict[str, Figure]:
    """Each metric of all records together. `records` says how many records have which counts."""
    kinds = list(records)
    drawn = [_summed(kinds, sample) for sample in _samples(records, draw, resamples)] if kinds else []
    total = _summed(kinds, records)
    return {name: _figure(metric, total, drawn, records) for name, metric in metrics.items()} if kinds else {}


def kvv_of(found: Mapping[str, Figure], counts: KvvCounts) -> Kvv:
    """The verifier's metrics out of all figures."""
    return msgspec.convert({**_named(KVV, found), "counts": counts}, Kvv)


def kvv_counts(finishes: Counter[str], valid: int, succeeded: int) -> KvvCounts:
    """The verifier's summary: of all rows by finish reason ("" without one), those with valid calls, and those that
    succeeded.
    """
    others = {name: n for name, n in sorted(finishes.items()) if name not in ("", "stop", "tool_calls")}
    triggers = finishes["tool_calls"]
    return KvvCounts(
        success_count=succeeded,
        failure_count=finishes.total() - succeeded,
        finish_stop=finishes["stop"],
        finish_tool_calls=triggers,
        finish_others=sum(others.values()),
        finish_others_detail=others,
        schema_validation_error_count=triggers - valid,
        count_finish_reason_tool_calls=triggers,
        count_successful_tool_call=valid,
    )


def agreement_of(found: Mapping[str, Figure]) -> Agreement:
    """Ours out of all figures."""
    return msgspec.convert(_named(AGREEMENT, found), Agreement)


def _named(metrics: Mapping[str, Metric], found: Mapping[str, Figure]) -> dict[str, Figure]:
    return {name: found[name] for name in metrics if name in found}


def _figure(metric: Metric, total: Vector, drawn: Sequence[Vector], records: Counter[Vector]) -> Figure:
    value, n, telling = metric(total)
    values = sorted(each for vector in drawn if (each := metric(vector).value) is not None)
    if value is None or not values or not telling:
        return Figure(value, n=n)
    lower, upper = _at(values, _TAIL), _at(values, 1.0 - _TAIL)
    if upper - lower < _SAME:
        told = sum(count for vector, count in records.items() if metric(vector).telling)
        if told == 1 and 0.0 < value < 1.0:
            return Figure(value, n=n)
        lower, upper = 1.0 - _highest((1.0 - value) * told, told), _highest(value * told, told)
    return Figure(value, lower, upper, n)


def _highest(events: float, n: int) -> float:
    """The highest share with which at most so many events of `n` are no rarer than a tail; part of one is one."""
    most = ceil(events - _SAME)
    if most >= n:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(most, n, middle) > _TAIL else (low, middle)
    return low


def _at_most(most: int, n: int, share: float) -> float:
    """The chance of at most so many events of `n`, by logarithms: the terms of many records are beyond a double."""
    one, other, ways = log(share), log(1.0 - share), lgamma(n + 1)
    return sum(exp(ways - lgamma(k + 1) - lgamma(n - k + 1) + k * one + (n - k) * other) for k in range(most + 1))


def _samples(records: Counter[Vector], draw: Random, resamples: int) -> list[Counter[Vector]]:
    """As many records as there are, with replacement, that many times."""
    kinds, bounds = list(records), list(accumulate(records.values()))
    return [Counter(draw.choices(kinds, cum_weights=bounds, k=bounds[-1])) for _ in range(resamples)]


def _summed(kinds: Sequence[Vector], times: Counter[Vector]) -> Vector:
    if not kinds:
        return Counts()
    return tuple(sum(kind[at] * times[kind] for kind in kinds) for at in range(len(kinds[0])))


def _at(values: Sequence[float], share: float) -> float:
    return values[min(int(share * len(values)), len(values) - 1)]
