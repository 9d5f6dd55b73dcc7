"""What the admin port has for people: its files and headers, whom it tells what, and how much."""

from __future__ import annotations

import asyncio
import re
import subprocess
import threading
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from proxy.contract.answer import Answer, ToolCall
from proxy.metrics.catalogue import catalogue
from proxy.metrics.glance import LOSSES, REQUESTS
from proxy.store import Store
from proxy.supervisor import evidence
from proxy.supervisor.browsing import FILES, HEADERS, MODULES
from proxy.supervisor.evidence import ITEMS_SENT, MOST_ASKED, PAIR_BYTES, TEXTS_SENT, refused_host
from proxy.supervisor.history import COARSEST_S, EVERY_S, MOST_POINTS, MOST_SERIES, History
from tests.cli.logged import FIRST_BAD, SWAP, VENDOR_SAID, keep_bodies, write_log
from tests.cli.running import run
from tests.source import ROOT, none_of
from tests.supervisor.pages import admin_port, config, keep

FOLDER = ROOT / "proxy/supervisor/page"
ASSETS = {file.name: file.read_text() for file in sorted(FOLDER.iterdir())}
TEXT = "What grows by a river?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("state")
    write_log(made)
    keep_bodies(made)
    return made


@dataclass(frozen=True, slots=True)
class Port:
    url: str
    session: aiohttp.ClientSession

    async def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        async with self.session.request(method, self.url + path, headers=headers) as response:
            assert {name: response.headers[name] for name in HEADERS} == HEADERS, path
            return response.status, await response.read()

    async def json(self, path: str, status: int = 200) -> dict[str, Any]:
        code, body = await self.get(path)
        assert code == status, body
        found: dict[str, Any] = orjson.loads(body)
        return found


@asynccontextmanager
async def port(folder: Path | None, admin_host: str = "127.0.0.1", **evidence: str) -> AsyncIterator[Port]:
    async with admin_port(config(folder, admin_host, **evidence)) as url, aiohttp.ClientSession() as session:
        yield Port(url, session)


# The files


async def test_every_answer_has_the_headers_and_only_reading_is_answered(folder: Path) -> None:
    async with port(folder) as there:
        for path in (*FILES, "/metrics", "/healthz", "/readyz", "/status", "/history?vendor=a", "/evidence"):
            assert (await there.get(path))[0] == 200, path
            assert await there.get(path, "HEAD") == (200, b""), path
            for method in ("POST", "PUT", "DELETE", "OPTIONS"):
                assert (await there.get(path, method))[0] == 404, path
        for path in ("/index.html", "/page/index.html", "/..%2fadmin.py", "/page.js/", "/%2e%2e/admin.py"):
            assert (await there.get(path))[0] == 404, path


