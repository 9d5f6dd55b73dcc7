"""What a report cannot say, and what would tell.

Not here: what it can. Invariants: every figure that a leaderboard leaves empty is explained here; each entry names its
remedy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shlex import quote
from typing import Final

from proxy.probes.probe import Layer
from proxy.report.facts import Mode, Origin, Past, Source, Unknown, Vendor
from proxy.report.wording import share

OLD_S: Final = 86_400.0
_FAILING: Final = 0.01


def unknown_of(
    vendors: Sequence[Vendor], sources: Sequence[Source], modes: Sequence[str], now_s: float
) -> list[Unknown]:
    """In the order they are read: of the whole, of sources, of each vendor."""
    found = [*_of_all(sources)]
    found += [_old(source, now_s) for source in sources if now_s - source.at_s >= OLD_S]
    live = next((source.id for source in sources if source.origin is Origin.LIVE), None)
    for vendor in vendors:
        if vendor.role == "vendor":
            found += _of_vendor(vendor, modes)
            for mode in vendor.modes:
                found += _of_mode(vendor.name, mode, live)
    return found


def _of_all(sources: Sequence[Source]) -> Iterator[Unknown]:
    origins = {source.origin for source in sources}
    if Origin.LIVE not in origins:
        yield Unknown("", "", "how the vendors did over time: no live log was read", "add --state-dir DIR")
    else:
        what = "latency and tokens of live traffic: the log does not hold them"
        yield Unknown("", "", what, "look at the proxy's metrics, or run paramwall replay")
    if Origin.REPLAY not in origins:
        what = "how vendors do on the same requests, and how fast: no replay was read"
        yield Unknown("", "", what, "paramwall replay DATASET --output DIR, then add --replay DIR")


def _old(source: Source, now_s: float) -> Unknown:
    remedy = "make it again; its figures are of that time"
    return Unknown("", "", f"how things are now: {source.id} is {age(now_s - source.at_s)} old", remedy)


def _of_vendor(vendor: Vendor, modes: Sequence[str]) -> Iterator[Unknown]:
    name = vendor.name
    if not vendor.verifications:
        remedy = f"paramwall verify {quote(name)} --config FILE --output FILE, then add --verify FILE"
        yield Unknown(name, "", "whether it keeps the contract by itself: it was not verified", remedy)
    for run in vendor.verifications:
        if run.no_answer_share:
            what = f"{share(run.no_answer_share)} of the probes' requests in {run.source} had no answer"
            yield Unknown(name, "", what, "verify it again when it answers")
        left_out = set(Layer) - {layer.layer for layer in run.layers}
        if left_out:
            named = ", ".join(layer for layer in Layer if layer in left_out)
            yield Unknown(
                name, "", f"whether it passes in {named}: {run.source} has no probe of these", "verify it whole"
            )
    known = {mode.mode for mode in vendor.modes}
    for mode in modes:
        if mode not in known:
            yield Unknown(name, mode, "anything in this mode", "send it requests in this mode, or verify or replay it")


def _of_mode(name: str, mode: Mode, live: str | None) -> Iterator[Unknown]:
    if not mode.tool_call_f1:
        what = "tool_call_f1: no pairs in which a side called tools"
        yield Unknown(name, mode.mode, what, "mirror requests with tools, or replay against a reference")
    elif {figure.source for figure in mode.tool_call_f1} - {figure.source for figure in mode.floors}:
        what = "the noise floor of tool_call_f1: the reference was not asked twice"
        yield Unknown(name, mode.mode, what, "raise mirror.second_answer, or replay with the reference twice")
    if not mode.schema_accuracy:
        yield Unknown(
            name,
            mode.mode,
            "schema accuracy: no live or replayed answer finished with tool calls",
            "send requests with tools",
        )
    if mode.past is not None:
        yield from _of_past(name, mode.mode, mode.past)
    elif live is not None:
        yield Unknown(name, mode.mode, f"how it did over time: {live} has nothing of it", "send it traffic")


def _of_past(name: str, mode: str, past: Past) -> Iterator[Unknown]:
    window = age(past.window_s)
    if not past.mirrored:
        what = "how it compares: there is no reference, so only contracts are checked"
        yield Unknown(name, mode, what, "serve with --reference URL")
    elif past.pairs_in_window < past.enough:
        what = f"its state now: {past.pairs_in_window} pairs in the last {window} of the log, {past.enough} are needed"
        yield Unknown(name, mode, what, "raise mirror.fraction, or drift.window")
    elif past.reference_failures > _FAILING * (past.pairs_in_window + past.reference_failures):
        what = f"its state now: the reference failed {past.reference_failures} times in the last {window} of the log"
        yield Unknown(name, mode, what, "look at the reference")


def age(seconds: float) -> str:
    """How long, in the largest unit that fits."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count:,} {unit}{'' if count == 1 else 's'}"
    return f"{int(seconds)} s"
