"""What a reader has to know first, and what the report rests on: findings, verifications, gaps, methods, files.

Not here: figures. Invariant: every gap is shown with what would close it.
"""

from __future__ import annotations

from dataclasses import replace

from proxy.report import wording
from proxy.report.facts import Failure, Layer, Report, Vendor, Verification
from proxy.report.findings import Finding, findings_of
from proxy.report.html_parts import Cell, details, quiet, section, table, verdict
from proxy.report.markup import Child, Markup, element, joined

_SIGNS = {"bad": ("▼", "to act on"), "open": ("?", "open"), "good": ("✓", "in order")}


def findings(report: Report) -> Markup:
    """What stands against whom, and who is fine."""
    found = findings_of(report)
    items = [_card([one for one in found if one.vendor == name]) for name in dict.fromkeys(one.vendor for one in found)]
    return section("findings", "In short", element("ul", {"class": "findings"}, items)) if items else Markup()


def _card(found: list[Finding]) -> Markup:
    """One vendor; the first finding is the gravest."""
    weight, name = found[0].weight, found[0].vendor
    sign, meaning = _SIGNS[weight]
    drawn = element("span", {"class": "sign", "role": "img", "aria-label": meaning}, sign)
    vendor = element("strong", {}, name)
    said = [_sentence(one, vendor if index == 0 else None) for index, one in enumerate(found)]
    return element("li", {"class": weight}, drawn, element("div", {}, said))


def _sentence(found: Finding, vendor: Markup | None) -> Markup:
    lead, _, rest = found.text.partition(": ")
    reasons = [element("li", {}, reason) for reason in rest.split("; ") if reason]
    return joined(element("p", {}, vendor, f" {lead}"), element("ul", {}, reasons) if reasons else None)


def verifications(report: Report) -> Markup:
    """Which layer of which vendor broke, and by which probes."""
    runs = [(vendor, run) for vendor in report.vendors for run in vendor.verifications]
    if not runs:
        return Markup()
    return section("verification", "Verification", [_run(vendor, run) for vendor, run in runs])


def _run(vendor: Vendor, run: Verification) -> Markup:
    said = f" {run.source}, {wording.moment(run.at_s)}, contract {run.contract}"
    heading = element("h3", {}, vendor.name, " ", verdict(run.verdict), quiet(said))
    layers = element("ul", {"class": "layers"}, [_layer(layer) for layer in run.layers])
    return element("article", {"class": "card"}, heading, layers, _failures(vendor, run))


def _layer(layer: Layer) -> Markup:
    sign, name = wording.VERDICTS.get(layer.verdict, ("?", layer.verdict))
    counted = [(layer.passed, "passed"), (layer.failed, "failed"), (layer.unanswered, "without an answer")]
    counts = ", ".join(f"{wording.thousands(count)} {what}" for count, what in counted if count)
    drawn = element("span", {"class": f"sign {layer.verdict}", "role": "img", "aria-label": name}, sign)
    return element("li", {}, drawn, " ", element("strong", {}, layer.layer), quiet(f" {counts}"))


def _failures(vendor: Vendor, run: Verification) -> Markup | None:
    """Those that differ in nothing but the mode are one."""
    modes: dict[Failure, list[str]] = {}
    for one in run.failures:
        modes.setdefault(replace(one, mode=""), []).append(one.mode)
    if not modes:
        return None
    rows = [
        (
            element("strong", {}, one.title),
            joined(", ".join(seen), quiet(f"; {one.layer}")),
            one.seen,
            one.allowed,
            one.hint,
        )
        for one, seen in modes.items()
    ]
    columns = ("probe that failed", "modes; layer", "seen", "allowed", "what is to blame")
    failed = table("rows wordy", f"Probes that {vendor.name} failed", columns, rows)
    return details(f"{wording.plural(len(run.failures), 'probe')} that failed", failed)


def unknown(report: Report) -> Markup:
    """What the report cannot say."""
    if not report.unknown:
        return Markup()
    rows = [(joined(_whose(one.vendor, one.mode)), one.what, quiet(one.remedy)) for one in report.unknown]
    return section(
        "unknown",
        "What is not known",
        table("rows wordy gaps", "Gaps", ("of", "what is not known", "what would tell"), rows),
    )


def _whose(vendor: str, mode: str) -> Child:
    if not vendor:
        return element("strong", {}, "all vendors")
    return joined(element("strong", {}, vendor), quiet(f", {mode}" if mode else ""))


def how(report: Report) -> Markup:
    """How each figure was got."""
    origins = {source.origin for source in report.sources}
    rows = [(element("strong", {}, what), str(origin), text) for what, origin, text in wording.HOW if origin in origins]
    body = table("rows wordy how", "Methods", ("figure", "from", "how"), rows)
    return section("how", "How the figures were got", body)


def sources(report: Report) -> Markup:
    """The files behind the figures."""
    rows = [
        (
            element("strong", {}, one.id),
            element("code", {}, one.path),
            one.what,
            Cell(joined(wording.NONE if one.from_s is None else wording.exactly(one.from_s))),
            wording.exactly(one.at_s),
        )
        for one in report.sources
    ]
    files = table("rows wordy files", "Files", ("id", "file", "what", "from", "to"), rows)
    asked = [
        (
            joined(element("strong", {}, vendor.name), None if vendor.role == "vendor" else quiet(", reference")),
            joined([element("p", {}, element("code", {}, url)) for url in vendor.urls]),
            ", ".join(vendor.models),
        )
        for vendor in report.vendors
        if vendor.urls or vendor.models
    ]
    named = table("rows wordy", "Who was asked", ("who was asked", "address", "model"), asked) if asked else None
    return section("sources", "Sources", files, named)
