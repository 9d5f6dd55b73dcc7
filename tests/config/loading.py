"""Loading a configuration out of memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from proxy.config.load import Flags, Loaded, load

FILE = "etc/paramwall.yaml"

ONE_VENDOR = "version: 1\nvendors:\n  moonshot:\n    url: https://api.moonshot.ai/v1\n"


def loaded(
    text: str | None,
    environ: Mapping[str, str] | None = None,
    files: Mapping[str, str | None] | None = None,
    *,
    modes: Mapping[str, int] | None = None,
    read_secrets: bool = True,
    flags: Mapping[str, str] | None = None,
) -> Loaded:
    """Load `text` as the file etc/paramwall.yaml; None: there is no such file. A file of None is no text."""
    there = dict(files or {})
    said = dict(flags or {})
    if text is not None:
        there[FILE] = text
        said = {"config": FILE, **said}

    def read_text(path: Path) -> str:
        if str(path) not in there:
            raise FileNotFoundError(2, "No such file or directory")
        content = there[str(path)]
        return b"\xff".decode() if content is None else content

    def mode_of(path: Path) -> int | None:
        return (modes or {}).get(str(path))

    return load(Flags(**said), environ or {}, read_text, mode_of, read_secrets=read_secrets)
