"""The report in a real browser: nothing complains, nothing overflows, no two labels overlap."""

from __future__ import annotations

from pathlib import Path

from proxy.report.html import html_of
from tests.report.given_report import whole
from tests.report.test_html import renamed
from tests.supervisor.browser import browsing, program

SIZES = ((1280, 900), (360, 740))
FITS = "document.documentElement.scrollWidth <= innerWidth"
OVERLAPPING = """(() => {
  const found = [];
  for (const drawn of document.querySelectorAll('svg.axis, svg.states')) {
    const boxes = [...drawn.querySelectorAll('text')].map((each) => each.getBoundingClientRect());
    boxes.filter((box) => box.width).sort((one, other) => one.left - other.left).reduce((before, box) => {
      if (before && before.right > box.left + 0.5) found.push(drawn.textContent);
      return box;
    }, null);
  }
  return found;
})()"""
CLIPPED = """[...document.querySelectorAll('td, th, p, li, h1, h2, h3, summary')]
  .filter((each) => !each.closest('.unseen, thead') && each.scrollWidth > each.clientWidth + 1
                    && getComputedStyle(each).display !== 'inline')
  .map((each) => each.textContent.slice(0, 60))"""

TORN = """[...document.querySelectorAll('strong, code, .tag, .state')]
  .filter((each) => each.checkVisibility() && !/\\s/.test(each.textContent) && each.getClientRects().length > 0
                    && each.getBoundingClientRect().height > 1.9 * parseFloat(getComputedStyle(each).fontSize)
                    && each.textContent.length < 20)
  .map((each) => each.textContent)"""


async def test_it_is_readable_at_every_width(tmp_path: Path) -> None:
    program()
    report = whole(tmp_path / "state")
    async with browsing(tmp_path / "profile") as tab:
        for made, name in ((report, "report"), (renamed(report), "hostile")):
            file = tmp_path / f"{name}.html"
            file.write_text(html_of(made), encoding="utf-8")
            for number, size in enumerate(SIZES):
                await tab.size(*size, dark=bool(number))
                await tab.open("about:blank")
                await tab.open(file.as_uri())
                await tab.until("document.readyState === 'complete' && document.querySelector('#sources') !== null")
                assert await tab.run(FITS), f"{name} is wider than {size[0]}"
                assert await tab.run(OVERLAPPING) == []
                assert await tab.run(CLIPPED) == []
                assert await tab.run(TORN) == [] or made is not report
                assert await tab.run("getComputedStyle(document.body).maxWidth") != "none", "the style applies"
                assert await tab.run("document.querySelectorAll('script, img, iframe').length") == 0
                assert tab.complaints == []


async def test_what_is_folded_is_printed(tmp_path: Path) -> None:
    program()
    file = tmp_path / "report.html"
    file.write_text(html_of(whole(tmp_path / "state")), encoding="utf-8")
    async with browsing(tmp_path / "profile") as tab:
        await tab.open(file.as_uri())
        await tab.until("document.querySelector('details table') !== null")
        shown = "[...document.querySelectorAll('details:not([open]) table')].map((each) => each.checkVisibility())"
        assert not any(await tab.run(shown))
        await tab.send("Emulation.setEmulatedMedia", media="print")
        assert all(await tab.run(shown))
        assert tab.complaints == []
