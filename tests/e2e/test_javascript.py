"""The OpenAI SDK for JavaScript and the Vercel AI SDK through the proxy, each in a Node process of its own."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from proxy.simulator import Options, Simulator, parse_faults
from tests.e2e.stage import CALLING, PACED, SHORT, until
from tests.proxying import Proxy, configured, proxying

FOLDER: Final = Path(__file__).with_name("js")
INSTALLED: Final = FOLDER / "node_modules" / ".package-lock.json"
INSTANT: Final = Options(instant=True, lengths=SHORT, tool_rate=0.0)
VENDORS: Final[Mapping[str, tuple[Options, tuple[str, ...]]]] = {
    "honest": (INSTANT, ()),
    "calling": (CALLING, ()),
    "slow": (PACED, ()),
    "failing": (INSTANT, ("server-error",)),
    "busy": (INSTANT, ("rate-limited:1",)),
    "cut": (INSTANT, ("cut-stream:900",)),
}
"""What a script may ask for by name."""


@pytest.fixture(scope="session")
def node() -> str:
    """Node with the client packages. Without them CI fails, and others are told what was left out."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        _left_out("node and npm are not installed")
        raise AssertionError("unreachable: the line above ends the test")
    with (FOLDER / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may come here at once
        if not INSTALLED.exists() or INSTALLED.stat().st_mtime < (FOLDER / "package-lock.json").stat().st_mtime:
            command = [npm, "ci", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=110, check=False)
            if done.returncode:
                _left_out(f"npm ci failed in {FOLDER.name}: {done.stderr[-500:]}")
    return program


def _left_out(why: str) -> None:
    message = f"{why}: the JavaScript clients are left out"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


class Many(NamedTuple):
    """One proxy before several vendors, and its address for each."""

    proxy: Proxy
    vendors: Mapping[str, Simulator]
    urls: Mapping[str, str]


@asynccontextmanager
async def many() -> AsyncIterator[Many]:
    async with AsyncExitStack() as stack:
        vendors = {
            name: await stack.enter_async_context(Simulator(replace(options, faults=parse_faults(*faults))))
            for name, (options, faults) in VENDORS.items()
        }
        named = {
            name: {"url": vendor.url, "profile": "moonshot", "credentials": "pass"} for name, vendor in vendors.items()
        }
        proxy = await stack.enter_async_context(proxying(configured("", vendors=named)))
        root = proxy.url.removesuffix("/v1")
        yield Many(proxy, vendors, {name: f"{root}/vendors/{name}/v1" for name in vendors})


async def said(node: str, script: str, urls: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """What each check of a script said."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        node, str(FOLDER / script), json.dumps(dict(urls)), cwd=FOLDER, stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(60):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    lines = [json.loads(line) for line in out.splitlines()]
    return {line.pop("check"): line for line in lines}


REPAIRED = "temperature=0.7->1.0;top_p=+0.95"


async def test_the_openai_sdk(node: str) -> None:
    async with many() as stage:
        checks = await said(node, "openai.mjs", stage.urls)
        assert checks == {
            "chat": {"ok": True, "text": True, "reasoning": True, "finish": "stop", "actions": REPAIRED},
            "stream": {"ok": True, "text": True, "usage": True, "choices": 0},
            "tools": {"ok": True, "called": True, "finish": "tool_calls", "answered": True},
            "abort": {"ok": True, "early": True},
            "refused": refusal(400, "temperature-off-contract", "temperature", "invalid_request_error", "proxy"),
            "unknown_model": refusal(404, None, None, "resource_not_found_error", "vendor"),
            "server_error": refusal(500, None, None, "server_error", "vendor"),
            "rate_limited": {
                **refusal(429, None, None, "rate_limit_reached_error", "vendor"),
                "retry_after": "1",
            },
            "truncated": {"ok": True, "raised": True},
        }
        await until(lambda: stage.vendors["slow"].abandoned_at, "the vendor of an aborted stream is released")
        assert len(stage.vendors["failing"].received) == 2, "the SDK tried twice, the proxy once each"
        body = json.loads(stage.vendors["calling"].received[-1].body)
        assert body["messages"][1]["reasoning_content"] == "", "what the client dropped was supplied"


def refusal(status: int, code: str | None, param: str | None, kind: str, source: str) -> dict[str, Any]:
    return {"ok": True, "status": status, "code": code, "param": param, "type": kind, "source": source}


async def test_the_vercel_ai_sdk(node: str) -> None:
    async with many() as stage:
        checks = await said(node, "vercel.mjs", stage.urls)
        assert checks == {
            "generate": {
                "ok": True,
                "text": True,
                "reasoning": True,
                "finish": "stop",
                "usage": True,
                "actions": "temperature=0.7->1.0;top_p=0.5->0.95",
            },
            "generate_with_tools": {"ok": True, "steps": 2, "called": True, "text": True},
            "stream_with_tools": {"ok": True, "missing": [], "error": False},
            "abort": {"ok": True, "early": True},
            "refused": {"ok": True, "status": 400, "code": "grammar-outside-response-format", "source": "proxy"},
            "server_error": {"ok": True, "status": 500, "code": None, "source": "vendor"},
            "truncated": {"ok": True, "failed": True},
        }
        await until(lambda: stage.vendors["slow"].abandoned_at, "the vendor of an aborted stream is released")
        assert all(json.loads(each.body)["temperature"] == 1.0 for each in stage.vendors["calling"].received)


def test_the_lock_names_no_registry() -> None:
    assert "resolved" not in (FOLDER / "package-lock.json").read_text()
