"""`paramwall demo`: the story goes as told before the real proxy and not without it, and nothing of it stays behind."""

from __future__ import annotations

import asyncio
import io
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from proxy.cli import demo_show, demo_stage
from proxy.cli.demo_show import Show
from proxy.cli.demo_stage import Stage
from proxy.cli.demo_story import LAWFUL, STEPS, Claim, Door, Seen, Step
from proxy.simulator import Options, Simulator, parse_faults
from tests.cli.running import run
from tests.supervisor.running import Running, running, until

SHORTEST = "version: 1\nvendors: [{{name: engine, url: '{vendor}'}}]\n"
CLAIMS = [(step, claim) for step in STEPS for claim in step.claims]


class Output:
    """What a process has written to stdout so far."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self.text = ""
        self._reading = asyncio.create_task(self._read(stream))

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while part := await stream.read(4096):
            self.text += part.decode()

    async def says(self, pattern: str) -> re.Match[str]:
        match: re.Match[str] = await until(lambda: re.search(pattern, self.text), pattern)
        return match

    async def whole(self) -> str:
        await self._reading
        return self.text


@asynccontextmanager
async def shown(folder: Path, *flags: str) -> AsyncIterator[tuple[Running, Output]]:
    """The command as a process, `folder` for its temporary files; in the end neither is left."""
    arguments, environment = ("-W", "error", "-m", "proxy", "demo", *flags), {"TMPDIR": str(folder)}
    async with running(*arguments, environment=environment, ready=False) as process:
        assert process.process.stdout is not None
        yield process, Output(process.process.stdout)
        assert not process.strays()
    assert left_in(folder) == []


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_the_story_goes_as_told(tmp_path: Path) -> None:
    async with shown(tmp_path, "--ci") as (process, output):
        assert await process.ends() == 0
        text = await output.whole()
    assert process.lines == []
    assert re.findall(r"^(\d+) ", text, re.MULTILINE) == [str(number) for number in range(1, len(STEPS) + 2)]
    assert all(f"{step.title}\n   {step.shows}\n" in text for step in STEPS)
    assert all(f"ok          {claim.text}\n" in text for _, claim in CLAIMS)
    assert re.search(rf"^All {len(CLAIMS) + 2} claims hold, in [0-9.]+ s\.$", text, re.MULTILINE)
    assert "FAILED" not in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= demo_show.WIDTH
    for line in (
        "x-paramwall-actions: temperature=0.3->1.0;top_p=+0.95",
        "answer      400  invalid temperature: only 1 is allowed for this model",
        r'"top_p":0.95,"temp\u0065rature":0.2}',
        "paramwall serve --vendor https://api.moonshot.ai/v1",
        'OpenAI(base_url="http://127.0.0.1:8080/v1")',
    ):
        assert line in text


async def test_ctrl_c_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    async with shown(tmp_path) as (process, output):
        await output.says(r"\n2  ")
        process.signal(signal.SIGINT)
        assert await process.ends() == 130
        assert process.lines == ["paramwall: stopped; nothing is left running"]


async def test_keep_stays_to_be_played_with_until_the_terminal_is_closed(tmp_path: Path) -> None:
    async with shown(tmp_path, "--keep") as (process, output):
        await output.says("log follows")
        url = (await output.says(r"curl -i (\S+) "))[1]
        async with process.session.post(url, json={"model": "kimi-k2.6", "temperature": 0.3}) as response:
            assert response.status == 200
        await process.hears(r'outcome="ok".*actions="temperature=0\.3->1\.0;top_p=\+0\.95"')
        file = Path((await output.says(r"change of (\S+) is"))[1])
        await asyncio.to_thread(file.write_text, SHORTEST.format(vendor=(await output.says(r"vendor +(\S+),"))[1]))
        await process.hears("reloaded")
        process.signal(signal.SIGHUP)
        assert await process.ends() == 0


async def test_the_worker_does_not_outlive_a_killed_demo(tmp_path: Path) -> None:
    async with running("-m", "proxy", "demo", environment={"TMPDIR": str(tmp_path)}, ready=False) as process:
        assert process.process.stdout is not None
        await Output(process.process.stdout).says(r"\n2  ")
        process.signal(signal.SIGKILL)
        await process.ends()
        await until(lambda: not process.strays(), "the worker has left")


async def test_a_reader_who_leaves_ends_it_quietly(tmp_path: Path) -> None:
    async with shown(tmp_path) as (process, output):
        await output.says("vendor")
        process.process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]  # as `| head` does
        assert await process.ends() == 130
        assert process.lines == ["paramwall: stopped; nothing is left running"]


# The claims can fail


async def test_without_a_proxy_the_story_does_not_go_as_told() -> None:
    """All doors lead to the vendor: whatever the proxy does is missing, and each step that shows it says so."""
    options = Options(profile="vllm", instant=True, faults=parse_faults("accept-any-parameters"))
    async with Simulator(options) as vendor, aiohttp.ClientSession() as session:
        nobody = asyncio.create_task(asyncio.sleep(0))
        url = vendor.url.removesuffix("/v1")
        stage = Stage(vendor, session, Path("none"), "none", url, url, nobody)
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
    # The package's own name `demo` is the command, not its module.
    monkeypatch.setattr(sys.modules["proxy.cli.demo"], "STEPS", (never,))
    ran = run("demo", "--ci")
    assert ran.code == 1
    assert "FAILED      never\n" in ran.out
    assert "\n1 of 3 claims FAILED, in " in ran.out


def test_a_proxy_that_does_not_start_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_stage, "WORKER", (sys.executable, "-c", "raise SystemExit('no such thing')"))
    ran = run("demo", "--ci")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("paramwall: the demo cannot start: no worker comes to accept")
    assert "no such thing" in ran.err
    assert "hint: " in ran.err


def test_ci_and_keep_exclude_each_other() -> None:
    ran = run("demo", "--ci", "--keep")
    assert (ran.code, ran.out) == (2, "")
    assert "hint: " in ran.err


# Printing


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
