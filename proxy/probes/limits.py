"""Probes of the token limit: it is obeyed, and not undercut.

Not here: whether the counts are true (accounting.py). Invariant: an answer that ends by itself below the limit breaks
no rule.
"""

from __future__ import annotations

from typing import Final

from proxy.probes.accounting import limited
from proxy.probes.asks import TINY, plain
from proxy.probes.judging import failed, listed, passed, unjudged
from proxy.probes.probe import Finding, Layer, Probe, Told
from proxy.signals.features import Read
from proxy.signals.limits import CALL_WITHHELD, OUTPUT_CAPPED

_MOST_CHARACTERS: Final = 32
"""A token; more text than that for TINY tokens, and the limit was not obeyed, whatever is said."""


def _obeyed(told: Told) -> Finding:
    """Other probes' are a missing finish reason, and an answer that ended before it said anything."""
    judged = [one for one in told.answers if one.finish_reason == "length" or (one.finish_reason and not one.blank)]
    if not judged:
        return unjudged(told, "no answer says why it stopped")
    longest = max(one.characters for one in judged)
    if longest > TINY * _MOST_CHARACTERS:
        return failed(f"{longest} characters under max_tokens {TINY}")
    others = [one.finish_reason for one in judged if one.finish_reason == "stop" and not _ended_by_itself(one)]
    if others:
        return failed(
            f"{len(others)} of {len(judged)} cut answers end with finish_reason {listed(dict.fromkeys(others))}"
        )
    return passed(f"finish_reason {listed(dict.fromkeys(one.finish_reason for one in judged))} at max_tokens {TINY}")


def _ended_by_itself(one: Read) -> bool:
    return one.usage is not None and one.usage.completion is not None and 0 < one.usage.completion < TINY


def _capped(told: Told) -> Finding:
    """Loops end anywhere, and a call that is kept is the tool parser's fault."""
    ended = [one for one in told.answers if not one.degenerate and not CALL_WITHHELD.violated(one)]
    if not told.answers:
        return unjudged(told, "")
    early = [one for one in ended if OUTPUT_CAPPED.violated(one)]
    if early:
        return failed(f"{len(early)} of {len(ended)} answers end with length after {listed(_tokens(early))} tokens")
    return passed(f"none of {len(told.answers)} answers ends with length below the asked limit")


def _tokens(reads: list[Read]) -> list[int | None]:
    return sorted({one.usage.completion for one in reads if one.usage is not None}, key=lambda count: count or 0)


LIMITS: Final = (
    Probe(
        id="limit-obeyed",
        layer=Layer.LIMITS,
        title="max_tokens cuts with finish_reason length",
        allowed=f"a long answer under max_tokens {TINY} ends with length",
        hint="clients take a cut answer that ends with stop for a whole one",
        source="K2.6 host requirement R3",
        asks=limited,
        judge=_obeyed,
    ),
    Probe(
        id="limit-not-undercut",
        layer=Layer.LIMITS,
        title="no limit below the asked one",
        allowed="an answer that ends with length has nine tenths of the asked tokens at least",
        hint="a silent cap of the host, or a budget that the reasoning uses up",
        source="models.dev, output limits of hosts; workers-sdk#13239",
        asks=plain,
        judge=_capped,
    ),
)
