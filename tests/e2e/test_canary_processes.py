"""Processes that hold keys, looked at from outside and in distress: core files, command lines, environments, every
logger at DEBUG, a crash.

Not here: values that hold a key (test_canary_values.py), what commands print and keep (test_canary_commands.py).
Invariant: only what was given by the environment is in one.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Final

from tests.e2e.canaries import CLIENT, HELD_BY_ENVIRONMENT, HELD_BY_FILE, PASSED, traces
from tests.e2e.echoing import echoing
from tests.e2e.serving import chat, serving
from tests.supervisor.running import Running

DEBUGGING: Final = """
import logging
logging.basicConfig(level=logging.DEBUG)
logging.getLogger("every").debug("logger tells all")
"""


def held_by(pid: int, what: str) -> str:
    return Path(f"/proc/{pid}/{what}").read_bytes().decode("latin-1")


async def ask(supervisor: Running, **members: Any) -> None:  # noqa: ANN401  (any JSON)
    """Of each vendor, with a key that it is passed or that is replaced."""
    for path in ("/v1", "/vendors/filed/v1", "/vendors/passing/v1", "/vendors/deaf/v1"):
        headers = {"Authorization": f"Bearer {PASSED}", "Cookie": CLIENT}
        url = f"{supervisor.url}{path}/chat/completions"
        async with supervisor.session.post(url, json=chat(**members), headers=headers) as answer:
            await answer.read()


async def test_processes_dump_nothing_and_show_nothing_and_say_nothing_when_debugged(tmp_path: Path) -> None:
    """With every logger at DEBUG, asyncio's debug mode and Python's own, and a worker that is made to crash."""
    (tmp_path / "key").write_text(HELD_BY_FILE)
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(DEBUGGING)
    environment = {
        "HELD_KEY": HELD_BY_ENVIRONMENT,
        "PYTHONPATH": str(tmp_path / "site"),
        "PYTHONASYNCIODEBUG": "1",
        "PYTHONFAULTHANDLER": "1",
    }
    with echoing() as vendor:
        vendors: list[dict[str, Any]] = [
            {"name": "held", "url": vendor.url, "profile": "vllm", "api_key_env": "HELD_KEY"},
            {"name": "filed", "url": vendor.url, "profile": "vllm", "api_key_file": str(tmp_path / "key")},
            {"name": "passing", "url": vendor.url, "profile": "vllm", "credentials": "pass"},
            {"name": "deaf", "url": "http://127.0.0.1:9/v1", "profile": "vllm", "api_key_env": "HELD_KEY"},
        ]
        async with serving(tmp_path, vendors, environment, state_dir=str(tmp_path / "state")) as supervisor:
            await ask(supervisor)
            await ask(supervisor, stream=True, temperature="x")
            pids = supervisor.strays()
            assert len(pids) >= 3, "a supervisor, a worker, a scorer"
            for pid in pids:
                limits = held_by(pid, "limits")
                assert next(line for line in limits.splitlines() if "core file" in line).split()[4:6] == ["0", "0"]
                assert int(held_by(pid, "coredump_filter"), 16) == 0
            shown = [held_by(pid, "cmdline") for pid in pids]
            environs = [held_by(pid, "environ") for pid in pids]
            (worker, *_) = await supervisor.serving()
            assert supervisor.said("DEBUG:every:logger tells all")
            supervisor.signal(signal.SIGHUP)
            await supervisor.hears(r"reloaded \(SIGHUP\)")
            os.kill(worker, signal.SIGABRT)
            await supervisor.hears("Fatal Python error: Aborted")
        said = "\n".join((*supervisor.lines, *shown))
    (tmp_path / "key").unlink()
    assert vendor.credentials.count(f"Bearer {PASSED}") >= 1
    for key in (HELD_BY_ENVIRONMENT, HELD_BY_FILE, PASSED, CLIENT):
        assert not traces(said, key)
    for key in (HELD_BY_FILE, PASSED, CLIENT):
        assert not traces("\n".join(environs), key), "a key that no environment was given"
