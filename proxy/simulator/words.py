"""The vocabulary: word classes, the words in each, and which class follows which.

Here: constants only. Not here: how a word is drawn (sampler.py). Invariant: every class can be reached from START and
every class leads on, so a text of any length can be drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

START: Final = "stop"
"""The class a text begins after: the end of a sentence."""


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_DETERMINERS: Final = _split("the a this each that one every another our some")
_ADJECTIVES: Final = _split(
    "small steady quiet early open plain warm narrow recent careful long bright simple fresh heavy local calm "
    "honest broad sharp slow even common late clear green single firm young deep remote gentle old exact light "
    "patient dry full rare direct round soft cold quick modest solid distant useful proper fair"
)
_NOUNS: Final = _split(
    "river garden train window market bridge letter road stone answer question season harbour teacher engine "
    "message village kitchen forest clock table doctor student island lamp field boat station signal path "
    "queue library winter morning number measure plan story ladder wheel valley mirror basket sample ticket "
    "captain corner neighbour record tower cup board orchard paper tool pattern reason journey page rule glass "
    "shore meadow gate workshop model evening map roof tide coast bell seed shelf crowd ferry note cloud"
)

WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "subject-determiner": _DETERMINERS,
    "subject-adjective": _ADJECTIVES,
    "subject": _NOUNS,
    "verb": _split(
        "holds crosses follows carries finds opens keeps reaches brings turns meets leaves shows builds watches "
        "counts joins sends covers moves learns takes guards fills answers gathers passes repairs draws explains "
        "checks lifts leads measures returns awaits divides compares names serves balances records trusts "
        "borrows mends sorts welcomes shapes supports reads"
    ),
    "adverb": _split(
        "slowly often quietly again soon always gladly rarely together early carefully almost today usually alone "
        "gently first later twice clearly"
    ),
    "determiner": _DETERMINERS,
    "adjective": _ADJECTIVES,
    "object": _NOUNS,
    "preposition": _split("near under over with behind beside before after across from into around without along"),
    "conjunction": _split("and but while because so although until when"),
    "comma": (",",),
    "stop": (".", ".", "?", ":"),
}

FOLLOWS: Final[Mapping[str, Mapping[str, float]]] = {
    "stop": {"subject-determiner": 0.8, "preposition": 0.1, "subject": 0.1},
    "subject-determiner": {"subject": 0.55, "subject-adjective": 0.45},
    "subject-adjective": {"subject": 0.9, "subject-adjective": 0.1},
    "subject": {"verb": 0.85, "adverb": 0.15},
    "adverb": {"verb": 1.0},
    "verb": {"determiner": 0.75, "object": 0.1, "preposition": 0.15},
    "preposition": {"determiner": 0.8, "object": 0.2},
    "determiner": {"object": 0.55, "adjective": 0.45},
    "adjective": {"object": 0.9, "adjective": 0.1},
    "object": {"stop": 0.4, "preposition": 0.25, "comma": 0.2, "conjunction": 0.15},
    "comma": {"conjunction": 1.0},
    "conjunction": {"subject-determiner": 0.85, "subject": 0.15},
}
