"""Keys that must not be found anywhere, and the search for them in whatever was said or written, however encoded.

Not here: what says or writes it. Invariants: no two keys share a window of WINDOW characters; a key is found whole,
quoted, in base64, in hex, in any case, and in part.
"""

from __future__ import annotations

import base64
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote

HELD_BY_ENVIRONMENT: Final = "sk-held-Zq7XbW3nLk9RtV2m+/=env"
HELD_BY_FILE: Final = "sk-held-Gy4HpD8sQe6JxA1c-file"
CLIENT: Final = "sk-client-Uf5KwM0vTz3BnR7j"
PASSED: Final = "sk-passed-Oi2YgC9lEa6XhS4d"
UNKNOWN: Final = "sk-unknown-Nb8QrF1tJm5PkZ0u"
ASKED: Final = "ak/asked-Wd6LcV4xHs9GyI2o"
"""The key of a vendor that a command asks; not of a form that gives it away as a key."""
REFERENCE: Final = "rk.reference-Tp3MjE7bKf0DnU8q"
KEYS: Final = (HELD_BY_ENVIRONMENT, HELD_BY_FILE, CLIENT, PASSED, UNKNOWN, ASKED, REFERENCE)
WINDOW: Final = 8
"""Characters of a key's random part that may not be found in a row."""


@cache
def forms(key: str) -> tuple[str, ...]:
    """In lower case, as the search has it."""
    random = key.split("-", 2)[-1]
    spelled = [
        key,
        quote(key, safe=""),
        key.replace("/", "\\/"),
        key.encode().hex(),
        *(base64.b64encode(pad + key.encode()).decode()[4:-4] for pad in (b"", b"a", b"bc")),
    ]
    spelled += [random[i : i + WINDOW] for i in range(len(random) - WINDOW + 1)]
    return tuple(each.lower() for each in spelled)


def traces(text: str, key: str) -> list[str]:
    """What of a key is found in `text`."""
    lower = text.lower()
    return [form for form in forms(key) if form in lower]


def files_under(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and bytes, as text, of every file, and of what is in an archive."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield str(file.relative_to(folder)), file.read_bytes().decode("latin-1")
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    for name in archive.namelist():
                        yield f"{file.name}:{name}", archive.read(name).decode("latin-1")
