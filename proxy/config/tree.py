"""A YAML text as a tree of plain texts, and where each of them stands.

Not here: YAML itself (policy/yaml_text.py), and what a setting means (document.py, kinds.py). Invariants: a scalar is
its text, so `off`, `1e3` and `010` mean what the schema says and not what YAML guesses; the value of an environment
variable is never shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self, TypeAlias

import yaml

from proxy.policy.document import DocumentError, Problem
from proxy.policy.yaml_text import HALF_CHARACTER, read_sheet

Key: TypeAlias = tuple[str | int, ...]
"""Where a value stands in the tree: names of members and positions in lists."""

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_MAX_SHOWN: Final = 60
_UNREADABLE: Final = "\x00"
"""Stands for a scalar whose variable is missing; YAML admits no such character, so no file can hold it."""


class Text(str):
    """One scalar. `secret`: it came out of a variable and is not to be repeated."""

    __slots__ = ("secret",)
    secret: bool

    def __new__(cls, value: str, *, secret: bool = False) -> Self:
        """A text, and whether it may be shown."""
        text = super().__new__(cls, value)
        text.secret = secret
        return text

    @property
    def shown(self) -> str:
        """What a message may say: the text in quotes and of bounded length, or "the value" for a secret one."""
        if self.secret:
            return "the value"
        return json.dumps(self if len(self) <= _MAX_SHOWN else f"{self[:_MAX_SHOWN]}…", ensure_ascii=False)

    @property
    def unreadable(self) -> bool:
        """Whether its variable is missing, which has been reported."""
        return _UNREADABLE in self


Tree: TypeAlias = Text | list["Tree"] | dict[str, "Tree"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a setting was written: a file and its line, a flag or an environment variable. Relative paths in it start
    at `folder`.
    """

    source: str
    line: int | None = None
    folder: Path = Path()

    def problem(self, message: str, hint: str) -> Problem:
        """A problem that stands here."""
        return Problem(self.source, self.line, message, hint)


@dataclass(slots=True)
class Places:
    """Every value's place; a value that has none of its own stands where the nearest value around it does."""

    whole: Place
    by_key: dict[Key, Place] = field(default_factory=dict)

    def __getitem__(self, key: Key) -> Place:
        while key and key not in self.by_key:
            key = key[:-1]
        return self.by_key.get(key, self.whole)


def read_tree(
    text: str, whole: Place, environ: Mapping[str, str], problems: list[Problem]
) -> tuple[dict[str, Tree], Places]:
    """Read one YAML mapping, with `${VAR}` and `${VAR:-default}` replaced in its scalars.

    What is wrong is added to `problems`; nothing is read of a text that is not one plain YAML mapping.
    """
    reader = _Reader(environ, Places(whole), problems)
    try:
        root = read_sheet(text, whole.source).root
    except DocumentError as error:
        problems.extend(error.problems)
        return {}, reader.places
    tree = reader.read(root, ())
    return tree if isinstance(tree, dict) else {}, reader.places


@dataclass(slots=True)
class _Reader:
    environ: Mapping[str, str]
    places: Places
    problems: list[Problem]

    def read(self, node: yaml.Node, key: Key) -> Tree:
        self.places.by_key.setdefault(key, self._place(node))
        if isinstance(node, yaml.MappingNode):
            # The name's line, not the value's: a section starts below its name.
            self.places.by_key |= {(*key, name.value): self._place(name) for name, _ in node.value}
            return {name.value: self.read(child, (*key, name.value)) for name, child in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*key, i)) for i, child in enumerate(node.value)]
        raw = str(node.value)
        return self._expanded(raw, self._place(node)) if "${" in raw else Text(raw)

    def _place(self, node: yaml.Node) -> Place:
        whole = self.places.whole
        return Place(whole.source, node.start_mark.line + 1, whole.folder)

    def _expanded(self, raw: str, place: Place) -> Text:
        def value(match: re.Match[str]) -> str:
            name, default = match.groups()
            found = self.environ.get(name) or default
            if found is None:
                state = "is empty" if name in self.environ else "is not set"
                hint = f"set it, or write ${{{name}:-default}}"
            elif HALF_CHARACTER.search(found):
                state, hint = "is not text in UTF-8", "write its value in UTF-8"
            else:
                return str(found)
            self.problems.append(place.problem(f"the environment variable {name} {state}", hint))
            return _UNREADABLE

        if "${" in _VARIABLE.sub("", raw):
            self.problems.append(place.problem("a ${ begins no variable", "write ${NAME} or ${NAME:-default}"))
            return Text(_UNREADABLE)
        return Text(_VARIABLE.sub(value, raw), secret=True)
