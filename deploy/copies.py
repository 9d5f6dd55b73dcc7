"""What the chart holds a copy of, because a chart reads no file outside its folder: rules and dashboards.

Not here: the originals (dashboards/), and how the chart uses them. Invariant: after `python -m deploy.copies` both
sides hold the same files with the same bytes, and nothing else; tests/deploy compares them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
CHART: Final = ROOT / "deploy/helm/paramwall"
COPIED: Final = (("dashboards/rules", "*.yaml", "files/rules"), ("dashboards/grafana", "*.json", "files/grafana"))
"""Folder of the originals, what is taken of it, folder in the chart."""


def wanted() -> dict[Path, bytes]:
    """Every copy with its bytes."""
    return {
        CHART / target / original.name: original.read_bytes()
        for source, pattern, target in COPIED
        for original in sorted((ROOT / source).glob(pattern))
    }


def present() -> set[Path]:
    """Every file that is in the folders of copies."""
    return {file for *_, target in COPIED for file in (CHART / target).glob("*") if file.is_file()}


def differences(wanted: Mapping[Path, bytes]) -> Iterator[Path]:
    """Copies that are missing, old, or of nothing."""
    yield from sorted(present() - wanted.keys())
    for file, text in wanted.items():
        if not file.is_file() or file.read_bytes() != text:
            yield file


def main() -> None:
    """Make both sides equal; say what was done."""
    copies = wanted()
    for file in list(differences(copies)):
        if file in copies:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(copies[file])
        else:
            file.unlink()
        sys.stdout.write(f"{'copied' if file in copies else 'removed'} {file.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