def test_the_browser_is_told_to_run_nothing_else() -> None:
    policy = dict(directive.split(" ", 1) for directive in HEADERS["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


async def test_the_files_are_those_of_the_package(folder: Path) -> None:
    async with port(folder) as there:
        for path, (name, _) in FILES.items():
            assert (await there.get(path))[1] == (FOLDER / name).read_bytes()
    assert sorted(ASSETS) == sorted(name for name, _ in FILES.values())


def imported_from(name: str) -> set[str]:
    """A module and all that it imports, and these in turn."""
    found, left = set(), {name}
    while left:
        found |= left
        left = {each for module in left for each in imports(ASSETS[module])} - found
    return found


def imports(module: str) -> list[str]:
    """What it names after `from`, or `import`; each must be a file beside it."""
    named: list[str] = re.findall(r"(?:\bfrom|^import) [\"']([^\"']*)[\"']", module, flags=re.MULTILINE)
    assert len(named) == len(re.findall(r"^import\b", module, flags=re.MULTILINE))
    none_of((each for each in named if not each.startswith("./")), "an import is relative to the module")
    return [each.removeprefix("./") for each in named]


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_rooms_and_say_what_lives_in_them(name: str) -> None:
    lines = ASSETS[name].splitlines()
    opening = " ".join(takewhile(lambda line: line.startswith("//"), lines))
    assert "Not here: " in opening
    assert re.search(r"Invariants?: ", opening)
    assert len(lines) <= 300
    none_of((line for line in lines if len(line) > 120), f"{name}: 120 characters are enough for a line")


def test_no_file_names_an_address_outside_and_every_address_inside_is_answered() -> None:
    for name, text in ASSETS.items():
        outside = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s'\"`]*", text)
        none_of((each for each in outside if each != "http://www.w3.org/2000/svg"), f"{name} names an address")
    used = re.findall(r'(?:href|src)="([^"#:]+)"', ASSETS["index.html"])
    assert {f"/{each}" for each in used} == {"/page.css", "/page.js", "/status"}
    assert {path for path in FILES if path.endswith(".js")} == {f"/{name}" for name in imported_from("page.js")}
    assert "@import" not in ASSETS["page.css"]
    assert "url(" not in ASSETS["page.css"]


def test_the_script_never_makes_markup_of_text() -> None:
    sinks = (
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|DOMParser|srcdoc|\.style\b|import\("
    )
    for name in MODULES:
        none_of(re.findall(sinks, ASSETS[name]), f"{name}: text must become text")
    none_of(re.findall(r"\son\w+=|style=|<style|<script>", ASSETS["index.html"]), "the policy forbids it")


def test_a_wheel_has_them() -> None:
    """Hatchling takes every file of the package that git does not ignore."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["proxy"]
    assert not {"exclude", "only-include"} & wheel.keys()
    done = subprocess.run(["git", "check-ignore", *FOLDER.iterdir()], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")


# Colours


def luminance(colour: str) -> float:
    """WCAG's relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def themes() -> Iterator[dict[str, str]]:
    for block in re.findall(r":root \{(.*?)\}", ASSETS["page.css"], flags=re.DOTALL):
        yield dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))


@pytest.mark.parametrize("theme", list(themes()), ids=["light", "dark"])
def test_text_is_readable(theme: dict[str, str]) -> None:
    """4.5 to 1 is what WCAG 2.2 asks of text (1.4.3)."""
    for paper in ("ground", "card"):
        for ink in ("ink", "quiet", "link", "ok", "warn", "bad", "away"):
            low, high = sorted((luminance(theme[paper]), luminance(theme[ink])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (paper, ink)


# Evidence is what the command says


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("", ()),
        ("?alarm=1", ("1",)),
        ("?vendor=engine", ("--vendor", "engine")),
        ("?vendor=honest&signal=content-length", ("--vendor", "honest", "--signal", "content-length")),
        ("?vendor=engine&mode=thinking&signal=" + SWAP, ("--vendor", "engine", "--signal", SWAP)),
        ("?pair=153", ("--pair", "153")),
        ("?pair=req-156", ("--pair", "req-156")),
        ("?pair=159", ("--pair", "159")),
    ],
)
async def test_it_is_what_the_command_prints(asked: str, words: tuple[str, ...], folder: Path) -> None:
    async with port(folder) as there:
        shown = await there.json(f"/evidence{asked}")
    printed = (await asyncio.to_thread(run, "evidence", "--state-dir", str(folder), *words, "--json")).json
    assert shown.get("bodies_hidden") is None
    assert {name: shown[name] for name in printed} == printed


async def test_rows_are_cut_and_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "ROWS_SENT", 3)
    async with port(folder) as there:
        shown = await there.json("/evidence?alarm=1")
    assert len(shown["rows"]) == 3
    bad = [number for number in range(FIRST_BAD, 301) if number % 3 == 0 and number % 20]
    assert (shown["count"]["against"], shown["count"]["more"]) == (len(bad), False)
    assert shown["count"]["rows"] == shown["count"]["against"] + shown["count"]["contrary"]
    assert [each["request_id"] for each in shown["kept"]] == ["req-153", "req-156"]


async def test_signals_are_read_in_words(folder: Path) -> None:
    async with port(folder) as there:
        shown = await there.json("/evidence?pair=153")
    assert shown["sides"] == [["content-length", "269.4", "199.3"], [SWAP, "yes", "no"]]


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ("?alarm=2", 404, "there is no alarm 2"),
        ("?alarm=x", 400, "the alarm is no number"),
        ("?alarm=" + "9" * 30, 400, "the alarm is no number"),
        ("?alarm=1&vendor=engine", 400, "that is no question"),
        ("?pair=153&alarm=1", 400, "that is no question"),
        ("?file=/etc/passwd", 400, "that is no question"),
        ("?vendor=nobody", 404, "the log has no vendor nobody"),
        ("?vendor=engine&mode=instant", 404, "engine has no value of any signal in instant mode yet"),
        ("?pair=9999", 404, "neither the log nor the kept bodies have 9999"),
        ("?pair=" + "9" * 19, 404, "neither the log nor the kept bodies have " + "9" * 19),
        ("?pair=" + "9" * 5000, 404, "neither the log nor the kept bodies have " + "9" * 5000),
        ("?pair=0", 404, "neither the log nor the kept bodies have 0"),
    ],
)
async def test_what_cannot_be_shown_is_said(asked: str, status: int, said: str, folder: Path) -> None:
    async with port(folder) as there:
        answer = await there.json(f"/evidence{asked}", status)
    assert answer["error"] == said
    assert answer["hint"]


