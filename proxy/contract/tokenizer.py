"""Tokenizer: how many tokens Kimi K2 makes of a text, by byte-pair merging from a tiktoken ranks file.

Here: the ranks, how a text falls into pieces, and the merging of a piece. Not here: what a conversation adds to its
texts (prompt_tokens.py), special tokens (a text that spells one is plain text here), and reading the file. Invariant:
the tokens of a text, put together again, are its UTF-8 bytes.

Sources: the pieces follow `pat_str` in MoonshotAI/Kimi-Vendor-Verifier beam/tokenizer/tokenization_kimi.py; the merging
is tiktoken's (openai/tiktoken src/lib.rs): the lowest rank first, the leftmost of equals. Checked against tiktoken
0.14.0 with that pattern and that repository's tiktoken.model (163,584 ranks, sha256 b6c497a7…5103): the tokens are the
same. Assumptions: K2.6 has the same ranks as the K2.5 tokenizer published there; a character that is newer than this
Python's Unicode data counts as unassigned, unless it is Han.
"""

from __future__ import annotations

import re
import unicodedata
from binascii import a2b_base64
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache, partial
from heapq import heapify, heappop, heappush
from itertools import accumulate, groupby, pairwise
from typing import Final

CACHED_PIECES: Final = 32_768
"""Short pieces whose count is remembered: most words of a text have been seen before."""
SHORT_PIECE: Final = 24
"""Characters of the longest piece that is remembered."""
_REMEDY: Final = (
    "give the model's own tiktoken.model, whose lines are 'base64 rank' "
    "(a Git LFS pointer, tokenizer.json or a SentencePiece model is none)"
)

_HAN: Final = (
    *(range(0x2E80, 0x2E9A), range(0x2E9B, 0x2EF4), range(0x2F00, 0x2FD6), range(0x3005, 0x3006)),
    *(range(0x3007, 0x3008), range(0x3021, 0x302A), range(0x3038, 0x303C), range(0x3400, 0x4DC0)),
    *(range(0x4E00, 0xA000), range(0xF900, 0xFA6E), range(0xFA70, 0xFADA), range(0x16FE2, 0x16FE4)),
    *(range(0x16FF0, 0x16FF2), range(0x20000, 0x2A6E0), range(0x2A700, 0x2B73A), range(0x2B740, 0x2B81E)),
    *(range(0x2B820, 0x2CEA2), range(0x2CEB0, 0x2EBE1), range(0x2EBF0, 0x2EE5E), range(0x2F800, 0x2FA1E)),
    *(range(0x30000, 0x3134B), range(0x31350, 0x323B0)),
)
"""The script Han in Unicode 16.0, Scripts.txt, as tiktoken 0.14 knows it; Python's unicodedata has no scripts."""
_FAR: Final = re.compile("[\U00010000-\U0010ffff]")
_STAND_INS: Final = {"Lu": "A", "Ll": "a", "Lt": "\u01c5", "Lm": "\u02b0", "Lo": "\u05d0", "M": "\u0300", "N": "0"}
"""For a character beyond U+FFFF, one below it that falls into the same piece; any other category: "!". Python's re
searches a class without such characters ten times as fast."""
_SPACE: Final = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
r"""The Unicode property White_Space. Python's \s has U+001C to U+001F besides."""


class Tokenizer:
    """Made once from a ranks file; counting needs nothing else."""

    __slots__ = ("_count_piece", "_ranks")

    def __init__(self, ranks: Mapping[bytes, int]) -> None:
        """`ranks` maps each token's bytes to its rank; every single byte and no rank twice, as `from_ranks` checks."""
        self._ranks = ranks
        self._count_piece = lru_cache(CACHED_PIECES)(partial(_count, ranks))

    @classmethod
    def from_ranks(cls, data: bytes) -> Tokenizer:
        """The tokenizer of a tiktoken ranks file: a line a token, its base64 and its rank.

        Raises ValueError that says what is wrong and what to give instead: a line of another form, a token or a rank
        twice, a single byte without a token.
        """
        ranks: dict[bytes, int] = {}
        for number, line in enumerate(data.splitlines(), 1):
            if not line:
                continue
            token, rank = _entry(line, number)
            if token in ranks:
                raise ValueError(f"line {number} of the ranks file repeats the token {token!r}: {_REMEDY}")
            ranks[token] = rank
        missing = [byte for byte in range(256) if bytes((byte,)) not in ranks]
        if missing:
            raise ValueError(
                f"the ranks file has {len(ranks)} tokens and lacks {len(missing)} of the 256 single bytes, "
                f"the first of them 0x{missing[0]:02x}: {_REMEDY}"
            )
        if len(set(ranks.values())) != len(ranks):
            raise ValueError(f"the ranks file gives a rank to two tokens: {_REMEDY}")
        return cls(ranks)

    def count(self, text: str) -> int:
        """The number of tokens of `text`; it may not hold a lone surrogate (UnicodeEncodeError)."""
        short, ranks = self._count_piece, self._ranks
        return sum(short(piece) if len(piece) <= SHORT_PIECE else _count(ranks, piece) for piece in _pieces(text))

    def tokens(self, text: str) -> list[bytes]:
        """The tokens of `text`, each as its bytes."""
        return [token for piece in _pieces(text) for token in _merged(self._ranks, piece.encode())]


