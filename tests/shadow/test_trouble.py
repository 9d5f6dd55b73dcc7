"""What clients notice when the reference or the scorer is in trouble: nothing; and what the operator does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from proxy.simulator import parse_faults
from tests.shadow.test_mirror import ask, body, simulated
from tests.shadow.watching import watching
from tests.wire.client import until

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def answering(answer: Answering) -> AsyncIterator[str]:
    """A reference that answers as told, once its request's head is there."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nConnection: close\r\n\r\n"
SSE: Final = b"text/event-stream"


def sends(*pieces: bytes) -> Answering:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return answer


async def hangs(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(-1)


async def never_ends(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD % SSE)
    event = b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * 60_000 + b'"}}]}\n\n'
    while True:
        writer.write(event)
        await writer.drain()


CUT_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"

GARBAGE: Final[tuple[tuple[str, Answering, tuple[str, str]], ...]] = (
    ("not HTTP", sends(b"\x00\xff garbage\r\n\r\n"), ("failed", "reference_unreachable")),
    ("nothing at all", sends(), ("failed", "reference_unreachable")),
    ("a server error", sends(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), ("failed", "reference_server_error")),
    ("a refusal", sends(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"), ("failed", "reference_refused")),
    ("a redirect", sends(b"HTTP/1.1 302 Go\r\nLocation: /x\r\n\r\n"), ("failed", "reference_refused")),
    ("half of a body", sends(CUT_HEAD, b'{"choices":['), ("failed", "reference_cut")),
    ("an endless stream", never_ends, ("failed", "reference_oversized")),
    ("half JSON", sends(HEAD % b"application/json", b'{"choices":[{"mess'), ("scored", "")),
    ("wrong types", sends(HEAD % b"application/json", b'{"choices":{"a":7},"usage":"x","model":[]}'), ("scored", "")),
    ("a count beyond all", sends(HEAD % b"application/json", b'{"choices":[{"message":{"content":"x"},"finish_reason"'
        b':"stop"}],"usage":{"prompt_tokens":99999999999999999999999999999,"completion_tokens":1}}'), ("scored", "")),
    ("no JSON", sends(HEAD % b"text/html", b"<html>busy</html>"), ("scored", "")),
    ("an empty body", sends(HEAD % b"application/json"), ("scored", "")),
    ("10 MB in one line", sends(HEAD % SSE, b"data: " + b"x" * 10_000_000 + b"\n\n"), ("scored", "")),
    ("deep nesting", sends(HEAD % b"application/json", b"[" * 100_000), ("scored", "")),
)  # fmt: skip


@pytest.mark.parametrize(("answer", "fate"), [each[1:] for each in GARBAGE], ids=[each[0] for each in GARBAGE])
async def test_whatever_the_reference_answers_is_one_fate(
    tmp_path: Path, answer: Answering, fate: tuple[str, str]
) -> None:
    async with simulated(1) as vendor, answering(answer) as reference:
        async with watching(tmp_path, vendor.url, reference, mirror={"second_answer": "0%"}) as watched:
            assert await ask(watched, *(body(i) for i in range(3))) == [200] * 3
            await until(lambda: watched.balanced() and watched.fates().get(fate) == 3)
            assert watched.count("paramwall_scorer_defects_total") == 0
            assert not [line for line in watched.said if "defect" in line]


async def test_a_reference_that_hangs_leaves_the_state_inconclusive_and_clients_alone(tmp_path: Path) -> None:
    async with simulated(1) as vendor, answering(hangs) as reference:
        settings: dict[str, Any] = {"reference": {"max_in_flight": 2, "timeouts": {"first_byte": "500ms"}}}
        async with watching(tmp_path, vendor.url, reference, **settings) as watched:
            assert await ask(watched, *(body(i) for i in range(60))) == [200] * 60
            await until(lambda: watched.fates().get(("failed", "reference_timeout"), 0) >= 2)
            await until(lambda: watched.status()["drift"] and watched.status()["drift"][0]["answers"] == 60)
            assert {key["state"] for key in watched.status()["drift"]} == {"inconclusive"}


async def test_a_call_that_is_broken_off_is_counted(tmp_path: Path) -> None:
    """The reference may bill it: its pair was lost because the vendor refused, after the call was made."""
    heard, refuse = asyncio.Event(), asyncio.Event()

    async def listening(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        heard.set()
        await reader.read(-1)

    async def refusing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await refuse.wait()
        writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")

    async with answering(refusing) as vendor, answering(listening) as reference:
        async with watching(tmp_path, vendor, reference, mirror={"second_answer": "0%"}) as watched:
            asking = asyncio.create_task(ask(watched, body()))
            async with asyncio.timeout(20):
                await heard.wait()
                refuse.set()
                assert await asking == [503]
            await until(lambda: watched.count("paramwall_reference_requests_total", outcome="cancelled") == 1)
            await until(watched.balanced)


async def test_a_reference_that_asks_for_rest_is_left_in_peace(tmp_path: Path) -> None:
    asked = 0

    async def limited(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(b"HTTP/1.1 429 Slow\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n")

    async with simulated(1) as vendor, answering(limited) as reference:
        settings: dict[str, Any] = {"reference": {"max_in_flight": 1}, "mirror": {"second_answer": "0%"}}
        async with watching(tmp_path, vendor.url, reference, **settings) as watched:
            await ask(watched, *(body(i) for i in range(40)))
            await until(lambda: watched.fates().get(("failed", "reference_rate_limited")) == 40)
            assert asked == 1
            await until(lambda: watched.status()["mirror"].get("paused"))


async def test_a_vendor_that_answers_garbage_is_scored_as_what_it_is(tmp_path: Path) -> None:
    async with simulated(1) as vendor, simulated(2) as reference:
        vendor.set_faults(parse_faults("empty-body=0.3", "error-in-200=0.3", "gzip-answer=0.2"))
        async with watching(tmp_path, vendor.url, reference.url) as watched:
            await ask(watched, *(body(i, stream=i % 2 == 0) for i in range(120)))
            await until(lambda: watched.balanced() and watched.fates().get(("scored", ""), 0) > 100)
            await until(lambda: any(alarm["series"] == "unreadable-answer" for alarm in watched.status()["alarms"]))
            assert watched.count("paramwall_scorer_defects_total") == 0
