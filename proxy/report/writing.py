"""Writing a report into a file.

Not here: what it says. Invariants: a file is replaced as a whole or stays as it is; one that does not begin as a report
of ours does is not replaced unasked.
"""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Final

from proxy.report.facts import FORMAT

_HEAD: Final = 200
_NAME: Final = FORMAT.partition("/")[0].encode()


class NotOurs(Exception):
    """The file is there and was not written by this command."""


def write(file: Path, text: str, *, force: bool) -> None:
    """Raises NotOurs, OSError. A link stays one, and what is no regular file (a pipe, a device) is written into."""
    try:
        file = file.resolve()
    except RuntimeError:  # a link that leads to itself, up to Python 3.12
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
    if file.exists() and not file.is_file():
        file.write_text(text, encoding="utf-8")
        return
    if not force and not _may_replace(file):
        raise NotOurs
    descriptor, beside = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
        Path(beside).chmod(0o666 & ~_umask())
        Path(beside).replace(file)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _may_replace(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD)
    except FileNotFoundError:
        return True
    return not head or _NAME in head


def _umask() -> int:
    """It can only be read by setting it."""
    found = os.umask(0o077)
    os.umask(found)
    return found
