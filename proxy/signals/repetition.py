"""Whether a text loops or runs on one character: numeric faults, broken kernels, a decoder that cannot stop.

Not here: whose text it is. Invariants: at most MOST_CHARACTERS of a text's end are looked at, since what loops loops at
its end; an ordinary text costs a few searches and no compression.

Known: endless "!!!!" (token 0, vllm#42426), loops (Kimi-K2.5#46, Kimi-K2#70).
"""

from __future__ import annotations

import re
import zlib
from typing import Final

MOST_CHARACTERS: Final = 65536
RUN: Final = 50
RATIO: Final = 12.0
RATIO_CHARACTERS: Final = 1024
"""A shorter text is not judged by how well it can be compressed."""
GRAM: Final = 8
REPEATED: Final = 0.5
LEAST_GRAMS: Final = 50

_STRIDE: Final = RUN // 2
_PAIR: Final = re.compile(r"([^\s=_*#.~+/\\|─-╿-])(?=\1)")
"""Two equal samples. Rules, tables and indentation are drawn with the characters left out; a text that is nothing but
those shows in its repeated grams."""
_PROBES: Final = 8
_PROBE: Final = 32
_LONG_WORD: Final = 32
"""Characters a word on average from which on a text is taken by characters: Chinese, or one endless word."""


def degenerate(text: str) -> bool:
    """Whether one character stands RUN times in a row, the text compresses more than RATIO times, or more than the
    share REPEATED of its grams of 8 words (of 8 characters where there are no words) was there before.
    """
    if len(text) < RUN:
        return False
    end = text[-MOST_CHARACTERS:]
    return has_run(end) or (_repeats_a_probe(end) and (ratio(end) > RATIO or repeated(end) > REPEATED))


def has_run(text: str) -> bool:
    """RUN equal characters in a row hold two neighbouring samples, so only those are looked at closely."""
    for pair in _PAIR.finditer(text[::_STRIDE]):
        at, character = pair.start() * _STRIDE, pair[1]
        end = at + _STRIDE
        if text[at:end] == character * _STRIDE and text[max(0, end - RUN) : at + RUN].count(character * RUN):
            return True
    return False


def ratio(text: str) -> float:
    """How many times smaller zlib makes it; 1 where the text is too short to say."""
    if len(text) < RATIO_CHARACTERS:
        return 1.0
    data = text.encode("utf-8", "surrogatepass")
    return len(data) / len(zlib.compress(data, 1))


def repeated(text: str) -> float:
    """The share of grams that stood in the text before."""
    words = text.split()
    units = words if len(words) * _LONG_WORD > len(text) else text
    grams = list(zip(*(units[start:] for start in range(GRAM)), strict=False))
    return 1 - len(set(grams)) / len(grams) if len(grams) >= LEAST_GRAMS else 0.0


def _repeats_a_probe(text: str) -> bool:
    """Whether two of a few pieces stand more than once. A text that repeats more than half of itself misses this once
    in thirty times at worst, one that loops never.
    """
    step = len(text) // _PROBES
    if step < _PROBE // 2:
        return len(text) > LEAST_GRAMS
    again = [text.count(text[end - _PROBE : end]) for end in range(len(text), _PROBE, -step)]
    return sum(times > 1 for times in again) > 1
