"""The report as Markdown, for a ticket or a repository.

Not here: what is known (facts.py) and how figures are written (wording.py). Invariants: names of others are data: they
start no markup, no link and no new cell; every figure has the id of its source beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from proxy.report import wording
from proxy.report.addresses import LONGEST, visible
from proxy.report.facts import FORMAT, Effect, Figure, Mode, Ranking, Report, Vendor
from proxy.report.findings import findings_of
from proxy.report.rank import RULE
from proxy.report.wording import NONE

MARK: Final = f"<!-- {FORMAT} -->"
"""The first line, by which a former report is known."""
_SENTENCE: Final = 1000
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~&$]|:(?=//)|(?<=www)\.)")
_CALLING: Final = re.compile(r"(?<!\w)@(?=\w)|@(?=[\w.\\-]*\.)")
"""An @ that calls somebody or is an address to GitHub, which looks for both where escapes are gone already."""


def markdown_of(report: Report) -> str:
    """The whole document."""
    lines = [MARK, "", f"# {plain(report.title)}", ""]
    lines += [f"Made {wording.moment(report.made_at_s)} by paramwall {plain(report.version)}.", ""]
    lines += [f"- **{plain(one.vendor)}** {plain(one.text, _SENTENCE)}" for one in findings_of(report)]
    for ranking in report.rankings:
        lines += ["", f"## Leaderboard, {plain(ranking.mode)} mode", "", *_leaderboard(report, ranking)]
    lines += ["", RULE]
    for vendor in report.vendors:
        lines += [
            "",
            f"## {plain(vendor.name)}{'' if vendor.role == 'vendor' else ' (reference)'}",
            "",
            *_vendor(vendor),
        ]
    lines += ["", "## What is not known", "", *_unknown(report)]
    lines += ["", "## How the figures were got", "", *_how(report)]
    lines += ["", "## Sources", "", *_sources(report)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def plain(text: str, longest: int = LONGEST) -> str:
    """Text that is no markup, on one line."""
    return _CALLING.sub("@<!-- -->", _MARKUP.sub(r"\\\1", visible(text, longest)))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table of cells that are written already."""
    yield f"| {' | '.join(columns)} |"
    yield f"|{'|'.join('---' for _ in columns)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _leaderboard(report: Report, ranking: Ranking) -> Iterator[str]:
    columns = (
        "rank",
        "vendor",
        "state",
        "verified",
        "contract pass rate",
        "tool_call_f1",
        "noise floor",
        "schema accuracy",
    )
    vendors = {vendor.name: vendor for vendor in report.vendors if vendor.role == "vendor"}
    rows = []
    for place in ranking.places:
        vendor = vendors[place.vendor]
        mode = next(mode for mode in vendor.modes if mode.mode == ranking.mode)
        verified = ", ".join(f"{_verdict(run.verdict)} {run.source}" for run in vendor.verifications)
        rows.append(
            (
                NONE if place.rank is None else str(place.rank),
                plain(vendor.name),
                NONE if mode.past is None else f"{wording.state_name(mode.past.state)} {mode.past.source}",
                verified or "not known",
                _figures(mode.contract, ratio=False),
                _figures(mode.tool_call_f1, ratio=True),
                _figures(mode.floors, ratio=True),
                _figures(mode.schema_accuracy, ratio=False),
            )
        )
    yield from table(columns, rows)
    yield ""
    yield f"Ranked by {ranking.source}." if ranking.source else "Nobody is ranked."
    for place in ranking.places:
        if place.rank is None:
            yield f"- **{plain(place.vendor)}** is not ranked: {plain(place.why)}."


def _verdict(said: str) -> str:
    return wording.VERDICTS[said][1] if said in wording.VERDICTS else plain(said)


def _figures(figures: Sequence[Figure], *, ratio: bool) -> str:
    return "; ".join(_figure(figure, ratio=ratio) for figure in figures) or "not known"


