"""Whether the content of watched files has changed.

Not here: when to look and what to do then. Invariant: a file is read only when its time, size or inode has changed, and
a change is reported once and only when the bytes differ, so `touch` reloads nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Stamp: TypeAlias = tuple[int, int, int] | None
"""Modification time in nanoseconds, size, inode; None: no such file. Symbolic links are followed, as a mounted
ConfigMap changes by moving one.
"""


@dataclass(frozen=True, slots=True)
class _Seen:
    stamp: Stamp
    digest: bytes


class Watch:
    """Blocking: call it on a thread."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._seen: dict[str, _Seen] = {}
        self.follow(paths)

    def follow(self, paths: Iterable[str]) -> None:
        """Watch these files and no others from here on. What is known of a file that was watched already stays."""
        self._seen = {path: self._seen.get(path) or _Seen(_stamp(path), _digest(path)) for path in paths}

    def changed(self) -> bool:
        """Whether the content of any file is another one than at the last call."""
        changed = False
        for path, seen in self._seen.items():
            stamp = _stamp(path)
            if stamp != seen.stamp:
                now = _Seen(stamp, _digest(path))
                changed = changed or now.digest != seen.digest
                self._seen[path] = now
        return changed


def _stamp(path: str) -> Stamp:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _digest(path: str) -> bytes:
    try:
        return hashlib.sha256(Path(path).read_bytes()).digest()
    except OSError:
        return b""
