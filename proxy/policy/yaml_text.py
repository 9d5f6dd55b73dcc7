"""A YAML text as plain values, and the line on which each of them stands.

Not here: what a value means (document.py). Invariants: a number keeps the spelling it was written in (decimals are
Decimal); `on`, `yes` and `off` are words, not booleans (YAML 1.2's core schema); nothing is said twice (no repeated
name, alias, merge or tag); all that is wrong is reported at once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeAlias

import yaml

Loc: TypeAlias = tuple[str | int, ...]
"""Where a value stands: names of members and positions in lists."""

_NULL: Final = re.compile(r"null|~|")
_BOOLEAN: Final = re.compile(r"true|false")
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
HALF_CHARACTER: Final = re.compile(r"[\ud800-\udfff]")
_DECIMAL: Final = re.compile(r"[-+]?[0-9]{1,18}(\.[0-9]{1,18})?([eE][-+]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one file. `line` counts from 1; None: the file as a whole. `hint` is the remedy."""

    source: str
    line: int | None
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{place}: {self.message}" + (f" (hint: {self.hint})" if self.hint else "")


class DocumentError(ValueError):
    """A file that cannot be used, with every problem found in it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file read: its value, and its node tree to find lines in."""

    source: str
    value: dict[str, Any]
    root: yaml.Node

    def problem(self, loc: Loc, message: str, hint: str = "") -> Problem:
        """A problem with the value at `loc`, or with the nearest value around it."""
        return Problem(self.source, _line(_node_at(self.root, loc)), message, hint)


def read_sheet(text: str, source: str) -> Sheet:
    """Read one YAML mapping. Raises DocumentError."""
    try:
        problems = tuple(_unsupported(text, source))
        root = None if problems else yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise DocumentError((_not_yaml(error, source),)) from None
    except RecursionError:
        raise DocumentError((Problem(source, None, "it is nested too deeply", "nest a few levels only"),)) from None
    if problems:
        raise DocumentError(problems)
    if not isinstance(root, yaml.MappingNode):
        raise DocumentError((Problem(source, None, "it is not a mapping", "write `name: value` lines"),))
    found: list[Problem] = []
    value = _value(root, source, found)
    if found:
        raise DocumentError(tuple(found))
    return Sheet(source, value, root)


def closest(word: object, valid: Iterable[str]) -> str:
    """A hint with the valid name nearest to `word`, or all valid names."""
    names = sorted(valid)
    near = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else f"use one of: {', '.join(names)}"


def _unsupported(text: str, source: str) -> Iterable[Problem]:
    loader = yaml.BaseLoader(text)
    while True:
        try:
            event = loader.get_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs
        except (ValueError, OverflowError):  # of chr(), which PyYAML gives whatever number is written
            message = "`\\U` and eight digits that are no character's"
            yield Problem(source, loader.line + 1, message, "the last character is `\\U0010FFFF`")
            return
        if event is None:
            return
        line = _line(event)
        if isinstance(event, yaml.AliasEvent):
            yield Problem(source, line, "an alias (`*name`) is not read here", "write the value out")
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            yield Problem(source, line, "a YAML tag (`!name`) is not read here", "write the plain value")
        if isinstance(event, yaml.ScalarEvent) and (half := HALF_CHARACTER.search(event.value)):
            message = f"`\\u{ord(half[0]):04X}` is half of a character"
            yield Problem(source, line, message, "write the character itself, or `\\U` and its eight digits")


def _not_yaml(error: yaml.YAMLError, source: str) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        hint = "indent with spaces; put a text that holds `: ` or ` #` in quotes"
        return Problem(source, mark.line + 1 if mark else None, f"not YAML: {error.problem or error.context}", hint)
    return Problem(source, None, "not YAML: it holds characters that are not text", "save the file as UTF-8 text")


def _value(node: yaml.Node, source: str, found: list[Problem]) -> Any:  # noqa: ANN401  (any YAML value)
    if isinstance(node, yaml.MappingNode):
        value: dict[str, Any] = {}
        for name_node, child in node.value:
            name, line = name_node.value, _line(name_node)
            if not isinstance(name, str):
                found.append(Problem(source, line, "a name is not a plain word", "write `name: value`"))
            elif name in value:
                found.append(Problem(source, line, f"`{name}` is set twice", "keep one of them"))
            else:
                value[name] = _value(child, source, found)
        return value
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, source, found) for child in node.value]
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return _scalar(node.value) if plain else node.value


def _line(place: yaml.Node | yaml.Event) -> int | None:
    return None if place.start_mark is None else place.start_mark.line + 1


def _scalar(text: str) -> str | bool | int | Decimal | None:
    if _NULL.fullmatch(text):
        return None
    if _BOOLEAN.fullmatch(text):
        return text == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    return Decimal(text) if _DECIMAL.fullmatch(text) else text


def _node_at(node: yaml.Node, loc: Loc) -> yaml.Node:
    """The node at `loc`; steps that no node answers to (a kind, the branch of a choice) are passed over."""
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            named = [pair for pair in node.value if pair[0].value == step]
            if named:
                # The name's line, not the value's: a block starts below its name.
                node = named[0][1] if isinstance(named[0][1], yaml.CollectionNode) else named[0][0]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
    return node
