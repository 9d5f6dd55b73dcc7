"""A result as JUnit XML, which continuous integration systems show: a suite for each layer, a case for each probe.

Not here: the result. Invariant: a failure is a failed probe, an error one that was not answered.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from proxy.probes.probe import Verdict
from proxy.verify.result import ProbeResult, VerifyResult

_TAGS = {Verdict.FAIL: "failure", Verdict.NO_ANSWER: "error", Verdict.SKIPPED: "skipped"}


def junit(result: VerifyResult) -> bytes:
    """The document."""
    name = f"paramwall verify {result.vendor.name}"
    suites = ET.Element("testsuites", {"name": name, **_counts(result.probes)})
    for layer in result.layers:
        probes = [probe for probe in result.probes if probe.layer == layer.layer]
        suite = ET.SubElement(suites, "testsuite", {"name": layer.layer, **_counts(probes)})
        for probe in probes:
            _case(suite, result.vendor.name, probe)
    ET.indent(suites)
    text: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _counts(probes: tuple[ProbeResult, ...] | list[ProbeResult]) -> dict[str, str]:
    def count(verdict: Verdict) -> str:
        return str(sum(probe.verdict == verdict for probe in probes))

    return {
        "tests": str(len(probes)),
        "failures": count(Verdict.FAIL),
        "errors": count(Verdict.NO_ANSWER),
        "skipped": count(Verdict.SKIPPED),
    }


def _case(suite: ET.Element, vendor: str, probe: ProbeResult) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=f"{_plain(vendor)}.{probe.layer}",
        name=f"{probe.id} ({probe.mode})",
        time=f"{probe.total_s or 0.0:.3f}",
    )
    tag = _TAGS.get(Verdict(probe.verdict))
    if tag is not None:
        found = ET.SubElement(case, tag, message=_plain(probe.seen))
        found.text = _plain(f"{probe.title}\nseen: {probe.seen}\nallowed: {probe.allowed}\nhint: {probe.hint}")


def _plain(text: str) -> str:
    """Without what XML 1.0 cannot hold: a vendor's text may have anything in it."""
    return "".join(c if c in "\t\n" or (c.isprintable() and ord(c) < 0xFFFE) or c == " " else "\ufffd" for c in text)
