"""How a value is refused: what is wrong with it, and the remedy.

Not here: where the value stands (tree.py adds that).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class Refused(ValueError):
    """A value that cannot be a setting. Neither text repeats a credential."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def closest(word: str, allowed: Iterable[str], likeness: float = 0.6) -> str | None:
    """The allowed word that `word` most likely meant; case and the choice of `-` or `_` count for nothing.

    `likeness` is the least share of common letters (difflib's ratio), 0 to 1.
    """
    by_fold = {_fold(name): name for name in allowed}
    near = difflib.get_close_matches(_fold(word), by_fold, 1, likeness)
    return by_fold[near[0]] if near else None


def choose(word: str, allowed: Iterable[str]) -> str:
    """A hint that names the closest allowed word, or else all of them."""
    names = tuple(allowed)
    near = closest(word, names)
    return f"did you mean {near}?" if near else f"write one of {', '.join(names)}"


def _fold(word: str) -> str:
    return word.lower().replace("-", "_")