def _figure(figure: Figure, *, ratio: bool) -> str:
    value = wording.ratio(figure.value) if ratio else wording.share(figure.value)
    bounds = wording.interval(figure, as_ratio=ratio)
    return " ".join(filter(None, (value, bounds, f"(n {wording.thousands(figure.n)}, {figure.source})")))


def _vendor(vendor: Vendor) -> Iterator[str]:
    for url in vendor.urls:
        yield f"- address `{visible(url).replace('`', '')}`"
    for times in vendor.times:
        yield f"- {times.what}: {wording.quantiles(times)} (n {wording.thousands(times.n)}, {times.source})"
    for usage in vendor.usages:
        prompt, completion = wording.thousands(usage.prompt_tokens), wording.thousands(usage.completion_tokens)
        asked = (
            f"{usage.requests} sent; " if usage.asked is None else f"{usage.asked} asked, {usage.answered} answered; "
        )
        why = "".join(f"{plain(reason)} {count}; " for reason, count in usage.failed)
        yield f"- {asked}{why}tokens: {prompt} prompt, {completion} completion ({usage.source})"
    for each in vendor.repaired:
        what = f"{each.passed} passed, {each.rewritten} repaired, {each.rejected} rejected"
        done = (f"{plain(one.clause)} {plain(one.action)} {plain(one.member)} {one.requests}" for one in each.clauses)
        acted = ", ".join(done) or "no clause acted"
        yield f"- firewall, {plain(each.mode) or 'mode not told'}: {what} ({each.source}); {acted}"
    for run in vendor.verifications:
        for failure in run.failures:
            seen = f"seen {plain(failure.seen)}, allowed {plain(failure.allowed)}"
            yield f"- probe failed ({run.source}, {plain(failure.mode)}): {plain(failure.title)}: {seen}"
    for mode in vendor.modes:
        yield from _mode(mode)


def _mode(mode: Mode) -> Iterator[str]:
    if mode.past is not None:
        yield ""
        yield f"### States in {plain(mode.mode)} mode"
        yield ""
        spans = [
            (wording.state_name(one.state), wording.exactly(one.from_s), wording.exactly(one.to_s))
            for one in mode.past.spans
        ]
        yield from table(("state", "from", "to"), spans)
        for mark in mode.past.marks:
            yield f"- {wording.exactly(mark.at_s)} {mark.what}: {plain(mark.text)}"
    told = [effect for effect in mode.effects if effect.effect is not None]
    if told:
        yield ""
        yield f"### Signals in {plain(mode.mode)} mode"
        yield ""
        columns = ("signal", "kind", "effect", "95 % bounds", "tolerance", "n", "", "source")
        yield from table(columns, (_effect(effect) for effect in told))


def _effect(effect: Effect) -> tuple[str, ...]:
    alarm = "alarm" if effect.alarm else ""
    if effect.alarm and effect.against_reference:
        alarm = "alarm against the reference"
    return (
        plain(effect.signal),
        plain(effect.kind),
        wording.effect_text(effect),
        wording.effect_bounds(effect) or NONE,
        wording.rate(effect.tolerance),
        wording.thousands(effect.n),
        alarm,
        effect.source,
    )


def _unknown(report: Report) -> Iterator[str]:
    for one in report.unknown:
        whose = ", ".join(filter(None, (plain(one.vendor), plain(one.mode))))
        lead = f"**{whose}**: " if whose else ""
        yield f"- {lead}{plain(one.what, _SENTENCE)}. To know: {plain(one.remedy, _SENTENCE)}."


def _how(report: Report) -> Iterator[str]:
    origins = {source.origin for source in report.sources}
    yield from table(
        ("figure", "from", "how"), ((what, origin, how) for what, origin, how in wording.HOW if origin in origins)
    )


def _sources(report: Report) -> Iterator[str]:
    rows = (
        (
            one.id,
            plain(one.path),
            plain(one.what),
            NONE if one.from_s is None else wording.exactly(one.from_s),
            wording.exactly(one.at_s),
        )
        for one in report.sources
    )
    yield from table(("", "file", "what", "from", "to"), rows)
