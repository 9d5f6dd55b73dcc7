"""What several sections of the page are made of: sections, tables, badges, figures.

Not here: which section shows what. Invariant: a table says its columns in each cell as well, for a phone, where a row
is a block.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from proxy.report import charts, wording
from proxy.report.facts import Figure
from proxy.report.markup import Child, Markup, element
from proxy.report.scales import Scale


def section(name: str, heading: Child, *children: Child) -> Markup:
    """A part of the page under its heading."""
    title = element("h2", {"id": name}, heading)
    return element("section", {"aria-labelledby": name}, title, *children)


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a table, and how."""

    content: Child
    kind: str | None = None


def table(
    kind: str,
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Child | Cell]],
    axes: Sequence[Child] = (),
) -> Markup:
    """A table; the first cell of a row names it. `axes` stand beneath the columns."""
    head = element("tr", {}, [element("th", {"scope": "col"}, column) for column in columns])
    written = [_row(columns, row) for row in rows]
    return element(
        "table",
        {"class": f"stacked {kind}"},
        element("caption", {"class": "unseen"}, caption),
        element("thead", {}, head),
        element("tbody", {}, written),
        _foot(axes) if axes else None,
    )


def _foot(axes: Sequence[Child]) -> Markup:
    cells = [element("td", {}, axis) for axis in axes]
    return element("tfoot", {"aria-hidden": "true"}, element("tr", {}, cells))


def _row(columns: Sequence[str], row: Sequence[Child | Cell]) -> Markup:
    cells = []
    for index, (column, cell) in enumerate(zip(columns, row, strict=True)):
        found = cell if isinstance(cell, Cell) else Cell(cell)
        name, attributes = ("th", {"scope": "row"}) if index == 0 else ("td", {"data-column": column})
        cells.append(element(name, {**attributes, "class": found.kind}, found.content))
    return element("tr", {}, cells)


def badge(state: str) -> Markup:
    """A state, by its sign and name."""
    sign, name, _ = wording.STATES.get(state, ("?", state.replace("_", " "), ""))
    return element("span", {"class": f"state {state}"}, element("span", {"aria-hidden": "true"}, sign), f" {name}")


def verdict(said: str) -> Markup:
    """A verdict of a verification, by its sign and name."""
    sign, name = wording.VERDICTS.get(said, ("?", said))
    return element("span", {"class": f"state {said}"}, element("span", {"aria-hidden": "true"}, sign), f" {name}")


def tag(text: str) -> Markup:
    """A small word in a frame."""
    return element("span", {"class": "tag"}, text)


def quiet(*children: Child) -> Markup:
    """What stands back."""
    return element("span", {"class": "quiet"}, *children)


def figure_block(figure: Figure, scale: Scale, floor: Figure | None, *, as_ratio: bool) -> Markup:
    """A figure, drawn and written."""
    value = wording.ratio(figure.value) if as_ratio else wording.share(figure.value)
    bounds = wording.interval(figure, as_ratio=as_ratio)
    said = f"{value} {bounds}".strip()
    below: Child = None
    if floor is not None:
        reach = f"{wording.ratio(floor.value)} {wording.interval(floor, as_ratio=True)}".strip()
        said = f"{said}, noise floor {reach}"
        below = element("p", {"class": "quiet small"}, f"noise floor {reach}")
    return element(
        "div",
        {"class": "figure"},
        headed(element("strong", {}, value), " ", quiet(bounds), n=figure.n, source=figure.source),
        charts.interval(figure, scale, floor, said),
        charts.axis(scale, "axis narrow"),
        below,
    )


def headed(*value: Child, n: int, source: str) -> Markup:
    """A figure in writing, and at the other end of its line what it is made of."""
    made = element("span", {"class": "quiet small made"}, f"n {wording.thousands(n)} ", tag(source))
    return element("p", {"class": "value"}, element("span", {}, *value), made)


def details(summary: str, *children: Child) -> Markup:
    """What is unfolded by who wants it."""
    return element("details", {}, element("summary", {}, summary), *children)