async def test_without_a_log(tmp_path: Path) -> None:
    async with port(None) as there:
        assert (await there.json("/evidence", 404))["error"] == "the log is kept in memory"
    async with port(tmp_path) as there:
        assert (await there.json("/evidence", 404))["error"] == "nothing was logged yet"
        (tmp_path / "paramwall.db").write_bytes(b"no database " * 99)
        answer = await there.json("/evidence", 503)
    assert "cannot be opened" in answer["error"]


async def test_reading_ends_in_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "READ_S", -1.0)
    monkeypatch.setattr("proxy.store.database._STEPS", 1)
    async with port(folder) as there:
        answer = await there.json("/evidence?alarm=1", 503)
    assert "interrupted" in answer["error"]
    assert "`paramwall evidence` takes the time it needs" in answer["hint"]


async def test_the_port_answers_while_evidence_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def slow(*_: object) -> list[Any]:
        reading.set()
        assert go_on.wait(20)
        return []

    monkeypatch.setattr(evidence, "rows_of", slow)
    async with port(folder) as there:
        asked = asyncio.create_task(there.json("/evidence?alarm=1"))
        assert await asyncio.to_thread(reading.wait, 20)
        assert (await there.get("/metrics"))[0] == 200
        with Store.open(folder) as writer:  # nor does the scorer wait
            writer.append([], writer.checkpoint()[1])  # type: ignore[index]  # there is one
        assert not asked.done()
        go_on.set()
        assert (await asked)["rows"] == []


async def test_only_so_many_wait_for_evidence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def slow(*_: object) -> list[Any]:
        assert go_on.wait(20)
        return []

    monkeypatch.setattr(evidence, "rows_of", slow)
    async with port(folder) as there:
        asked = [asyncio.create_task(there.get("/evidence?alarm=1")) for _ in range(MOST_ASKED + 3)]
        done, _ = await asyncio.wait(asked, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result()[0] for task in done] == [503] * len(done)
        go_on.set()
        statuses = sorted([(await task)[0] for task in asked])
        assert (await there.get("/evidence?alarm=1"))[0] == 200
    assert statuses == [200] * MOST_ASKED + [503] * 3


# Whom bodies are shown to


@pytest.mark.parametrize(
    ("admin", "settings", "shown"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("localhost", {}, True),
        ("0.0.0.0", {}, False),
        ("10.0.0.7", {}, False),
        ("0.0.0.0", {"page": "true"}, True),
        ("127.0.0.1", {"page": "false"}, False),
        ("127.0.0.1", {"bodies": "off"}, False),
        ("0.0.0.0", {"page": "true", "bodies": "off"}, False),
    ],
)
async def test_bodies_are_shown_on_loopback_or_when_told(
    admin: str, settings: dict[str, str], shown: bool, folder: Path
) -> None:
    async with port(folder, admin, **settings) as there:
        pair = await there.json("/evidence?pair=153")
        behind = await there.json("/evidence?alarm=1")
        for path in ("/status", "/history?vendor=engine", "/metrics"):
            assert TEXT.encode() not in (await there.get(path))[1]
    assert (TEXT in str(pair), "Reeds." in str(pair)) == (shown, shown)
    assert ("req-153" in str(behind), behind["rows"] != []) == (shown, True)
    assert pair["row"]["number"] == 153
    assert bool(pair["bodies_hidden"]) != shown


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:9090", "localhost", "LOCALHOST:1", "[::1]:9090", "192.168.1.5:9090", "box.internal:9090"],
)
def test_an_address_leads_to_evidence(host: str, folder: Path) -> None:
    assert refused_host(host, "", config(folder, "box.internal")) == ""


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:9090", "evil.example:80@127.0.0.1:x", "[::1"]
    + ["0x7f.1", "2130706433", "localhost.", "user@evil.example", "127.1", "evil.example#127.0.0.1"],
)
async def test_a_foreign_name_does_not(host: str, folder: Path) -> None:
    async with port(folder) as there:
        for path in ("/evidence", "/evidence?alarm=1", "/evidence?pair=153"):
            status, body = await there.get(path, Host=host)
            assert (status, b"river" in body) == (403, False), body
        for path in ("/metrics", "/healthz", "/readyz", "/status", "/history?vendor=engine", "/"):
            assert (await there.get(path, Host=host or "x"))[0] == 200


@pytest.mark.parametrize(
    ("site", "status"), [("same-origin", 200), ("none", 200), ("cross-site", 403), ("same-site", 403)]
)
async def test_a_foreign_page_does_not(site: str, status: int, folder: Path) -> None:
    async with port(folder) as there:
        assert (await there.get("/evidence?pair=153", **{"Sec-Fetch-Site": site}))[0] == status


# How much


