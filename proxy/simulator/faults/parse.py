"""Reads --fault NAME[:NUMBER][=SHARE][@START].

Here: the syntax and its errors. Not here: what a fault does. Invariant: a setting that is returned names a fault that
exists.
"""

from __future__ import annotations

import difflib
import math
import re
from typing import Final

from proxy.simulator.faults import FAULTS
from proxy.simulator.faults.fault import Fault
from proxy.simulator.options import FaultSetting

SYNTAX: Final = "NAME[:NUMBER][=SHARE][@START]"
_PARTS: Final = re.compile(r"(?P<name>[^:=@]*)(:(?P<number>[^=@]*))?(=(?P<share>[^@]*))?(@(?P<start>.*))?")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}


class UnknownFault(ValueError):
    """A fault that cannot be read. The message says what was seen, what is allowed and the remedy."""


def fault_named(name: str) -> Fault:
    """The fault of that name. Raises UnknownFault with the closest valid name."""
    for fault in FAULTS:
        if fault.name == name:
            return fault
    names = [fault.name for fault in FAULTS]
    close = difflib.get_close_matches(name, names, 1, cutoff=0.5)
    remedy = f"did you mean {close[0]}?" if close else "`paramwall simulate --list-faults` shows them all"
    raise UnknownFault(f"unknown fault {name!r}\nhint: {remedy}")


def parse_fault(text: str) -> FaultSetting:
    """A setting such as leaked-markers=0.02@60s: share 0..1 (default 1), start in ms, s, m or h (default 0s).

    Raises UnknownFault.
    """
    parts = _PARTS.fullmatch(text.strip())
    if parts is None:
        raise UnknownFault(f"cannot read the fault {text!r}\nhint: write {SYNTAX}, for example cut-stream=0.05@60s")
    fault = fault_named(parts["name"])
    share = 1.0 if parts["share"] is None else _number(parts["share"], text, "a share between 0 and 1", "0.05")
    if not 0.0 <= share <= 1.0:
        raise UnknownFault(f"the share of {text!r} is {share:g}: allowed is 0 to 1\nhint: {fault.name}=0.05")
    start_s = 0.0 if parts["start"] is None else _seconds(parts["start"], text)
    return FaultSetting(fault.name, share, start_s, _own_number(fault, parts["number"], text))


def parse_faults(*texts: str) -> tuple[FaultSetting, ...]:
    """Several settings."""
    return tuple(parse_fault(text) for text in texts)


def _own_number(fault: Fault, seen: str | None, text: str) -> float | None:
    if seen is None:
        return None
    if fault.number is None:
        raise UnknownFault(f"{fault.name} takes no number, seen in {text!r}\nhint: write {fault.name}=SHARE@START")
    return _number(seen, text, f"{fault.number.means}, zero or more", f"{fault.number.default or 100:g}")


def _number(seen: str, text: str, allowed: str, example: str) -> float:
    try:
        value = float(seen)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise UnknownFault(f"cannot read {seen!r} in {text!r}: it must be {allowed}\nhint: for example {example}")
    return value


def _seconds(seen: str, text: str) -> float:
    digits, unit = re.fullmatch(r"(.*?)([a-z]*)", seen, re.DOTALL).groups()  # type: ignore[union-attr]  # matches any text
    if unit not in _UNITS:
        raise UnknownFault(f"unknown unit {unit!r} in {text!r}: allowed are ms, s, m and h\nhint: for example @60s")
    return _number(digits, text, "a time such as 60s", "60s") * _UNITS[unit]
