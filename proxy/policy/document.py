"""The schema of policies/*.yaml and policies/vendors/*.yaml, and the reading of both.

Here: pydantic, and only here on this floor; every mistake of a file at once, each with its line and the closest valid
name. Not here: reading files (text comes in), what a clause does (clauses/), what a plan is (decide.py). Invariant: a
PolicyDocument or Profile that leaves here is complete and consistent; compiling it cannot fail.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proxy.contract.mode import KEEP_SPELLINGS, SWITCHES, Mode, Path
from proxy.contract.profile import Profile, Switch
from proxy.policy.clauses import CLAUSES, KINDS
from proxy.policy.clauses.clause import Clause, Contract, MemberClause, PerMode, Scope
from proxy.policy.clauses.values import encoded
from proxy.policy.verdict import Enforcement, Route, shown_name
from proxy.policy.yaml_text import DocumentError, Loc, Problem, Sheet, closest, read_sheet

__all__ = [
    "Contract",
    "DocumentError",
    "Enforcement",
    "OtherModels",
    "PolicyDocument",
    "Problem",
    "Route",
    "parse_policy",
    "parse_profile",
]

if TYPE_CHECKING:
    AnyClause: TypeAlias = Clause
else:
    AnyClause = Annotated[functools.reduce(operator.or_, CLAUSES), Field(discriminator="kind")]

_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")]
_Text = Annotated[str, Field(min_length=1)]
_FILE: Final = ConfigDict(extra="forbid", frozen=True)
_CLAUSE_ID: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class OtherModels(StrEnum):
    """What becomes of a request for a model the policy does not cover."""

    PASS = "pass"  # noqa: S105  (no password)
    REJECT = "reject"


class ModeSettings(BaseModel):
    """`default`: the mode of a request that names none. `fixed`: the model has no other; switches mean nothing."""

    model_config = _FILE
    default: Mode
    fixed: bool = False


class PolicyDocument(BaseModel):
    """One policy: for which models, how firmly, and its clauses (the kinds: proxy/policy/clauses/).

    `other_models` None: reject in strict, pass otherwise.
    """

    model_config = _FILE
    version: Literal[1]
    name: _Name
    models: Annotated[tuple[_Text, ...], Field(min_length=1)]
    mode: ModeSettings
    enforcement: Enforcement = Enforcement.REPAIR
    contract: Contract = Contract.EXACT
    other_models: OtherModels | None = None
    clauses: tuple[AnyClause, ...]


class _SwitchEntry(BaseModel):
    """`thinking` and `instant` are the values sent at `path`; null: that mode is told by leaving the member out."""

    model_config = _FILE
    path: _Text
    thinking: bool | str | None
    instant: bool | str | None


class _ProfileFile(BaseModel):
    """One file of policies/vendors/: the fields of contract.profile.Profile, as YAML writes them."""

    model_config = _FILE
    version: Literal[1]
    name: _Name
    title: _Text
    hosts: tuple[Annotated[str, Field(pattern=r"^(\*\.)?[a-z0-9.-]+$")], ...] = ()
    switches: tuple[_SwitchEntry, ...] = ()
    default_mode: Mode
    reasoning_field: Literal["reasoning_content", "reasoning"]
    usage: Literal["choice", "top-level"] = "top-level"
    models: dict[_Name, Annotated[tuple[_Text, ...], Field(min_length=1)]] = {}
    max_output_tokens: Annotated[int, Field(gt=0)] | None = None
    keep: str | None = None
    source: _Text


_F = TypeVar("_F", PolicyDocument, _ProfileFile)


def parse_policy(text: str, source: str) -> PolicyDocument:
    """Read a policy; `source` names it in problems. Raises DocumentError with every problem at once."""
    sheet = read_sheet(text, source)
    document = _validated(PolicyDocument, sheet)
    problems = tuple(_inconsistencies(document, sheet))
    if problems:
        raise DocumentError(problems)
    return document


def parse_profile(text: str, source: str) -> Profile:
    """Read a vendor's profile; `source` names it in problems. Raises DocumentError with every problem at once."""
    sheet = read_sheet(text, source)
    file = _validated(_ProfileFile, sheet)
    problems = tuple(_wrong_switches(file, sheet))
    if problems:
        raise DocumentError(problems)
    return Profile(
        name=file.name,
        title=file.title,
        hosts=file.hosts,
        switches=tuple(
            Switch(_path(entry.path), _switch_value(entry.thinking), _switch_value(entry.instant))
            for entry in file.switches
        ),
        default_mode=file.default_mode,
        reasoning_field=file.reasoning_field,
        usage=file.usage,
        models=file.models,
        max_output_tokens=file.max_output_tokens,
        source=file.source,
        keep=None if file.keep is None else _path(file.keep),
    )