async def test_long_texts_are_cut_and_named(tmp_path: Path) -> None:
    write_log(tmp_path)
    keep(tmp_path, 153, Answer("x" * 300_000, "r", choices=1), VENDOR_SAID, b"y" * 20_000_000)
    async with port(tmp_path) as there:
        shown = await there.json("/evidence?pair=153")
    assert (len(shown["kept"]["request"]), len(shown["kept"]["vendor_answer"]["content"])) == (TEXTS_SENT[0],) * 2
    assert shown["shortened"] == ["request", "vendor_answer"]
    assert shown["kept"]["cut"] == []


@pytest.mark.parametrize("letter", ["x", "\x01"])
async def test_however_much_there_is(letter: str, tmp_path: Path) -> None:
    write_log(tmp_path)
    calls = tuple(ToolCall(letter * 10_000, letter * 10_000, letter * 20_000) for _ in range(2 * ITEMS_SENT))
    keep(tmp_path, 153, Answer(None, None, calls, choices=1), Answer(None, None, calls, choices=1))
    async with port(tmp_path) as there:
        status, body = await there.get("/evidence?pair=153")
    shown = orjson.loads(body)
    assert (status, len(shown["kept"]["vendor_answer"]["tool_calls"])) == (200, ITEMS_SENT)
    assert len(body) < PAIR_BYTES + 10_000
    assert shown["shortened"] == ["vendor_answer", "reference_answer"]


# The history


def report(evidence: float = 1.0, n: int = 1, names: tuple[str, ...] = ("refusal",)) -> bytes:
    series = [
        {
            "name": name,
            "n": n,
            "log_evidence": evidence,
            "log_threshold": 2.0,
            "effect": None,
            "lower": 0.25,
            "upper": 1e9,
        }
        for name in names
    ]
    return orjson.dumps({"drift": [{"key": {"vendor": "v", "policy": "p", "mode": "m"}, "series": series, "more": 1}]})


def test_a_point_is_taken_when_one_is_due() -> None:
    history = History()
    assert history.told("v") == {"at_s": [], "step_s": EVERY_S, "left_out": 0, "series": []}
    history.note(1000.0, b"")
    history.note(1002.0, report(1.0))
    history.note(1004.0, report(9.0))
    history.note(1012.0, report(-5.0))
    told = history.told("v", "m", "refusal")
    assert told["at_s"] == [1002.0, 1012.0]
    (series,) = told["series"]
    assert (series["evidence"], series["effect"], series["lower"]) == ([0.5, 0.0], [None, None], [0.25, 0.25])
    assert "moderation" in series["finds"]
    assert (
        history.told("v", "x")["series"] == history.told("w")["series"] == history.told("v", "m", "x")["series"] == []
    )


def test_what_begins_late_has_no_past_and_what_is_gone_is_forgotten() -> None:
    history = History()
    history.note(0.0, report(n=0))
    history.note(10.0, report(names=("refusal", "degenerate")))
    assert [each["evidence"] for each in history.told("v")["series"]] == [[None, 0.5], [None, 0.5]]
    history.note(20.0, report(n=0))
    assert [(each["signal"], len(each["evidence"])) for each in history.told("v")["series"]] == [("refusal", 3)]
    history.note(30.0, orjson.dumps({"drift": []}))
    assert len(history.told("v")["at_s"]) == 3


def test_days_fit_into_the_same_room() -> None:
    history, at_s = History(), 0.0
    for _ in range(60_000):
        at_s += EVERY_S
        history.note(at_s, report(at_s / 1e6))
    told = history.told("v")
    assert MOST_POINTS // 2 <= len(told["at_s"]) <= MOST_POINTS
    assert told["step_s"] == COARSEST_S
    gaps = {round(after - before) for before, after in zip(told["at_s"], told["at_s"][1:], strict=False)}
    assert gaps == {COARSEST_S}
    assert at_s - told["at_s"][-1] < COARSEST_S
    assert told["series"][0]["evidence"] == pytest.approx([each / 2e6 for each in told["at_s"]], abs=1e-4)


def test_no_more_series_than_there_is_room_for() -> None:
    history = History()
    names = tuple(f"signal-{number}" for number in range(MOST_SERIES + 5))
    for at_s in (0.0, 10.0):
        history.note(at_s, report(names=names))
    assert (len(history.told("v")["series"]), history.told("v")["left_out"]) == (MOST_SERIES, 5)


def test_a_clock_set_back_begins_anew() -> None:
    history = History()
    history.note(100.0, report())
    history.note(50.0, report())
    assert history.told("v")["at_s"] == [50.0]


def test_counters_told_are_in_the_catalogue() -> None:
    known = {entry.name: entry for entry in catalogue()}
    for counter in (REQUESTS, *LOSSES.values()):
        assert set(counter.labels) <= set(known[f"{counter.family}_total"].labels)
