"""Tokens are tiktoken's: the pieces of a text by its pattern, the merges of a piece by rank.

The counts in GOLDEN are tiktoken 0.14.0's with `pat_str` of MoonshotAI/Kimi-Vendor-Verifier
beam/tokenizer/tokenization_kimi.py: over the small ranks made here, whose merges cross the bounds of pieces, so that a
text cut elsewhere has another count; and over that repository's tiktoken.model, where PARAMWALL_TIKTOKEN names it.
"""

from __future__ import annotations

import base64
import os
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.contract.tokenizer import Tokenizer

TAUGHT = (
    "the word's end, The words' END; don't DON'T I'll we'RE it'\u017f x's\n\n  if x:\r\n\t\treturn  12345 + 67,890.12\n"
    "中文中文和English混排\uff0cabc中文123 々〇〡⺀ 日本語のテキスト カタカナ 한국어 ภาษาไทย العربية हिन्दी\n"
    "ÀÉî naïve e\u0301a\u0308 ǅ ʰʱ Ⅷ ² ½ ٣٤٥٦ --- ... !!! (a) [b] {c} <|d|> #e $f"
    " 😀😀 👩\u200d👩\u200d👧 𠀀𠀁 \U0001d400\U0001d41b 𞤀𞤢 𐒠𐒡\n"
    "a\u00a0b\u3000c\u2028d\x85e\x1cf\u200bg   \n   \n x  y   z    !\n\n\n"
)


def _file(ranks: dict[bytes, int]) -> bytes:
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items())


@cache
def synthetic_ranks() -> dict[bytes, int]:
    """The 256 bytes, then every run of 2 to 6 bytes of TAUGHT, which is not cut into pieces, the short ones first."""
    ranks = {bytes((byte,)): byte for byte in range(256)}
    taught = TAUGHT.encode()
    for size in range(2, 7):
        for start in range(len(taught) - size + 1):
            ranks.setdefault(taught[start : start + size], len(ranks))
    return ranks


GOLDEN: list[tuple[str, int, int]] = [
    ("", 0, 0),
    ("the word's end, The words' END", 9, 9),
    ("don't DON'T I'll we'RE it'\u017f x's 's'", 10, 16),
    ("\n\n  if x:\r\n\t\treturn  12345 + 67,890.12\n", 20, 19),
    ("中文中文和English混排\uff0cabc中文123 々\u3007〡⺀", 12, 18),
    ("々\u3007〡⺀中", 3, 8),
    ("!⺀!\U00016fe2!\U00016ff0 々", 14, 16),
    ("日本語のテキスト カタカナ 한국어 ภาษาไทย العربية हिन्दी", 24, 28),
    ("ÀÉî naïve e\u0301a\u0308 ǅ ʰʱ Ⅷ ² ½ ٣٤٥٦", 16, 35),
    ("--- ... !!! (a) [b] {c} <|d|> #e $f", 19, 20),
    ("😀😀😀 👩\u200d👩\u200d👧", 8, 14),
    ("𠀀𠀁 \U0001d400\U0001d41b 𞤀𞤢 𐒠𐒡\U0001d7ce\U0001d7cf", 15, 35),
    ("a\u00a0b\u3000c\u2028d\x85e\x1cf\u200bg", 7, 15),
    ("   \n   \n x  y   z    !\n\n\n", 9, 10),
    ("1234567 12 1", 8, 7),
    ("\u2eb3\u0301中\u0301a", 5, 7),
    ("AÀ中Bb 中's", 8, 7),
    ("   ", 1, 1),
    ("\t\r\n ", 3, 2),
    (TAUGHT, 143, 215),
]
"""Text, tokens over the small ranks, tokens over Kimi's."""
LINES = _file({bytes((byte,)): byte for byte in range(256)})
REAL_FILE = os.environ.get("PARAMWALL_TIKTOKEN", "")


@cache
def _small() -> Tokenizer:
    return Tokenizer.from_ranks(_file(synthetic_ranks()))


@pytest.fixture(scope="module")
def real() -> Tokenizer:
    if not REAL_FILE:
        pytest.skip("PARAMWALL_TIKTOKEN names no ranks file (Kimi's tiktoken.model)")
    return Tokenizer.from_ranks(Path(REAL_FILE).read_bytes())


@pytest.mark.parametrize(("text", "count", "_real"), GOLDEN)
def test_counts_as_tiktoken_does(text: str, count: int, _real: int) -> None:
    assert _small().count(text) == count


@pytest.mark.parametrize(("text", "_small", "count"), GOLDEN)
def test_counts_kimis_ranks_as_tiktoken_does(real: Tokenizer, text: str, _small: int, count: int) -> None:
    assert real.count(text) == count


@given(st.text())
def test_tokens_are_the_bytes_of_the_text(text: str) -> None:
    tokens = _small().tokens(text)
    assert b"".join(tokens) == text.encode()
    assert set(tokens) <= synthetic_ranks().keys()
    assert _small().count(text) == len(tokens)


