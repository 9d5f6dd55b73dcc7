"""Credentials, read from where the configuration says they are: a variable or a file.

Not here: who may have which (relations.py). Invariant: the text of a credential goes into a Secret or a hash at once,
and into nothing else: no problem, warning or log line repeats it, nor the value that should have been a path.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from proxy.config.sources import ReadText, reason
from proxy.config.tree import Place, Text
from proxy.config.values import Secret
from proxy.policy.document import Problem

ModeOf: TypeAlias = Callable[[Path], int | None]
"""A file's permission bits; None when they are not to be had."""

_IN_A_HEADER: Final = re.compile(r"[\x21-\x7e]+")
"""What fits behind `Bearer ` (RFC 6750 section 2.1 is stricter; vendors are not)."""


@dataclass(slots=True)
class Credentials:
    """Reads credentials, and keeps what is to be said about them; `files` are those that were read.

    Without `read_secrets` nothing is looked for, and each credential is a text of its own that opens nothing.
    """

    environ: Mapping[str, str]
    read_text: ReadText
    mode_of: ModeOf
    problems: list[Problem]
    read_secrets: bool = True
    warnings: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    def from_variable(self, name: str, label: str, place: Place) -> Secret | None:
        """The credential in a variable; None after adding a problem."""
        if not self.read_secrets:
            return Secret(label)
        text = self.environ.get(name, "").strip()
        if not text:
            state = "is empty" if name in self.environ else "is not set"
            self.problems.append(
                place.problem(f"{label}: the environment variable {name} {state}", f"start with {name}=... in front")
            )
            return None
        return self._checked(text, label, place)

    def from_file(self, path: Text, label: str, place: Place) -> Secret | None:
        """The credential in a file; None after adding a problem."""
        if not self.read_secrets:
            return Secret(label)
        where = place.folder / path
        try:
            text = self.read_text(where).strip()
        except (OSError, UnicodeDecodeError, ValueError) as error:
            why = reason(error) if isinstance(error, OSError | UnicodeDecodeError) else "it is no path"
            self.problems.append(
                place.problem(
                    f"{label}: the file cannot be read: {why}",
                    "write the path of a file that holds nothing but the key; a relative path starts at the folder of "
                    "the configuration",
                )
            )
            return None
        self.files.append(where)
        self.warn_if_open(where, label)
        if not text:
            self.problems.append(place.problem(f"{label}: the file is empty", "write the key into it"))
            return None
        return self._checked(text, label, place)

    def warn_if_open(self, path: Path, label: str) -> None:
        """Warn when every user of the machine may read `path`."""
        mode = self.mode_of(path)
        if mode is not None and mode & 0o004:
            self.warnings.append(f"{label}: every user of this machine can read {path}; hint: chmod o-r {path}")

    def _checked(self, text: str, label: str, place: Place) -> Secret | None:
        if fits_a_header(text):
            return Secret(text)
        self.problems.append(
            place.problem(
                f"{label}: the key holds characters that no header may hold", "keep the key alone, on one line"
            )
        )
        return None


def fits_a_header(text: str) -> bool:
    """Whether a key is one that can be sent."""
    return _IN_A_HEADER.fullmatch(text) is not None


def digest(key: Secret) -> bytes:
    """The hash by which a client's key is known."""
    return hashlib.sha256(key.reveal().encode()).digest()
