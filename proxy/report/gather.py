"""Many files, one report: what each says of a vendor is put together by its name.

Not here: what one file says (live.py, verified.py, replayed.py). Invariant: nothing is averaged over files; a figure
stays with its source.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from proxy.report.facts import Mode, Report, Source, Unknown, Vendor
from proxy.report.rank import ranking_of
from proxy.report.unknown import unknown_of

MODES = ("thinking", "instant")


@dataclass(slots=True)
class Gathered:
    """What the files said so far, in the order they were given."""

    sources: list[Source] = field(default_factory=list)
    vendors: list[Vendor] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)

    def add(self, source: Source, vendors: Iterable[Vendor], unknown: Iterable[Unknown] = ()) -> None:
        """One file."""
        self.sources.append(source)
        self.vendors += vendors
        self.unknown += unknown


def report_of(gathered: Gathered, title: str, version: str, now_s: float) -> Report:
    """The whole report; `now_s` is when it is made."""
    vendors = _joined(gathered.vendors)
    seen = {mode.mode for vendor in vendors for mode in vendor.modes}
    modes = [*(mode for mode in MODES if mode in seen), *sorted(seen - set(MODES))]
    found = [ranking for mode in modes if (ranking := ranking_of(mode, vendors, gathered.sources))]
    unknown = (*gathered.unknown, *unknown_of(vendors, gathered.sources, modes, now_s))
    return Report(title, version, now_s, tuple(gathered.sources), vendors, tuple(found), unknown)


def _joined(parts: Sequence[Vendor]) -> tuple[Vendor, ...]:
    """One vendor for each name and role."""
    names = list(dict.fromkeys((part.name, part.role) for part in parts))
    return tuple(_one([part for part in parts if (part.name, part.role) == name]) for name in names)


def _one(parts: Sequence[Vendor]) -> Vendor:
    modes = list(dict.fromkeys(mode.mode for part in parts for mode in part.modes))
    return Vendor(
        parts[0].name,
        parts[0].role,
        urls=_each(part.urls for part in parts),
        models=_each(part.models for part in parts),
        modes=tuple(_mode([m for part in parts for m in part.modes if m.mode == mode]) for mode in modes),
        verifications=tuple(run for part in parts for run in part.verifications),
        times=tuple(each for part in parts for each in part.times),
        usages=tuple(each for part in parts for each in part.usages),
        repaired=tuple(each for part in parts for each in part.repaired),
    )


def _each(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for group in groups for text in group if text))


def _mode(parts: Sequence[Mode]) -> Mode:
    joined = parts[0]
    for part in parts[1:]:
        joined = replace(
            joined,
            policy=joined.policy or part.policy,
            contract=joined.contract + part.contract,
            tool_call_f1=joined.tool_call_f1 + part.tool_call_f1,
            floors=joined.floors + part.floors,
            schema_accuracy=joined.schema_accuracy + part.schema_accuracy,
            effects=joined.effects + part.effects,
            past=joined.past or part.past,
            ended=joined.ended + part.ended,
        )
    return joined
