"""`paramwall verify` as it is typed: what is printed, written and refused, Ctrl-C and kill -9."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.probes import PROBES
from proxy.simulator import Lognormal, Options, Pacing, Simulator, parse_faults
from proxy.verify.result import FORMAT, ResultError, VerifyResult, decode_result, encode_result
from tests.cli.running import run

KEY = "sk-command-0123456789"
QUICK = ("--only", "parameters", "--only", "limits")


@contextmanager
def simulated(*faults: str, options: Options = Options(seed=1, instant=True)) -> Iterator[Simulator]:  # noqa: B008
    """A simulator in a thread of its own, since the command has the event loop of this one."""
    vendor = Simulator(replace(options, faults=parse_faults(*faults)))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(vendor.start(), loop).result(10)
    try:
        yield vendor
    finally:
        asyncio.run_coroutine_threadsafe(vendor.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_honest_vendor_passes_and_leaves_no_state(tmp_path: Path) -> None:
    with simulated() as vendor:
        ran = run("verify", vendor.url, "--profile", "moonshot", *QUICK, "--output", "r.json", "--junit", "r.xml")
    assert ran.code == 0, ran.out
    assert "verdict: pass" in ran.out
    assert "requests, about" in ran.err
    assert list(tmp_path.glob(".paramwall/*")) == []
    result = decode_result((tmp_path / "r.json").read_bytes())
    assert result.verdict == "pass"
    assert result.vendor.url == vendor.url
    assert (result.vendor.profile, result.vendor.model, result.contract) == ("moonshot", "kimi-k2.6", "exact")
    assert {layer.layer: layer.verdict for layer in result.layers} == {"parameters": "pass", "limits": "pass"}
    assert result.spent.requests == len(vendor.received)
    assert result.spent.completion_tokens > 100
    assert all(probe.asked and not probe.unanswered for probe in result.probes)
    timed = next(probe for probe in result.probes if probe.id == "limit-obeyed")
    assert timed.first_token_s is not None
    assert timed.total_s is not None
    cases = ET.parse(tmp_path / "r.xml").getroot().findall("./testsuite/testcase")
    assert len(cases) == len(result.probes)
    assert not any(list(case) for case in cases)


def test_a_fault_is_named_with_what_was_seen_and_allowed(tmp_path: Path) -> None:
    with simulated("finish-mismatch") as vendor:
        ran = run("verify", vendor.url, "--profile", "moonshot", "--only", "tools", "--junit", "r.xml")
        as_json = run("verify", vendor.url, "--profile", "moonshot", "--only", "tools", "--json")
    assert ran.code == as_json.code == 1
    assert "FAIL tools: calls end with finish_reason tool_calls (tool-finish, instant)" in ran.out
    assert "5 of 5 answers: tool calls with finish_reason stop" in ran.out
    assert "verdict: fail; the first broken layer is tools" in ran.out
    assert as_json.json["format"] == FORMAT
    assert decode_result(as_json.out.encode()).verdict == "fail"
    root = ET.parse(tmp_path / "r.xml").getroot()
    assert root.attrib["failures"] == "2"
    assert len(root.findall(".//failure")) == 2


def test_no_answer_is_inconclusive_and_an_error_in_junit(tmp_path: Path) -> None:
    with simulated("service-unavailable") as vendor:
        arguments = ("verify", vendor.url, "--profile", "moonshot", "--only", "limits", "--attempts", "1")
        ran = run(*arguments, "--junit", "r.xml")
    assert ran.code == 1
    assert (
        "NO ANSWER limits: limit-obeyed (thinking, instant): 2 of 2 requests had no answer (2 x status 503)" in ran.out
    )
    assert "verdict: inconclusive" in ran.out
    assert "gave up" in ran.err
    assert "goes on from .paramwall/verify-127.0.0.1" in ran.err
    assert int(ET.parse(tmp_path / "r.xml").getroot().attrib["errors"]) == 4


def test_a_wrong_key_ends_after_one_request_and_is_not_shown(tmp_path: Path) -> None:
    with simulated("echo-key") as vendor:
        ran = run("verify", vendor.url, environ={"PARAMWALL_VENDOR_KEY": KEY})
        assert len(vendor.received) == 1
    assert ran.code == 2
    assert "401 Incorrect API key provided: Bearer ***" in ran.err
    assert "PARAMWALL_VENDOR_KEY" in ran.err
    assert KEY not in ran.out + ran.err
    assert list(tmp_path.glob(".paramwall/*")) == []


def test_estimate_list_and_bound_send_nothing() -> None:
    with simulated() as vendor:
        estimated = run("verify", vendor.url, "--profile", "moonshot", "--estimate")
        bounded = run("verify", vendor.url, "--profile", "moonshot", "--max-tokens-total", "1000")
        listed = run("verify", "--list")
        assert not vendor.received
    assert (estimated.code, bounded.code, listed.code) == (0, 2, 0)
    assert "316 requests, about 43,165 + 40,138 tokens" in estimated.out, "docs/verify.md says the same"
    assert "allow more, or ask less" in bounded.err
    assert all(probe.id in listed.out for probe in PROBES)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--only", "limit"), "did you mean limits?"),
        (("--contract", "exakt"), "did you mean exact?"),
        (("--profile", "moonshoot"), "moonshot"),
        (("--api-key-env", "NO_SUCH_VARIABLE"), "NO_SUCH_VARIABLE"),
        (("--output", "missing/r.json", *QUICK), "missing/r.json"),
        (("--state", "/dev/full", "--only", "limits"), "/dev/full"),
    ],
)
def test_what_cannot_be_used_is_said_with_a_remedy(arguments: tuple[str, ...], says: str) -> None:
    with simulated() as vendor:
        ran = run("verify", vendor.url, *arguments)
        assert not vendor.received, "nothing is asked in vain"
    assert ran.code == 2
    assert says in ran.err
    assert "hint:" in ran.err


def test_no_vendor_is_said() -> None:
    ran = run("verify")
    assert (ran.code, "no vendor is given" in ran.err) == (2, True)


PACED = Options(seed=1, pacing=Pacing(first_token_s=Lognormal(0.01, 0.2), gap_s=Lognormal(0.0005, 0.2)))


def _started(url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "proxy", "verify", url, "--profile", "moonshot", *QUICK, "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def _wait_for(vendor: Simulator, count: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while len(vendor.received) < count and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_killed_run_goes_on_and_asks_nothing_twice() -> None:
    """But for the four that were under way at each kill."""
    with simulated(options=PACED) as vendor:
        draw, kills = random.Random(7), 2
        for number in range(1, kills + 1):
            process = _started(vendor.url)
            _wait_for(vendor, number * 10 + draw.randrange(6), process)
            process.kill()
            process.communicate()
        process = _started(vendor.url)
        out, err = process.communicate(timeout=60)
        bodies = [each.body for each in vendor.received]
    assert process.returncode == 0, out + err
    assert "going on from" in err
    result = decode_result(out.encode())
    assert result.verdict == "pass"
    assert sum(probe.asked for probe in result.probes) >= result.spent.requests
    assert result.spent.requests <= len(bodies) <= result.spent.requests + 4 * kills


def test_ctrl_c_tells_what_is_known_and_how_to_go_on() -> None:
    with simulated(options=PACED) as vendor:
        process = _started(vendor.url)
        _wait_for(vendor, 15, process)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert "the same command goes on from" in err
    result = decode_result(out.encode())
    assert result.verdict == "inconclusive"
    assert 0 < result.no_answer_share < 1
    assert {probe.verdict for probe in result.probes} == {"pass", "no-answer"}


def result_of() -> VerifyResult:
    with simulated() as vendor:
        out = run("verify", vendor.url, "--profile", "moonshot", "--only", "limits", "--json").out
    return decode_result(out.encode())


def test_a_result_is_read_as_it_was_written() -> None:
    result = result_of()
    assert decode_result(encode_result(result)) == result


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "not a result of paramwall verify"),
        (b"[1]", "not a result of paramwall verify"),
        (b"{}", "no member format"),
        (b'{"format":"paramwall-replay/1"}', "its format is 'paramwall-replay/1'"),
        (b'{"format":"paramwall-verify/2"}', "'paramwall-verify/1' is read"),
        (b'{"format":"paramwall-verify/1","verdict":3}', "cannot be read"),
    ],
)
def test_another_document_is_refused_with_what_was_seen(text: bytes, says: str) -> None:
    with pytest.raises(ResultError, match=says):
        decode_result(text)


def test_members_of_a_later_version_are_passed_over() -> None:
    later = json.loads(encode_result(result_of())) | {"colour": "blue"}
    assert decode_result(json.dumps(later).encode()).verdict == "pass"


def test_a_key_that_runs_out_costs_nothing_that_was_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a run that begins with the wrong key nor one that meets it midway takes replies away, or keeps 401s."""
    monkeypatch.setenv("PARAMWALL_VENDOR_KEY", KEY)
    with simulated(options=Options(seed=1, instant=True, api_key=KEY)) as vendor:
        arguments = ("verify", vendor.url, "--profile", "moonshot", "--state", "s.jsonl", "--attempts", "1")
        assert run(*arguments, "--only", "limits", "--estimate").code == 0
        command = [sys.executable, "-m", "proxy", *arguments, *QUICK, "--concurrency", "1"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while not (state := Path("s.jsonl")).exists() or state.read_bytes().count(b"\n") < 6:
                time.sleep(0.005)
            process.kill()
        kept = Path("s.jsonl").read_bytes()
        replies = kept.count(b"\n") - 1
        assert replies >= 5

        monkeypatch.setenv("PARAMWALL_VENDOR_KEY", "sk-another-9876543210")
        refused = run(*arguments, *QUICK)
        assert refused.code == 2
        assert "turns every request away: 401" in refused.err
        assert Path("s.jsonl").read_bytes().startswith(kept[: kept.rindex(b"\n")])

        monkeypatch.setenv("PARAMWALL_VENDOR_KEY", KEY)
        vendor.received.clear()
        ran = run(*arguments, *QUICK)
    assert ran.code == 0, ran.out
    assert f"which has {replies}" in ran.err or f"which has {replies + 1}" in ran.err
    assert "verdict: pass" in ran.out
