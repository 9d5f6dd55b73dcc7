"""The systemd unit: as systemd reads it, and the proxy with what it takes away."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

import pytest

from proxy.config.document import DrainSettings
from proxy.simulator import Options, Simulator
from tests.deploy.confined import allowed, settings
from tests.deploy.outside import DEPLOY, program, run
from tests.deploy.patience import served
from tests.e2e.serving import chat, write

UNIT: Final = DEPLOY / "systemd/paramwall.service"
SYSTEMD: Final = "apt-get install systemd"
MOST_EXPOSED: Final = 2.0
SCORER_S: Final = 10


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there, as `verify` looks for it."""
    file = tmp_path / UNIT.name
    text = UNIT.read_text()
    assert "/opt/paramwall/bin/paramwall" in text
    file.write_text(text.replace("/opt/paramwall/bin/paramwall", str(Path(sys.executable).parent / "paramwall")))
    return file


def only(name: str) -> str:
    (value,) = settings(UNIT.read_text(), name)
    return value


def test_systemd_finds_no_fault(unit: Path) -> None:
    assert run(program("systemd-analyze", SYSTEMD), "verify", "--man=no", str(unit)) == ""


def test_it_is_hardly_exposed(unit: Path) -> None:
    said = run(program("systemd-analyze", SYSTEMD), "security", "--offline=true", "--no-pager", str(unit))
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert exposure is not None
    assert float(exposure[1]) <= MOST_EXPOSED


def test_a_drain_has_its_time() -> None:
    assert only("KillMode") == "mixed"
    minutes = re.fullmatch(r"(\d+)min", only("TimeoutStopSec"))
    assert minutes is not None
    assert int(minutes[1]) * 60 > DrainSettings().timeout + SCORER_S


def test_what_must_not_be_allowed_is_not() -> None:
    program("systemd-analyze", SYSTEMD)
    calls = allowed(UNIT.read_text())
    assert {"read", "setpriority", "prlimit64"} <= calls
    assert not {"mount", "ptrace", "setuid", "sched_setscheduler", "reboot", "bpf"} & calls


def confined(pid: int) -> bool:
    return re.search(r"^Seccomp:\s+2$", Path("/proc", str(pid), "status").read_text(), flags=re.MULTILINE) is not None


async def test_the_proxy_works_with_what_is_left(tmp_path: Path) -> None:
    program("systemd-analyze", SYSTEMD)
    launcher = (str(Path(__file__).with_name("confined.py")), str(UNIT), sys.executable)
    async with Simulator(Options(instant=True)) as vendor:
        vendors = [{"name": "one", "url": vendor.url, "credentials": "pass"}]
        reference = {"url": vendor.url, "profile": "moonshot"}
        state = str(tmp_path / "state")
        write(tmp_path, vendors=vendors, reference=reference, mirror={"fraction": "100%"}, state_dir=state)
        async with served(tmp_path, *launcher) as proxy:
            assert not proxy.said("confined:")
            url = f"{proxy.url}/v1/chat/completions"
            async with proxy.session.post(url, json=chat(), headers={"Authorization": "Bearer sk-x"}) as response:
                assert response.status == 200
            status = await proxy.status()
            for process in (*status["workers"], status["scorer"]):
                assert confined(process["pid"])
            assert await proxy.metric("paramwall_scorer_restarts_total") == 0
