"""Flags, environment and file as one tree: a flag wins over a variable, a variable over the file.

Not here: what the settings mean. Invariant: every value keeps the place it came from, so a problem names the flag, the
variable, or the file and its line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, TypeAlias

from proxy.config.refusal import closest
from proxy.config.tree import Key, Place, Places, Text, Tree, read_tree
from proxy.policy.document import Problem

ReadText: TypeAlias = Callable[[Path], str]
"""The text of a file. Raises OSError or UnicodeDecodeError."""

DEFAULT_FILE: Final = Path("paramwall.yaml")
PREFIX: Final = "PARAMWALL_"
REFERENCE_KEY: Final = f"{PREFIX}REFERENCE_KEY"
"""Variable with the key of the reference that a flag or a variable names."""

_PATHS: Final[dict[str, Key]] = {"vendor": ("vendors",), "mirror_fraction": ("mirror", "fraction")}
"""Where in the tree a flag's text goes, when not to the setting of its name."""


@dataclass(frozen=True, slots=True)
class Flags:
    """What was said on the command line; None: nothing. Each has a variable PARAMWALL_<NAME> of the same meaning."""

    config: str | None = None
    vendor: str | None = None
    policy: str | None = None
    enforcement: str | None = None
    listen: str | None = None
    admin: str | None = None
    workers: str | None = None
    profile: str | None = None
    reference: str | None = None
    state_dir: str | None = None
    mirror_fraction: str | None = None


def spelled_flag(name: str) -> str:
    """A flag as it is written on the command line."""
    return f"--{name.replace('_', '-')}"


@dataclass(frozen=True, slots=True)
class Gathered:
    """The laid-over tree. `file` is the file read, if any; `notices` are lines worth printing at start."""

    tree: dict[str, Tree]
    places: Places
    file: Path | None
    notices: tuple[str, ...]
    warnings: tuple[str, ...]


def gather(flags: Flags, environ: Mapping[str, str], read_text: ReadText, problems: list[Problem]) -> Gathered:
    """Everything that was said, as one tree. Problems are added to `problems`."""
    said = dict(_said(flags, environ))
    notices: list[str] = []
    path = Path(said["config"][0]) if "config" in said else None if "vendor" in said else DEFAULT_FILE
    if path is None:
        places = Places(Place("--vendor"))
        tree: dict[str, Tree] = {"version": Text("1")}
    else:
        tree, places = _file(path, said, environ, read_text, problems)
    for name, (text, place) in said.items():
        if name in ("config", "profile"):
            continue
        key = _PATHS.get(name, (name,))
        places.by_key = {old: at for old, at in places.by_key.items() if old[: len(key)] != key}
        places.by_key[key] = place
        if name in ("vendor", "reference") and key[0] in tree:
            notices.append(f"{place.source} replaces the {key[0]} of {path}")
        value: Tree = text
        if name == "vendor":
            value = [_vendor(text, said, places)]
        elif name == "reference":
            value = _reference(text, environ)
        _put(tree, key, value)
    if "profile" in said and "vendor" not in said:
        where = said["profile"][1]
        problems.append(where.problem("it says how the vendor of --vendor spells things", "give --vendor URL with it"))
    return Gathered(tree, places, path, tuple(notices), tuple(_mistyped(environ)))


def _vendor(url: Text, said: Mapping[str, tuple[Text, Place]], places: Places) -> dict[str, Tree]:
    """The one vendor that a flag or a variable names."""
    entry: dict[str, Tree] = {"name": Text("vendor"), "url": url}
    if "profile" in said:
        entry["profile"], places.by_key["vendors", 0, "profile"] = said["profile"]
    return entry


def _reference(url: Text, environ: Mapping[str, str]) -> dict[str, Tree]:
    """The reference that a flag or a variable names; no key of the file goes to it."""
    return {"url": url, **({"api_key_env": Text(REFERENCE_KEY)} if environ.get(REFERENCE_KEY) else {})}


def _put(tree: dict[str, Tree], key: Key, value: Tree) -> None:
    """Set what is at `key`. A part of the way that should be a section and is none is left for the schema to refuse."""
    *sections, name = (str(part) for part in key)
    for section in sections:
        inner = tree.get(section)
        if inner is None or (isinstance(inner, Text) and not inner):
            tree[section] = inner = {}
        if not isinstance(inner, dict):
            return
        tree = inner
    tree[name] = value


def _said(flags: Flags, environ: Mapping[str, str]) -> list[tuple[str, tuple[Text, Place]]]:
    found: list[tuple[str, tuple[Text, Place]]] = []
    for field in fields(flags):
        flag: str | None = getattr(flags, field.name)
        variable = f"{PREFIX}{field.name.upper()}"
        if flag is not None:
            found.append((field.name, (Text(flag), Place(spelled_flag(field.name)))))
        elif environ.get(variable):
            found.append((field.name, (Text(environ[variable]), Place(variable))))
    return found


def _file(
    path: Path,
    said: Mapping[str, tuple[Text, Place]],
    environ: Mapping[str, str],
    read_text: ReadText,
    problems: list[Problem],
) -> tuple[dict[str, Tree], Places]:
    whole = Place(str(path), None, path.parent)
    try:
        text = read_text(path)
    except FileNotFoundError:
        if "config" in said:
            where = said["config"][1]
            problems.append(where.problem(f"there is no file {path}", "`paramwall init` writes one"))
        else:
            hint = "start with --vendor URL, or write a file with `paramwall init`"
            problems.append(Problem("paramwall", None, f"no vendor was given, and there is no {path} here", hint))
        return {}, Places(whole)
    except (OSError, UnicodeDecodeError) as error:
        problems.append(whole.problem(f"the file cannot be read: {reason(error)}", "make it readable UTF-8 text"))
        return {}, Places(whole)
    return read_tree(text, whole, environ, problems)


def reason(error: OSError | UnicodeDecodeError) -> str:
    """Why a file could not be read, without its content."""
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else "it is not UTF-8 text"


def _mistyped(environ: Mapping[str, str]) -> list[str]:
    """Variables that look like a setting with a typing error. Others with the prefix are somebody's own."""
    known = {*(field.name.upper() for field in fields(Flags)), REFERENCE_KEY.removeprefix(PREFIX)}
    found = []
    for variable in sorted(environ):
        name = variable.removeprefix(PREFIX)
        near = closest(name, known, 0.8) if name != variable and name not in known else None
        if near:
            found.append(f"the variable {variable} is not read; did you mean {PREFIX}{near}?")
    return found
