"""Policies and profiles by name or by file: NAME is shipped, anything with a slash or ending in .yaml is a file.

Not here: what a document says (policy/document.py). Raises DocumentError with every problem of the document, or with
the one that it is not to be had.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from proxy.config import shipped
from proxy.config.refusal import choose
from proxy.config.sources import ReadText, reason
from proxy.config.tree import Place, Text
from proxy.contract.profile import Profile
from proxy.policy.document import DocumentError, PolicyDocument, parse_policy, parse_profile

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Found(Generic[D]):
    """A document, and the file it came from; None: it is shipped."""

    document: D
    file: Path | None


def find_policy(said: Text, place: Place, read_text: ReadText) -> Found[PolicyDocument]:
    """The policy `said` names, relative to `place`."""
    if is_file(said):
        return _from_file(said, place, read_text, parse_policy, "policy")
    if said not in shipped.policy_names():
        hint = _hint(said, shipped.policy_names())
        raise DocumentError((place.problem(f"no policy {said.shown} is shipped", hint),))
    return Found(parse_policy(shipped.policy_text(said), shipped.policy_source(said)), None)


def find_profile(said: Text, place: Place, read_text: ReadText) -> Found[Profile]:
    """The vendor profile `said` names, relative to `place`."""
    if is_file(said):
        return _from_file(said, place, read_text, parse_profile, "profile")
    if said not in shipped.profile_names():
        hint = _hint(said, shipped.profile_names())
        raise DocumentError((place.problem(f"no profile {said.shown} is shipped", hint),))
    return Found(shipped.profile_named(said), None)


def is_file(said: str) -> bool:
    """Whether `said` is a path and not a name."""
    return "/" in said or said.endswith((".yaml", ".yml"))


def _hint(said: str, names: tuple[str, ...]) -> str:
    return f"{choose(said, names)} (a file is written with a slash, as in ./mine.yaml)"


def _from_file(said: Text, place: Place, read_text: ReadText, parse: Callable[[str, str], D], what: str) -> Found[D]:
    path = place.folder / said
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        message = f"the {what} {said.shown} cannot be read: {reason(error)}"
        raise DocumentError((place.problem(message, "write the path of a file, or a name"),)) from None
    return Found(parse(text, str(path)), path)
