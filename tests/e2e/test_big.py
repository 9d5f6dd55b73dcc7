"""Large bodies and many streams through a real process: what passes, unchanged, and what memory it takes.

`.venv/bin/pytest -rP tests/e2e/test_big.py` shows the figures.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from proxy.simulator import Lengths, Lognormal, Options, Pacing, Simulator
from tests.e2e.serving import chat, serving
from tests.supervisor.running import Running

MEMORY_PER_BODY = 3.2
"""Times its own size that a body may cost the worker at its peak."""
MEMORY_OF_ANY = 512 * 1024
"""Bytes that reading any body may take: twice 256 KiB are read ahead."""
KIB_PER_STREAM = 40.0
LAWFUL: dict[str, Any] = {"temperature": 1.0, "top_p": 0.95}
PACED = Options(
    lengths=Lengths(reasoning=Lognormal(12, 0.1), content=Lognormal(12, 0.1)),
    pacing=Pacing(first_token_s=Lognormal(0.8, 0.1), gap_s=Lognormal(0.1, 0.1)),
    tool_rate=0.0,
)
"""About three seconds for an answer, so that all of them are under way at once."""


def compact(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def long_context(size: int) -> bytes:
    """A conversation of many turns, as an agent sends it back at every step."""
    dice = Random(7)
    words = ["river", "stone", "0.30000000000000004", "\u00fcber", "\u4e2d\u6587", '"quoted"', "a/b\\c", "\n"]
    messages: list[dict[str, Any]] = []
    body = b""
    while len(body) < size:
        for _ in range(40):
            role = "user" if len(messages) % 2 == 0 else "assistant"
            messages.append({"role": role, "content": " ".join(dice.choices(words, k=200))})
        body = compact(chat(**LAWFUL) | {"messages": messages})
    return body


def with_image(size: int) -> bytes:
    """One picture as a data URL."""
    picture = base64.b64encode(Random(7).randbytes(size * 3 // 4)).decode()
    content = [
        {"type": "text", "text": "What is this? \U0001f33e"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
    ]
    return compact(chat(**LAWFUL) | {"messages": [{"role": "user", "content": content}]})


def memory(pid: int, what: str) -> int:
    """A line of /proc/PID/status in bytes: VmRSS is resident now, VmHWM was at the highest."""
    found = re.search(rf"^{what}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def forget_peak(pid: int) -> None:
    """Let VmHWM begin anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


async def post(supervisor: Running, body: bytes) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    async with supervisor.session.post(
        f"{supervisor.url}/v1/chat/completions", data=io.BytesIO(body), headers=headers
    ) as answer:
        found: dict[str, Any] = await answer.json()
        assert answer.status == 200, found
        return found


@pytest.mark.parametrize(
    ("make", "size"), [(long_context, 475_000), (with_image, 20_000_000)], ids=["475 KB of text", "20 MB of image"]
)
async def test_a_large_body_passes_unchanged(tmp_path: Path, make: Callable[[int], bytes], size: int) -> None:
    body = make(size)
    async with (
        Simulator(Options(instant=True, tool_rate=0.0)) as vendor,
        serving(tmp_path, [{"name": "sim", "url": vendor.url, "profile": "moonshot"}]) as supervisor,
    ):
        await post(supervisor, compact(chat()))
        (pid,) = await supervisor.serving()
        before = memory(pid, "VmRSS")
        forget_peak(pid)
        answer = await post(supervisor, body)
        growth = memory(pid, "VmHWM") - before
        assert answer["choices"][0]["message"]["content"]
        assert vendor.received[-1].body == body, "a compact, lawful body arrives as it was sent"
        sys.stdout.write(f"at its peak the worker grew by {growth / len(body):.2f} times the body\n")
        assert growth <= MEMORY_PER_BODY * len(body) + MEMORY_OF_ANY, f"{growth / len(body):.2f} times the body"
        edited = body.replace(b'"temperature":1.0', b'"temperature":0.3')
        await post(supervisor, edited)
        assert vendor.received[-1].body == body, "what was repaired differs in the repaired value only"


async def test_a_body_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    async with (
        Simulator(Options(instant=True)) as vendor,
        serving(
            tmp_path, [{"name": "sim", "url": vendor.url, "profile": "moonshot"}], limits={"body": "1MiB"}
        ) as supervisor,
    ):
        headers = {"Content-Type": "application/json"}
        async with supervisor.session.post(
            f"{supervisor.url}/v1/chat/completions", data=io.BytesIO(with_image(3_000_000)), headers=headers
        ) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (413, "body-too-large")
        assert not vendor.received


async def stream(supervisor: Running) -> bool:
    """Whether one stream came whole."""
    async with supervisor.session.post(f"{supervisor.url}/v1/chat/completions", json=chat(stream=True)) as answer:
        assert answer.status == 200
        text = await answer.text()
    return '"finish_reason":"stop"' in text and text.endswith("data: [DONE]\n\n")


async def test_three_hundred_streams_at_once(tmp_path: Path) -> None:
    async with (
        Simulator(PACED) as vendor,
        serving(tmp_path, [{"name": "sim", "url": vendor.url, "profile": "moonshot"}]) as supervisor,
    ):
        (pid,) = await supervisor.serving()
        assert all(await asyncio.gather(*(stream(supervisor) for _ in range(30))))
        before = memory(pid, "VmRSS")
        forget_peak(pid)
        asking = asyncio.gather(*(stream(supervisor) for _ in range(300)))
        most = 0
        while not asking.done():
            most = max(most, vendor.open_connections)
            await asyncio.sleep(0.02)
        assert await asking == [True] * 300
        assert most == 300, "they were under way together: the proxy opens a connection only when none is free"
        growth = (memory(pid, "VmHWM") - before) / 300 / 1024
        sys.stdout.write(f"{growth:.1f} KiB a stream\n")
        assert growth <= KIB_PER_STREAM
        assert await supervisor.metric("paramwall_requests_total", outcome="ok") == 330
