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


@dataclass(frozen=True, slots=True)
class Sampling:
    """The two parameters that shape a draw. Temperature is clamped to 0..5, top_p to 0..1."""

    temperature: float
    top_p: float


@dataclass(frozen=True, slots=True)
class _Table:
    """The nucleus of one state: words, their classes, and running sums of their weights."""

    words: tuple[str, ...]
    classes: tuple[str, ...]
    sums: tuple[float, ...]


def prompt_key(text: bytes) -> int:
    """The number by which a prompt leans the model."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


def draw_words(key: int, count: int, sampling: Sampling, draw: Random) -> list[str]:
    """`count` pieces of text, one token each; joined they read as sentences that start with a capital letter."""
    temperature = min(max(sampling.temperature, 0.0), MAX_TEMPERATURE)
    top_p = min(max(sampling.top_p, 0.0), 1.0)
    pieces: list[str] = []
    last = START
    for position in range(count):
        table = _table(last, _context(key, position), temperature, top_p)
        at = bisect_right(table.sums, draw.random() * table.sums[-1]) if len(table.sums) > 1 else 0
        at = min(at, len(table.words) - 1)
        pieces.append(_spelled(table.words[at], table.classes[at], last, first=position == 0))
        last = table.classes[at]
    return pieces


def sharpen(probability: float, temperature: float) -> float:
    """The chance of a yes-or-no choice whose chance is `probability` at temperature 1, at another temperature."""
    if not 0.0 < probability < 1.0:
        return probability
    if temperature <= 0.0:
        return float(probability > 0.5)
    logit = math.log(probability / (1.0 - probability)) / min(temperature, MAX_TEMPERATURE)
    return 1.0 / (1.0 + math.exp(-min(max(logit, -700.0), 700.0)))


def _context(key: int, position: int) -> int:
    mixed = (key ^ (position * 0x9E3779B97F4A7C15)) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    return (mixed ^ mixed >> 31) % CONTEXTS


@lru_cache(maxsize=4096)
def _table(last: str, context: int, temperature: float, top_p: float) -> _Table:
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
    return _Table(tuple(word for _, word, _ in kept), tuple(kind for _, _, kind in kept), tuple(sums))


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


def _spelled(word: str, kind: str, last: str, *, first: bool) -> str:
    if kind in ("comma", "stop"):
        return word
    shown = word.capitalize() if last == START else word
    return shown if first else f" {shown}"
