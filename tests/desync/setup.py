"""How to get the origins: says which Debian packages they need, and makes the virtual environment of those in Python.

    python -m tests.desync.setup

Not here: starting them (origins.py). Invariant: nothing is installed but in a folder for temporary files.
"""

# ruff: noqa: T201  (a command)
from __future__ import annotations

import subprocess
import sys
import venv

from tests.desync.origins import DEBIAN, ORIGINS, PYPI, SERVERS, missing


def main() -> int:
    print(f"apt-get install --no-install-recommends {' '.join(DEBIAN)}")
    if not (SERVERS / "bin" / "python").exists():
        venv.create(SERVERS, with_pip=True)
    subprocess.run([SERVERS / "bin" / "python", "-m", "pip", "install", "--quiet", *PYPI], check=True)
    absent = missing(ORIGINS)
    for one in absent:
        print(f"{one.name} is not here: {one.advice}")
    print(f"{len(ORIGINS) - len(absent)} of {len(ORIGINS)} origins are here")
    return int(bool(absent))


if __name__ == "__main__":
    sys.exit(main())
