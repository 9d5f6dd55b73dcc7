"""`paramwall simulate` as a process."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from proxy.simulator.faults import FAULTS
from proxy.simulator.toxics import TOXICS
from tests.cli.running import run

RUN = "import typer; from proxy.cli.simulate import simulate; typer.run(simulate)"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", RUN, *arguments]


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and its start line."""
    process = subprocess.Popen(
        command("--listen", "127.0.0.1:0", *arguments), stderr=subprocess.PIPE, text=True, env=environment or None
    )
    assert process.stderr is not None
    try:
        yield process, process.stderr.readline()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def refused(*arguments: str) -> str:
    ran = run("simulate", *arguments)
    assert (ran.code, ran.out) == (2, ""), ran.err
    return ran.err


def status(url: str, key: str = "none") -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            code: int = answer.status
            return code
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_until_told_to_stop(number: signal.Signals) -> None:
    with running("--instant", "--fault", "cut-stream:5=0.5@60s", "--fault", "set-cookie") as (process, line):
        start = re.fullmatch(
            r"paramwall: simulating kimi-k2\.6, profile moonshot, at (http://127\.0\.0\.1:\d+/v1) "
            r"\(faults: cut-stream:5=0\.5@60s, set-cookie=1@0s\)\n",
            line,
        )
        assert start, line
        assert status(f"{start[1]}/models") == 200
        process.send_signal(number)
        assert process.wait(timeout=10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_demands_the_key_of_the_variable() -> None:
    with running("--api-key-env", "SIMULATED_KEY", SIMULATED_KEY="sk-right", PATH="") as (_, line):
        url = line.split(" at ")[1].split(" ")[0]
        assert "sk-right" not in line
        assert (status(f"{url}/models"), status(f"{url}/models", "sk-right")) == (401, 200)


def test_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused("--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert "is in use" in said
    assert "hint: --listen" in said
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen", "9000"], "allowed is HOST:PORT"),
        (["--listen", "127.0.0.1:70000"], "allowed is HOST:PORT"),
        (["--listen", "192.0.2.1:9000"], "hint: an address of this machine"),
        (["--profile", "openai"], "the simulator knows moonshot, vllm"),
        (["--fault", "cutstream"], "did you mean cut-stream?"),
        (["--speed", "0"], "it must be more than 0"),
        (["--speed", "nan"], "it must be more than 0"),
        (["--tool-rate", "2"], "allowed is 0 to 1"),
        (["--toxic", "latencies"], "did you mean latency?"),
        (["--toxic", "latency:200kg"], "in ms, s, m"),
        (["--upstream", "http://127.0.0.1:1/v1"], "hint: add one"),
        (["--toxic", "latency", "--upstream", "ftp://x"], "it must be an http or https URL"),
        (["--toxic", "latency", "--upstream", "https://user:pw@x/v1"], "without a credential"),
        (["--api-key-env", "NO_SUCH_VARIABLE"], "the variable is not set"),
        (["--api-key-env", "NOT A NAME"], "not the name of an environment variable"),
    ],
)
def test_refuses_with_the_remedy(arguments: list[str], said: str) -> None:
    error = refused(*arguments)
    assert said in error
    assert "hint:" in error


@pytest.mark.parametrize(
    ("flag", "names"), [("--list-faults", [f.name for f in FAULTS]), ("--list-toxics", [t.name for t in TOXICS])]
)
def test_lists_what_there_is_on_stdout(flag: str, names: list[str]) -> None:
    done = subprocess.run(command(flag), capture_output=True, text=True, timeout=60, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == names
    assert done.stderr == ""


def test_a_bad_network_before_the_simulator() -> None:
    with running("--instant", "--toxic", "slicer:20,5", "--toxic", "latency:1ms=1@vendor") as (_, line):
        start = re.fullmatch(
            r"paramwall: simulating kimi-k2\.6, profile moonshot, at (\S+) "
            r"\(faults: none; toxics: slicer:20,5,0=1@client, latency:0\.001,0=1@vendor\)\n",
            line,
        )
        assert start, line
        assert status(f"{start[1]}/models") == 200


def test_a_bad_network_before_a_vendor_that_is_there_already() -> None:
    with running("--instant") as (_, inner):
        vendor = inner.split(" at ")[1].split(" ")[0]
        with running("--toxic", "slicer", "--upstream", vendor) as (_, line):
            start = re.search(
                r"relaying to 127\.0\.0\.1:\d+; write `url: (\S+)` \(toxics: slicer:64,32,0=1@client\)", line
            )
            assert start, line
            assert status(f"{start[1]}/models") == 200