PIECES: list[list[str]] = [
    ["!\U00016ff0", "a"],
    ["\U00020000\U00016ff0", "a"],
    ["\U0001d400\U0001d400b"],
    ["\U0001d41b", "\U0001d400"],
    ["\u01c5\U0001d41b", " \U0001d400"],
    ["a\U0001d165b"],
    ["a\U00010480b"],
    ["a", "\U0001d7ce\U0001d7cf1", "2"],
    ["a", "\U0001f600\U0001f600\n", "b"],
    ["\x1c!", "a"],
    ["a", "\u3000 ", " b"],
    ["\u3000", "中文", "b"],
    ["(a", ").", " (", "B's", " C"],
    ["ABc", "De", "中文", "f", "GH"],
    ["x", "  \r\n\n", " ", " y", " \n"],
    ["1", "\u0301a"],
]
"""The pieces of the text that they make together."""


@pytest.mark.parametrize("pieces", PIECES)
def test_pieces(pieces: list[str]) -> None:
    """Any bytes of the text are a token here, so that the tokens are the pieces."""
    text = "".join(pieces).encode()
    runs = (text[i:j] for i in range(len(text)) for j in range(i + 2, len(text) + 1))
    tokens = dict.fromkeys([*(bytes((byte,)) for byte in range(256)), *runs])
    assert Tokenizer({token: rank for rank, token in enumerate(tokens)}).tokens(text.decode()) == [
        piece.encode() for piece in pieces
    ]


def test_a_piece_that_is_a_token_is_one_even_where_no_merges_lead_to_it() -> None:
    tokenizer = Tokenizer.from_ranks(LINES + b"YWJj 256")
    assert [tokenizer.tokens(text) for text in ("abc", "abcd")] == [[b"abc"], [b"a", b"b", b"c", b"d"]]


def _naive(ranks: dict[bytes, int], piece: str) -> list[bytes]:
    """The pair of lowest rank, the leftmost of equals, joined until there is none."""
    parts = [bytes((byte,)) for byte in piece.encode()]
    while pairs := [
        (ranks[parts[i] + parts[i + 1]], i) for i in range(len(parts) - 1) if parts[i] + parts[i + 1] in ranks
    ]:
        _, i = min(pairs)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    return parts


def _ranks(merges: list[bytes], order: list[int]) -> dict[bytes, int]:
    singles = [bytes((byte,)) for byte in range(256)]
    longer = [token for token in dict.fromkeys(merges) if len(token) > 1]
    return dict(zip(singles + longer, order, strict=False))


@given(st.data(), st.sampled_from(["ab", "abcd", "中文", "丐丑中"]))
def test_merges_as_the_naive_loop_does(data: st.DataObject, letters: str) -> None:
    """A word of these letters is one piece, so that only the merging is asked for."""
    words = st.text(letters, min_size=1, max_size=40)
    cuts = st.tuples(words, st.integers(0, 9), st.integers(2, 7))
    merges = [word.encode()[start : start + size] for word, start, size in data.draw(st.lists(cuts, max_size=40))]
    ranks = _ranks(merges, data.draw(st.permutations(range(256 + len(merges)))))
    piece = data.draw(words)
    naive = [piece.encode()] if piece.encode() in ranks else _naive(ranks, piece)
    assert Tokenizer(ranks).tokens(piece) == naive


@pytest.mark.parametrize("character", ["中", "a", " ", "😀"])
def test_one_long_piece_takes_no_square_of_its_length(character: str) -> None:
    """Squared it would take hours."""
    encoded = character.encode()
    ranks = {bytes((byte,)): byte for byte in range(256)}
    for size in range(2, len(encoded) + 1):
        ranks[encoded[:size]] = len(ranks)
    for times in (2, 4, 8):
        ranks[encoded * times] = len(ranks)
    assert Tokenizer.from_ranks(_file(ranks)).count(character * 80_000) == 10_000


REFUSED: list[tuple[bytes, str]] = [
    (b"", "has 0 tokens and lacks 256 of the 256 single bytes, the first of them 0x00"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 2795286\n", "line 1 of the ranks file"),
    (b'{"model": {"type": "BPE"}}', "line 1 of the ranks file is not 'base64 rank'"),
    (b"\x0a\x05\x00\xff\xfe", "line 2 of the ranks file is not 'base64 rank'"),
    (LINES + b"YWI=", "line 257 of the ranks file is not"),
    (LINES + b"YWI= 256 1", "line 257 of the ranks file is not"),
    (LINES + b"YWI= -1", "line 257 of the ranks file is not"),
    (LINES + b"YWI= 1.5", "line 257 of the ranks file is not"),
    (LINES + b"YW*I= 256", "line 257 of the ranks file is not"),
    (LINES + b"YWI 256", "line 257 of the ranks file is not"),
    (LINES + b"YQ== 256", "line 257 of the ranks file repeats the token b'a'"),
    (LINES + b"YWI= 97", "the ranks file gives a rank to two tokens"),
    (LINES.replace(b"YQ== 97\n", b""), "has 255 tokens and lacks 1 of the 256 single bytes, the first of them 0x61"),
]


@pytest.mark.parametrize(("data", "seen"), REFUSED)
def test_refused_with_what_is_wrong_and_the_remedy(data: bytes, seen: str) -> None:
    with pytest.raises(ValueError, match=r"tiktoken\.model") as caught:
        Tokenizer.from_ranks(data)
    assert seen in str(caught.value)


@pytest.mark.parametrize("data", [LINES, LINES.replace(b"\n", b"\r\n"), LINES.rstrip(b"\n"), LINES + b"\n\n"])
def test_line_ends_do_not_matter(data: bytes) -> None:
    assert Tokenizer.from_ranks(data).count("abc") == 3
