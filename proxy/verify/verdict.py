"""From replies to the result: a finding for each probe, a verdict for each layer and for the whole.

Not here: what a probe makes of its replies (probes/). Invariants: a layer fails when a probe of it failed; where one
was not answered and none failed it is inconclusive, as is a run in which nothing could be said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from proxy.endpoint.reply import Reply
from proxy.probes.probe import Layer
from proxy.probes.probe import Verdict as Found
from proxy.verify.result import LayerResult, ProbeResult, Spent, Verdict
from proxy.verify.selection import Item, Parties, Request, Side
from proxy.verify.state import Entry


@dataclass(frozen=True, slots=True)
class Judged:
    """All that the replies say."""

    verdict: Verdict
    layers: tuple[LayerResult, ...]
    probes: tuple[ProbeResult, ...]
    no_answer_share: float


def judge(items: Sequence[Item], parties: Parties, reply: Callable[[Request], Reply]) -> Judged:
    """`reply` gives what came of a request, NOT_ASKED for one that was not made."""
    probes = tuple(_probe(item, parties, reply) for item in items)
    layers = tuple(
        _layer(layer, [probe for probe in probes if probe.layer == layer])
        for layer in Layer
        if any(probe.layer == layer for probe in probes)
    )
    asked = {one for item in items for one in parties.requests(item, Side.VENDOR)}
    silent = sum(not one.answered(reply(one)) for one in asked)
    verdicts = {layer.verdict for layer in layers}
    whole = next((each for each in (Verdict.FAIL, Verdict.INCONCLUSIVE) if each in verdicts), Verdict.PASS)
    return Judged(whole, layers, probes, silent / len(asked) if asked else 0.0)


def spent(entries: Iterable[Entry]) -> Spent:
    """Calls made, and the tokens their answers state."""
    kept = list(entries)
    usages = [entry.reply.answer.usage for entry in kept if entry.reply.answer is not None]
    stated = [usage for usage in usages if usage is not None]
    return Spent(
        requests=sum(entry.attempts for entry in kept),
        prompt_tokens=sum(usage.prompt or 0 for usage in stated),
        completion_tokens=sum(usage.completion or 0 for usage in stated),
    )


def _probe(item: Item, parties: Parties, reply: Callable[[Request], Reply]) -> ProbeResult:
    requests = parties.requests(item, Side.VENDOR)
    replies = [reply(one) for one in requests]
    others = [reply(one) for one in parties.requests(item, Side.REFERENCE)]
    found = item.probe.find(parties.vendor, item.mode, replies, others)
    return ProbeResult(
        id=item.probe.id,
        layer=str(item.probe.layer),
        mode=str(item.mode),
        title=item.probe.title,
        verdict=str(found.verdict),
        seen=found.seen,
        allowed=found.allowed,
        hint=found.hint,
        asked=len(replies),
        unanswered=sum(not one.answered(each) for one, each in zip(requests, replies, strict=True)),
        first_token_s=_median(each.first_token_s for each in replies),
        total_s=_median(each.end_s for each in replies if each.whole is not None),
    )


def _layer(layer: Layer, probes: Sequence[ProbeResult]) -> LayerResult:
    count = {found: sum(probe.verdict == found for probe in probes) for found in Found}
    verdict = Verdict.PASS
    if count[Found.FAIL]:
        verdict = Verdict.FAIL
    elif count[Found.NO_ANSWER] or not count[Found.PASS]:
        verdict = Verdict.INCONCLUSIVE
    return LayerResult(str(layer), str(verdict), count[Found.PASS], count[Found.FAIL], count[Found.NO_ANSWER])


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
