"""Runs of the real detectors, and of the whole fold, on the worlds: one seed, one number.

Not here: the worlds (drift_worlds.py), bars and tables (drift.py). Invariant: a run is a function of its seed; nothing
of a detector is rebuilt here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from random import Random
from typing import Any, Final

from bench.drift_worlds import Triggers, logit_shift, outcomes, rate_runs, sizes, triggers
from proxy.drift.detector import ALARMED
from proxy.drift.fleet import Fleet
from proxy.drift.kinds import PairDetector, detector
from proxy.drift.offset import OffsetDetector
from proxy.drift.rate import RateDetector
from proxy.drift.recovery import RateRecovery
from proxy.drift.report import Alarm, StateChanged
from proxy.drift.rows import AnswersRow, Key, PairRow, Row, Series, Terms, TermsRow, Value
from proxy.drift.states import State

CHANGE: Final = 10_000
HEALTHY: Final = 100_000
BUDGET: Final = 1e6
KEY: Final = Key("vendor", "policy", "thinking")


def _random(seed: int) -> Random:
    return Random(seed)


# Streams into detectors.


def _alone(kind: str, tolerance: float, budget: float = BUDGET, group: str = "rest") -> Any:  # noqa: ANN401
    series = Series(kind, kind, group, tolerance, 1.0)
    return detector(series, Terms((series,), clock="pairs", budget=budget))


def rate_delay(seed: int, before: float, after: float) -> float | None:
    """Pairs from the change to the alarm."""
    found: RateDetector = _alone("rate", before)
    at = 0
    for violated, length in rate_runs(_random(seed), before, after, CHANGE, CHANGE + 15_000):
        at += length
        if found.run(violated, length, 1.0, float(at)) == ALARMED:
            if at > CHANGE:
                return at - CHANGE
            found.restart()
    return None


def rate_false_alarms(seed: int, rate: float) -> float:
    """Alarms of a healthy vendor."""
    found: RateDetector = _alone("rate", rate, budget=1e4)
    alarms = 0
    for violated, length in rate_runs(_random(seed), rate, rate, HEALTHY, HEALTHY):
        if found.run(violated, length, 1.0, 0.0) == ALARMED:
            alarms += 1
            found.restart()
    return alarms


def _pair_delay(found: PairDetector, values: Iterable[Value], change: int) -> float | None:
    for at, value in enumerate(values):
        if found.fold(value, 1.0, float(at), at) == ALARMED:
            if at >= change:
                return at - change + 1
            found.restart()
    return None


def size_delay(seed: int, shift: float = 0.0, halved: float = 0.0) -> float | None:
    """Pairs from the change to the alarm."""
    random = _random(seed)
    values = chain(islice(sizes(random), CHANGE), islice(sizes(random, shift, halved), 15_000))
    return _pair_delay(_alone("size", 0.0), values, CHANGE)


def size_false_alarms(seed: int) -> float:
    """Alarms of a healthy vendor."""
    found: PairDetector = _alone("size", 0.0, budget=1e4)
    alarms = 0
    for at, value in enumerate(islice(sizes(_random(seed)), HEALTHY)):
        if found.fold(value, 1.0, float(at), at) == ALARMED:
            alarms += 1
            found.restart()
    return alarms


def offset_delay(seed: int, rate: float) -> float | None:
    """Pairs from the change to the alarm; before it a thousandth of the offsets is odd."""
    found: OffsetDetector = _alone("offset", 1e-3, group="contract")
    drawn = rate_runs(_random(seed), 1e-3, rate, 2000, 5000)
    values: Iterator[Value] = (["tools", 150 if odd else 1] for odd, length in drawn for _ in range(length))
    return _pair_delay(found, values, 2000)


def contract_delay(seed: int, rate: float) -> float | None:
    """Answers from the change to the alarm; before it a thousandth of them breaks the contract."""
    found: RateDetector = _alone("rate", 1e-3, group="contract")
    at = 0
    for violated, length in rate_runs(_random(seed), 1e-3, rate, 2000, 7000):
        for _ in range(length):
            at += 1
            if found.run(violated, 1, 1.0, float(at)) == ALARMED:
                if at > 2000:
                    return at - 2000
                found.restart()
    return None


def trigger_delay(
    seed: int, kind: str, floor: float = 0.05, rate: float = 0.5, scrambled: float = 0.0, before: float = 0.5
) -> float | None:
    """Pairs from the change to the alarm. `before`: the vendor's trigger rate until then. After it: the floor of
    disagreement, the vendor's trigger rate, the share of its decisions that is turned round.
    """
    random = _random(seed)
    first, shift = (0.0 if target == 0.5 else logit_shift(0.05, target) for target in (before, rate))
    worlds = chain(
        islice(triggers(random, 0.05, first), CHANGE), islice(triggers(random, floor, shift, scrambled), 20_000)
    )
    return _pair_delay(_alone(kind, 0.0), _read(worlds, kind), CHANGE)


def _read(worlds: Iterable[Triggers], kind: str) -> Iterator[Value]:
    return (world.cell if kind == "swap" else world.h for world in worlds)


def mix_alarm(seed: int, kind: str) -> float:
    """Whether a healthy vendor alarms after the traffic became harder."""
    return float(trigger_delay(seed, kind, floor=0.12) is not None)


def recovery_delay(seed: int) -> float | None:
    """Rate 10 %, then 5 %; the null is still 7.5 %."""
    recovery, at = RateRecovery(0.075), 0
    for violated, length in rate_runs(_random(seed), 0.10, 0.05, 5000, 25_000):
        at += length
        recovery.run(violated, length)
        if recovery.mixture.evidence >= len(recovery.mixture.m) * Terms(()).recover_at:
            if at > 5000:
                return at - 5000
            recovery = RateRecovery(0.075)
    return None


def rows_delay(seed: int) -> float | None:
    """S8: the one log, in rows of 25 answers, through the whole fold."""
    series = Series("disagrees", "rate", "rest", 0.05, 1.0)
    fleet, random, at = Fleet(), _random(seed), 0
    fleet.fold(TermsRow(0.0, Terms((series,), clock="pairs", budget=BUDGET)))
    while at < CHANGE + 15_000:
        rate = 0.05 if at < CHANGE else 0.10
        at += 25
        events = fleet.fold(AnswersRow(float(at), KEY, 25, {"disagrees": outcomes(random, rate, 25)}))
        if at > CHANGE and any(isinstance(event, Alarm) for event in events):
            return at - CHANGE
    return None


# The whole fleet of signals.

_RARE: Final = 0.002


def _fleet_series() -> tuple[Series, ...]:
    contracts = [("prompt_tokens", "offset")] + [(f"contract_{k}", "rate") for k in range(5)]
    tools = [("tool_trigger", "swap"), ("tool_arguments", "rate"), ("tool_names", "triple"), ("tool_calls", "sign")]
    rest = [
        *((f"length_{k}", "size") for k in range(4)),
        *((f"rare_{k}", "swap") for k in range(8)),
        *((f"degenerate_{k}", "rate") for k in range(3)),
        *((f"alike_{k}", "triple") for k in range(2)),
    ]
    groups = (("contract", 0.3, 0.001, contracts), ("tools", 0.3, 0.005, tools), ("rest", 0.4, 0.002, rest))
    watched = tuple(
        Series(name, kind, group, rate if kind in {"rate", "offset"} else 0.02, share / len(members))
        for group, share, rate, members in groups
        for name, kind in members
    )
    return (*watched, Series("errors", "baseline", "rest", 0.0, 0.0))


def fleet_rows(random: Random, pairs: int, harder_at: int, step_s: float) -> Iterator[Row]:
    """A healthy vendor; from `harder_at` on, prompts on which two healthy answers differ more often."""
    series = _fleet_series()
    names = {kind: [one.name for one in series if one.kind == kind] for kind in ("size", "triple", "rate")}
    easy, hard, lengths = triggers(random, 0.05), triggers(random, 0.12), sizes(random)
    rare = [one.name for one in series if one.name.startswith("rare_")]
    for number in range(pairs):
        world = next(easy if number < harder_at else hard)
        other = next(easy if number < harder_at else hard)
        values: dict[str, Value] = {"prompt_tokens": ["tools", 0 if random.random() > 5e-4 else 2]}
        values["tool_trigger"] = world.cell
        values["tool_calls"] = float(other.vendor - other.reference)
        values |= {name: next(lengths) for name in names["size"]}
        values |= {name: world.h if k else other.h for k, name in enumerate(names["triple"])}
        values |= {name: 0 if random.random() > 2 * _RARE else random.choice((1, 2)) for name in rare}
        yield PairRow((number + 1) * step_s, number, KEY, "reference", values)
        if number % 10 == 9:  # a hundredth of the answers is mirrored here too
            bad = {name: outcomes(random, 2e-4, 1000) for name in names["rate"]}
            bad["errors"] = outcomes(random, 0.01, 1000)
            yield AnswersRow((number + 1) * step_s, KEY, 1000, bad)


def fleet_alarms(seed: int, terms: Terms, pairs: int, harder_at: int, *, of_baselines: bool = False) -> float:
    """Alarms of the series that make the state and share the budget, or of the baselines, which do neither."""
    fleet = Fleet()
    fleet.fold(TermsRow(0.0, terms))
    rows = fleet_rows(_random(seed), pairs, harder_at, 30.0)
    alarms = (event for row in rows for event in fleet.fold(row) if isinstance(event, Alarm))
    return sum((alarm.kind == "baseline") is of_baselines for alarm in alarms)


def warned_share(seed: int, pairs: int = 20_000) -> float:
    """Of a healthy vendor's pairs, how many came while its state was a warning."""
    fleet, warned, counted = Fleet(), False, 0
    fleet.fold(TermsRow(0.0, Terms(_fleet_series(), mirrored=True)))
    for row in fleet_rows(_random(seed), pairs, pairs, 30.0):
        for event in fleet.fold(row):
            if isinstance(event, StateChanged):
                warned = event.state is State.WARN
        counted += warned and isinstance(row, PairRow)
    return counted / pairs


def healthy_alarms(seed: int, *, of_baselines: bool = False) -> float:
    """Alarms in 17 days of a healthy vendor at the default budget; five million answers."""
    terms = Terms(_fleet_series(), mirrored=True)
    return fleet_alarms(seed, terms, 50_000, 50_000, of_baselines=of_baselines)


def harder_alarm(seed: int) -> float:
    terms = Terms(_fleet_series(), clock="pairs", budget=BUDGET, mirrored=True)
    return float(fleet_alarms(seed, terms, 30_000, 15_000) > 0)
