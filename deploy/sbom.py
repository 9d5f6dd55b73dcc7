"""`python -m deploy.sbom > paramwall.cdx.json`: what an installation is made of, as CycloneDX 1.6 in JSON.

Here: Paramwall and all that it needs at runtime, as it is installed beside the Python that runs this. Not here: Python
itself, the system's libraries, and what only development needs. Invariants: whatever is needed and not installed ends
it; nothing of the machine, no path, host, user or time, is in it, so the same packages give the same bytes.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any, Final

NAME: Final = "paramwall"
_SPACE: Final = uuid.UUID("6f0d0f5c-2d1b-5b8e-9a53-1f4b8f1c7d20")
"""Of our serial numbers; any number does."""


def normal(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needs(package: Distribution) -> Iterator[str]:
    """What a package needs by itself and here. A marker of an extra, or of a system for which a package is not
    installed, leaves it out.
    """
    for line in package.requires or ():
        requirement, _, marker = line.partition(";")
        name = normal(re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0])
        if "extra" not in marker and (not marker or _is_installed(name)):
            yield name


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def closure(root: str = NAME) -> dict[str, Distribution]:
    """The package and all it needs, by name. Raises PackageNotFoundError."""
    found: dict[str, Distribution] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = distribution(name)
            waiting += needs(found[name])
    return dict(sorted(found.items()))


def bill(packages: dict[str, Distribution], root: str = NAME) -> dict[str, Any]:
    """The document."""
    references = {name: f"pkg:pypi/{name}@{each.version}" for name, each in packages.items()}
    components = [component(name, each) for name, each in packages.items() if name != root]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, ' '.join(references.values()))}",
        "version": 1,
        "metadata": {"component": component(root, packages[root]) | {"type": "application"}},
        "components": components,
        "dependencies": [
            {"ref": references[name], "dependsOn": sorted({references[need] for need in needs(each)})}
            for name, each in packages.items()
        ],
    }


def component(name: str, package: Distribution) -> dict[str, Any]:
    reference = f"pkg:pypi/{name}@{package.version}"
    said = {"type": "library", "bom-ref": reference, "name": name, "version": package.version, "purl": reference}
    summary, terms = package.metadata["Summary"], _license(package)
    return said | ({"description": summary} if summary else {}) | ({"licenses": terms} if terms else {})


def _license(package: Distribution) -> list[dict[str, Any]]:
    expression, name = package.metadata["License-Expression"], package.metadata["License"]
    if expression:
        return [{"expression": expression}]
    kinds = [each.rpartition(" :: ")[2] for each in package.metadata.get_all("Classifier") or () if "License" in each]
    names = [name] if name and "\n" not in name else kinds
    return [{"license": {"name": each}} for each in names]


def main() -> int:
    try:
        packages = closure()
    except PackageNotFoundError as error:
        sys.stderr.write(f"{error.name} is needed and not installed\nhint: pip install -c constraints.txt .\n")
        return 2
    sys.stdout.write(json.dumps(bill(packages), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
