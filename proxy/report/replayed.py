"""From the summary of a replay to facts.

Not here: the form of a summary (replay/summary.py). Invariant: a figure that the summary leaves out stays out.
"""

from __future__ import annotations

from proxy.replay import summary
from proxy.report.addresses import without_credentials
from proxy.report.facts import Effect, Ended, Figure, Mode, Origin, Source, Times, Usage, Vendor


def replayed(found: summary.Summary, path: str, source: str) -> tuple[Source, tuple[Vendor, ...]]:
    """The source, and every target but the reference's second asking: that is the noise floor."""
    floors = found.noise_floor or {}
    vendors = tuple(_vendor(target, floors, source) for target in found.targets if target.role != "reference-again")
    partly = "" if found.complete else "; interrupted, so not all of it"
    what = (
        f"replay of {found.dataset.name} (sha256 {found.dataset.sha256[:8]}), {found.dataset.records} records{partly}"
    )
    return Source(source, Origin.REPLAY, path, what, found.at_s), vendors


def _vendor(target: summary.Target, floors: dict[str, dict[str, summary.Figure]], source: str) -> Vendor:
    return Vendor(
        target.name,
        target.role,
        urls=(without_credentials(target.url),),
        models=(target.model,),
        modes=tuple(_mode(one, floors.get(one.mode, {}), target.role, source) for one in target.modes),
        times=tuple(
            Times(what, of.p50, of.p95, of.n, source)
            for what, of in (("first token", target.latency.first_token), ("whole answer", target.latency.total))
            if of.n
        ),
        usages=(
            Usage(
                target.asked,
                target.answered,
                tuple(sorted(target.failed.items())),
                target.retried,
                None,
                target.tokens.prompt,
                target.tokens.completion,
                source,
            ),
        ),
    )


def _mode(one: summary.ModeResult, floors: dict[str, summary.Figure], role: str, source: str) -> Mode:
    floor = floors.get("tool_call_f1", summary.Figure()) if role == "vendor" else summary.Figure()
    return Mode(
        one.mode,
        contract=_figure(one.contract_pass_rate, source),
        tool_call_f1=_figure(one.kvv.tool_call_f1, source) if role == "vendor" else (),
        floors=_figure(floor, source),
        schema_accuracy=_figure(one.kvv.schema_accuracy, source),
        effects=tuple(_effect(signal, one.state, source) for signal in one.signals),
        ended=() if one.state is None else (Ended(one.state, source),),
    )


def _figure(found: summary.Figure, source: str) -> tuple[Figure, ...]:
    return () if found.value is None else (Figure(found.value, found.lower, found.upper, found.n, source),)


def _effect(signal: summary.Signal, state: str | None, source: str) -> Effect:
    # Summaries did not always tell which alarms are suspect, but always the state.
    suspect = signal.suspect or state == "reference_suspect"
    return Effect(
        signal.name,
        signal.kind,
        signal.effect,
        signal.lower,
        signal.upper,
        signal.tolerance,
        signal.n,
        signal.alarm,
        source,
        against_reference=signal.alarm and suspect,
    )
