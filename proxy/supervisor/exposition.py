"""Metric families as text: the Prometheus format 0.0.4 and OpenMetrics 1.0.

Not here: what is counted, and adding up. Invariant: the text is byte for byte what prometheus-client's own renderers
make of the same families, save that there are no `_created` series: a sum of two start times means nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Final

from proxy.child.snapshot import Family

PLAIN_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def plain(families: Iterable[Family]) -> bytes:
    """The Prometheus text format, which names a counter with its `_total` throughout."""
    return "".join(_lines(families, _plain_head)).encode()


def openmetrics(families: Iterable[Family]) -> bytes:
    """OpenMetrics 1.0, which Prometheus asks for unless told otherwise."""
    return ("".join(_lines(families, _openmetrics_head)) + "# EOF\n").encode()


def _plain_head(family: Family) -> str:
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    text = family.text.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {text}\n# TYPE {name} {family.kind}\n"


def _openmetrics_head(family: Family) -> str:
    return f"# HELP {family.name} {_escaped(family.text)}\n# TYPE {family.name} {family.kind}\n"


def _lines(families: Iterable[Family], head: Callable[[Family], str]) -> Iterator[str]:
    for family in families:
        yield head(family)
        yield from _histogram(family) if family.kind == "histogram" else _values(family)


def _values(family: Family) -> Iterator[str]:
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    pairs = _pairs_of(family.labels)
    for values, (number,) in family.children:
        labels = ",".join(pairs(values))
        yield f"{name}{{{labels}}} {_number(number)}\n" if labels else f"{name} {_number(number)}\n"


def _histogram(family: Family) -> Iterator[str]:
    name, pairs = family.name, _pairs_of(family.labels)
    bounds = [f'le="{_number(bound)}"' for bound in (*family.bounds, math.inf)]
    before_le = sum(label < "le" for label in family.labels)
    for values, numbers in family.children:
        labels = pairs(values)
        start = "".join(f"{pair}," for pair in labels[:before_le])
        end = "".join(f",{pair}" for pair in labels[before_le:])
        count = 0.0
        for bound, count in zip(bounds, accumulate(numbers[:-1]), strict=True):
            yield f"{name}_bucket{{{start}{bound}{end}}} {_number(count)}\n"
        whole = f"{{{','.join(labels)}}}" if labels else ""
        yield f"{name}_count{whole} {_number(count)}\n{name}_sum{whole} {_number(numbers[-1])}\n"


def _pairs_of(labels: tuple[str, ...]) -> Callable[[tuple[str, ...]], list[str]]:
    """From a child's values to its `label="value"` pairs in alphabetical order, as prometheus-client has them."""
    order = sorted(range(len(labels)), key=labels.__getitem__)
    return lambda values: [f'{labels[place]}="{_escaped(values[place])}"' for place in order]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    """As Go spells it; a positive number has an exponent from a million on."""
    if -math.inf < value < 1e6:
        return repr(float(value))
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(float(value))
    if "e" in text:
        return text
    digits, _, fraction = text.partition(".")
    return f"{digits[0]}.{digits[1:]}{fraction}".rstrip("0.") + f"e+{len(digits) - 1:02d}"
