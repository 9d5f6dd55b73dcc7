"""What a reader has to know first: what stands against each vendor, in one sentence each.

Not here: how it is drawn. Invariant: each sentence names its source, and one that there is nothing to say of is not
made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.report.facts import Effect, Mode, Report, Vendor
from proxy.report.rank import standing_against
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
    run = max(vendor.verifications, key=lambda run: run.at_s, default=None)
    if run is not None and run.verdict != "pass":
        broken = [layer.layer for layer in run.layers if layer.failed]
        where = f" in {', '.join(broken)}" if broken else ""
        text = f"failed its verification: {plural(len(run.failures), 'probe')}{where} ({run.source})"
        if run.verdict == "inconclusive":
            text = f"verification is inconclusive: too many probes had no answer ({run.source})"
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
    for source in dict.fromkeys(
        effect.source for effect in mode.effects if past is None or effect.source != past.source
    ):
        if any(_drifted(effect, source) for effect in mode.effects):
            yield Finding("bad", vendor.name, f"drifted in {mode.mode} mode: {_alarms(mode, source)} ({source})")
    if not standing_against(vendor, mode) and (past is None or past.state == "ok") and mode.contract:
        read = ", ".join(dict.fromkeys(figure.source for figure in mode.contract))
        yield Finding("good", vendor.name, f"has nothing against it in {mode.mode} mode ({read})")


def _drifted(effect: Effect, source: str) -> bool:
    return effect.alarm and effect.source == source and effect.kind != "baseline"


def _alarms(mode: Mode, source: str) -> str:
    alarms = [effect for effect in mode.effects if _drifted(effect, source)]
    alarms.sort(key=lambda effect: -abs(effect.effect or 0.0))
    named = [
        f"{effect.signal} {effect_text(effect)} {effect_bounds(effect)} where {rate(effect.tolerance)} is tolerated"
        for effect in alarms[:MOST_NAMED]
    ]
    more = f" and {len(alarms) - MOST_NAMED} more" if len(alarms) > MOST_NAMED else ""
    return f"{'; '.join(named)}{more}"
