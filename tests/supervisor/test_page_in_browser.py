"""The page in a real browser: what it shows of a log and of a running proxy, wide and on a phone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from proxy.contract.answer import Answer
from proxy.scorer.book import Book
from proxy.simulator import Options, Simulator
from tests.cli.logged import PAIRS, SWAP, keep_bodies, write_log
from tests.e2e.serving import chat, serving
from tests.supervisor.browser import Tab, browsing, program
from tests.supervisor.pages import HOSTILE, admin_port, config, history_of, keep, keep_hostile, status_of

WIDE, PHONE = (1280, 900), (360, 740)
TEXT = "(document.body?.innerText ?? '')"
FITS = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    program()
    async with browsing(tmp_path / "profile") as opened:
        yield opened


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Book]:
    folder = tmp_path_factory.mktemp("state")
    book = write_log(folder)
    keep_bodies(folder)
    keep_hostile(folder, 157)
    return folder, book


@asynccontextmanager
async def page(folder: Path | None, status: Callable[[], dict[str, Any]]) -> AsyncIterator[str]:
    async with admin_port(config(folder), status, history_of(2 * PAIRS)) as url:
        yield url


async def looked_at(tab: Tab, url: str, size: tuple[int, int], wanted: str) -> str:
    """Open it at a size; what it says once it says what is wanted. It fits, and nobody complains."""
    await tab.size(*size)
    await tab.open("about:blank")
    await tab.open(url)
    await tab.until(f"{TEXT}.includes({json.dumps(wanted)})")
    assert await tab.run(FITS), f"{url} is wider than {size[0]}"
    assert tab.complaints == []
    text: str = await tab.run(TEXT)
    return text


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
async def test_vendors_signals_alarm_and_answers(size: tuple[int, int], tab: Tab, logged: tuple[Path, Book]) -> None:
    folder, book = logged
    async with page(folder, lambda: status_of(book)) as url:
        text = await looked_at(tab, url, size, "degraded")
        for part in ("Vendors: engine is degraded", "1,234 requests", "✓ ok", "▼ degraded", "#1", SWAP, "lasts"):
            assert part in text
        assert await tab.run("document.title") == "1 degraded - Paramwall"

        text = await looked_at(tab, f"{url}/#vendor/engine/thinking", size, "more empty answers than")
        for part in ("It has changed for the worse", "https://engine.example/v1", "Charts begin with", "no drift"):
            assert part in text
        points = await tab.run("document.querySelector('figure svg .line').getAttribute('d').split('L').length")
        assert points > 20

        text = await looked_at(tab, f"{url}/#alarm/1", size, "What grows by a river?")
        for part in (
            f"Alarm 1: {SWAP} of engine",
            "against the vendor",
            "req-153" if size == WIDE else "153",
            "Reeds.",
        ):
            assert part in text
        assert "paramwall evidence 1 --state-dir state --bundle" in text
        sides = await tab.run("[...document.querySelectorAll('.beside thead th')].map((each) => each.textContent)")
        assert sides == ["", "vendor", "reference"]
        answers = "[...document.querySelectorAll('.beside tbody tr:first-child pre')]"
        first, second = await tab.run(f"{answers}.map((each) => each.getBoundingClientRect().top)")
        assert (first == second) == (size == WIDE), "side by side, or one beneath the other"
        assert "\\u{1b}" in await tab.run("document.querySelector('.beside').textContent"), "nothing hides"


async def test_what_a_model_says_is_text(tab: Tab, logged: tuple[Path, Book]) -> None:
    folder, book = logged
    async with page(folder, lambda: status_of(book)) as url:
        await looked_at(tab, f"{url}/#alarm/1/pair/157", WIDE, "What was asked")
        assert await tab.run("document.querySelectorAll('img, #view script, iframe').length") == 0
        assert "owned" not in await tab.run("document.title")
        texts = await tab.run("[...document.querySelectorAll('#view pre')].map((each) => each.textContent)")
        assert HOSTILE in texts
        assert f"\\u{{1b}}[2J\\u{{202e}}{HOSTILE}" in texts
        assert f"{HOSTILE}({HOSTILE}) id {HOSTILE}" in texts
        assert await tab.run(f"{TEXT}.includes({json.dumps(HOSTILE)})")
        await looked_at(tab, f"{url}/#vendor/{quote(HOSTILE, safe='')}/x", WIDE, "Nothing was checked of this vendor")
        assert await tab.run("document.querySelectorAll('img, #view script, iframe').length") == 0
        turned = "\N{RIGHT-TO-LEFT OVERRIDE}\N{HANGUL FILLER}\N{VARIATION SELECTOR-17}"
        text = await looked_at(tab, f"{url}/#vendor/{quote(turned)}/x", WIDE, "\\u{202e}\\u{3164}\\u{e0100}, x")
        assert not set(turned) & set(text + await tab.run("document.title"))


async def test_a_character_is_not_torn_apart(tab: Tab, tmp_path: Path) -> None:
    book = write_log(tmp_path)
    keep(tmp_path, 153, Answer("So \N{GRINNING FACE}", "r", choices=1), Answer("So \N{GRIMACING FACE}", "r", choices=1))
    async with page(tmp_path, lambda: status_of(book)) as url:
        await looked_at(tab, f"{url}/#alarm/1/pair/153", WIDE, "alike for 3 characters")
        differs = await tab.run("[...document.querySelectorAll('.differs')].map((each) => each.textContent)")
        assert differs == ["\N{GRINNING FACE}", "\N{GRIMACING FACE}"]


async def test_it_keeps_itself_up_to_date_and_leaves_the_reader_alone(tab: Tab, logged: tuple[Path, Book]) -> None:
    folder, book = logged
    told = {"in_flight": 3}
    async with page(folder, lambda: status_of(book, **told)) as url:
        await looked_at(tab, url, WIDE, "3 requests under way")
        await tab.run(
            "window.former = document.querySelector('#view table'); document.querySelector('#view a').focus()"
        )
        told["in_flight"] = 77
        await tab.until(f"{TEXT}.includes('77 requests under way')")
        assert await tab.run("window.former === document.querySelector('#view table')"), "nothing is made anew"
        assert await tab.run("document.activeElement === document.querySelector('#view a')")
        assert tab.complaints == []
    await tab.until(f"{TEXT}.includes('connection to the proxy is lost')")
    assert "▼ degraded" in await tab.run(TEXT), "what was known stays"


SWIFTLY = """{
  const [now, later] = [performance.now.bind(performance), setTimeout], listened = document.addEventListener;
  performance.now = () => 40 * now();
  window.setTimeout = (done, ms) => later(done, ms / 40);
  window.listeners = 0;
  document.addEventListener = (...words) => { window.listeners += 1; listened.apply(document, words); };
}"""
"""In the page before it begins: time runs 40 times as fast, and listeners are counted."""


async def test_it_can_stay_open_for_long(tab: Tab, logged: tuple[Path, Book]) -> None:
    folder, book = logged
    asked = 0

    def status() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return status_of(book, in_flight=asked)

    await tab.send("Page.addScriptToEvaluateOnNewDocument", source=SWIFTLY)
    async with page(folder, status) as url:
        await looked_at(tab, url, WIDE, "requests under way")
        await tab.until(f"{TEXT}.includes(' 20 requests under way')")
        assert await tab.run("window.listeners") == 1


async def test_an_answer_that_cannot_be_shown_does_not_end_it(tab: Tab, logged: tuple[Path, Book]) -> None:
    folder, book = logged
    told: dict[str, Any] = {"vendors": None}
    async with page(folder, lambda: status_of(book, **told)) as url:
        await tab.open(url)
        await tab.until(f"{TEXT}.includes('This page cannot show what the proxy said')")
        told = {"in_flight": 77}
        await tab.until(f"{TEXT}.includes('77 requests under way') && {TEXT}.includes('lasts')")
        assert "Wrong" not in await tab.run(TEXT)


async def test_what_was_refused_is_asked_for_again(tab: Tab, tmp_path: Path) -> None:
    book = write_log(tmp_path)
    await tab.send("Page.addScriptToEvaluateOnNewDocument", source=SWIFTLY)
    async with page(tmp_path, lambda: status_of(book)) as url:
        await tab.open(f"{url}/#alarm/1/pair/9999")
        await tab.until(f"{TEXT}.includes('neither the log nor the kept bodies have 9999')")
        keep(tmp_path, 9999, Answer("Here by now.", "r", choices=1))
        await tab.until(f"{TEXT}.includes('Here by now.')")


async def test_a_signal_leads_to_its_alarm_in_a_terminal(tab: Tab, logged: tuple[Path, Book]) -> None:
    folder, book = logged
    async with page(folder, lambda: status_of(book)) as url:
        text = await looked_at(tab, f"{url}/#vendor/engine/thinking/{SWAP}", WIDE, "In a terminal")
        assert "paramwall evidence 1 --state-dir state --bundle" in text


async def test_a_click_leads_on_and_back(tab: Tab, logged: tuple[Path, Book]) -> None:
    folder, book = logged
    async with page(folder, lambda: status_of(book)) as url:
        await looked_at(tab, url, WIDE, "#1")
        await tab.run("document.querySelector('a[href=\"#alarm/1\"]').click()")
        await tab.until("document.activeElement.textContent.startsWith('Alarm 1')")
        await tab.until("document.querySelector('button') !== null")
        await tab.run("document.querySelector('button').click()")
        await tab.until("document.querySelectorAll('.rows tbody tr').length > 50")
        await tab.run("document.querySelector('.rows a[href=\"#alarm/1/pair/156\"]').click()")
        await tab.until("document.activeElement.textContent === 'Pair 156'")
        assert await tab.run("document.querySelectorAll('.rows tbody tr').length > 50"), "what was unfolded stays so"
        await tab.run("history.go(-2)")
        await tab.until(f"{TEXT}.includes('Vendors: engine')")
        assert tab.complaints == []


async def test_it_can_be_read_aloud(tab: Tab, logged: tuple[Path, Book]) -> None:
    """On a phone, where the style takes the tables apart, they are still tables; what is drawn has a name."""
    folder, book = logged
    roles: set[str] = set()
    async with page(folder, lambda: status_of(book)) as url:
        for place, wanted in (("", "lasts"), ("#vendor/engine/thinking", "Charts begin with"), ("#alarm/1", "Reeds.")):
            await looked_at(tab, f"{url}/{place}", PHONE, wanted)
            await tab.send("Accessibility.enable")
            nodes = (await tab.send("Accessibility.getFullAXTree"))["nodes"]
            named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if "role" in node]
            roles |= {role for role, _ in named}
            assert [
                role for role, name in named if role in ("link", "button", "table", "img", "image") and not name
            ] == []
            assert await tab.run("document.querySelectorAll('h1').length") == 1
    assert {"table", "row", "rowheader", "columnheader", "heading", "main", "banner", "contentinfo", "figure"} <= roles


async def test_a_fresh_start_says_what_to_do_next(tab: Tab, tmp_path: Path) -> None:
    fresh = status_of(Book(), evidence={"state_dir": None, "bodies": "off"}, mirror=None)
    async with page(None, lambda: fresh) as url:
        for size in (WIDE, PHONE):
            text = await looked_at(tab, url, size, "What to do next")
            for part in ("no answer was checked yet", "http://127.0.0.1:8080/v1", "--reference URL", "--state-dir DIR"):
                assert part in text
            assert "No alarm so far." in text
            assert "Wrong:" not in text


NOT_LOADED = {"at": "2026-01-02T03:04:05Z", "cause": "SIGHUP", "successful": False, "error": "line 3: no such word"}
TROUBLES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"scorer": None}, "There is no scorer"),
    ({"phase": "draining"}, "The proxy is stopping"),
    ({"not_ready": "no worker accepts connections"}, "Not ready: no worker accepts connections."),
    ({"mirror": {"paused": True, "fractions": {}, "open_pairs": 0, "reference": "r"}}, "asked for a rest (429)"),
    ({"scoring": False, "scorer": None}, "Checks are off"),
    ({"lost": {"answers_dropped": 1200, "defects": 0}}, "Lost since the start: 1,200 answers were not looked at"),
    ({"config": {"hash": "0a1b2c3d", "last_load": NOT_LOADED}}, "0a1b2c3d stays in use: line 3: no such word."),
)


async def test_what_goes_wrong_is_said(tab: Tab, logged: tuple[Path, Book]) -> None:
    folder, book = logged
    told: dict[str, Any] = {}
    async with page(folder, lambda: status_of(book, **told)) as url:
        assert "Wrong" not in await looked_at(tab, url, PHONE, "lasts")
        for members, said in TROUBLES:
            told = members
            await looked_at(tab, url, PHONE, said)


async def test_without_a_log_there_is_what_the_scorer_tells(tab: Tab, logged: tuple[Path, Book]) -> None:
    async with page(None, lambda: status_of(logged[1])) as url:
        await tab.open(f"{url}/#alarm/1")
        await tab.until(f"{TEXT}.includes('cannot be shown: the log is kept in memory')")
        assert f"Alarm 1: {SWAP} of engine" in await tab.run(TEXT)


async def test_a_running_proxy(tab: Tab, tmp_path: Path) -> None:
    async with Simulator(Options(instant=True)) as vendor:
        named = {"name": "engine", "url": vendor.url, "profile": "moonshot", "credentials": "pass"}
        async with serving(tmp_path, [named], state_dir="state", evidence={"bodies": "all"}) as proxy:
            for _ in range(3):
                url = f"{proxy.url}/v1/chat/completions"
                async with proxy.session.post(url, json=chat(), headers={"Authorization": "Bearer k"}) as response:
                    assert response.status == 200
            text = await looked_at(tab, proxy.admin, PHONE, "3 requests")
            assert "engine" in text
            await tab.until("document.querySelector('a[href=\"#vendor/engine/thinking\"]')?.click() ?? "
                            "document.getElementById('title')?.textContent === 'engine, thinking'")  # fmt: skip
            await tab.until(f"{TEXT}.includes('answers checked')")
            assert tab.complaints == []
