"""Reads --toxic NAME[:VALUE[,VALUE]...][=SHARE][@TOWARDS].

Here: the syntax and its errors. Not here: what a toxic does. Invariant: a setting that is returned names a toxic that
exists, with all of its values.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from typing import Final

from proxy.simulator.toxics import TOXICS
from proxy.simulator.toxics.toxic import Towards, Toxic, Unit, Value

SYNTAX: Final = "NAME[:VALUE,...][=SHARE][@TOWARDS]"
_PARTS: Final = re.compile(r"(?P<name>[^:=@]*)(:(?P<values>[^=@]*))?(=(?P<share>[^@]*))?(@(?P<towards>.*))?")
_UNITS: Final[dict[Unit, dict[str, float]]] = {
    Unit.TIME: {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0},
    Unit.SIZE: {"": 1.0, "B": 1.0, "KB": 1e3, "MB": 1e6, "KiB": 1024.0, "MiB": 1024.0**2},
}
_EXAMPLE: Final = {Unit.TIME: "200ms", Unit.SIZE: "64KiB"}


class UnknownToxic(ValueError):
    """A toxic that cannot be read. The message says what was seen, what is allowed and the remedy."""


@dataclass(frozen=True, slots=True)
class ToxicSetting:
    """One toxic switched on: for a share of the connections (0..1), in one direction, with its values in seconds and
    bytes.
    """

    name: str
    values: tuple[float, ...]
    share: float = 1.0
    towards: Towards = Towards.CLIENT

    def __str__(self) -> str:
        return f"{self.name}:{','.join(f'{value:g}' for value in self.values)}={self.share:g}@{self.towards}"


def toxic_named(name: str) -> Toxic:
    """The toxic of that name. Raises UnknownToxic with the closest valid name."""
    for toxic in TOXICS:
        if toxic.name == name:
            return toxic
    names = [toxic.name for toxic in TOXICS]
    close = difflib.get_close_matches(name, names, 1, cutoff=0.5)
    remedy = f"did you mean {close[0]}?" if close else "`paramwall simulate --list-toxics` shows them all"
    raise UnknownToxic(f"unknown toxic {name!r}\nhint: {remedy}")


def parse_toxic(text: str) -> ToxicSetting:
    """A setting such as latency:200ms,50ms=0.3@vendor: share 0..1 (default 1), towards client (default) or vendor.

    Raises UnknownToxic.
    """
    parts = _PARTS.fullmatch(text.strip())
    if parts is None:
        raise UnknownToxic(
            f"cannot read the toxic {text!r}\nhint: write {SYNTAX}, for example latency:200ms=0.5@vendor"
        )
    toxic = toxic_named(parts["name"])
    seen = [] if parts["values"] is None else parts["values"].split(",")
    if len(seen) > len(toxic.values):
        raise UnknownToxic(
            f"{toxic.name} takes {len(toxic.values)} values at most, {len(seen)} in {text!r}\nhint: {example(toxic)}"
        )
    values = [_value(value, given, text) for value, given in zip(toxic.values, seen, strict=False)]
    values += [value.default for value in toxic.values[len(seen) :]]
    return ToxicSetting(
        toxic.name, tuple(values), _share(parts["share"], toxic, text), _towards(parts["towards"], text)
    )


def parse_toxics(*texts: str) -> tuple[ToxicSetting, ...]:
    """Several settings."""
    return tuple(parse_toxic(text) for text in texts)


def example(toxic: Toxic) -> str:
    """How one is written, with its defaults."""
    return f"{toxic.name}:{','.join(shown(value) for value in toxic.values)}"


def shown(value: Value) -> str:
    """A default with its unit."""
    if value.unit is Unit.SIZE or value.default == 0:
        return f"{value.default:g}"
    return f"{value.default:g}s" if value.default >= 1 else f"{value.default * 1000:g}ms"


def _value(value: Value, seen: str, text: str) -> float:
    digits, unit = re.fullmatch(r"(.*?)([A-Za-z]*)", seen.strip(), re.DOTALL).groups()  # type: ignore[union-attr]  # matches any text
    units = _UNITS[value.unit]
    number = _number(digits)
    if unit not in units or number is None:
        known = ", ".join(name for name in units if name)
        raise UnknownToxic(
            f"cannot read {seen!r} in {text!r}: {value.means} is a {value.unit}, zero or more, in {known}"
            f"\nhint: for example {_EXAMPLE[value.unit]}"
        )
    return number * units[unit]


def _share(seen: str | None, toxic: Toxic, text: str) -> float:
    share = 1.0 if seen is None else _number(seen)
    if share is None or share > 1:
        raise UnknownToxic(f"the share {seen!r} of {text!r}: allowed is 0 to 1\nhint: {toxic.name}=0.05")
    return share


def _towards(seen: str | None, text: str) -> Towards:
    try:
        return Towards.CLIENT if seen is None else Towards(seen)
    except ValueError:
        raise UnknownToxic(
            f"cannot read {seen!r} in {text!r}: a toxic acts towards client or vendor\nhint: write @vendor, or nothing"
        ) from None


def _number(seen: str) -> float | None:
    """A finite number of zero or more."""
    try:
        number = float(seen)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
