"""The page: well formed, complete, and safe whatever names it is given."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from proxy.report.facts import Effect, Mark, Mode, Report, Vendor
from proxy.report.html import html_of, style_text
from proxy.report.markdown import markdown_of
from proxy.report.markup import Markup, element, joined
from proxy.report.wording import effect_text, ratio, share
from proxy.verify.result import VendorSeen
from tests.report import given
from tests.report.given_report import whole
from tests.source import ROOT

VOID = {"meta", "link", "br"}
HOSTILE = (
    "<script>owned()</script>\"'><img src=x onerror=owned()>\u202e\x1b[2J|`${x}` [a](javascript:owned()) "
    "</style></title>"
)


class Parsed(HTMLParser):
    """Every element in its order; fails where one is not closed as it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"{tag} names an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return whole(tmp_path_factory.mktemp("state"), title="Vendors, November")


def renamed(report: Report) -> Report:
    """Whatever others may choose is hostile."""

    def mode(one: Mode) -> Mode:
        past = one.past and replace(one.past, marks=(*one.past.marks, Mark(one.past.since_s, "accepted", HOSTILE)))
        effects = tuple(replace(effect, signal=f"{HOSTILE}{effect.signal}") for effect in one.effects)
        return replace(one, mode=f"{one.mode}{HOSTILE}", policy=HOSTILE, effects=effects, past=past)

    def vendor(one: Vendor) -> Vendor:
        runs = tuple(
            replace(
                run,
                contract=HOSTILE,
                layers=tuple(replace(layer, layer=HOSTILE) for layer in run.layers),
                failures=tuple(replace(f, title=HOSTILE, seen=HOSTILE, hint=HOSTILE) for f in run.failures),
            )
            for run in one.verifications
        )
        repaired = tuple(
            replace(each, clauses=tuple(replace(c, clause=HOSTILE, member=HOSTILE) for c in each.clauses))
            for each in one.repaired
        )
        name = f"{one.name}{HOSTILE}"
        usages = tuple(replace(usage, failed=((HOSTILE, 3),)) for usage in one.usages)
        modes = tuple(map(mode, one.modes))
        found = replace(one, name=name, urls=(HOSTILE,), models=(HOSTILE,), modes=modes, usages=usages)
        return replace(found, verifications=runs, repaired=repaired)

    return replace(
        report,
        title=HOSTILE,
        sources=tuple(replace(source, path=HOSTILE, what=HOSTILE) for source in report.sources),
        vendors=tuple(map(vendor, report.vendors)),
        rankings=tuple(
            replace(
                ranking,
                mode=f"{ranking.mode}{HOSTILE}",
                places=tuple(replace(place, vendor=f"{place.vendor}{HOSTILE}") for place in ranking.places),
            )
            for ranking in report.rankings
        ),
        unknown=tuple(replace(one, vendor=HOSTILE, what=HOSTILE, remedy=HOSTILE) for one in report.unknown),
    )


def test_it_is_well_formed_and_whole(report: Report) -> None:
    page = Parsed(html_of(report))
    headings = [text for text in page.texts if text.strip()]
    for wanted in ("In short", "States over time", "Latency and tokens", "Verification", "Signals", "Sources"):
        assert wanted in headings or f"{wanted} " in headings
    assert "What the firewall repaired" in headings
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(set(ids)) == len(ids)
    labelled = {found["aria-labelledby"] for _, found in page.elements if "aria-labelledby" in found}
    assert labelled <= set(ids)
    assert [tag for tag, _ in page.elements].count("h1") == 1


def test_every_figure_of_the_report_is_in_it(report: Report) -> None:
    text = Parsed(html_of(report)).text
    for vendor in report.vendors:
        assert vendor.name in text
        for mode in vendor.modes:
            assert all(share(figure.value) in text for figure in (*mode.contract, *mode.schema_accuracy))
            assert all(ratio(figure.value) in text for figure in (*mode.tool_call_f1, *mode.floors))
            assert all(effect.signal in text for effect in mode.effects)
            assert all(effect_text(effect) in text for effect in mode.effects if effect.effect is not None)
    for one in report.unknown:
        assert one.what in text
        assert one.remedy in text
    assert all(source.path in text for source in report.sources)


def test_every_drawing_has_a_title_and_stands_within_its_axis(report: Report) -> None:
    text = html_of(report)
    drawn = re.findall(r'<svg class="(\w+)[^>]*role="img">(.{0,7})', text)
    assert {kind for kind, _ in drawn} == {"plot", "states", "evidence"}
    assert all(start == "<title>" for _, start in drawn)
    places = [float(place) for place in re.findall(r' (?:x|x1|x2|cx)="([-\d.]+)%"', text)]
    assert len(places) > 300
    assert all(0 <= place <= 100 for place in places)


