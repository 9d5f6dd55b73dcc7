"""`paramwall init`: a commented configuration to start from.

Not here: the text itself (starter.yaml, beside this file). Invariant: nothing is overwritten unless told so.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from proxy.cli.terminal import note, refuse


def starter() -> str:
    """The configuration that `init` writes."""
    return (resources.files("proxy.cli") / "starter.yaml").read_text(encoding="utf-8")


def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="Where to write it.")] = Path("paramwall.yaml"),
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
) -> None:
    """Write a commented configuration with every setting in it."""
    try:
        with file.open("w" if force else "x", encoding="utf-8") as target:
            target.write(starter())
    except FileExistsError:
        refuse(f"{file} is there already", "write to another FILE, or overwrite it with --force")
    except OSError as error:
        refuse(f"{file} cannot be written: {error.strerror}", "write to a folder that is there and yours")
    note(f"{file} written; next: set the vendor's url in it, then `paramwall check {file}`")
