"""`paramwall demo`: the story goes as told before the real proxy and not without it, and nothing of it stays behind."""

from __future__ import annotations

import asyncio
import io
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from proxy.cli import demo_show, demo_stage, demo_table, demo_watch
from proxy.cli.demo_show import Show
from proxy.cli.demo_stage import Stage, ready
from proxy.cli.demo_story import LAWFUL, STEPS, Claim, Door, Seen, Step
from proxy.cli.demo_watch import Act, Watched
from proxy.drift.rows import Key
from proxy.drift.states import State
from proxy.scorer.standing import PastAlarm
from proxy.signals import SELF_TESTS, SIGNALS
from proxy.simulator import Options, Simulator, parse_faults
from proxy.supervisor.launches import launches
from proxy.supervisor.sockets import CannotStart
from tests.cli.running import run
from tests.supervisor.running import Running, running, until

SHORTEST = "version: 1\nvendors: [{{name: engine, url: '{vendor}'}}]\n"
CLAIMS = [(step, claim) for step in STEPS for claim in step.claims]
WHOLE_S = 240.0
"""For all of it: waiting for slow machines is a part of the second act."""
STEP_S = 60.0
# The package's own name `demo` is the command, not its module.
DEMO = sys.modules["proxy.cli.demo"]
FIRST_ACT = "import sys, proxy.cli; demo = sys.modules['proxy.cli.demo']; demo.ACTS = demo.ACTS[:1]; proxy.cli.app()"