def _entry(line: bytes, number: int) -> tuple[bytes, int]:
    try:
        token, rank = line.split()
        if not rank.isdigit():
            raise ValueError
        return a2b_base64(token, strict_mode=True), int(rank)
    except ValueError:
        raise ValueError(f"line {number} of the ranks file is not 'base64 rank': {_REMEDY}") from None


def _count(ranks: Mapping[bytes, int], piece: str) -> int:
    return len(_merged(ranks, piece.encode()))


def _merged(ranks: Mapping[bytes, int], piece: bytes) -> list[bytes]:
    """The tokens of one piece. The heap keeps it at n log n: a piece can be as long as the text (Han, spaces).

    A heap entry is rank * size + start of a pair. It is stale when a merge has changed the pair at that start; as no
    two tokens share a rank, the rank tells.
    """
    if piece in ranks:
        return [piece]
    size = len(piece)
    after = list(range(1, size + 1))  # by a token's start: where it ends; 0 when it is no longer a start
    before = list(range(-1, size - 1))  # by a token's start: where the token before it starts
    heap = [ranks[pair] * size + i for i in range(size - 1) if (pair := piece[i : i + 2]) in ranks]
    heapify(heap)
    while heap:
        rank, start = divmod(heappop(heap), size)
        middle = after[start]
        if not 0 < middle < size or ranks.get(piece[start : after[middle]]) != rank:
            continue
        end = after[start] = after[middle]
        after[middle] = 0
        if end < size:
            before[end] = start
            if (pair := piece[start : after[end]]) in ranks:
                heappush(heap, ranks[pair] * size + start)
        if start and (pair := piece[before[start] : end]) in ranks:
            heappush(heap, ranks[pair] * size + before[start])
    return list(_walk(piece, after))


def _walk(piece: bytes, after: list[int]) -> Iterator[bytes]:
    start = 0
    while start < len(piece):
        yield piece[start : after[start]]
        start = after[start]


def _pieces(text: str) -> list[str]:
    split: list[str] = _pattern().findall(_FAR.sub(_stand_in, text))
    if not _FAR.search(text):
        return split
    ends = list(accumulate(map(len, split)))
    return [text[start:end] for start, end in pairwise((0, *ends))]


def _stand_in(found: re.Match[str]) -> str:
    category = unicodedata.category(found[0])
    if any(ord(found[0]) in block for block in _HAN):
        return "\u4e00" if category in ("Lo", "Lm", "Cn") else "\u2e80"
    return _STAND_INS.get(category) or _STAND_INS.get(category[0], "!")


@cache
def _pattern() -> re.Pattern[str]:
    """The pieces of a text of characters to U+FFFF, as `pat_str` has them: a run of Han; a word with the sign before it
    and 's after it; up to three digits; a run of signs; lines' ends; spaces, the last of which goes to what follows.

    Built on first use: Python's re knows no Unicode categories.
    """
    runs = _runs()
    han = _chars(runs, lambda kind: "Han" in kind)
    word = _chars(runs, lambda kind: kind[0] in "LN")
    number = _chars(runs, lambda kind: kind[0] == "N")
    upper = _chars(runs, lambda kind: kind.startswith(("Lu", "Lt", "Lm", "Lo", "M")) and "Han" not in kind)
    lower = _chars(runs, lambda kind: kind.startswith(("Ll", "Lm", "Lo", "M")) and "Han" not in kind)
    before, after = rf"[^\r\n{word}]?", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    return re.compile(
        "|".join(
            (
                f"[{han}]+",
                f"{before}[{upper}]*[{lower}]+{after}",
                f"{before}[{upper}]+[{lower}]*{after}",
                f"[{number}]{{1,3}}",
                rf" ?[^{_SPACE}{word}]+[\r\n]*",
                rf"[{_SPACE}]*[\r\n]+",
                f"[{_SPACE}]+(?![^{_SPACE}])",
                f"[{_SPACE}]+",
            )
        )
    )


def _runs() -> list[tuple[str, int]]:
    """The characters to U+FFFF as runs of one kind, with their lengths; a kind is the general category, and "Han"."""
    kinds = [unicodedata.category(chr(i)) for i in range(0x10000)]
    for block in _HAN:
        kinds[block.start : block.stop] = [kind + " Han" for kind in kinds[block.start : block.stop]]
    return [(kind, sum(1 for _ in run)) for kind, run in groupby(kinds)]


def _chars(runs: list[tuple[str, int]], wanted: Callable[[str], bool]) -> str:
    """The inside of a regular expression's class that holds the wanted kinds."""
    ranges, start = "", 0
    for kind, length in runs:
        if wanted(kind):
            ranges += f"\\u{start:04x}-\\u{start + length - 1:04x}"
        start += length
    return ranges
