"""Which writing systems a text uses: coarse, by ranges of code points (Unicode 15, Blocks.txt), and fast.

Not here: languages. Invariant: only letters count; a letter that several scripts share (µ, ª, phonetic letters, those
for mathematics) counts for none, so that a formula does not change what a text is written in.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from functools import lru_cache
from typing import Final

SCRIPTS: Final = (
    "latin", "cyrillic", "greek", "arabic", "hebrew", "devanagari", "thai", "hangul", "kana", "han", "other",
)  # fmt: skip

_RANGES: Final = (
    (0x41, 0x5A, "latin"),
    (0x61, 0x7A, "latin"),
    (0xAA, 0xBA, ""),
    (0xC0, 0x2AF, "latin"),
    (0x2B0, 0x36F, ""),
    (0x370, 0x3FF, "greek"),
    (0x400, 0x52F, "cyrillic"),
    (0x590, 0x5FF, "hebrew"),
    (0x600, 0x6FF, "arabic"),
    (0x750, 0x77F, "arabic"),
    (0x870, 0x8FF, "arabic"),
    (0x900, 0x97F, "devanagari"),
    (0xE00, 0xE7F, "thai"),
    (0x1100, 0x11FF, "hangul"),
    (0x1C80, 0x1C8F, "cyrillic"),
    (0x1D00, 0x1DBF, ""),
    (0x1E00, 0x1EFF, "latin"),
    (0x1F00, 0x1FFF, "greek"),
    (0x2070, 0x218F, ""),
    (0x2460, 0x24FF, ""),
    (0x2C60, 0x2C7F, "latin"),
    (0x2DE0, 0x2DFF, "cyrillic"),
    (0x2E80, 0x2FDF, "han"),
    (0x3005, 0x3007, "han"),
    (0x3021, 0x3029, "han"),
    (0x3038, 0x303C, "han"),
    (0x3040, 0x30FF, "kana"),
    (0x3130, 0x318F, "hangul"),
    (0x31F0, 0x31FF, "kana"),
    (0x3400, 0x4DBF, "han"),
    (0x4E00, 0x9FFF, "han"),
    (0xA640, 0xA69F, "cyrillic"),
    (0xA720, 0xA7FF, "latin"),
    (0xA8E0, 0xA8FF, "devanagari"),
    (0xA960, 0xA97F, "hangul"),
    (0xAB30, 0xAB6F, ""),
    (0xAC00, 0xD7FF, "hangul"),
    (0xF900, 0xFAFF, "han"),
    (0xFB00, 0xFB06, "latin"),
    (0xFB1D, 0xFB4F, "hebrew"),
    (0xFB50, 0xFDFF, "arabic"),
    (0xFE70, 0xFEFC, "arabic"),
    (0xFF21, 0xFF5A, "latin"),
    (0xFF66, 0xFF9F, "kana"),
    (0xFFA0, 0xFFDC, "hangul"),
    (0x1B000, 0x1B16F, "kana"),
    (0x1D400, 0x1D7FF, ""),
    (0x1EE00, 0x1EEFF, ""),
    (0x20000, 0x3FFFF, "han"),
)
"""First and last code point of each; "" for letters that belong to no one script."""
_STARTS: Final = tuple(first for first, _, _ in _RANGES)
_LATIN_ONLY: Final = frozenset({"latin"})
_LETTER: Final = re.compile("[A-Za-z]")
_ASCII: Final = re.compile(r"[\x00-\x7f]+")
_NOT_LETTERS: Final = bytes(byte for byte in range(256) if not chr(byte).isalpha() or byte > 0x7F)


def script_shares(text: str) -> dict[str, float]:
    """The share of the text's letters that each script has; empty where there are no letters. The shares sum to 1."""
    counts: Counter[str] = Counter()
    plain = len(text.encode("ascii", "ignore").translate(None, _NOT_LETTERS))
    if plain:
        counts["latin"] = plain
    if not text.isascii():
        for letter, count in Counter(_ASCII.sub("", text)).items():
            script = _script(letter)
            if script:
                counts[script] += count
    letters = counts.total()
    return {script: count / letters for script, count in counts.items()}


def scripts_of(text: str) -> frozenset[str]:
    """The scripts of the text's letters, each one of SCRIPTS."""
    if text.isascii():
        return _LATIN_ONLY if _LETTER.search(text) else frozenset()
    return frozenset(map(_script, set(text))) - {""}


@lru_cache(maxsize=8192)
def _script(letter: str) -> str:
    """The script of one character; "" for none."""
    if not letter.isalpha():
        return ""
    point = ord(letter)
    place = bisect_right(_STARTS, point) - 1
    if place >= 0 and point <= _RANGES[place][1]:
        return _RANGES[place][2]
    return "other"
