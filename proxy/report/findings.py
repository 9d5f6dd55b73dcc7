"""What a reader has to know first: what stands against each vendor, in one sentence each.

Not here: how it is drawn. Invariant: each sentence names its source, and one that there is nothing to say of is not
made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.report.facts import Mode, Report, Vendor
from proxy.report.rank import blames, newest, standing_against
from proxy.report.wording import effect_bounds, effect_text, exactly, plural, rate, state_name

MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """`weight`: "bad", "open" (something is not settled) or "good"."""

    weight: str
    vendor: str
    text: str


def findings_of(report: Report) -> list[Finding]:
    """What is bad first."""
    found = [finding for vendor in report.vendors if vendor.role == "vendor" for finding in _of(vendor)]
    return sorted(found, key=lambda finding: ("bad", "open", "good").index(finding.weight))


def _of(vendor: Vendor) -> Iterator[Finding]:
    run = newest(vendor)
    if run is not None and run.verdict != "pass":
        broken = [layer.layer for layer in run.layers if layer.failed]
        where = f" in {', '.join(broken)}" if broken else ""
        text = f"failed its verification: {plural(len(run.failures), 'probe')}{where} ({run.source})"
        if run.verdict == "inconclusive":
            silent = sum(layer.unanswered for layer in run.layers)
            why = f"{plural(silent, 'probe')} without an answer" if silent else "a layer in which no probe was judged"
            text = f"verification is inconclusive: {why} ({run.source})"
        yield Finding("bad" if run.verdict == "fail" else "open", vendor.name, text)
    for mode in vendor.modes:
        yield from _in(vendor, mode)


def _in(vendor: Vendor, mode: Mode) -> Iterator[Finding]:
    past = mode.past
    if past is not None and past.state != "ok":
        text = f"is {state_name(past.state)} in {mode.mode} mode since {exactly(past.since_s)}"
        if past.state in ("degraded", "recovering"):
            yield Finding("bad", vendor.name, f"{text}: {_alarms(mode, past.source)} ({past.source})")
        else:
            yield Finding("open", vendor.name, f"{text} ({past.source})")
    drifted = dict.fromkeys(effect.source for effect in mode.effects if blames(effect))
    for source in drifted:
        if past is None or source != past.source:
            yield Finding("bad", vendor.name, f"drifted in {mode.mode} mode: {_alarms(mode, source)} ({source})")
    unsettled = [one for one in mode.ended if one.state != "ok" and one.source not in drifted]
    for one in unsettled:
        yield Finding("open", vendor.name, f"is {state_name(one.state)} in {mode.mode} mode ({one.source})")
    if not standing_against(vendor, mode) and not unsettled and (past is None or past.state == "ok"):
        yield from _nothing_against(vendor, mode)


def _nothing_against(vendor: Vendor, mode: Mode) -> Iterator[Finding]:
    """Verifications before the newest may have failed, so they are not named."""
    run = newest(vendor)
    former = {one.source for one in vendor.verifications if one is not run}
    read = dict.fromkeys(figure.source for figure in mode.contract if figure.source not in former)
    if read:
        yield Finding("good", vendor.name, f"has nothing against it in {mode.mode} mode ({', '.join(read)})")


def _alarms(mode: Mode, source: str) -> str:
    alarms = [effect for effect in mode.effects if blames(effect) and effect.source == source]
    alarms.sort(key=lambda effect: -abs(effect.effect or 0.0))
    named = [
        f"{effect.signal} {effect_text(effect)} {effect_bounds(effect)} where {rate(effect.tolerance)} is tolerated"
        for effect in alarms[:MOST_NAMED]
    ]
    more = f" and {len(alarms) - MOST_NAMED} more" if len(alarms) > MOST_NAMED else ""
    return f"{'; '.join(named)}{more}"