def test_it_loads_nothing_and_runs_nothing(report: Report) -> None:
    for made in (report, renamed(report)):
        page = Parsed(html_of(made))
        assert not {"script", "img", "iframe", "object", "embed", "base", "form", "a", "use"} & {
            tag for tag, _ in page.elements
        }
        for tag, found in page.elements:
            assert not [name for name in found if name.startswith("on") or name in ("src", "style", "xlink:href")]
            if "href" in found:
                assert (tag, str(found["href"])[:19]) == ("link", "data:image/svg+xml,")
        assert "url(" not in style_text()
        assert "@import" not in style_text()


def test_the_page_tells_the_browser_so(report: Report) -> None:
    text = html_of(report)
    (style,) = re.findall(r"<style>(.*?)</style>", text, flags=re.DOTALL)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policies = [found["content"] for _, found in Parsed(text).elements if "http-equiv" in found]
    assert policies == [
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    ]


def test_names_of_others_are_text(report: Report) -> None:
    text = html_of(renamed(report))
    page = Parsed(text)
    assert "<script>owned()</script>" in page.text
    assert not set("\u202e\x1b") & set(text)
    assert "\\u{202e}\\u{1b}[2J" in page.text
    assert text.count("</style>") == 1
    assert text.count("<script") == text.count("<img") == 0


def signals_of(report: Report, *effects: Effect) -> str:
    """The text of the page's signals where one mode has these."""
    vendor = next(one for one in report.vendors if one.role == "vendor" and one.modes)
    mode = replace(vendor.modes[0], effects=effects)
    page = Parsed(html_of(replace(report, vendors=(replace(vendor, modes=(mode,)),), rankings=()))).text
    return page.partition("Signals")[2].partition("What is not known")[0]


def test_what_differs_as_often_one_way_as_the_other_does_differ(report: Report) -> None:
    alike = Effect("tool-trigger", "swap", 0.0, 0.0, 0.0, 0.02, 300, alarm=False, source="R1")
    balanced = replace(alike, lower=-0.05, upper=0.05)
    equal = replace(balanced, kind="size")
    never = replace(alike, kind="rate", upper=0.01)
    assert "No pair differs: 1 signal" in signals_of(report, alike)
    assert "Never seen: 1 signal" in signals_of(report, never)
    for one in (balanced, equal):
        text = signals_of(report, one)
        assert "tool-trigger" in text
        assert "No pair differs" not in text


def test_evidence_that_is_not_known_is_no_number(report: Report) -> None:
    vendor = next(one for one in report.vendors if any(mode.past for mode in one.modes))
    mode = next(mode for mode in vendor.modes if mode.past)
    assert mode.past is not None
    bare = replace(vendor, modes=(replace(mode, past=replace(mode.past, evidence=())),))
    told, untold = (Parsed(html_of(replace(report, vendors=(each,), rankings=()))).text for each in (vendor, bare))
    assert "of an alarm at the end (dashed line: alarm)" in told
    assert "of an alarm at the end" not in untold
    assert "evidence: no values yet" in untold


def test_no_credentials(report: Report) -> None:
    seen = VendorSeen("engine", "https://user:secret@engine.example/v1?key=hidden", "vllm", "kimi-k2.6")
    assert given.verification().vendor == seen
    for text in (html_of(report), markdown_of(report)):
        assert "secret" not in text
        assert "?key" not in text
        assert "https://engine.example/v1" in text


def test_an_element_escapes_what_is_not_markup() -> None:
    assert element("p", {"class": 'a"b', "x": 1.5, "y": None}, "<i>", Markup("<b></b>"), None, ["&"]) == (
        '<p class="a&quot;b" x="1.5">&lt;i&gt;<b></b>&amp;</p>'
    )
    assert element("meta", {"charset": "utf-8"}) == '<meta charset="utf-8">'
    assert joined("a", ["b", ["c"]], None) == "abc"


def test_its_colours_are_those_of_the_admin_page() -> None:
    theirs = (ROOT / "proxy/supervisor/page/page.css").read_text()
    assert re.findall(r":root \{(.*?)\}", style_text(), flags=re.DOTALL) == re.findall(
        r":root \{(.*?)\}", theirs, flags=re.DOTALL
    )
