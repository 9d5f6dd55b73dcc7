"""The writing systems of a text: by Unicode's own names for its letters, and fast enough for half a megabyte."""

from __future__ import annotations

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.contract.scripts import SCRIPTS, script_shares, scripts_of

SHARES: dict[str, dict[str, float]] = {
    "": {},
    "1, 2; 3! 😀": {},
    "abcd": {"latin": 1.0},
    "naïve Größe": {"latin": 1.0},
    "ab яю": {"latin": 0.5, "cyrillic": 0.5},
    "αβγ x": {"greek": 0.75, "latin": 0.25},
    "سلام": {"arabic": 1.0},
    "שלום": {"hebrew": 1.0},
    "नमक": {"devanagari": 1.0},
    "กขค": {"thai": 1.0},
    "한국어": {"hangul": 1.0},
    "ひらカタ": {"kana": 1.0},
    "漢字𠀀々": {"han": 1.0},
    "漢かabcdef": {"han": 0.125, "kana": 0.125, "latin": 0.75},
    "დედა": {"other": 1.0},
    "\uff21\uff22": {"latin": 1.0},
    "5 µm, 2ª, \U0001d465": {"latin": 1.0},
}


@pytest.mark.parametrize("text", SHARES)
def test_shares(text: str) -> None:
    assert script_shares(text) == SHARES[text]
    assert scripts_of(text) == SHARES[text].keys()


NAMES = {
    "LATIN ": "latin", "CYRILLIC ": "cyrillic", "GREEK ": "greek", "ARABIC ": "arabic", "HEBREW ": "hebrew",
    "DEVANAGARI ": "devanagari", "THAI ": "thai", "HANGUL ": "hangul", "HIRAGANA ": "kana", "KATAKANA ": "kana",
    "CJK UNIFIED ": "han", "CJK COMPATIBILITY IDEOGRAPH": "han", "GEORGIAN ": "other", "TAMIL ": "other",
    "ARMENIAN ": "other", "BENGALI ": "other", "LAO ": "other", "BOPOMOFO ": "other", "SYRIAC ": "other",
}  # fmt: skip


def test_the_ranges_agree_with_the_names_of_letters() -> None:
    """Every letter whose name begins with its script's, but for those beyond the plane of the common ones."""
    wrong = []
    for point in (*range(0x3000A), *range(0x30000, 0x31000)):
        letter = chr(point)
        if not letter.isalpha() or 0x10000 <= point < 0x20000:
            continue
        name = unicodedata.name(letter, "")
        script = next((script for start, script in NAMES.items() if name.startswith(start)), None)
        if script is not None and scripts_of(letter) not in ({script}, set()):
            wrong.append((hex(point), name, scripts_of(letter)))
    assert not wrong, wrong


@given(st.text(alphabet=st.characters(codec=None), max_size=50))
def test_shares_sum_to_one_and_name_the_scripts(text: str) -> None:
    shares = script_shares(text)
    assert scripts_of(text) == shares.keys() <= set(SCRIPTS)
    assert not shares or sum(shares.values()) == pytest.approx(1.0)
    assert scripts_of(text * 2) == scripts_of(text)


@pytest.mark.parametrize("text", ["The quick brown fox. " * 25_000, "".join(map(chr, range(0x4E00, 0x5E00))) * 40])
def test_half_a_megabyte_is_quick(text: str) -> None:
    """Far below a loop for each character, which takes a tenth of a second here."""
    start = time.process_time()
    scripts_of(text)
    assert time.process_time() - start < 0.1
    assert sys.getsizeof(text) > 300_000
