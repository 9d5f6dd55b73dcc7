"""The Markdown of one whole report, as a golden file, and what names of others must not do to it.

`python -m tests.report.test_markdown` writes the golden file anew.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.report.facts import Place
from proxy.report.markdown import MARK, markdown_of, plain
from tests.report.given_report import whole
from tests.report.test_html import HOSTILE, renamed
from tests.source import ROOT

GOLDEN = ROOT / "tests/cases/report/report.md"


def test_the_whole_report(tmp_path: Path) -> None:
    assert markdown_of(whole(tmp_path)) == GOLDEN.read_text(encoding="utf-8")


def test_every_row_has_the_cells_of_its_table(tmp_path: Path) -> None:
    report = whole(tmp_path)
    for made in (report, renamed(report)):
        lines = markdown_of(made).splitlines()
        assert lines[0] == MARK
        tables = 0
        for number, line in enumerate(lines):
            if re.fullmatch(r"\|(---\|)+", line):
                tables += 1
                row = number - 1
                while row < len(lines) and lines[row].startswith("|"):
                    assert len(re.findall(r"(?<!\\)\|", lines[row])) == line.count("|"), lines[row]
                    row += 1
        assert tables >= 8


def test_names_of_others_are_no_markup(tmp_path: Path) -> None:
    text = markdown_of(renamed(whole(tmp_path)))
    assert not set("\u202e\x1b") & set(text)
    active = re.sub(r"`[^`\n]*`(?=\n)|\\.", "", text)
    assert "owned()" in active
    assert [part for part in ("<script", "<img", "[a", "](javascript", "`") if part in active] == []


@pytest.mark.parametrize("name", ["- x", "+ x", "1. x", "2) x", "    x", "--- x", "=== x"])
def test_no_line_begins_with_a_name(name: str, tmp_path: Path) -> None:
    report = whole(tmp_path)
    vendors = tuple(replace(vendor, name=name) for vendor in report.vendors if vendor.name == "engine")
    rankings = tuple(replace(one, places=(Place(name, None, "unknown"),)) for one in report.rankings)
    unknown = tuple(replace(one, vendor=name) for one in report.unknown)
    lines = markdown_of(replace(report, vendors=vendors, rankings=rankings, unknown=unknown)).splitlines()
    assert sum(name in line for line in lines) > 9
    assert not [line for line in lines if line.removeprefix("- ").startswith(name)]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("kimi-k2.6 (fast), v1.0!", "kimi-k2.6 (fast), v1.0!"),
        ("a|b", "a\\|b"),
        ("[x](y) <b> `c` *d* _e_", "\\[x\\](y) \\<b\\> \\`c\\` \\*d\\* \\_e\\_"),
        ("~f~ #1 &amp; $g$ \\", "\\~f\\~ \\#1 \\&amp; \\$g\\$ \\\\"),
        ("https://evil.example www.evil.example", "https\\://evil.example www\\.evil.example"),
        ("two\nlines", "two lines"),
        ("a_b@c_d.example kimi-k2.6@0123 @team", "a\\_b@<!-- -->c\\_d.example kimi-k2.6@0123 @<!-- -->team"),
    ],
)  # fmt: skip
def test_text_is_plain(name: str, written: str) -> None:
    assert plain(name) == written
    assert plain(HOSTILE).count("<") == plain(HOSTILE).count("\\<")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(markdown_of(whole(Path(folder))), encoding="utf-8")
