"""Draws text that really answers to temperature and top_p.

Here: a word model whose next-word logits depend on the prompt, the position and the class of the last word, and the
usual way to draw from logits: softmax of logits divided by the temperature, then the nucleus (the smallest set of most
likely words that holds top_p of the mass; Holtzman et al., arXiv:1904.09751). Not here: how long a text is (plan.py).

Invariant: the model has no seed of its own. Two simulators hold the same "weights"; only the draws differ. Temperature
0 is the most likely word each time, hence always the same text for the same prompt.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Final

from proxy.simulator.words import FOLLOWS, START, WORDS

CONTEXTS: Final = 64
"""How many different leanings the model has; prompt and position choose one. Few enough to keep the tables cached."""
LEANING: Final = 2.0
"""Half-width, in logits, of what a context adds to or takes from a word."""
MAX_TEMPERATURE: Final = 5.0
_STRIDE: Final = 0x9E3779B97F4A7C15
_MIX: Final = 0xBF58476D1CE4E5B9
"""Odd constants of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014)."""
_WORD: Final = 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True, slots=True)
class Sampling:
    """The two parameters that shape a draw. Temperature is clamped to 0..5, top_p to 0..1."""

    temperature: float
    top_p: float


@dataclass(frozen=True, slots=True)
class _Table:
    """The nucleus of one state: words as they are spelled there, their classes, and running sums of their weights."""

    words: tuple[str, ...]
    classes: tuple[str, ...]
    sums: tuple[float, ...]
    mass: float
    """The last of the sums."""
    last: int
    """The index of the last word."""


def prompt_key(text: bytes) -> int:
    """The number by which a prompt leans the model."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


def draw_words(key: int, count: int, sampling: Sampling, draw: Random) -> list[str]:
    """`count` pieces of text, one token each; joined they read as sentences that start with a capital letter."""
    model = _model(min(max(sampling.temperature, 0.0), MAX_TEMPERATURE), min(max(sampling.top_p, 0.0), 1.0))
    random, pieces, last = draw.random, list[str](), START
    for position in range(count):
        mixed = (key ^ position * _STRIDE) * _MIX & _WORD
        state = (last, (mixed ^ mixed >> 31) % CONTEXTS)
        table = model.get(state) or model.setdefault(state, _table(*state, model))
        at = bisect_right(table.sums, random() * table.mass, 0, table.last) if table.last else 0
        pieces.append(table.words[at])
        last = table.classes[at]
    if pieces:
        pieces[0] = pieces[0].lstrip()
    return pieces


def sharpen(probability: float, temperature: float) -> float:
    """The chance of a yes-or-no choice whose chance is `probability` at temperature 1, at another temperature."""
    if not 0.0 < probability < 1.0:
        return probability
    if temperature <= 0.0:
        return float(probability > 0.5)
    logit = math.log(probability / (1.0 - probability)) / min(temperature, MAX_TEMPERATURE)
    return 1.0 / (1.0 + math.exp(-min(max(logit, -700.0), 700.0)))


class _Model(dict[tuple[str, int], _Table]):
    """The tables of one temperature and top_p, by the class of the last word and the context, made when needed."""

    def __init__(self, temperature: float, top_p: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.top_p = top_p


@lru_cache(maxsize=16)
def _model(temperature: float, top_p: float) -> _Model:
    return _Model(temperature, top_p)


def _table(last: str, context: int, model: _Model) -> _Table:
    temperature, top_p = model.temperature, model.top_p
    logits = _logits(last, context)
    logits.sort(key=lambda entry: -entry[0])
    if temperature == 0.0 or top_p == 0.0:
        del logits[1:]
    top = logits[0][0]
    weights = [math.exp((logit - top) / temperature) if temperature else 1.0 for logit, _, _ in logits]
    whole = sum(weights)
    sums: list[float] = []
    running = 0.0
    for weight in weights:
        running += weight
        sums.append(running)
        if running >= top_p * whole:
            break
    kept = logits[: len(sums)]
    words = tuple(_spelled(word, kind, last) for _, word, kind in kept)
    return _Table(words, tuple(kind for _, _, kind in kept), tuple(sums), sums[-1], len(sums) - 1)


def _logits(last: str, context: int) -> list[tuple[float, str, str]]:
    leaning = Random(f"{last}/{context}")  # noqa: S311  (a fixed table, not a secret)
    entries: list[tuple[float, str, str]] = []
    for kind, chance in FOLLOWS[last].items():
        words = WORDS[kind]
        # Zipf's law within a class: the word of rank r is as likely as 1 / (r + 6).
        mass = sum(1.0 / (rank + 6) for rank in range(len(words)))
        for rank, word in enumerate(words):
            base = math.log(chance / ((rank + 6) * mass))
            entries.append((base + leaning.uniform(-LEANING, LEANING), word, kind))
    return entries


def _spelled(word: str, kind: str, last: str) -> str:
    if kind in ("comma", "stop"):
        return word
    return f" {word.capitalize()}" if last == START else f" {word}"
