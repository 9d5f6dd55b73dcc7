"""The Helm chart: what it renders with several sets of values, what the schemas say, and which values it refuses."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from deploy import copies
from proxy.config.document import DrainSettings
from proxy.config.load import Flags, load
from proxy.policy.document import parse_profile
from tests.deploy.outside import package, program, run
from tests.deploy.patience import served
from tests.deploy.rendering import CHART, OPERATOR, VALUES, Manifest, chart, faults, one, rendered, values
from tests.e2e.serving import write

SETS: Final = sorted(file.stem for file in VALUES.glob("*.yaml") if file.stem != "refused")
REFUSED: Final[list[dict[str, Any]]] = yaml.safe_load((VALUES / "refused.yaml").read_text())
SCORER_S: Final = 10


def pod(manifests: list[Manifest]) -> Manifest:
    spec: Manifest = one(manifests, "StatefulSet")["spec"]["template"]["spec"]
    return spec


def container(manifests: list[Manifest]) -> Manifest:
    (only,) = pod(manifests)["containers"]
    found: Manifest = only
    return found


@pytest.mark.parametrize("name", SETS)
def test_helm_finds_no_fault(name: str) -> None:
    report = package("helm_python").lint(CHART, values(name), strict=True)
    assert (report["total_charts_linted"], report["errors"]) == (1, [])


@pytest.mark.parametrize("name", SETS)
def test_manifests_are_what_kubernetes_takes(name: str) -> None:
    manifests = chart(values(name))
    assert len(manifests) >= 4
    assert faults(manifests) == []


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: " ".join(case["says"]))
def test_bad_values_are_refused_in_clear_words(case: dict[str, Any]) -> None:
    with pytest.raises(package("helm_python").HelmError) as refusal:
        rendered(case["values"])
    for word in case["says"]:
        assert word in str(refusal.value)


@pytest.mark.parametrize("name", SETS)
def test_the_proxy_takes_the_configuration(name: str, tmp_path: Path) -> None:
    manifests = chart(values(name))
    config_map = one(manifests, "ConfigMap", pod(manifests)["volumes"][0]["configMap"]["name"])
    for file, text in config_map["data"].items():
        (tmp_path / file).write_text(text)
    said = dict(argument.removeprefix("--").split("=") for argument in container(manifests)["args"] if "=" in argument)
    assert said["config"] == f"{container(manifests)['volumeMounts'][0]['mountPath']}/paramwall.yaml"
    file = tmp_path / "paramwall.yaml"
    config = yaml.safe_load(file.read_text())
    config.pop("tls", None)  # the certificate is in a Secret, which is not here
    file.write_text(yaml.dump(config))
    flags = Flags(config=str(file), listen=said["listen"], admin=said["admin"], state_dir=said["state-dir"])
    loaded = load(flags, {}, mounted, read_secrets=False)
    ports = {each["name"]: each["containerPort"] for each in container(manifests)["ports"]}
    assert ports == {"proxy": loaded.config.listen[0].port, "admin": loaded.config.admin.port}
    assert [vendor.name for vendor in loaded.config.vendors] == [each["name"] for each in config["vendors"]]


def mounted(path: Path) -> str:
    """A file as the pod sees it; Secrets are not here."""
    return "a-key" if path.is_relative_to("/etc/paramwall") else path.read_text()


def test_files_reach_the_proxy_byte_for_byte() -> None:
    text = "two lines,\nand {{ not a template }}: 'x' \"y\" <&>\n\n"
    data = one(chart({"files": {"notes.txt": text}}), "ConfigMap", "paramwall")["data"]
    assert data["notes.txt"] == text
    assert parse_profile(values("several-vendors")["files"]["mine.yaml"], "mine.yaml").name


@pytest.mark.parametrize("seconds", [1, DrainSettings().timeout, 7200])
def test_a_pod_has_the_time_its_drain_takes(seconds: float) -> None:
    manifests = chart({"drain": {"timeoutSeconds": int(seconds), "preStopSeconds": 15}})
    config = yaml.safe_load(one(manifests, "ConfigMap", "paramwall")["data"]["paramwall.yaml"])
    assert config["drain"]["timeout"] == f"{int(seconds)}s"
    assert container(manifests)["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "15"]
    assert pod(manifests)["terminationGracePeriodSeconds"] > 15 + seconds + SCORER_S


@pytest.mark.parametrize("name", SETS)
def test_pods_may_do_nothing_that_they_need_not(name: str) -> None:
    manifests = chart(values(name))
    for spec in (pod(manifests), one(manifests, "Pod")["spec"]):
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for each in spec["containers"]:
            allowed = each["securityContext"]
            assert allowed["readOnlyRootFilesystem"] is True
            assert allowed["allowPrivilegeEscalation"] is False
            assert allowed["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod(manifests).keys()


@pytest.mark.parametrize("name", SETS)
def test_every_mount_has_its_volume(name: str) -> None:
    manifests = chart(values(name))
    claims = one(manifests, "StatefulSet")["spec"].get("volumeClaimTemplates", [])
    volumes = {each["name"] for each in pod(manifests)["volumes"]} | {each["metadata"]["name"] for each in claims}
    assert volumes == {each["name"] for each in container(manifests)["volumeMounts"]}


@pytest.mark.parametrize("name", SETS)
def test_services_monitors_and_policies_aim_at_the_pods(name: str) -> None:
    manifests = chart(values(name), "rel")
    labels = one(manifests, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    services = [each for each in manifests if each["kind"] == "Service"]
    aims = [each["spec"]["selector"] for each in services]
    aims += [each["spec"]["podSelector"]["matchLabels"] for each in manifests if each["kind"] == "NetworkPolicy"]
    aims += [each["spec"]["selector"]["matchLabels"] for each in manifests if each["kind"] == "PodDisruptionBudget"]
    assert all(aim.items() <= labels.items() for aim in aims)
    named = {port["name"] for port in container(manifests)["ports"]}
    assert {port["targetPort"] for each in services for port in each["spec"]["ports"]} == named
    for monitor in (each for each in manifests if each["kind"] == "ServiceMonitor"):
        aim = monitor["spec"]["selector"]["matchLabels"]
        (found,) = [each for each in services if aim.items() <= each["metadata"]["labels"].items()]
        assert [port["name"] for port in found["spec"]["ports"]] == [monitor["spec"]["endpoints"][0]["port"]]
        assert {"action": "replace", "targetLabel": "job", "replacement": "paramwall"} in monitor["spec"]["endpoints"][
            0
        ]["relabelings"]


async def test_helm_test_tells_a_ready_proxy_from_none(tmp_path: Path) -> None:
    (asking,) = one(chart({}), "Pod")["spec"]["containers"]
    vendors = [{"name": "one", "url": "http://127.0.0.1:9/v1", "credentials": "pass"}]
    write(tmp_path, vendors=vendors)
    async with served(tmp_path) as supervisor:
        (script,) = asking["args"]
        for host, here in (("-admin:9091", supervisor.admin), (":80", supervisor.url)):
            assert f'name + "{host}/' in script
            script = script.replace(f'"http://" + name + "{host}', f'"{here}')
        assert await ended(script) == 0
        assert await ended(script.replace("/readyz", "/nothing")) == 1
    assert await ended(script) == 1


async def ended(script: str) -> int:
    """The exit code of a Python script."""
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=quiet, stderr=quiet)
    return await asyncio.wait_for(process.wait(), 60)


def test_clients_do_not_reach_the_admin_port() -> None:
    service = one(chart({}), "Service", "paramwall")
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["proxy"]


def test_a_new_configuration_restarts_pods_only_when_told_to() -> None:
    def template(workers: int, *, restart: bool) -> Manifest:
        given = {"config": {"workers": workers}, "restartOnConfigChange": restart}
        found: Manifest = one(chart(given), "StatefulSet")["spec"]["template"]
        return found

    assert template(1, restart=False) == template(2, restart=False)
    assert template(1, restart=True) != template(2, restart=True)


def test_the_evidence_of_a_pod_is_kept_when_there_are_volumes() -> None:
    (claim,) = one(chart(values("persistent")), "StatefulSet")["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
    state_dir = next(each for each in container(chart({}))["args"] if each.startswith("--state-dir="))
    mounts = {each["name"]: each["mountPath"] for each in container(chart({}))["volumeMounts"]}
    assert state_dir.startswith(f"--state-dir={mounts['state']}/")


# The copies of dashboards/


def test_the_chart_holds_the_same_rules_and_dashboards() -> None:
    assert copies.wanted()
    assert list(copies.differences(copies.wanted())) == [], "hint: python -m deploy.copies"


def test_rules_pass_through_helm_unchanged(tmp_path: Path) -> None:
    originals = sorted((CHART / "files/rules").glob("*.yaml"))
    manifests = chart(values("everything"))
    rules = [each for each in manifests if each["kind"] == "PrometheusRule"]
    assert [each["spec"] for each in rules] == [yaml.safe_load(file.read_text()) for file in originals]
    assert any("{{ $labels.vendor }}" in yaml.dump(each) for each in rules)
    for number, each in enumerate(rules):
        file = tmp_path / f"{number}.yaml"
        file.write_text(yaml.dump(each["spec"]))
        assert "SUCCESS" in run(program("promtool", "apt-get install prometheus"), "check", "rules", str(file))


def test_dashboards_pass_through_helm_unchanged() -> None:
    originals = {f"paramwall-{file.name}": file.read_text() for file in (CHART / "files/grafana").glob("*.json")}
    maps = [each for each in chart(values("everything")) if each["metadata"]["labels"].get("grafana_dashboard") == "1"]
    assert {name: text for each in maps for name, text in each["data"].items()} == originals
    assert all(len(json.dumps(each)) < 900_000 for each in maps), "a ConfigMap holds a mebibyte"


def test_what_needs_the_operator_is_off_by_default() -> None:
    assert not [each for each in chart({}) if each["apiVersion"] == OPERATOR]


# The judges


@pytest.mark.parametrize(
    ("kind", "break_it"),
    [
        ("StatefulSet", lambda spec: spec.update(replicaz=3)),
        ("NetworkPolicy", lambda spec: spec["ingress"][0]["ports"][0].update(port=[1])),
        ("ServiceMonitor", lambda spec: spec["endpoints"][0].update(interval="15")),
        ("PrometheusRule", lambda spec: spec["groups"][0]["rules"][0].pop("expr")),
    ],
)
def test_the_schemas_refuse_what_is_wrong(kind: str, break_it: Any) -> None:  # noqa: ANN401  (a lambda)
    manifests = [each for each in chart(values("everything")) if each["kind"] == kind][:1]
    break_it(manifests[0]["spec"])
    assert len(faults(manifests)) == 1
