"""The project's own files as the structural tests read them: modules parsed once, tracked text.

Not here: what is demanded of them (test_architecture.py, test_docs.py). A test that finds offenders names them all.
"""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Module:
    """One file of proxy/. `name` is what import takes, `room` the folder or file right beneath proxy/."""

    name: str
    path: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""


def _module(file: Path) -> Module:
    relative = file.relative_to(ROOT)
    parts = relative.with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    text = file.read_text()
    return Module(name, str(relative), text, ast.parse(text, str(relative)))


MODULES: Final = tuple(_module(file) for file in sorted((ROOT / "proxy").rglob("*.py")))


def plain_strings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Every string of a module that is not documentation (a string that stands alone as a statement)."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node


def none_of(offenders: Iterable[str], rule: str) -> None:
    """Fail with the rule and everything that breaks it, one a line."""
    found = list(offenders)
    assert not found, "\n  ".join([rule, *found])


def project_files() -> Iterator[Path]:
    """Every file git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        file = ROOT / name
        if name and file.is_file():
            yield file
