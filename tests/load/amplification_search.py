"""A random search for bodies that cost the gate and the policy more than their bytes should.

`python -m tests.load.amplification --search 60 --seed 1` mutates a list of pieces (a recipe) and keeps what is worse.
Not here: the inputs already known (amplification_inputs.py). Invariants: the same seed tries the same recipes in the
same order; it ends after the seconds given; costs are processor time of this process, beside an ordinary body.
"""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from proxy.policy.plan import Plan
from proxy.policy.verdict import Route
from proxy.wire.judge import judge
from proxy.wire.problems import Refused
from tests.load.amplification_inputs import chat, ordinary

_SIZES: Final = (2048, 16 * 1024, 128 * 1024)
_NAMES: Final = """
    metadata messages tools thinking chat_template_kwargs reasoning logit_bias stop_token_ids temperature tool_choice
    extra_body sampling_params max_tokens max_completion_tokens input_ids unknown model
"""
_MEMBERS: Final = tuple(_NAMES.split())
_ITEMS: Final = (
    b"0", b"1e5", b"-1.5", b"1e300", b"12345678901234567890", b"true", b"null", b'""', b'"a"', b'"\\u0061\\n"',
    '"\N{GRINNING FACE}"'.encode(), b"[]", b"{}", b"[[[[]]]]", b'{"a":{"b":{}}}', b'{"temperature":1}', b'{"%06x":1}',
    b'{"role":"user","content":"a"}', b'{"role":"assistant","tool_calls":[{}]}',
    b'{"role":"assistant","tool_calls":[{}],"reasoning":"r"}', b'{"role": "assistant", "tool_\\u0063alls":[{}]}',
    b"[" * 400 + b"]" * 400,
)  # fmt: skip
_FORMS: Final = ("list", "object", "text", "members", "space")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a body: `item` again and again, in a form, as the value of a member; `share` of the body's bytes."""

    member: str
    form: str
    item: int
    share: int

    def made(self, number: int, size: int) -> bytes:
        """The members, each with a comma before it."""
        item, name = _ITEMS[self.item], self.member.encode()
        name = name if number == 0 else b"%b_%d" % (name, number) if self.form == "members" else name
        if self.form == "list":
            return b',"%b":[%b]' % (name, b",".join([item] * max(size // (len(item) + 1), 1)))
        if self.form == "object":
            each = max(size // (len(item) + 10), 1)
            return b',"%b":{%b}' % (name, b",".join(b'"%06x":%b' % (i, item) for i in range(each)))
        if self.form == "text":
            return b',"%b":"%b"' % (name, item.replace(b'"', b"\\u0041").replace(b"\\n", b"b") * max(size // 12, 1))
        if self.form == "members":
            each = min(max(size // (len(item) + 10), 1), 300)
            return b"".join(b',"%b%06x":%b' % (name, i, item) for i in range(each))
        return b" " * size + b',"%b":%b' % (name, item)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a body is made."""

    size: int
    pieces: tuple[Piece, ...]

    def body(self) -> bytes:
        """The body; of two pieces for one member the first stands."""
        pieces = {piece.member: piece for piece in reversed(self.pieces)}.values()
        total = sum(piece.share for piece in pieces)
        made = [piece.made(i, self.size * piece.share // total) for i, piece in enumerate(pieces)]
        if any(piece.member in ("messages", "model") for piece in pieces):
            return b"{" + b"".join(made).lstrip(b" ,") + b"}"
        return chat(b"".join(made))


@dataclass(frozen=True, slots=True)
class Worst:
    """Of one recipe: time beside an ordinary body of as many bytes, and memory by its bytes."""

    recipe: Recipe
    time: float
    memory: float


def _piece(chance: random.Random) -> Piece:
    return Piece(chance.choice(_MEMBERS), chance.choice(_FORMS), chance.randrange(len(_ITEMS)), chance.randint(1, 8))


def _mutated(recipe: Recipe, chance: random.Random) -> Recipe:
    pieces = list(recipe.pieces)
    at = chance.randrange(len(pieces))
    match chance.randrange(5):
        case 0:
            return replace(recipe, size=chance.choice(_SIZES))
        case 1:
            pieces.append(_piece(chance))
        case 2 if len(pieces) > 1:
            del pieces[at]
        case 3:
            pieces[at] = replace(pieces[at], item=chance.randrange(len(_ITEMS)))
        case _:
            pieces[at] = _piece(chance)
    return replace(recipe, pieces=tuple(pieces[:12]))


def measured(plan: Plan, recipe: Recipe) -> Worst:
    """Its costs."""
    body = recipe.body()
    spent, usual = _spent(plan, body), _spent(plan, ordinary(max(len(body), 300)))
    tracemalloc.start()
    try:
        _judged(plan, body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return Worst(recipe, spent / usual, peak / max(len(body), 64 * 1024))


def _spent(plan: Plan, body: bytes) -> float:
    best = float("inf")
    for _ in range(3):
        for memory in plan.memory.values():
            memory.clear()  # what is remembered of the same body hides what it costs
        before = time.process_time()
        _judged(plan, body)
        best = min(best, time.process_time() - before)
    return max(best, 1e-6)


def _judged(plan: Plan, body: bytes) -> None:
    with suppress(Refused):
        judge(plan, Route.CHAT, body)


def search(plan: Plan, seconds: float, seed: int, kept: Callable[[Worst], float]) -> tuple[Worst, int]:
    """The worst found by `kept` (what is to be large), and how many were tried; starts anew where it is stuck."""
    chance, tried, stuck = random.Random(seed), 0, 0
    best: Worst | None = None
    here: Worst | None = None
    end = time.monotonic() + seconds
    while best is None or time.monotonic() < end:
        start = Recipe(chance.choice(_SIZES), (_piece(chance),))
        found = measured(plan, _mutated(here.recipe, chance) if here is not None and stuck < 40 else start)
        better = here is None or stuck >= 40 or kept(found) > kept(here)
        here, stuck = (found, 0) if better else (here, stuck + 1)
        best = found if best is None or kept(found) > kept(best) else best
        tried += 1
    return best, tried
