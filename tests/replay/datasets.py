"""Datasets for tests, and a vendor whose answer depends on the request alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
REFUSED_IN = 20
"""One request in so many is refused, each time it comes."""


def write_dataset(path: Path, count: int, **members: Any) -> Path:  # noqa: ANN401
    """So many requests, told apart by their first message."""
    with path.open("w", encoding="utf-8") as file:
        for at in range(count):
            messages = [{"role": "user", "content": f"{at}: how is the weather?"}]
            file.write(json.dumps({"model": "m", "messages": messages, "tools": TOOLS, **members}) + "\n")
    return path


def number_of(body: bytes) -> int:
    """Which request of such a dataset a body is."""
    return int(json.loads(body)["messages"][0]["content"].partition(":")[0])


def answer_to(body: bytes) -> bytes | None:
    """The stream that answers it, always the same; None: it is refused."""
    number = number_of(body)
    dice = hashlib.sha256(f"{number}".encode()).digest()
    if dice[0] % REFUSED_IN == 0:
        return None
    call = {"index": 0, "id": "functions.weather:0", "type": "function"}
    arguments = '{"city": "Paris"}' if dice[1] % 8 else '{"town": 1}'
    delta: dict[str, Any] = (
        {"content": "word " * (1 + dice[2] % 40)}
        if dice[3] % 2
        else {"tool_calls": [{**call, "function": {"name": "weather", "arguments": arguments}}]}
    )
    usage = {"prompt_tokens": 30 + number % 7, "completion_tokens": 9, "total_tokens": 39 + number % 7}
    chunks: list[dict[str, Any]] = [
        {"delta": {"role": "assistant", **delta}, "finish_reason": None},
        {"delta": {}, "finish_reason": "stop" if "content" in delta else "tool_calls"},
    ]
    shown: list[dict[str, Any]] = [
        {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion.chunk",
            "model": "kimi-k2.6",
            "choices": [{"index": 0, **chunk}],
        }
        for chunk in chunks
    ]
    shown.append({**shown[0], "choices": [], "usage": usage})
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in shown) + b"data: [DONE]\n\n"


@asynccontextmanager
async def constant_vendor(on_request: Callable[[bytes, str], None]) -> AsyncIterator[str]:
    """Its URL. `on_request(body, moment)` is told when a request came ("came"), when half of its answer was sent
    ("half") and when all of it was ("sent").
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        on_request(body, "came")
        answer = answer_to(body)
        if answer is None:
            return web.json_response({"error": {"message": "no", "type": "invalid_request_error"}}, status=400)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(answer[: len(answer) // 2])
        on_request(body, "half")
        await response.write(answer[len(answer) // 2 :])
        await response.write_eof()
        on_request(body, "sent")
        return response

    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/chat/completions", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()