def _validated(schema: type[_F], sheet: Sheet) -> _F:
    try:
        return schema.model_validate(sheet.value)
    except ValidationError as error:
        found = {_explained(entry, schema, sheet): None for entry in error.errors() if not _beside_the_point(entry)}
        raise DocumentError(tuple(sorted(found, key=lambda problem: problem.line or 0))) from None


def _beside_the_point(entry: Any) -> bool:  # noqa: ANN401  (pydantic's ErrorDetails)
    """Of a number or a number per mode, only the complaint about the one that was meant is worth reading."""
    return bool(
        (entry["type"] in _NO_NUMBER and isinstance(entry["input"], dict))
        or (entry["type"] == "dataclass_type" and entry["loc"][-1] == PerMode.__name__)
    )


def _explained(entry: Any, schema: type[BaseModel], sheet: Sheet) -> Problem:  # noqa: ANN401  (as above)
    loc, kind = _named(entry["loc"]), entry["type"]
    name = next((step for step in reversed(loc) if isinstance(step, str)), sheet.source)
    if kind in ("missing", "too_short", "string_too_short"):
        if loc[-1] == name and kind == "missing":
            return sheet.problem(loc, f"`{name}` is missing", f"add `{name}:`")
        return sheet.problem(loc, f"`{name}` holds too little", "give it a value, or leave it out if it is optional")
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return sheet.problem(loc, f"`{name}` is not known here", closest(name, _valid_names(entry["loc"], schema)))
    if kind == "union_tag_invalid":
        tag = entry["ctx"]["tag"]
        return sheet.problem((*loc, "kind"), f"`{tag}` is no clause kind", closest(tag, KINDS))
    if kind == "union_tag_not_found":
        return sheet.problem(loc, "`kind` is missing", closest("", KINDS))
    if kind in ("enum", "literal_error"):
        valid = [word or number for word, number in re.findall(r"'([^']*)'|([0-9]+)", entry["ctx"]["expected"])]
        return sheet.problem(loc, f"`{name}` cannot be `{str(entry['input'])[:40]}`", closest(entry["input"], valid))
    if kind == "value_error":
        return sheet.problem(loc, str(entry["ctx"]["error"]))
    if kind in _NO_NUMBER:
        return sheet.problem(loc, f"`{name}` is not a number", "write a number, or {thinking: number, instant: number}")
    if kind == "string_pattern_mismatch":
        return sheet.problem(loc, f"`{name}` is more than lower-case letters, digits, dots and dashes")
    return sheet.problem(loc, f"`{name}`: {entry['msg'][0].lower()}{entry['msg'][1:]}")


_NO_NUMBER: Final = ("decimal_type", "decimal_parsing")


def _named(loc: Loc) -> Loc:
    """A location of pydantic's without the steps that the file does not have: a clause's kind, a choice's branch."""
    steps = [step for i, step in enumerate(loc) if not (i == 2 and loc[0] == "clauses")]
    return tuple(step for step in steps if step not in ("decimal", PerMode.__name__))


