"""Rows made up for the tests, and folding them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import msgspec

from proxy.drift.detector import Detector
from proxy.drift.fleet import Fleet
from proxy.drift.kinds import detector
from proxy.drift.report import Event, KeyView
from proxy.drift.rows import (
    AcknowledgedRow,
    AnswersRow,
    Key,
    LostRow,
    PairRow,
    ProbesRow,
    Row,
    Series,
    Terms,
    TermsRow,
    Value,
)

KEY = Key("vendor", "policy", "thinking")
OTHER = Key("another", "policy", "thinking")
KINDS = ("rate", "swap", "size", "sign", "triple", "offset", "baseline")


def series(name: str, kind: str | None = None, *, tolerance: float | None = None, **changes: Any) -> Series:  # noqa: ANN401
    """A series named for its kind, with a tolerance that its kind allows."""
    kind = kind or name
    usual = {"rate": 0.005, "offset": 0.001}.get(kind, 0.0)
    group = "contract" if kind == "offset" else "rest"
    made = Series(name, kind, group, usual if tolerance is None else tolerance, 1.0)
    return replace(made, **changes)


def terms(*watched: Series, **changes: Any) -> Terms:  # noqa: ANN401
    """A million pairs between false alarms."""
    return replace(Terms(watched, clock="pairs", budget=1e6), **changes)


def offset(bucket: str, tokens: int) -> list[str | int]:
    return [bucket, tokens]


def alone(one: Series, **changes: Any) -> Any:  # noqa: ANN401
    """The detector of one series."""
    return detector(one, terms(one, **changes))


def bet(found: Any, values: Iterable[Any]) -> list[int]:  # noqa: ANN401
    """What each value of a paired series did."""
    return [found.fold(value, 1.0, float(at), at) for at, value in enumerate(values)]


def mixture_m(found: Detector) -> float:
    return found.mixture.evidence / len(found.mixture.m)


def mixture_c(found: Detector) -> float:
    return found.mixture.heat / len(found.mixture.c)


def pairs(
    values: Sequence[dict[str, Value]], *, at_s: float = 0.0, step_s: float = 1.0, key: Key = KEY, reference: str = "r"
) -> list[Row]:
    return [PairRow(at_s + (at + 1) * step_s, at, key, reference, each) for at, each in enumerate(values)]


def answers(name: str, outcomes: bytes, *, at_s: float, key: Key = KEY) -> AnswersRow:
    return AnswersRow(at_s, key, len(outcomes), {name: outcomes})


def fold(fleet: Fleet, rows: Iterable[Row]) -> list[Event]:
    return [event for row in rows for event in fleet.fold(row)]


def fleet_of(*watched: Series, **changes: Any) -> Fleet:  # noqa: ANN401
    fleet = Fleet()
    fleet.fold(TermsRow(0.0, terms(*watched, **changes)))
    return fleet


def only(fleet: Fleet, now_s: float) -> KeyView:
    (view,) = fleet.view(now_s)
    return view


def bits(fleet: Fleet) -> bytes:
    return msgspec.msgpack.encode(fleet.state())


def some_rows(seed: int, count: int) -> list[Row]:
    """Rows of every sort, of two vendors, with drifts in them."""
    random, at_s = Random(seed), 0.0
    watched = [series(kind) for kind in KINDS]
    rows: list[Row] = [TermsRow(0.0, terms(*watched, budget=300.0, window_s=2000.0, mirrored=True, enough=5))]
    for number in range(count):
        at_s += random.choice([0.0, 0.5, 7.0, 300.0])
        key, drifts = random.choice([KEY, OTHER]), (number // 40) % 2 == 1
        draw = random.random()
        if draw < 0.75:
            rows.append(PairRow(at_s, number, key, "b" if number > 300 else "a", _values(random, drifts=drifts)))
        elif draw < 0.9:
            rate = 0.2 if drifts else 0.002
            outcomes = {kind: bytes(random.random() < rate for _ in range(40)) for kind in ("rate", "baseline")}
            rows.append(AnswersRow(at_s, key, 50, outcomes))
        elif draw < 0.96:
            rows.append(LostRow(at_s, number, key, random.choice(["vendor", "reference", "proxy"]), "timeout"))
        elif draw < 0.97:
            rows.append(ProbesRow(at_s, key, {"rate": bytes([drifts])}))
        elif draw < 0.98:
            rows.append(AcknowledgedRow(at_s, key.vendor, random.choice(["", "swap", "offset"])))
        else:
            rows.append(
                TermsRow(at_s, terms(*watched[random.randrange(3) :], clock="hours", budget=0.5, mirrored=True))
            )
    return rows


def _values(random: Random, *, drifts: bool) -> dict[str, Value]:
    values: dict[str, Value] = {
        "swap": random.choice([0, 1, 1, 1, 3] if drifts else [0, 1, 2, 3]),
        "size": [random.gauss(5.0 if drifts else 6.0, 0.4), random.gauss(6.0, 0.4)],
        "sign": random.choice([-1.0, 0.0, 0.5]),
        "triple": random.uniform(-0.5, 0.9 if drifts else 0.5),
        "offset": offset(random.choice("ab"), 90 if drifts else random.choice([0, 0, 0, 1])),
        "unknown": 1,
    }
    return {name: value for name, value in values.items() if random.random() < 0.8}
