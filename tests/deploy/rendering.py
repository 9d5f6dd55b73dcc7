"""Manifests as Kubernetes would get them, from the chart and from the kustomization; and what judges them.

Not here: assertions. Invariant: nothing talks to a cluster or a network.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.deploy.outside import DEPLOY, node, package, program, run

CHART: Final = DEPLOY / "helm/paramwall"
VALUES: Final = Path(__file__).with_name("values")
OPERATOR: Final = "monitoring.coreos.com/v1"
"""The API whose schemas are those of the Prometheus operator."""
_CRDS: Final = Path(__file__).parent / "crds/validate.mjs"

Manifest = dict[str, Any]


def values(name: str) -> Manifest:
    """One file of tests/deploy/values."""
    found: Manifest = yaml.safe_load((VALUES / f"{name}.yaml").read_text())
    return found


def rendered(given: Mapping[str, Any], release: str = "paramwall") -> dict[str, str]:
    """The chart's templates by name. Raises HelmError."""
    helm = package("helm_python")
    texts: dict[str, str] = helm.Chart.load(CHART).render(dict(given), name=release, namespace="here")
    return {name.removeprefix("paramwall/templates/"): text for name, text in texts.items()}


def chart(given: Mapping[str, Any], release: str = "paramwall") -> list[Manifest]:
    """The chart's manifests."""
    texts = rendered(given, release)
    return [each for name, text in texts.items() if name != "NOTES.txt" for each in _documents(text)]


def kustomized(folder: str) -> list[Manifest]:
    """What `kubectl apply -k` would send."""
    return list(_documents(run(program("kubectl"), "kustomize", str(DEPLOY / "kustomize" / folder))))


def _documents(text: str) -> Iterator[Manifest]:
    return (each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each)


def one(manifests: Iterable[Manifest], kind: str, name: str = "") -> Manifest:
    """The only one of a kind, or of that name."""
    (found,) = [each for each in manifests if each["kind"] == kind and name in ("", each["metadata"]["name"])]
    return found


def faults(manifests: list[Manifest]) -> list[str]:
    """What the schemas of Kubernetes and of the Prometheus operator say against them."""
    validate = package("kubernetes_validate")
    said = []
    for each in manifests:
        if each["apiVersion"] != OPERATOR:
            try:
                validate.validate(each, validate.latest_version(), strict=True)
            except (validate.ValidationError, validate.InvalidSchemaError) as error:
                said.append(f"{each['kind']} {each['metadata']['name']}: {error}")
    ours = [each for each in manifests if each["apiVersion"] == OPERATOR]
    return said + (_operator_faults(ours) if ours else [])


def _operator_faults(resources: list[Manifest]) -> list[str]:
    command = [node(_CRDS), str(_CRDS)]
    done = subprocess.run(command, input=json.dumps(resources), capture_output=True, text=True, timeout=60, check=True)
    return [
        f"{resource['kind']} {resource['metadata']['name']}: {verdict}"
        for resource, verdict in zip(resources, json.loads(done.stdout), strict=True)
        if verdict
    ]
