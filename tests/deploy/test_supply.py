"""What an installation is made of: the lock with its hashes, an installation from it, and the bill of materials."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from deploy import sbom
from tests.deploy.outside import DEPLOY, left_out, run
from tests.source import MODULES, ROOT

LOCK: Final = DEPLOY / "requirements.lock"
ELSEWHERE: Final = frozenset({"colorama"})
"""Needed on another system only."""
PIN: Final = re.compile(r"([a-z0-9-]+)==([0-9][\w.]*)( ; [^\\]+)? \\")
HASH: Final = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def pins(file: Path) -> dict[str, str]:
    """Version by name."""
    return dict(re.findall(r"^([a-z0-9-]+)==([\w.]+)", file.read_text(), flags=re.MULTILINE))


def test_the_lock_is_pins_and_hashes_and_nothing_else() -> None:
    lines = LOCK.read_text().splitlines()
    assert [line for line in lines if not PIN.fullmatch(line) and not HASH.fullmatch(line)] == []
    assert all(HASH.fullmatch(after) for line, after in pairwise(lines) if PIN.fullmatch(line))


def test_the_lock_agrees_with_the_constraints() -> None:
    assert pins(LOCK).items() <= pins(ROOT / "constraints.txt").items()


def test_the_lock_is_all_that_is_needed_at_runtime_and_no_more() -> None:
    assert pins(LOCK).keys() - ELSEWHERE == sbom.closure().keys() - {sbom.NAME}


def imported() -> set[str]:
    """Modules that proxy/ imports and that are not Python's own."""
    names = set()
    for module in MODULES:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"proxy"}


def test_an_installation_by_hash_is_whole(tmp_path: Path) -> None:
    """A file whose hash is another is refused; then nothing that a package needs is missing, and what proxy/ imports is
    there. By uv where there is one, as in .ci/run: it takes seconds.
    """
    uv = shutil.which("uv")
    venv.create(tmp_path / "env", with_pip=uv is None)
    python = str(tmp_path / "env/bin/python")
    pip, which = ([uv, "pip"], ["--python", python]) if uv else ([python, "-m", "pip"], [])
    flags = ["-q", "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)]
    words = [*pip, "install", *which, *flags]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)
    if done.returncode and "hash" not in done.stderr.lower():
        left_out(f"the packages cannot be fetched: {done.stderr[-500:]}", "a package index that can be reached")
    assert done.returncode == 0, done.stderr
    check = subprocess.run([*pip, "check", *which], capture_output=True, text=True, timeout=60, check=False)
    assert check.returncode == 0, check.stdout + check.stderr
    modules = sorted(imported())
    assert {"aiohttp", "uvloop", "yaml"} <= set(modules)
    run(python, "-P", "-c", f"import {', '.join(modules)}")


# The bill of materials


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(run(sys.executable, "-m", "deploy.sbom"))
    return made


def test_the_bill_names_every_package_once_as_installed(bill: dict[str, Any]) -> None:
    named = {each["name"]: each["version"] for each in bill["components"]}
    assert len(named) == len(bill["components"])
    assert named.keys() == pins(LOCK).keys() - ELSEWHERE
    assert all(importlib.metadata.version(name) == version for name, version in named.items())
    direct = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {sbom.normal(re.split(r"[<>=]", line)[0]) for line in direct}
    (root,) = [each for each in bill["dependencies"] if each["ref"].startswith("pkg:pypi/paramwall@")]
    assert {ref.partition("/")[2].partition("@")[0] for ref in root["dependsOn"]} == names


def test_the_bill_holds_together(bill: dict[str, Any]) -> None:
    """What CycloneDX 1.6 demands beyond the types of members."""
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    parts = [bill["metadata"]["component"], *bill["components"]]
    references = [each["bom-ref"] for each in parts]
    assert len(set(references)) == len(references)
    assert sorted(each["ref"] for each in bill["dependencies"]) == sorted(references)
    assert {ref for each in bill["dependencies"] for ref in each["dependsOn"]} <= set(references)
    assert all(each.get("licenses") for each in parts)


def test_the_bill_says_nothing_of_the_machine(bill: dict[str, Any]) -> None:
    text = json.dumps(bill)
    assert str(ROOT) not in text
    assert sys.prefix not in text
    assert not re.search(r"(?<![\w:])/[a-z]+/|https?://|file:", text)
    assert run(sys.executable, "-m", "deploy.sbom") == json.dumps(bill, indent=2) + "\n"


def test_what_is_missing_ends_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sbom, "closure", lambda: importlib.metadata.distribution("no-such-package"))
    assert sbom.main() == 2
    assert "no-such-package is needed and not installed" in capsys.readouterr().err
