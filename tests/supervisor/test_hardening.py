"""What the processes give up before they touch a secret, and what they do not load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.supervisor.launches import SCORER, WORKER

SHOWS_ITS_DUMPS = """
import subprocess, sys
{before}
subprocess.run([sys.executable, "-c", '''
import pathlib, resource
print(*resource.getrlimit(resource.RLIMIT_CORE), int(pathlib.Path("/proc/self/coredump_filter").read_text(), 16))
'''], check=True)
"""


@pytest.mark.parametrize(
    "before",
    [
        "import proxy.supervisor.sockets as sockets; sockets.raise_limits()",
        "import proxy.cli; proxy.cli.app = lambda: None; proxy.cli.main()",
    ],
    ids=["serve", "every command"],
)
def test_core_files_are_off(before: str) -> None:
    """In a process that was started afterwards: neither a file nor, into a program, any memory."""
    code = SHOWS_ITS_DUMPS.format(before=before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "0", "0"]


@pytest.mark.parametrize("command", [WORKER, SCORER], ids=["worker", "scorer"])
def test_a_folder_called_proxy_is_not_loaded(command: tuple[str, ...], tmp_path: Path) -> None:
    impostor = tmp_path / "proxy"
    impostor.mkdir()
    (impostor / "__init__.py").write_text("raise SystemExit(66)\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*command, "--help"], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    trusting = [word for word in command if word != "-P"]
    assert subprocess.run([*trusting, "--help"], cwd=tmp_path, env=environment, check=False).returncode == 66
