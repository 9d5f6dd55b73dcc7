"""`paramwall dashboards DIR`: writes what Grafana, Prometheus and Alertmanager need, as it is shipped.

Not here: what is in the files (dashboards/). Invariant: a file that is there and differs is left alone unless
`--force` is given, and nothing is written then.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Annotated, Final

import typer

from proxy.cli.terminal import answer, note, refuse
from proxy.config.shipped import shipped_folder

SHIPPED: Final = ("grafana", "provisioning", "rules", "runbook.md", "alertmanager.yaml")
"""What of dashboards/ is for users."""


def dashboards(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; made when it is not there.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that differ.")] = False,
) -> None:
    """Write the Grafana dashboards, the Prometheus rules, an Alertmanager example and the runbook to a folder."""
    wanted = dict(shipped_files())
    differing = [name for name, text in wanted.items() if _is_other(folder / name, text)]
    if differing and not force:
        refuse(f"{folder / differing[0]} is there and differs", "overwrite it with --force, or name another folder")
    try:
        for name, text in wanted.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text)
    except OSError as error:
        refuse(f"{error.filename} cannot be written: {error.strerror}", "name a folder you can write to")
    for name in wanted:
        answer(str(folder / name))
    note("Prometheus: rule_files takes rules/*.yaml, and the job that scrapes the admin port is called paramwall")
    note("links of the alerts: runbook.md says which two external_labels make them whole")


def shipped_files() -> Iterator[tuple[PurePosixPath, bytes]]:
    """Every file with its path below the folder, in order."""
    root = shipped_folder("dashboards")
    for name in SHIPPED:
        yield from _files(root / name, PurePosixPath(name))


def _files(at: Traversable, path: PurePosixPath) -> Iterator[tuple[PurePosixPath, bytes]]:
    if at.is_file():
        yield path, at.read_bytes()
        return
    for each in sorted(at.iterdir(), key=lambda found: found.name):
        yield from _files(each, path / each.name)


def _is_other(file: Path, text: bytes) -> bool:
    try:
        return file.read_bytes() != text
    except FileNotFoundError:
        return False
    except OSError as error:
        refuse(f"{file} cannot be read: {error.strerror}", "name another folder")
