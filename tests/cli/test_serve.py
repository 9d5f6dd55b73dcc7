"""`paramwall serve`: the real data plane under the supervisor before a simulated vendor; starts that are refused."""

from __future__ import annotations

import asyncio
import json
import pickle
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from proxy.child.channel import Start, decode_order, encode_order
from proxy.cli import app
from proxy.config.load import Flags, from_process
from proxy.config.values import Config
from proxy.simulator import Options, Simulator
from tests.supervisor.running import Running, running, until

CANARY = "sk-canary-of-serve"
HOSTILE = "raise RuntimeError('a folder of the working directory was imported')\n"


def test_a_real_configuration_crosses_to_a_worker_whole() -> None:
    config = from_process(Flags(vendor="https://api.moonshot.ai/v1")).config
    order = decode_order(encode_order(Start(config)))
    assert isinstance(order, Start)
    assert isinstance(order.config, Config)
    assert order.config.hash == config.hash
    assert order.config.vendors[0].plan.label == config.vendors[0].plan.label
    assert len(pickle.dumps(order)) < 1024 * 1024


def configure(folder: Path, vendor: str, **settings: object) -> Path:
    file = folder / "paramwall.yaml"
    said = {
        "version": 1,
        "vendors": [{"name": "sim", "url": vendor, "profile": "moonshot", "api_key_env": "SIM_KEY"}],
        "listen": "127.0.0.1:0",
        "admin": "127.0.0.1:0",
        "workers": 2,
        "drain": {"grace": "1s", "timeout": "20s"},
        **settings,
    }
    file.write_text(json.dumps(said))
    return file


@asynccontextmanager
async def served(folder: Path, vendor: Simulator) -> AsyncIterator[Running]:
    """The real command, in a folder that has a package of its own called proxy."""
    (folder / "proxy").mkdir()
    (folder / "proxy" / "__init__.py").write_text(HOSTILE)
    configure(folder, vendor.url)
    async with running("-P", "-m", "proxy", "serve", cwd=folder, environment={"SIM_KEY": CANARY}) as supervisor:
        yield supervisor


async def chat(supervisor: Running, **members: Any) -> tuple[int, Mapping[str, str], str]:  # noqa: ANN401  (any JSON)
    body = {"model": "kimi-k2.6", "messages": [{"role": "user", "content": "What grows by a quiet river?"}], **members}
    async with supervisor.session.post(f"{supervisor.url}/v1/chat/completions", json=body) as response:
        return response.status, response.headers, await response.text()


async def test_enforce_reload_replace_and_drain(tmp_path: Path) -> None:
    async with Simulator(Options(api_key=CANARY, speed=20.0)) as vendor, served(tmp_path, vendor) as supervisor:
        await check_repair(supervisor)
        await check_reload(tmp_path, vendor, supervisor)
        await check_rolling(supervisor)
        stream = asyncio.create_task(chat(supervisor, stream=True))
        await until(lambda: busy(supervisor), "a stream is open")
        supervisor.signal(signal.SIGTERM)
        status, _, text = await stream
        assert (status, text.rstrip().endswith("data: [DONE]")) == (200, True)
        assert await supervisor.ends() == 0
        assert CANARY not in "\n".join(supervisor.lines)


async def check_repair(supervisor: Running) -> None:
    status, headers, _ = await chat(supervisor, temperature=0.3)
    assert status == 200
    assert "temperature=0.3->1.0" in headers["x-paramwall-actions"]
    status, _, text = await chat(supervisor, stream=True)
    assert (status, text.rstrip().endswith("data: [DONE]")) == (200, True)
    await supervisor.hears(r'"event":"request".*"outcome":"ok".*temperature=0\.3')
    assert await supervisor.metric("paramwall_requests_total", vendor="sim", outcome="ok", stream="true") == 1
    assert await supervisor.metric("paramwall_policy_verdicts_total", action="rewrite") == 1
    assert await supervisor.metric("paramwall_event_loop_lag_seconds_count") >= 0
    (shown,) = (await supervisor.status())["vendors"]
    assert (shown["host"], shown["profile"], shown["credentials"]) == ("127.0.0.1", "moonshot", "held")
    for path in ("/status", "/metrics"):
        assert CANARY not in (await supervisor.fetch(path))[1]