def _valid_names(loc: Loc, schema: type[BaseModel]) -> list[str]:
    """The names that may stand where `loc` ends."""
    if PerMode.__name__ in loc:
        return [str(mode) for mode in Mode]
    if loc[0] == "clauses" and len(loc) > 3:
        return [field.name for field in dataclasses.fields(KINDS[str(loc[2])])]
    parts: dict[str, type[BaseModel]] = {"mode": ModeSettings, "switches": _SwitchEntry}
    return list((parts.get(str(loc[0]), schema) if len(loc) > 1 else schema).model_fields)


def _inconsistencies(document: PolicyDocument, sheet: Sheet) -> Iterator[Problem]:
    """What no single clause can see: names used twice, a member filled twice, a clause without substance."""
    seen: set[tuple[str, Contract]] = set()
    filled: set[tuple[str, Contract, Route]] = set()
    if not document.clauses:
        yield sheet.problem(("clauses",), "`clauses` is empty", "add a clause (docs/policies.md)")
    for i, clause in enumerate(document.clauses):
        loc = ("clauses", i)
        if not _CLAUSE_ID.fullmatch(clause.id):
            yield sheet.problem((*loc, "id"), f"`{clause.id}` is no clause id", "use kebab-case: top-p-off-contract")
        if not clause.source.strip():
            yield sheet.problem((*loc, "source"), "`source` is empty", "say where the rule is published")
        for name in clause.governed:
            if shown_name(name) != name:
                yield sheet.problem(loc, f"`{name}` is no member name", "use letters, digits, `_`, `.` and `-`")
        if not clause.routes:
            yield sheet.problem((*loc, "routes"), "`routes` is empty", closest("", Route))
        for contract in Contract if clause.contract is None else (clause.contract,):
            if (clause.id, contract) in seen:
                yield sheet.problem((*loc, "id"), f"`{clause.id}` is used twice", "give each clause its own id")
                break
            seen.add((clause.id, contract))
        fills = set(_fills(clause, document.mode.default))
        if fills & filled:
            member = min(fills & filled)[0]
            yield sheet.problem(loc, f"`{member}` is filled by two clauses", "set `absent: leave` in one of them")
        filled |= fills


def _fills(clause: Clause, mode: Mode) -> Iterator[tuple[str, Contract, Route]]:
    if not isinstance(clause, MemberClause):
        return
    for member in clause.governed:
        if clause.fill(member, Scope(mode)) is not None:
            for contract in Contract if clause.contract is None else (clause.contract,):
                yield from ((member, contract, route) for route in clause.routes)


def _wrong_switches(file: _ProfileFile, sheet: Sheet) -> Iterator[Problem]:
    """Switches that contract.mode does not know, or that say another mode than they should."""
    paths = {".".join(path): meanings for path, meanings in SWITCHES.items()}
    for i, entry in enumerate(file.switches):
        if entry.path not in paths:
            yield sheet.problem(
                ("switches", i, "path"), f"`{entry.path}` is no known switch", closest(entry.path, paths)
            )
            continue
        for mode, value in ((Mode.THINKING, entry.thinking), (Mode.INSTANT, entry.instant)):
            said = file.default_mode if value is None else paths[entry.path].get(value)
            if said is not mode:
                hint = f"values: {', '.join(map(_word, paths[entry.path]))}; null says the default, {file.default_mode}"
                yield sheet.problem(("switches", i, str(mode)), f"`{entry.path}` would not say {mode}", hint)
    keeps = {".".join(path) for path in KEEP_SPELLINGS}
    if file.keep is not None and file.keep not in keeps:
        yield sheet.problem(("keep",), f"`{file.keep}` is no known way to keep reasoning", closest(file.keep, keeps))


def _path(text: str) -> Path:
    return tuple(text.split("."))


def _word(value: object) -> str:
    return str(value).lower()


def _switch_value(value: bool | str | None) -> bytes | None:  # noqa: FBT001  (the value of a switch, not an option)
    return None if value is None else encoded(value)
