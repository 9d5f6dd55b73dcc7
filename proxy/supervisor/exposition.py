"""A snapshot as text: the Prometheus format 0.0.4 and OpenMetrics 1.0.

Not here: what is counted, and adding up. Invariant: the text is byte for byte what prometheus-client's own renderers
make of the same families, save that there are no `_created` series: a sum of two start times means nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Final

from proxy.child.snapshot import Family, Layout, Snapshot

PLAIN_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_LARGE: Final = 1e6
OPENMETRICS_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def plain(snapshot: Snapshot) -> bytes:
    """The Prometheus text format, which names a counter with its `_total` throughout."""
    return (_template(snapshot.layout, _plain_head) % _numbers(snapshot)).encode()


def openmetrics(snapshot: Snapshot) -> bytes:
    """OpenMetrics 1.0, which Prometheus asks for unless told otherwise."""
    return (_template(snapshot.layout, _openmetrics_head) % _numbers(snapshot)).encode() + b"# EOF\n"


def _plain_head(family: Family) -> str:
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    text = family.text.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {text}\n# TYPE {name} {family.kind}\n"


def _openmetrics_head(family: Family) -> str:
    return f"# HELP {family.name} {_escaped(family.text)}\n# TYPE {family.name} {family.kind}\n"


@lru_cache(maxsize=2)
def _template(layout: Layout, head: Callable[[Family], str]) -> str:
    """The text with `%s` for each number: between two scrapes little but numbers changes."""
    return "".join(_lines(layout, head))


def _lines(layout: Layout, head: Callable[[Family], str]) -> Iterator[str]:
    for family in layout:
        yield head(family).replace("%", "%%")
        yield from _histogram(family) if family.kind == "histogram" else _values(family)


def _values(family: Family) -> Iterator[str]:
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    for pairs in _pairs(family):
        yield f"{name}{{{','.join(pairs)}}} %s\n" if pairs else f"{name} %s\n"


def _histogram(family: Family) -> Iterator[str]:
    name, before_le = family.name, sum(label < "le" for label in family.labels)
    bounds = [f'le="{_number(bound)}"' for bound in (*family.bounds, math.inf)]
    for pairs in _pairs(family):
        start = "".join(f"{pair}," for pair in pairs[:before_le])
        end = "".join(f",{pair}" for pair in pairs[before_le:])
        yield from (f"{name}_bucket{{{start}{bound}{end}}} %s\n" for bound in bounds)
        labels = f"{{{','.join(pairs)}}}" if pairs else ""
        yield f"{name}_count{labels} %s\n{name}_sum{labels} %s\n"


def _pairs(family: Family) -> Iterator[list[str]]:
    """`label="value"` of each child, by label name, as prometheus-client has them."""
    order = sorted(range(len(family.labels)), key=family.labels.__getitem__)
    for values in family.children:
        yield [f'{family.labels[place]}="{_escaped(values[place]).replace("%", "%%")}"' for place in order]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _numbers(snapshot: Snapshot) -> tuple[float | str, ...]:
    """Every number of the text in its order; buckets count all that is below them. Most are spelled as Python does."""
    shown: list[float] = []
    for family, numbers in snapshot.families():
        if family.kind != "histogram":
            shown += numbers
            continue
        for start in range(0, len(numbers), family.width):
            *counts, total = numbers[start : start + family.width]
            shown += accumulate(counts)
            shown += (shown[-1], total)
    return tuple([number if -math.inf < number < _LARGE else _number(number) for number in shown])


def _number(value: float) -> str:
    """As Go spells it; a positive number has an exponent from a million on."""
    if -math.inf < value < _LARGE:
        return repr(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if "e" in text:
        return text
    digits, _, fraction = text.partition(".")
    return f"{digits[0]}.{digits[1:]}{fraction}".rstrip("0.") + f"e+{len(digits) - 1:02d}"
