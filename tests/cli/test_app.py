"""The commands as a whole: they are joined, and the installed program is they."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import proxy
import proxy.cli
from tests.cli.running import run


def _commands() -> list[str]:
    """The files with a function named like the file, which is what a command is."""
    names = [path.stem for path in Path(proxy.cli.__file__).parent.glob("*.py") if path.stem != "__init__"]
    return [name for name in names if callable(getattr(import_module(f"proxy.cli.{name}"), name, None))]


def test_every_command_is_joined() -> None:
    commands = [*_commands(), "policy"]
    assert {"serve", "init", "check", "explain", "simulate"} <= set(commands)
    text = run("--help").out
    assert [name for name in commands if f"\n  {name} " not in text] == []


@pytest.mark.parametrize("arguments", [(), ("policy",)])
def test_without_a_command_the_help_is_shown(arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert "Commands:" in ran.out + ran.err


@pytest.mark.parametrize(
    "arguments", [("none",), ("explain",), ("explain", "-", "--none"), ("policy", "show"), ("check", "--jsn")]
)
def test_a_wrong_command_line_gives_exit_code_2_and_nothing_on_stdout(arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err


def test_version() -> None:
    assert run("--version") == (0, f"paramwall {proxy.__version__}\n", "")


def _program(*arguments: str, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "proxy", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, cwd=cwd, env={"PATH": ""})


def test_the_real_program(tmp_path: Path) -> None:
    """init, check, explain and policy in processes of their own, outside the project's folder."""
    wrote = _program("init", cwd=tmp_path)
    assert (wrote.returncode, wrote.stdout) == (0, b"")
    checked = _program("check", cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, b"")
    assert checked.stdout.startswith(b"paramwall.yaml: ok, configuration ")
    body = b'{"model":"kimi-k2.6","temperature":0.3,"messages":[]}'
    explained = _program("explain", "-", "--config", "paramwall.yaml", stdin=body, cwd=tmp_path)
    assert (explained.returncode, explained.stderr) == (1, b"")
    assert b"temperature=0.3->1.0" in explained.stdout
    refused = _program("serve", "--config", "none.yaml", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"there is no file none.yaml" in refused.stderr
    assert b"Traceback" not in refused.stderr
