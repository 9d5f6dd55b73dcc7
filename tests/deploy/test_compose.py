"""The compose demo: as Compose reads it, each configuration before its own judge, and its commands run for real."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

import proxy
from proxy.config.load import Flags, load, read_file
from tests.deploy.outside import DEPLOY, program, run
from tests.deploy.patience import READY_S, served
from tests.source import ROOT
from tests.supervisor.running import until

FOLDER: Final = DEPLOY / "compose"
OURS: Final = f"paramwall:{proxy.__version__}"
SIMULATORS: Final = ("reference", "honest", "degrading")
PROMETHEUS: Final = "apt-get install prometheus"
ALERTMANAGER: Final = "apt-get install prometheus-alertmanager"

Service = dict[str, Any]


@cache
def composed() -> dict[str, Any]:
    """The whole file as Compose understands it."""
    found: dict[str, Any] = json.loads(
        run(program("docker-compose"), "-f", str(FOLDER / "compose.yaml"), "config", "--format", "json")
    )
    return found


def services() -> dict[str, Service]:
    found: dict[str, Service] = composed()["services"]
    return found


def test_compose_takes_it() -> None:
    run(program("docker-compose"), "-f", str(FOLDER / "compose.yaml"), "config", "-q")
    watching = {"proxy", "traffic", "prometheus", "alertmanager", "grafana"}
    assert services().keys() == {*SIMULATORS, *watching}


def test_every_image_is_ours_or_of_a_named_version() -> None:
    for name, service in services().items():
        if "build" in service:
            assert service["image"] == OURS
            assert Path(service["build"]["context"]) == ROOT
            assert (ROOT / service["build"]["dockerfile"]).is_file()
        else:
            assert re.fullmatch(r"\w+/\w+:v?\d+\.\d+\.\d+", service["image"]), name


def test_nothing_is_published_but_on_loopback() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert {port["published"] for port in ports} == {"8080", "9091", "9090", "9093", "3000"}
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_services_may_do_nothing_that_they_need_not() -> None:
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert int(service["mem_limit"]) > 0, name
        assert not {"privileged", "cap_add", "network_mode", "pid"} & service.keys(), name


def test_simulators_are_reached_by_the_proxy_alone() -> None:
    assert composed()["networks"]["vendors"]["internal"] is True
    inside = {name for name, service in services().items() if "vendors" in service["networks"]}
    assert inside == {*SIMULATORS, "proxy"}
    for name in SIMULATORS:
        assert services()[name]["networks"].keys() == {"vendors"}
        assert "ports" not in services()[name]


def test_every_mounted_file_is_there() -> None:
    mounts = [mount for service in services().values() for mount in service.get("volumes", [])]
    bound = [Path(mount["source"]) for mount in mounts if mount["type"] == "bind"]
    assert len(bound) >= 7
    assert [str(path) for path in bound if not path.exists()] == []
    assert all(mount.get("read_only") for mount in mounts if mount["type"] == "bind")


def test_nobody_waits_for_a_service_that_never_says_it_is_healthy() -> None:
    for service in services().values():
        for name, wait in service.get("depends_on", {}).items():
            # The image of the proxy has a check of its own.
            checked = "healthcheck" in services()[name] or name == "proxy"
            assert checked or wait["condition"] != "service_healthy", name


def test_no_password_and_no_key_is_written_down() -> None:
    text = (FOLDER / "compose.yaml").read_text()
    assert not re.search(r"(?i)password\s*[:=]|secret\s*[:=]|api[_-]key\s*[:=]", text)
    assert services()["grafana"]["environment"]["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"


# Each configuration before its own judge


def test_the_proxy_takes_its_file_and_holds_no_key() -> None:
    loaded = load(Flags(config=str(FOLDER / "paramwall/paramwall.yaml")), {}, read_file)
    assert [vendor.name for vendor in loaded.config.vendors] == ["honest", "degrading"]
    text = (FOLDER / "paramwall/paramwall.yaml").read_text()
    assert set(re.findall(r"http://([a-z]+):9000/v1", text)) == set(SIMULATORS)
    assert "api_key" not in re.sub(r"#.*", "", text)
    grace = re.fullmatch(r"(\d+)s", services()["proxy"]["stop_grace_period"])
    assert grace is not None
    assert int(grace[1]) > loaded.config.drain_s + 10


def test_prometheus_takes_its_file_with_the_rules(tmp_path: Path) -> None:
    text = (FOLDER / "prometheus.yaml").read_text()
    mounted = {mount["target"]: mount["source"] for mount in services()["prometheus"]["volumes"]}
    rules = "/etc/prometheus/rules"
    assert f"{rules}/*.yaml" in text
    file = tmp_path / "prometheus.yaml"
    file.write_text(text.replace(rules, mounted[rules]))
    assert "2 rule files found" in run(program("promtool", PROMETHEUS), "check", "config", str(file))


def test_prometheus_finds_the_proxy_and_the_alertmanager() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    (job,) = config["scrape_configs"]
    admin = load(Flags(config=str(FOLDER / "paramwall/paramwall.yaml")), {}, read_file).config.admin
    assert (job["job_name"], job["static_configs"][0]["targets"]) == ("paramwall", [f"proxy:{admin.port}"])
    (alertmanager,) = config["alerting"]["alertmanagers"]
    assert alertmanager["static_configs"][0]["targets"] == ["alertmanager:9093"]
    # What makes links absolute must not reach the Alertmanager, where it would split groups.
    (relabel,) = config["alerting"]["alert_relabel_configs"]
    assert relabel["action"] == "labeldrop"
    assert all(re.fullmatch(relabel["regex"], label) for label in config["global"]["external_labels"])


def test_the_alertmanager_takes_its_file() -> None:
    sources = [mount["source"] for mount in services()["alertmanager"]["volumes"] if mount["type"] == "bind"]
    assert "SUCCESS" in run(program("amtool", ALERTMANAGER), "check-config", *sources)


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    mounted = {
        mount["target"]: Path(mount["source"]) for mount in services()["grafana"]["volumes"] if "source" in mount
    }
    provisioning = mounted["/etc/grafana/provisioning"]
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    scraping = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scraping["scrape_interval"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/paramwall.yaml").read_text())["providers"]
    assert list(mounted[provider["options"]["path"]].glob("*.json"))


# The commands, run


@asynccontextmanager
async def simulated(name: str) -> AsyncIterator[str]:
    """The command of a simulator on a free port of this machine; its URL, once it answers."""
    command = [word.replace("0.0.0.0:9000", "127.0.0.1:0") for word in services()[name]["command"]]
    assert "127.0.0.1:0" in command
    program_ = (sys.executable, "-P", "-m", "proxy", *command)
    process = await asyncio.create_subprocess_exec(*program_, stderr=asyncio.subprocess.PIPE)
    try:
        assert process.stderr is not None
        line = (await asyncio.wait_for(process.stderr.readline(), READY_S)).decode()
        url = re.search(r"at (http://\S+/v1) ", line)
        assert url is not None, line
        assert ("faults: none" in line) == (name != "degrading")
        yield url[1]
        process.terminate()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_demo_runs(tmp_path: Path) -> None:
    text = (FOLDER / "paramwall/paramwall.yaml").read_text().replace("/var/lib/paramwall", "state")
    async with AsyncExitStack() as stack:
        urls = await asyncio.gather(*(stack.enter_async_context(simulated(name)) for name in SIMULATORS))
        for name, url in zip(SIMULATORS, urls, strict=True):
            text = text.replace(f"http://{name}:9000/v1", url)
        (tmp_path / "paramwall.yaml").write_text(re.sub(r"0\.0\.0\.0:\d+", "127.0.0.1:0", text))
        demo = await stack.enter_async_context(served(tmp_path))
        script = FOLDER / "traffic.py"
        assert services()["traffic"]["entrypoint"] == ["python", "/demo/traffic.py"]
        vendors = [word for word in services()["traffic"]["command"] if word in SIMULATORS]
        traffic = await asyncio.create_subprocess_exec(sys.executable, str(script), "--proxy", demo.url, *vendors)
        try:

            async def seen() -> bool:
                views = (await demo.status())["drift"]
                counted = {
                    vendor: [(view["answers"], view["pairs"]) for view in views if view["key"]["vendor"] == vendor]
                    for vendor in vendors
                }
                return all(any(answers >= 5 and pairs >= 1 for answers, pairs in each) for each in counted.values())

            await until(seen, "both vendors answered and pairs were compared", READY_S)
        finally:
            traffic.terminate()
            await traffic.wait()


@pytest.mark.parametrize("vendor", ["honest", "degrading"])
def test_the_traffic_names_vendors_that_are_there(vendor: str) -> None:
    assert vendor in services()["traffic"]["command"]
