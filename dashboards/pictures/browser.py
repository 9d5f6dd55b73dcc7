"""One picture of one page, taken by a headless Chromium; made small by pngquant or optipng where they are installed.

Not here: what the page shows. Invariant: nothing of the browser stays behind, neither a process nor a profile.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from dashboards.pictures.site import CannotDraw

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_QUIET: Final = (
    "--headless",
    "--no-sandbox",  # it runs as root in containers, and opens one page of our own
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--no-first-run",
    "--force-device-scale-factor=1",
)
_VIRTUAL_MS: Final = 20_000
_PATIENCE_S: Final = 120


def chromium() -> str:
    """The browser's path."""
    for name in _NAMES:
        found = shutil.which(name)
        if found:
            return found
    raise CannotDraw(f"none of {', '.join(_NAMES)} is on the PATH; install Debian's package chromium")


def picture(url: str, file: Path, width: int, height: int) -> None:
    """The page at `url`, as a PNG of that size in pixels."""
    with tempfile.TemporaryDirectory(prefix="paramwall-pictures-") as profile:
        command = [
            chromium(),
            *_QUIET,
            f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
            f"--virtual-time-budget={_VIRTUAL_MS}",
            f"--screenshot={file}",
            url,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    if done.returncode or not file.exists():
        raise CannotDraw(f"{command[0]} took no picture: {done.stderr.strip()[-500:]}")
    _shrink(file)


def _shrink(file: Path) -> None:
    for command in (["pngquant", "--force", "--skip-if-larger", "--ext=.png", "--strip", "128"], ["optipng", "-quiet"]):
        if shutil.which(command[0]):
            subprocess.run([*command, str(file)], check=False)
