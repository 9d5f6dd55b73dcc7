"""The Dockerfile, as far as it can be judged without building: linted, complete, and its health check run for real."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest
import yaml

import proxy
from tests.deploy.outside import DEPLOY, program, run
from tests.deploy.patience import served
from tests.e2e.serving import write
from tests.source import ROOT

DOCKERFILE: Final = DEPLOY / "Dockerfile"
TEXT: Final = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", "")
CHART: Final = DEPLOY / "helm/paramwall"


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name}\s+(.*)$", TEXT, flags=re.MULTILINE)


def test_hadolint_finds_no_fault() -> None:
    assert run(program("hadolint"), "--failure-threshold", "style", str(DOCKERFILE)) == ""


def copied() -> set[str]:
    """What is taken from the checkout."""
    return {word for line in instructions("COPY") if "--from" not in line for word in shlex.split(line)[:-1]}


def test_what_the_wheel_needs_is_in_the_image_and_nothing_else() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {Path(each).parts[0] for each in (*wheel["packages"], *wheel["force-include"])}
    assert needed | {"pyproject.toml", "README.md", "LICENSE", "deploy/requirements.lock"} <= copied()
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == copied()


def test_it_runs_as_a_number_that_is_not_root() -> None:
    (user,) = instructions("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)


def test_it_is_stopped_by_the_signal_that_drains_and_hears_it() -> None:
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["paramwall"]


def health_check() -> list[str]:
    (line,) = re.findall(r"^HEALTHCHECK .*?CMD (\[.*\])$", TEXT, flags=re.MULTILINE)
    command: list[str] = json.loads(line)
    return command


async def healthy(admin: str) -> bool:
    command = [sys.executable, *health_check()[1:]]
    # A proxy that an environment names is not asked about this machine.
    environment = {"PARAMWALL_ADMIN": admin, "http_proxy": "http://127.0.0.1:9"}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.DEVNULL)
    return await asyncio.wait_for(process.wait(), 20) == 0


async def test_the_health_check_tells_a_living_proxy_from_none(tmp_path: Path) -> None:
    assert health_check()[0] == "python"
    vendors = [{"name": "one", "url": "http://127.0.0.1:9/v1", "credentials": "pass"}]
    write(tmp_path, vendors=vendors)
    async with served(tmp_path) as supervisor:
        admin = supervisor.admin.removeprefix("http://")
        assert await healthy(admin)
    assert not await healthy(admin)


@pytest.mark.parametrize(
    "version",
    [
        yaml.safe_load((CHART / "Chart.yaml").read_text())["version"],
        yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"],
        yaml.safe_load((DEPLOY / "kustomize/base/kustomization.yaml").read_text())["images"][0]["newTag"],
        yaml.safe_load((DEPLOY / "kustomize/example/kustomization.yaml").read_text())["images"][0]["newTag"],
        *re.findall(r"^ARG VERSION=(.*)$", TEXT, flags=re.MULTILINE),
    ],
)
def test_one_version(version: str) -> None:
    assert version == proxy.__version__


def test_all_yaml_is_tidy() -> None:
    files = [*(DEPLOY / "compose").rglob("*.yaml"), *(DEPLOY / "kustomize").rglob("*.yaml"), *CHART.glob("*.yaml")]
    assert len(files) > 10
    rules = Path(__file__).with_name("yamllint.yaml")
    run(program("yamllint"), "--strict", "-c", str(rules), *map(str, files))
