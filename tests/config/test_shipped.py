"""What is shipped is found, in a checkout and in a wheel, and is usable."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.config import shipped
from proxy.policy.decide import compile_plan
from proxy.policy.document import parse_policy


@pytest.mark.parametrize("name", shipped.policy_names())
def test_every_policy_compiles_for_every_profile(name: str) -> None:
    policy = parse_policy(shipped.policy_text(name), shipped.policy_source(name))
    assert policy.name == name
    for profile in shipped.profile_names():
        assert compile_plan(policy, shipped.profile_named(profile)).name == name


def test_the_documents_named_by_default_are_shipped() -> None:
    assert "kimi-k2.6" in shipped.policy_names()
    assert shipped.OPEN_PROFILE in shipped.profile_names()


def test_no_host_has_two_profiles() -> None:
    hosts = [host for name in shipped.profile_names() for host in shipped.profile_named(name).hosts]
    assert len(hosts) == len(set(hosts))


def test_profiles_by_host() -> None:
    for name in shipped.profile_names():
        for host in shipped.profile_named(name).hosts:
            found = shipped.profile_of_host(host.replace("*", "any"))
            assert found is not None
            assert found.name == name
    assert shipped.profile_of_host("unknown.example") is None


@pytest.mark.parametrize("name", ["none", "../kimi-k2.6", "vendors/moonshot", "", "kimi-k2.6.yaml"])
def test_only_names_of_the_listing_are_read(name: str) -> None:
    with pytest.raises(shipped.NotShipped):
        shipped.policy_text(name)
    with pytest.raises(shipped.NotShipped):
        shipped.profile_text(name)


LIST = "from proxy.config import shipped; print(*shipped.policy_names()); print(shipped.profile_named('moonshot').name)"


@pytest.mark.parametrize("inside", ["proxy/_shipped/policies", "policies"])
def test_found_in_a_wheel_and_in_a_checkout(tmp_path: Path, inside: str) -> None:
    root = Path(shipped.__file__).parents[2]
    shutil.copytree(root / "proxy", tmp_path / "proxy", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(root / "policies", tmp_path / inside)
    done = subprocess.run([sys.executable, "-c", LIST], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"{' '.join(shipped.policy_names())}\nmoonshot\n"


def test_an_installation_without_policies_says_so(tmp_path: Path) -> None:
    root = Path(shipped.__file__).parents[2]
    shutil.copytree(root / "proxy", tmp_path / "proxy", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "proxy", "policy", "list"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "paramwall: this installation holds no policies\n  hint: install it again\n"
