"""The policies, vendor profiles and dashboards that come with the program.

Here: where they are (inside the wheel, or beside the package in a checkout), and the texts of the first two.
Invariant: no path is written down that depends on the machine; what is shipped is read through the package's own
resources.
"""

from __future__ import annotations

import fnmatch
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from proxy.contract.profile import Profile
from proxy.policy.document import DocumentError, Problem, parse_profile

OPEN_PROFILE: Final = "openai-compatible"
"""The profile of a host that no other profile lists."""

_SUFFIX: Final = ".yaml"


class NotShipped(LookupError):
    """No document of that name is shipped."""


@cache
def shipped_folder(name: str) -> Traversable:
    """A folder that comes with the program: `policies`, `dashboards`. Raises DocumentError where it is missing."""
    package = resources.files("proxy")
    in_wheel = package / "_shipped" / name
    if in_wheel.is_dir():
        return in_wheel
    beside = Path(str(package)).parent / name
    if beside.is_dir():
        return beside
    raise DocumentError((Problem("paramwall", None, f"this installation holds no {name}", "install it again"),))


def _folder() -> Traversable:
    return shipped_folder("policies")


def policy_names() -> tuple[str, ...]:
    """Every shipped policy, by name."""
    return _names(_folder())


def profile_names() -> tuple[str, ...]:
    """Every shipped vendor profile, by name."""
    return _names(_folder() / "vendors")


def policy_text(name: str) -> str:
    """The YAML text of a shipped policy. Raises NotShipped."""
    return _text(_folder(), name, policy_names())


def profile_text(name: str) -> str:
    """The YAML text of a shipped profile. Raises NotShipped."""
    return _text(_folder() / "vendors", name, profile_names())


def policy_source(name: str) -> str:
    """What problems and listings call the shipped policy."""
    return f"policies/{name}{_SUFFIX}"


def profile_source(name: str) -> str:
    """What problems and listings call the shipped profile."""
    return f"policies/vendors/{name}{_SUFFIX}"


@cache
def profile_named(name: str) -> Profile:
    """A shipped profile. Raises NotShipped."""
    return parse_profile(profile_text(name), profile_source(name))


def profile_of_host(host: str) -> Profile | None:
    """The shipped profile that lists `host` (lower case); `*.example.com` in a profile covers every name below it."""
    profiles = (profile_named(name) for name in profile_names())
    return next((p for p in profiles if any(fnmatch.fnmatchcase(host, known) for known in p.hosts)), None)


def _names(folder: Traversable) -> tuple[str, ...]:
    return tuple(sorted(each.name.removesuffix(_SUFFIX) for each in folder.iterdir() if each.name.endswith(_SUFFIX)))


def _text(folder: Traversable, name: str, known: tuple[str, ...]) -> str:
    # The name is compared with the listing and never used as a path, so it cannot lead out of the folder.
    if name not in known:
        raise NotShipped(name)
    return (folder / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
