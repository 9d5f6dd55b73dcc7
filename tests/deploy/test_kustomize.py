"""The kustomization: what it builds, what the schemas say, and that it is the chart's equal."""

from __future__ import annotations

import json
from typing import Final

import pytest
import yaml

from tests.deploy.rendering import Manifest, chart, faults, kustomized, one

FOLDERS: Final = ("base", "example")
OF_HELM: Final = {
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
}
"""Labels that only a release has."""


@pytest.mark.parametrize("folder", FOLDERS)
def test_manifests_are_what_kubernetes_takes(folder: str) -> None:
    manifests = kustomized(folder)
    assert len(manifests) >= 6
    assert faults(manifests) == []


def without_release(manifest: Manifest) -> Manifest:
    """A manifest as it is without Helm."""

    def plain(pairs: list[tuple[str, object]]) -> dict[str, object]:
        return {key: value for key, value in pairs if key not in OF_HELM}

    found: Manifest = json.loads(json.dumps(manifest), object_pairs_hook=plain)
    return found


def test_the_base_is_what_the_chart_renders_by_default() -> None:
    ours = {(each["kind"], each["metadata"]["name"]): each for each in kustomized("base")}
    charts = [without_release(each) for each in chart({}) if each["kind"] != "Pod"]
    assert ours.keys() == {(each["kind"], each["metadata"]["name"]) for each in charts}
    for each in charts:
        base = ours[each["kind"], each["metadata"]["name"]]
        if each["kind"] == "ConfigMap":
            assert yaml.safe_load(base["data"]["paramwall.yaml"]) == yaml.safe_load(each["data"]["paramwall.yaml"])
        else:
            assert base.get("spec") == each.get("spec")
            assert base["metadata"]["labels"] == each["metadata"]["labels"]


def test_the_example_holds_keys_and_so_its_clients_have_keys() -> None:
    manifests = kustomized("example")
    config = yaml.safe_load(one(manifests, "ConfigMap")["data"]["paramwall.yaml"])
    assert config["vendors"][0]["api_key_file"]
    assert config["clients"]
    spec = one(manifests, "StatefulSet")["spec"]["template"]["spec"]
    (mount,) = [each for each in spec["containers"][0]["volumeMounts"] if each["name"] == "keys"]
    assert config["vendors"][0]["api_key_file"].startswith(mount["mountPath"] + "/")
    assert {each["metadata"]["namespace"] for each in manifests} == {"paramwall"}
