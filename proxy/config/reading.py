"""A tree read by the schema: settings, and every problem at its line.

Not here: the schema (document.py). Invariant: no value is repeated in a problem but as its kind allows, so a secret
written in the wrong place stays out of the output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from proxy.config import kinds
from proxy.config.document import SECTIONS, Settings
from proxy.config.refusal import choose, closest
from proxy.config.section import Section
from proxy.config.tree import Key, Places, Text, Tree
from proxy.policy.document import Problem

NAMED_LISTS: Final = ("vendors", "clients")
_KEY_NAMES: Final = ("api_key", "apikey", "key", "token", "secret", "password", "authorization")
_SECRET_NAMES: Final = {
    "vendors": _KEY_NAMES,
    "reference": _KEY_NAMES,
    "clients": ("key", "api_key", "apikey", "token", "secret", "password"),
}
_SECRET_SETTING: Final = {"vendors": "api_key", "reference": "api_key", "clients": "key"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What the schema made of a tree: `settings` without the parts that were refused; `damaged` names the top-level
    settings that lost something; `keys` says where each kept vendor and client stood.
    """

    settings: Settings
    damaged: frozenset[str]
    keys: Mapping[str, tuple[Key, ...]]


def read_settings(tree: dict[str, Tree], places: Places, problems: list[Problem]) -> Reading:
    """Read a tree by the schema.

    Everything wrong is added to `problems`. What is right is kept, so that the rules that need more than one setting
    can add theirs to the same list.
    """
    tree = {**tree, **{name: _listed(name, tree[name], places, problems) for name in NAMED_LISTS if name in tree}}
    try:
        settings = Settings.model_validate(tree)
        cut: set[Key] = set()
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        problems.extend(found for detail in details if (found := _problem(detail, tree, places)))
        cut = {detail["loc"][: 2 if detail["loc"][0] in NAMED_LISTS else 1] for detail in details}
        settings = _kept(tree, cut)
    keys = {
        name: tuple((name, i) for i in range(_length(tree.get(name))) if (name, i) not in cut) for name in NAMED_LISTS
    }
    return Reading(settings, frozenset(str(key[0]) for key in cut), keys)


def _kept(tree: dict[str, Tree], cut: set[Key]) -> Settings:
    """The settings without what was refused."""
    kept: dict[str, Any] = {name: value for name, value in tree.items() if (name,) not in cut}
    kept["version"] = Text("1")
    for name in NAMED_LISTS:
        if name in kept:
            kept[name] = [item for i, item in enumerate(kept[name]) if (name, i) not in cut]
    return Settings.model_validate(kept)


def _length(value: Tree | None) -> int:
    return len(value) if isinstance(value, list) else 0


def _listed(name: str, value: Tree, places: Places, problems: list[Problem]) -> Tree:
    """A mapping by name as the list it stands for."""
    if isinstance(value, Text) and not value:
        return []
    if not isinstance(value, dict):
        return value
    items: list[Tree] = []
    for i, (key, item) in enumerate(value.items()):
        for old in [found for found in places.by_key if found[:2] == (name, key)]:
            places.by_key[(name, i, *old[2:])] = places.by_key[old]
        entry = {} if isinstance(item, Text) and not item else item
        if isinstance(entry, dict) and "name" in entry:
            problems.append(
                places[(name, i, "name")].problem(f"{name}.{key} is named twice", "remove the line `name:`")
            )
        elif isinstance(entry, dict):
            places.by_key[(name, i, "name")] = places[(name, i)]
        items.append({**entry, "name": Text(key)} if isinstance(entry, dict) else entry)
    return items


def _problem(detail: ErrorDetails, tree: dict[str, Tree], places: Places) -> Problem | None:
    key, kind = detail["loc"], detail["type"]
    place = places[key]
    if kind == kinds.UNREADABLE:
        return None
    if kind == kinds.REFUSED:
        said, hint = detail["ctx"]["message"], detail["ctx"]["hint"]
        label = "" if place.line is None else f"{label_of(key, tree)}: "
        return place.problem(f"{label}{said}", hint)
    if kind == "missing":
        return place.problem(f"{label_of(key, tree)} is missing", _missing_hint(key))
    if kind == "extra_forbidden":
        return place.problem(*_unknown(key, tree))
    if kind == "too_short":
        return place.problem(f"{label_of(key, tree)}: the list is empty", "write at least one, or remove the line")
    is_list = kind in ("tuple_type", "list_type")
    expected = "a list, or a mapping by name, is expected" if is_list else "a section is expected"
    names = ", ".join(_section(key).model_fields)
    return place.problem(f"{label_of(key, tree)}: {expected}", f"write it with: {names}")


def label_of(key: Key, tree: dict[str, Tree]) -> str:
    """The setting as a path of names: vendors.moonshot.url."""
    parts: list[str] = []
    at: Tree | None = tree
    for part in key:
        if isinstance(part, int):
            if not isinstance(at, list):
                break
            at = at[part]
            name = at.get("name") if isinstance(at, dict) else None
            parts.append(name if isinstance(name, Text) else str(part + 1))
        else:
            at = at.get(part) if isinstance(at, dict) else None
            parts.append(part)
    return ".".join(parts)


def _section(key: Key) -> type[Section]:
    path = ".".join(part for part in key if isinstance(part, str))
    return dict(SECTIONS).get(path, Settings)


def _missing_hint(key: Key) -> str:
    if key == ("version",):
        return "write `version: 1` as the first line"
    kind = kinds.kind_of(_section(key[:-1]).model_fields[str(key[-1])])
    return f"add `{key[-1]}:` and its {kind.noun if kind else 'settings'}"


def _unknown(key: Key, tree: dict[str, Tree]) -> tuple[str, str]:
    """What to say of a name that the schema does not know, which may be a secret written out."""
    name, section = str(key[-1]), ".".join(part for part in key[:-1] if isinstance(part, str))
    label = label_of(key, tree)
    if name.lower().replace("-", "_") in _SECRET_NAMES.get(section, ()):
        setting = _SECRET_SETTING[section]
        hint = (
            f"put it into a variable and write {setting}_env: ITS_NAME, or into a file and write {setting}_file: PATH"
        )
        return f"{label} would hold the secret itself", hint
    fields = _section(key[:-1]).model_fields
    elsewhere = [path or "the top level" for path, each in SECTIONS if name in each.model_fields]
    if elsewhere and not closest(name, fields):
        return f"{label} does not belong here", f"it is a setting of {' and of '.join(elsewhere)}"
    return f"{label} is not a setting", choose(name, fields)