async def check_reload(folder: Path, vendor: Simulator, supervisor: Running) -> None:
    """A stream that was open goes on; what comes after it is judged anew."""
    stream = asyncio.create_task(chat(supervisor, stream=True, temperature=0.3))
    await until(lambda: busy(supervisor), "a stream is open")
    configure(folder, vendor.url, enforcement="strict")
    supervisor.signal(signal.SIGHUP)
    await supervisor.hears(r"reloaded \(SIGHUP\)")
    status, _, text = await chat(supervisor, temperature=0.3)
    assert status == 400
    assert "invalid temperature: only 1 is allowed for this model" in text
    status, headers, text = await stream
    assert (status, text.rstrip().endswith("data: [DONE]")) == (200, True)
    assert "temperature=0.3->1.0" in headers["x-paramwall-actions"]

    (folder / "paramwall.yaml").write_text("version: 1\nvendor: x\n")
    supervisor.signal(signal.SIGHUP)
    await supervisor.hears(r"not reloaded \(SIGHUP\), \w+ stays in use: paramwall\.yaml:\d")
    assert (await chat(supervisor, temperature=0.3))[0] == 400
    assert await supervisor.metric("paramwall_config_last_reload_successful") == 0


async def busy(supervisor: Running) -> bool:
    return bool((await supervisor.status())["in_flight"])


async def check_rolling(supervisor: Running) -> None:
    """No request fails while every worker is replaced."""
    before, stop, answered = await supervisor.serving(), asyncio.Event(), [0]

    async def ask() -> None:
        while not stop.is_set():
            status, _, text = await chat(supervisor, stream=True, max_tokens=64)
            assert (status, text.rstrip().endswith("data: [DONE]")) == (200, True)
            answered[0] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(ask())
        supervisor.signal(signal.SIGUSR2)
        await supervisor.hears("workers replaced")
        await until(lambda: replaced(supervisor, before), "the former workers have left")
        stop.set()
    assert answered[0] > 0


async def replaced(supervisor: Running, before: set[int]) -> bool:
    return not before & (await supervisor.workers()).keys()


def test_what_cannot_be_configured_is_told_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "paramwall.yaml").write_text("version: 1\nvendors: []\nworkers: none\nlisten: nowhere\n")
    refused = CliRunner().invoke(app, ["serve"])
    assert refused.exit_code == 2
    assert not refused.stdout
    for line in (2, 3, 4):
        assert f"paramwall.yaml:{line}: " in refused.stderr
    assert refused.stderr.count("hint: ") >= 3


@pytest.mark.parametrize("flag", ["--listen", "--admin"])
def test_a_port_in_use_is_told_with_the_remedy(flag: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        ports = {"--listen": "127.0.0.1:0", "--admin": "127.0.0.1:0", flag: where}
        arguments = [word for pair in ports.items() for word in pair]
        refused = CliRunner().invoke(app, ["serve", "--vendor", "http://127.0.0.1:9/v1", *arguments])
    assert refused.exit_code == 2
    assert f"cannot listen on {where}: another process listens there" in refused.stderr
    assert f"{flag} HOST:PORT" in refused.stderr


def test_the_flags_of_scoring_are_settings() -> None:
    flags = ["--reference", "https://a.example/v1", "--state-dir", " ", "--mirror-fraction", "lots"]
    refused = CliRunner().invoke(app, ["serve", "--vendor", "http://127.0.0.1:9/v1", *flags])
    assert refused.exit_code == 2
    assert "--reference: reference: there is no key for a.example" in refused.stderr
    assert "hint: set the variable PARAMWALL_REFERENCE_KEY" in refused.stderr
    assert "--state-dir: the value is empty" in refused.stderr
    assert '--mirror-fraction: "lots" is not a share' in refused.stderr
