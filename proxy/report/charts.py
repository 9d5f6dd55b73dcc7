"""Charts as SVG: intervals, forest rows, states over time, quantiles.

Not here: which are drawn where, and their style (page/report.css). Invariants: places along the axis are percentages,
so that a chart fits any width and its text keeps its size; each has a title that says what it shows; nothing is said by
colour alone, forms and heights say it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from proxy.report import wording
from proxy.report.facts import Effect, Figure, Mark, Past, Repaired, Span, Times
from proxy.report.markup import Attributes, Markup, element
from proxy.report.scales import Scale

ROW: Final = 22
"""Height of a row in pixels."""
_MIDDLE: Final = ROW / 2
_BAND: Final = 6
_HEIGHTS: Final = {
    "ok": 6,
    "inconclusive": 6,
    "warn": 12,
    "recovering": 12,
    "reference_suspect": 12,
    "degraded": 18,
}
_FOOT: Final = 32
_MARKS: Final = 12
"""Height beneath the bars for what happened."""
_CHARACTER: Final = 2.2
"""Percent of a phone's chart that a character of a label takes."""


def interval(figure: Figure, scale: Scale, floor: Figure | None, said: str) -> Markup:
    """An estimate between its bounds, before the band of the noise floor."""
    parts = [_grid(scale)]
    if floor is not None:
        low, high = (
            (floor.value, floor.value) if floor.lower is None or floor.upper is None else (floor.lower, floor.upper)
        )
        left, right = sorted((scale.at(low), scale.at(high)))
        parts.append(
            element("rect", {"class": "floor", "x": pct(left), "y": 1, "width": pct(right - left), "height": ROW - 2})
        )
        parts.append(_upright("floor-line", scale.at(floor.value), 1, ROW - 1))
    parts += _whisker(figure.lower, figure.upper, scale)
    if figure.lower is None:
        parts.append(_at(scale.at(figure.value), element("path", {"class": "dot open", "d": "M-5-5H5V5H-5Z"})))
    else:
        parts.append(_dot(scale.at(figure.value)))
    return _drawing("plot", ROW, said, *parts)


def effect_row(effect: Effect, scale: Scale, said: str) -> Markup:
    """An effect between its bounds, before the band that is no drift."""
    low = 0.0 if effect.kind in wording.RATES else -effect.tolerance
    left, right = scale.at(low), scale.at(effect.tolerance)
    parts = [
        element("rect", {"class": "tolerated", "x": pct(left), "y": 0, "width": pct(right - left), "height": ROW}),
        _grid(scale),
    ]
    if scale.low < 0.0:
        parts.append(_upright("zero", scale.at(0.0), 0, ROW))
    if effect.effect is not None:
        parts += _whisker(effect.lower, effect.upper, scale, alarm=effect.alarm)
        place = scale.at(effect.effect)
        diamond = element("path", {"class": "dot alarm", "d": "M0-6.5L6.500 0L0 6.500L-6.500 0Z"})
        parts.append(_at(place, diamond) if effect.alarm else _dot(place))
    return _drawing("plot", ROW, said, *parts)


def axis(scale: Scale, kind: str = "axis") -> Markup:
    """The labels of an axis."""
    parts: list[Markup] = []
    for value, label in scale.ticks:
        place = scale.at(value)
        parts.append(_upright("tick", place, 0, 4))
        anchor = "start" if place < 8 else "end" if place > 92 else "middle"
        shift = EDGE_SHIFT.get(anchor, 0.0)
        parts.append(element("text", {"x": pct(place + shift), "y": 15, "text-anchor": anchor}, label))
    return element("svg", {"class": kind, "width": "100%", "height": 18, "aria-hidden": "true"}, parts)


EDGE_SHIFT: Final = {"start": -2.0, "end": 2.0}


def states(past: Past, scale: Scale, said: str) -> Markup:
    """States as bars, the graver the higher, with a sign at each alarm."""
    parts = [_grid(scale, _FOOT)]
    parts += [_state(span, scale) for span in past.spans]
    parts += [_mark(mark, scale) for mark in past.marks]
    return _drawing("states", _FOOT + _MARKS, said, *parts)


def evidence(past: Past, scale: Scale, said: str) -> Markup:
    """The share of the way to an alarm, as a line."""
    if len(past.evidence) < 2:
        return Markup()
    top = 1.2
    points = [
        f"{10 * scale.at(at_s):.0f} {100 * (1 - min(top, max(0.0, share)) / top):.1f}" for at_s, share in past.evidence
    ]
    feet = (10 * scale.at(past.evidence[0][0]), 10 * scale.at(past.evidence[-1][0]))
    line = element("path", {"class": "line", "d": f"M{'L'.join(points)}"})
    area = element("path", {"class": "area", "d": f"M{feet[0]:.0f} 100L{'L'.join(points)}L{feet[1]:.0f} 100Z"})
    limit = 100 * (1 - 1 / top)
    drawn = element(
        "svg",
        {"viewBox": "0 0 1000 100", "preserveAspectRatio": "none", "width": "100%", "height": 36},
        area,
        element("line", {"class": "limit", "x1": 0, "x2": 1000, "y1": limit, "y2": limit}),
        line,
    )
    return _drawing("evidence", 36, said, drawn)


