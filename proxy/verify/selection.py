"""Which probes are asked, as which requests, and what that costs.

Not here: asking. Invariants: a request that several probes want is made once; requests of a probe whose order matters
stay together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from proxy.contract.mode import Mode
from proxy.endpoint.reply import Reply
from proxy.probes import PROBES
from proxy.probes.probe import REJECTED, Ask, Layer, Probe, Setting, estimate


class Side(StrEnum):
    """Who is asked."""

    VENDOR = "vendor"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Request:
    """One ask to one side."""

    side: Side
    ask: Ask

    def answered(self, reply: Reply) -> bool:
        """Whether it is all of an answer, or as much as we wanted of it, or a refusal of what was asked."""
        left = self.ask.stop_after_bytes is not None and reply.answer is not None
        return left or reply.whole is not None or reply.status in REJECTED

    @property
    def key(self) -> str:
        """Tells it from all others, in the next run too."""
        ask = self.ask
        told = f"{self.side} {ask.turn} {ask.stop_after_bytes} ".encode() + ask.body
        return hashlib.sha256(told).hexdigest()[:32]


Chain: TypeAlias = tuple[Request, ...]
"""Requests of which each waits for the answer to the one before it; mostly one."""


@dataclass(frozen=True, slots=True)
class Item:
    """A probe in one mode."""

    probe: Probe
    mode: Mode


@dataclass(frozen=True, slots=True)
class Parties:
    """The settings by which each side is asked."""

    vendor: Setting
    reference: Setting | None = None

    def requests(self, item: Item, side: Side) -> tuple[Request, ...]:
        """What a probe asks one side; nothing where it does not ask it."""
        if side is Side.VENDOR:
            return tuple(Request(side, ask) for ask in item.probe.asks(self.vendor, item.mode))
        if self.reference is None or not item.probe.compares:
            return ()
        return tuple(Request(side, ask) for ask in item.probe.asks(self.reference, item.mode))


class UnknownName(ValueError):
    """Neither a layer nor a probe; the text is the name."""


def selected(names: Sequence[str]) -> tuple[Item, ...]:
    """The probes of these layers and ids, in their order; all when none is named. Raises UnknownName."""
    known = {*map(str, Layer), *(probe.id for probe in PROBES)}
    for name in names:
        if name not in known:
            raise UnknownName(name)
    return tuple(
        Item(probe, mode)
        for probe in PROBES
        if not names or probe.id in names or probe.layer in names
        for mode in probe.modes
    )


def chains(items: Iterable[Item], parties: Parties) -> tuple[Chain, ...]:
    """Every request once, in the order of the probes; the first is a plain one."""
    seen: set[Request] = set()
    found: list[Chain] = []
    for item in items:
        for side in Side:
            fresh = [one for one in dict.fromkeys(parties.requests(item, side)) if one not in seen]
            seen.update(fresh)
            found += [tuple(fresh)] if item.probe.in_order and fresh else [(one,) for one in fresh]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests and tokens: the prompts, the completions as they may well be, and the most they can be."""

    requests: int
    prompt: int
    completion: int
    most: int


def cost(asked: Iterable[Chain]) -> Cost:
    """Of the vendor and the reference together, without repeats."""
    each = [estimate(one.ask) for chain in asked for one in chain]
    return Cost(
        len(each),
        sum(one.prompt for one in each),
        sum(one.completion for one in each),
        sum(one.most for one in each),
    )