class Output:
    """What a process has written to stdout so far."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self.text = ""
        self._reading = asyncio.create_task(self._read(stream))

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while part := await stream.read(4096):
            self.text += part.decode()

    async def says(self, pattern: str) -> re.Match[str]:
        match: re.Match[str] = await until(lambda: re.search(pattern, self.text), pattern, STEP_S)
        return match

    async def whole(self) -> str:
        await self._reading
        return self.text


@asynccontextmanager
async def shown(folder: Path, *flags: str, whole: bool = False) -> AsyncIterator[tuple[Running, Output]]:
    """The command as a process, its first act unless `whole`, `folder` for its temporary files; in the end neither is
    left.
    """
    program = ("-m", "proxy") if whole else ("-c", FIRST_ACT)
    arguments, environment = ("-W", "error", *program, "demo", *flags), {"TMPDIR": str(folder)}
    async with running(*arguments, environment=environment, ready=False) as process:
        assert process.process.stdout is not None
        yield process, Output(process.process.stdout)
        assert not process.strays()
    assert left_in(folder) == []


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.mark.timeout(WHOLE_S + STEP_S)
async def test_the_story_goes_as_told(tmp_path: Path) -> None:
    async with shown(tmp_path, "--ci", whole=True) as (process, output):
        code = await process.ends(WHOLE_S)
        text = await output.whole()
    assert (code, process.lines) == (0, []), text
    assert re.findall(r"^(\d+) ", text, re.MULTILINE)[: len(STEPS) + 3] == [str(n) for n in range(1, len(STEPS) + 4)]
    assert all(f"{step.title}\n   {step.shows}\n" in text for step in STEPS)
    assert all(f"ok          {claim.text}\n" in text for _, claim in CLAIMS)
    assert re.search(rf"^All {len(CLAIMS) + 2 + 4} claims hold, in [0-9.]+ s\.$", text, re.MULTILINE)
    assert "FAILED" not in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= demo_show.WIDTH
    for line in (
        "x-paramwall-actions: temperature=0.3->1.0;top_p=+0.95",
        "answer      400  invalid temperature: only 1 is allowed for this model",
        r'"top_p":0.95,"temp\u0065rature":0.2}',
        "paramwall serve --vendor URL --reference URL --state-dir DIR",
        'OpenAI(base_url="http://127.0.0.1:8080/v1")',
    ):
        assert line in text
    second = text[text.index("Watching two vendors") :]
    right = "|".join(demo_watch.RIGHT_SIGNALS)
    for pattern in (
        r"^   degrading  degraded +\d+ +\d+ ",
        rf"^   ALARM       vendor degrading changed: ({right}) \(thinking\), since about\s+20\d\d-",
        r"ok          the vendor that degrades is called degraded, \d+ s after it began\n",
        rf"ok          by a signal that looks at what is broken: ({right})\n",
        r"ok          the honest vendor is (ok|in warn, no alarm), after \d+ answers\n",
        r"^#  at +vendor +mode +signal",
        r"^1  20\S+ \S+  degrading  thinking  ",
        r"^\d+ rows are not neutral: \d+ against the vendor",
        r"ok          paramwall evidence lists what the alarm rests on: [1-9]\d* rows\n",
    ):
        assert re.search(pattern, second, re.MULTILINE), pattern


async def test_ctrl_c_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    async with shown(tmp_path) as (process, output):
        await output.says(r"\n2  ")
        process.signal(signal.SIGINT)
        assert await process.ends(STEP_S) == 130
        assert process.lines == ["paramwall: stopped; nothing is left running"]


async def test_keep_stays_to_be_played_with_until_the_terminal_is_closed(tmp_path: Path) -> None:
    async with shown(tmp_path, "--keep") as (process, output):
        await output.says("log follows")
        url = (await output.says(r"curl -i (\S+) "))[1]
        async with process.session.post(url, json={"model": "kimi-k2.6", "temperature": 0.3}) as response:
            assert response.status == 200
            await response.read()  # who leaves before the end is gone, not served
        await process.hears(r'outcome="ok".*actions="temperature=0\.3->1\.0;top_p=\+0\.95"', STEP_S)
        file = Path((await output.says(r"change of (\S+) is"))[1])
        await asyncio.to_thread(file.write_text, SHORTEST.format(vendor=(await output.says(r"vendor +(\S+),"))[1]))
        await process.hears("reloaded", STEP_S)
        process.signal(signal.SIGHUP)
        assert await process.ends(STEP_S) == 0


async def test_no_child_outlives_a_killed_demo(tmp_path: Path) -> None:
    async with running("-c", FIRST_ACT, "demo", environment={"TMPDIR": str(tmp_path)}, ready=False) as process:
        assert process.process.stdout is not None
        await Output(process.process.stdout).says(r"\n2  ")
        process.signal(signal.SIGKILL)
        await process.ends(STEP_S)
        await until(lambda: not process.strays(), "its children have left", STEP_S)


async def test_a_reader_who_leaves_ends_it_quietly(tmp_path: Path) -> None:
    async with shown(tmp_path) as (process, output):
        await output.says("vendor")
        process.process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]  # as `| head` does
        assert await process.ends(STEP_S) == 130
        assert process.lines == ["paramwall: stopped; nothing is left running"]


# The claims can fail


async def test_without_a_proxy_the_story_does_not_go_as_told() -> None:
    """All doors lead to the vendor: whatever the proxy does is missing, and each step that shows it says so."""
    options = Options(profile="vllm", instant=True, faults=parse_faults("accept-any-parameters"))
    async with Simulator(options) as vendor, aiohttp.ClientSession() as session:
        nobody = asyncio.create_task(asyncio.sleep(0))
        url = vendor.url.removesuffix("/v1")
        stage = Stage(vendor, vendor, session, Path("none"), Path("none"), "none", url, url, nobody)
        for step in STEPS:
            seen = await stage.play(step, lambda _: None)
            holds = [claim.holds(seen) for claim in step.claims]
            assert all(holds) == (step.door is Door.VENDOR or step.members == LAWFUL), step.title


@pytest.mark.parametrize(("step", "claim"), CLAIMS, ids=lambda each: getattr(each, "text", None) or "")
@pytest.mark.parametrize("status", [200, 400])
def test_no_claim_holds_of_an_answer_that_has_nothing_to_do_with_it(step: Step, claim: Claim, status: int) -> None:
    seen = Seen(step.body, b"{}", status, {"x-paramwall-actions": "n=2->1"}, b'{"detail":"no"}')
    assert claim.holds(seen) == (status == 200 and claim.text.startswith("it answers 200"))


def test_a_claim_that_does_not_hold_is_told_and_gives_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    never = Step("Never", "It never holds.", '"temperature":1', (Claim("never", lambda _: False),))
    monkeypatch.setattr(DEMO, "STEPS", (never,))
    monkeypatch.setattr(DEMO, "ACTS", DEMO.ACTS[:1])
    ran = run("demo", "--ci")
    assert ran.code == 1
    assert "FAILED      never\n" in ran.out
    assert "\n1 of 3 claims FAILED, in " in ran.out


def test_a_proxy_that_does_not_start_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = partial(launches, worker=(sys.executable, "-c", "raise SystemExit('no such thing')"))
    monkeypatch.setattr(demo_stage, "launches", broken)
    ran = run("demo", "--ci")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("paramwall: the demo cannot start: no worker comes to accept")
    assert "no such thing" in ran.err
    assert "hint: " in ran.err


async def test_a_proxy_that_gives_up_while_it_is_asked_says_why_and_not_that_its_admin_port_is_closed() -> None:
    gave_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def close_then_give_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        admin.close()
        writer.close()
        await writer.wait_closed()
        gave_up.set_exception(CannotStart("no such thing"))

    admin = await asyncio.start_server(close_then_give_up, "127.0.0.1", 0)
    admin_url = f"http://127.0.0.1:{admin.sockets[0].getsockname()[1]}"
    async with Simulator(Options()) as vendor, aiohttp.ClientSession() as session:
        proxy = asyncio.create_task(asyncio.wait_for(gave_up, STEP_S))
        stage = Stage(vendor, vendor, session, Path(), Path(), "", admin_url, admin_url, proxy)
        with pytest.raises(CannotStart, match="no such thing"):
            await ready(stage)


def test_ci_and_keep_exclude_each_other() -> None:
    ran = run("demo", "--ci", "--keep")
    assert (ran.code, ran.out) == (2, "")
    assert "hint: " in ran.err


# The second act

ALARM = PastAlarm(
    *(1000.0, Key("degrading", "kimi-k2.6", "thinking"), "tool-arguments", "rate", 1, 14.5, 13.8, 996.0, 0, 36),
    *(0.25, 0.077, 0.509, False),
)
ENDED = Act(
    [Watched("honest", "ok", 200, 199, "empty", 0.1, 13.8), Watched("degrading", "degraded", 199, 198)],
    broken_s=996.0,
    alarm=ALARM,
    number=1,
    evidence="7 rows are not neutral: 7 against the vendor, 0 for it\n",
)


def test_what_is_claimed_of_the_second_act() -> None:
    assert list(demo_watch.claims(ENDED)) == [
        ("the vendor that degrades is called degraded, 4 s after it began", True),
        ("by a signal that looks at what is broken: tool-arguments", True),
        ("the honest vendor is ok, after 200 answers", True),
        ("paramwall evidence lists what the alarm rests on: 7 rows", True),
    ]


@pytest.mark.parametrize(
    ("changed", "holds"),
    [
        ({"honest": {"state": "warn"}}, [True, True, True, True]),
        ({"honest": {"state": "degraded"}}, [True, True, False, True]),
        ({"honest": {"answers": 3}}, [True, True, False, True]),
        ({"degrading": {"state": "warn"}}, [False, True, True, True]),
        ({"alarm": None, "evidence": ""}, [False, False, True, False]),
        ({"alarm": replace(ALARM, series="reasoning-length")}, [True, False, True, True]),
        ({"evidence": "the log has no vendor degrading"}, [True, True, True, False]),
        ({"evidence": "0 rows are not neutral: 0 against the vendor, 0 for it"}, [True, True, True, False]),
    ],
)
def test_each_claim_of_the_second_act_can_fail(changed: dict[str, Any], holds: list[bool]) -> None:
    rows = [replace(row, **changed.get(row.vendor, {})) for row in ENDED.rows]
    act = replace(ENDED, rows=rows, **{name: value for name, value in changed.items() if hasattr(ENDED, name)})
    claims = list(demo_watch.claims(act))
    assert [each for _, each in claims] == holds
    assert all(len(text) <= demo_show.WIDTH - 15 for text, _ in claims)
    assert ("no alarm" in claims[2][0]) == (rows[0].state == "warn")


def view(vendor: str, state: str, answers: int) -> dict[str, Any]:
    series = {"name": "tool-arguments", "log_evidence": 1.0, "log_threshold": 13.8}
    key = {"vendor": vendor, "policy": "kimi-k2.6", "mode": "thinking"}
    standing = {"key": key, "state": state, "answers": answers, "pairs": answers}
    return {**standing, "leading": series["name"], "series": [series]}


def alarm_at(at_s: float, vendor: str = "degrading") -> dict[str, Any]:
    return {**msgspec.to_builtins(ALARM), "at_s": at_s, "key": {**msgspec.to_builtins(ALARM.key), "vendor": vendor}}


async def played(monkeypatch: pytest.MonkeyPatch, told: list[dict[str, Any]]) -> tuple[list[bool], Act]:
    """The act when `/status` says this, one after another: at which of them the fault was on, and how it ended."""
    telling = iter(told)

    async def status(_: Stage) -> dict[str, Any]:
        return next(telling)

    monkeypatch.setattr(demo_watch, "status", status)
    monkeypatch.setattr(demo_watch, "POLL_S", 0.0)
    monkeypatch.setattr(demo_watch, "traffic", nullcontext)
    broken, act = [], Act()
    async with aiohttp.ClientSession() as session:
        vendor, nobody = Simulator(Options()), asyncio.create_task(asyncio.sleep(0))
        async for act in demo_watch.acts(Stage(vendor, vendor, session, Path(), Path(), "", "", "", nobody)):
            broken.append(act.broken_s is not None)
    return broken, act


async def test_the_fault_waits_for_both_vendors_and_the_first_alarm_after_it_ends_the_act(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def both(honest: tuple[str, int], degrading: tuple[str, int], *alarms: dict[str, Any]) -> dict[str, Any]:
        return {"drift": [view("honest", *honest), view("degrading", *degrading)], "alarms": list(alarms)}

    early, other, late = alarm_at(1.0), alarm_at(1e11, "honest"), alarm_at(1e11)
    told = [
        {"drift": [], "alarms": []},
        both(("inconclusive", 200), ("ok", 200)),
        both(("ok", 200), ("ok", 119)),
        both(("warn", 120), ("ok", 120), early),
        both(("warn", 130), ("warn", 130), early, other),
        both(("ok", 140), ("degraded", 140), early, other, late),
        both(("ok", 150), ("degraded", 150), early, other, late, late),
    ]
    broken, act = await played(monkeypatch, told)
    assert broken == [False, False, False, True, True, True]
    assert (act.number, act.rows[1].state, act.rows[1].signal) == (3, "degraded", "tool-arguments")


async def test_an_alarm_that_does_not_come_ends_the_act_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_watch, "HEALTHY_S", -1.0)
    monkeypatch.setattr(demo_watch, "ALARM_S", -1.0)
    broken, act = await played(monkeypatch, [{"drift": [], "alarms": []}])
    assert (broken, act.alarm) == ([True], None)
    out = io.StringIO()
    show = Show(Console(file=out, force_terminal=False))
    show.alarm(act)
    show.evidence(act)
    assert "no alarm" in out.getvalue()
    assert "evidence" not in out.getvalue()


# Printing


@pytest.mark.parametrize("state", list(State))
def test_a_row_of_the_table_is_one_line_of_80_columns(state: State) -> None:
    for name in ["", *(each.name for each in (*SIGNALS, *SELF_TESTS))]:
        row = Watched("degrading", state, 99_999, 99_999, name, 60.0, 13.8)
        assert len(demo_table.line(row)) <= demo_show.WIDTH
        assert len(demo_table.line(row, bar=True)) <= demo_table.BAR_FROM


@pytest.mark.parametrize(("width", "terminal"), [(80, True), (100, True), (None, False)])
def test_the_table_and_the_alarm_fit(width: int | None, terminal: bool) -> None:
    out = io.StringIO()
    show = Show(Console(file=out, force_terminal=terminal, width=width, color_system=None))
    show.watch_opening()
    show.watched(replace(ENDED, broken_s=None, alarm=None, rows=[replace(row, state="ok") for row in ENDED.rows]))
    show.watched(ENDED)
    show.alarm(ENDED)
    show.evidence(replace(ENDED, evidence="#  at\n" + "wide " * 40 + "\n" + "more\n" * 40))
    lines = [re.sub(r"\x1b\[[0-9?]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]+", out.getvalue())]
    assert max(map(len, lines)) <= (width or demo_show.WIDTH)
    assert any(line.startswith("   degrading  degraded ") for line in lines)
    assert any(line.startswith("   honest     ok ") for line in lines)
    assert ("[" in "".join(line for line in lines if "degraded " in line)) == (width == 100)
    told = " ".join(line.strip() for line in lines)
    assert "ALARM       vendor degrading changed: tool-arguments (thinking), since about 1970-01-01T00:16:36Z" in told
    assert "effect +25.0 % (+7.7 to +50.9) over 36 values; evidence 1e6.3, alarm at 1e6.0" in told
    assert next(line for line in lines if line.startswith("wide")).endswith(" >")
    assert "... lines left out: 28" in lines


@given(st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=300), st.integers(1, 90))
def test_folding_loses_nothing_but_spaces(text: str, width: int) -> None:
    lines = demo_show.folded(text, width)
    assert all(len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_titles_purposes_and_claims_fit_into_a_line() -> None:
    for step in STEPS:
        assert len(step.title) <= demo_show.WIDTH - 3
        assert len(step.shows) <= demo_show.WIDTH - 3
        assert all(len(claim.text) <= demo_show.WIDTH - 15 for claim in step.claims)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_stream_is_wrapped_while_it_arrives(width: int) -> None:
    out = io.StringIO()
    show = Show(Console(file=out, force_terminal=True, width=width, color_system=None))
    for word in ("One", *[" river"] * 60):
        show.event(b'{"choices":[{"delta":{"reasoning":"%b"}}]}' % word.encode())
    show.event(b'{"choices":[{"delta":{"content":"Yes."}}]}')
    show.event(b"[DONE]")
    show.outcome(Seen(b"", None, 200, {}, b"", (0.1, 0.2)))
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("   streaming   thinking: One river")
    assert "               saying: Yes." in lines
    assert max(map(len, lines)) <= min(width, demo_show.WIDEST)
    assert out.getvalue().count("river") == 60
