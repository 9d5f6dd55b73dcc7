"""Changed inputs: bytes, numbers, pieces of the format, and parts of other inputs.

Not here: what is done with them (run.py). Invariant: the same draws from the same inputs give the same change.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Final

_BYTES: Final = (b"\x00", b"\r", b"\n", b"\r\n", b" ", b"\t", b"\xff", b"\x80", b"\xef\xbb\xbf", b"\xf0\x9f\x98\x80")
_NUMBERS: Final = (
    b"0",
    b"-1",
    b"1",
    b"00",
    b"+1",
    b"255",
    b"65536",
    b"9007199254740993",
    b"1e999",
    b"ffffffffffffffff",
)
_NUMBER: Final = re.compile(rb"[0-9]+")


def mutated(draw: Random, text: bytes, others: Sequence[bytes], words: Sequence[bytes], longest: int) -> bytes:
    """`text` after one to four changes."""
    changed = bytearray(text)
    for _ in range(draw.choice((1, 1, 2, 4))):
        at = draw.randrange(len(changed) + 1)
        end = min(len(changed), at + draw.choice((1, 2, 8, 40)))
        match draw.randrange(9):
            case 0:
                changed[at:end] = b""
            case 1:
                changed[at:at] = changed[at:end]
            case 2 if at < len(changed):
                changed[at] ^= 1 << draw.randrange(8)
            case 3:
                changed[at:at] = draw.choice(_BYTES)
            case 4 | 5:
                changed[at : draw.choice((at, end))] = draw.choice(words)
            case 6:
                _renumber(draw, changed)
            case 7:
                _line(draw, changed)
            case _:
                other = draw.choice(others)
                start = draw.randrange(len(other) + 1)
                changed[at : draw.choice((at, len(changed)))] = other[start : start + draw.choice((8, 60, 1000))]
    return bytes(changed[:longest])


def _renumber(draw: Random, text: bytearray) -> None:
    found = list(_NUMBER.finditer(text))
    if found:
        start, end = draw.choice(found).span()
        text[start:end] = draw.choice(_NUMBERS)


def _line(draw: Random, text: bytearray) -> None:
    """Take a line away, or give it twice."""
    lines = text.splitlines(keepends=True)
    if lines:
        at = draw.randrange(len(lines))
        lines[at : at + 1] = draw.choice(([], [lines[at], lines[at]], [lines[draw.randrange(len(lines))], lines[at]]))
        text[:] = b"".join(lines)