def quantiles(times: Times, scale: Scale, said: str) -> Markup:
    """A bar to the median, and a thin one on to the 95th percentile."""
    parts = [_grid(scale)]
    start = scale.at(0.0)
    if times.p50 is not None:
        place = scale.at(times.p50)
        parts.append(
            element("rect", {"class": "median", "x": pct(start), "y": 5, "width": pct(place - start), "height": 12})
        )
        if times.p95 is not None:
            late = scale.at(times.p95)
            parts.append(
                element("line", {"class": "whisker", "x1": pct(place), "x2": pct(late), "y1": _MIDDLE, "y2": _MIDDLE})
            )
            parts.append(_upright("whisker", late, _MIDDLE - 4, _MIDDLE + 4))
    return _drawing("plot", ROW, said, *parts)


def outcomes(repaired: Repaired, said: str) -> Markup:
    """Requests side by side by what became of them, the more was done the higher."""
    counted = (
        ("passed", repaired.passed, 6),
        ("rewritten", repaired.rewritten, 12),
        ("rejected", repaired.rejected, 18),
    )
    total = max(repaired.requests, 1)
    parts, place = list[Markup](), 0.0
    for kind, count, height in counted:
        width = 100.0 * count / total
        bar: Attributes = {
            "class": f"bar {kind}",
            "x": pct(place),
            "width": pct(width),
            "y": 20 - height,
            "height": height,
        }
        parts += [element("rect", bar)] if count else []
        place += width
    return _drawing("plot", ROW, said, *parts)


def bar(share: float, said: str) -> Markup:
    """A share of a whole."""
    rest = element("rect", {"class": "rest", "x": 0, "y": 8, "width": "100%", "height": 6})
    part = element("rect", {"class": "median", "x": 0, "y": 8, "width": pct(100 * share), "height": 6})
    return _drawing("plot", ROW, said, rest, part)


def swatch(state: str) -> Markup:
    """How a state looks, for the legend."""
    height = _HEIGHTS.get(state, 6)
    bar = element("rect", {"class": f"bar {state}", "x": 1, "y": 19 - height, "width": 16, "height": height})
    return element("svg", {"class": "swatch", "width": 18, "height": 20, "aria-hidden": "true"}, bar)


def pct(value: float) -> str:
    """A place or a width along the axis."""
    return f"{value:.2f}%"


def _drawing(kind: str, height: float, said: str, *parts: Markup) -> Markup:
    title = element("title", {}, said)
    return element("svg", {"class": kind, "width": "100%", "height": height, "role": "img"}, title, parts)


def _grid(scale: Scale, height: float = ROW) -> Markup:
    lines: Sequence[Markup] = [_upright("grid", scale.at(value), 0, height) for value, _ in scale.ticks]
    return Markup("".join(lines))


def _upright(kind: str, place: float, top: float, foot: float) -> Markup:
    return element("line", {"class": kind, "x1": pct(place), "x2": pct(place), "y1": top, "y2": foot})


def _dot(place: float) -> Markup:
    return element("circle", {"class": "dot", "cx": pct(place), "cy": _MIDDLE, "r": 4.5})


def _at(place: float, form: Markup) -> Markup:
    """A form around a point of the axis, in pixels."""
    return element("svg", {"x": pct(place), "y": _MIDDLE, "overflow": "visible"}, form)


def _whisker(lower: float | None, upper: float | None, scale: Scale, *, alarm: bool = False) -> list[Markup]:
    """The line between two bounds; it ends with an arrow where the axis ends before it does."""
    if lower is None or upper is None:
        return []
    kind = "whisker alarm" if alarm else "whisker"
    left, right = scale.at(lower), scale.at(upper)
    parts = [element("line", {"class": kind, "x1": pct(left), "x2": pct(right), "y1": _MIDDLE, "y2": _MIDDLE})]
    for value, place, arrow in ((lower, left, "M4-4L-2 0L4 4"), (upper, right, "M-4-4L2 0L-4 4")):
        if scale.outside(value):
            parts.append(_at(place, element("path", {"class": kind, "d": arrow})))
        else:
            parts.append(_upright(kind, place, _MIDDLE - _BAND / 2, _MIDDLE + _BAND / 2))
    return parts


def _state(span: Span, scale: Scale) -> Markup:
    left, right = scale.at(span.from_s), scale.at(span.to_s)
    width, height = max(right - left, 0.4), _HEIGHTS.get(span.state, 6)
    name = wording.state_name(span.state)
    title = element("title", {}, f"{name}, {wording.exactly(span.from_s)} to {wording.exactly(span.to_s)}")
    attributes: Attributes = {
        "class": f"bar {span.state}",
        "x": "0",
        "y": _FOOT - height,
        "width": "100%",
        "height": height,
    }
    label = element("text", {"x": 3, "y": 10}, name) if width >= _CHARACTER * len(name) + 2 else None
    return element(
        "svg", {"x": pct(left), "width": pct(width), "height": _FOOT}, title, element("rect", attributes), label
    )


def _mark(mark: Mark, scale: Scale) -> Markup:
    title = element("title", {}, f"{wording.exactly(mark.at_s)} {mark.what}: {mark.text}")
    forms = {"alarm": "M0 1L4.500 9H-4.500Z", "recovered": "M0 1A4 4 0 1 1 0 9A4 4 0 1 1 0 1Z"}
    form = element("path", {"class": f"mark {mark.what}", "d": forms.get(mark.what, "M-4 1H4V9H-4Z")})
    return element("svg", {"x": pct(scale.at(mark.at_s)), "y": _FOOT + 1, "overflow": "visible"}, title, form)
