"""HTML made of elements, so that what is not an element is text.

Not here: what is shown. Invariants: every child and attribute that is not Markup is escaped and hides nothing; every
element that is opened is closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final, TypeAlias

from proxy.report.addresses import visible

_VOID: Final = frozenset({"meta", "link", "br"})
_LONGEST: Final = 4000


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = "str | Markup | Iterable[Child] | None"
Attributes: TypeAlias = Mapping[str, str | float | None]


def element(name: str, attributes: Attributes, *children: Child) -> Markup:
    """One element; None is neither an attribute nor a child."""
    written = "".join(f' {key}="{_value(value)}"' for key, value in attributes.items() if value is not None)
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Markup:
    """Children side by side."""
    return Markup("".join(_child(child) for child in children))


def _child(child: Child) -> str:
    match child:
        case None:
            return ""
        case Markup():
            return child
        case str():
            return escape(visible(child, _LONGEST), quote=False)
        case _:
            return "".join(_child(each) for each in child)


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return escape(visible(value, _LONGEST))
    return f"{value:.2f}".rstrip("0").rstrip(".")
