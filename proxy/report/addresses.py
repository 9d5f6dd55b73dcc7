"""URLs and names as a report may show them: they are data of others.

Not here: escaping for a format (html.py, markdown.py). Invariants: no user name, password, query or fragment of a URL
is left; a character that shows nothing or turns the text around is written as its code.
"""

from __future__ import annotations

import unicodedata
from typing import Final
from urllib.parse import urlsplit

LONGEST: Final = 160
_HIDDEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
_FILLERS: Final = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U0001d159"
"""Letters and signs by their category that show nothing."""


def without_credentials(url: str) -> str:
    """The URL's scheme, host, port and path; "" for what is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if not parts.scheme or not host:
        return ""
    place = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{place}{f':{port}' if port else ''}{parts.path}"


def visible(text: str, longest: int = LONGEST) -> str:
    """One line in which nothing hides."""
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return "".join(_shown(each) for each in cut)


def _shown(character: str) -> str:
    if character in "\n\t":
        return " "
    hidden = unicodedata.category(character) in _HIDDEN or character in _FILLERS or _selects(ord(character))
    return f"\\u{{{ord(character):x}}}" if hidden else character


def _selects(code: int) -> bool:
    """Variation selectors: marks by their category, that show nothing by themselves."""
    return 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF or 0x180B <= code <= 0x180F
