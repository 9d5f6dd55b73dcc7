"""A vendor that breaks off at any byte: its answer never looks complete to a client (RFC 9112 section 8).

Before the answer's head is whole the client gets our own 502. After it, the client's connection ends without the end
that the framing asks for: no last chunk, too few bytes, or a reset where the end of the connection is the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import aiohttp
import httpx
import openai
import orjson
import pytest

from tests.proxying import Proxy, configured, proxying
from tests.wire.client import Answer, asking, post, wired
from tests.wire.leaks import nothing_left, outcomes
from tests.wire.relaying import answered
from tests.wire.vendor import Asked, End, Step, head, marker_of, stream, vending, whole

CHUNK = '{"id":"c1","object":"chat.completion.chunk","created":1,"model":"kimi-k2.6","choices":[{"index":0,'
EVENTS = (
    CHUNK + '"delta":{"role":"assistant","content":"Hel"},"finish_reason":null}]}',
    CHUNK + '"delta":{"content":"lo"},"finish_reason":"stop","usage":{"prompt_tokens":3,"completion_tokens":2}}]}',
)
STREAM = stream(*EVENTS)
JSON_BODY = orjson.dumps(
    {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "kimi-k2.6",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
)
JSON = whole(JSON_BODY)
EVENT_BODY = b"".join(b"data: %b\n\n" % event.encode() for event in (*EVENTS, "[DONE]"))
STREAM_TO_EOF = head(200, "Content-Type: text/event-stream", "Connection: close") + EVENT_BODY
JSON_TO_EOF = head(200, "Content-Type: application/json", "Connection: close") + JSON_BODY

RECORDED = {"stream": STREAM, "json": JSON, "stream-to-eof": STREAM_TO_EOF, "json-to-eof": JSON_TO_EOF}


def head_size(recorded: bytes) -> int:
    return recorded.index(b"\r\n\r\n") + 4


def cuts(recorded: bytes) -> range:
    """Every number of bytes after which the answer is not whole. After `[DONE]` only an empty line is missing."""
    whole_at = recorded.index(b"[DONE]") + len(b"[DONE]") if recorded is STREAM_TO_EOF else len(recorded)
    return range(whole_at)


def check(answer: Answer, recorded: bytes, cut: int) -> None:
    if cut < head_size(recorded):
        assert answer.status == 502
        assert answer.error()["code"] == ("vendor-truncated" if cut else "vendor-reset")
        return
    assert answer.status == 200
    assert answer.cut
    assert (JSON_BODY if b"application/json" in recorded else EVENT_BODY).startswith(answer.body)


@pytest.mark.parametrize("http_1_0", [False, True], ids=["http-1.1", "http-1.0"])
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("name", RECORDED)
async def test_relay_never_ends_a_cut_answer(name: str, reset: bool, http_1_0: bool) -> None:
    recorded = RECORDED[name]
    for cut in cuts(recorded):
        for pieces in ([recorded[:cut]], [recorded[: cut // 2], recorded[cut // 2 : cut]]):
            answer = await answered(pieces, http_1_0=http_1_0, reset=reset)
            assert answer.cut, f"cut after {cut} bytes looks complete"
    assert not (await answered([recorded], http_1_0=http_1_0, reset=False)).cut


def cutting(recorded: bytes, how: End) -> Callable[[Asked], Iterator[Step]]:
    """Sends as many bytes of the recording as the request says, then ends."""

    def answer(asked: Asked) -> Iterator[Step]:
        yield recorded[: int(marker_of(asked))]
        yield how

    return answer


async def cut_by_socket(proxy: Proxy, cut: int) -> Answer:
    async with wired(proxy.port) as wire:
        wire.send(post(asking(str(cut))))
        return await wire.answer()


async def all_cuts(name: str, how: End, step: int) -> None:
    recorded = RECORDED[name]
    asked = 0
    async with vending(cutting(recorded, how)) as vendor, proxying(configured(vendor.url)) as proxy:
        async with nothing_left(proxy):
            for cut in cuts(recorded)[::step]:
                check(await cut_by_socket(proxy, cut), recorded, cut)
                asked += 1
        assert len(vendor.asked) == asked
        assert outcomes(proxy) == {"upstream_error": asked}
        upstream = outcomes(proxy, "paramwall_upstream_requests_total")
        assert upstream == {"reset": 1, "truncated": asked - 1}


@pytest.mark.parametrize("how", End)
@pytest.mark.parametrize("name", RECORDED)
async def test_cut_by_socket(name: str, how: End) -> None:
    await all_cuts(name, how, 7)


@pytest.mark.long
@pytest.mark.parametrize("how", End)
@pytest.mark.parametrize("name", RECORDED)
async def test_cut_at_every_byte_by_socket(name: str, how: End) -> None:
    """`pytest -m long tests/wire/test_cut.py`: every byte of every recording, closed and reset."""
    await all_cuts(name, how, 1)


async def cut_by_aiohttp(proxy: Proxy, recorded: bytes, cut: int) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{proxy.url}/chat/completions", data=asking(str(cut)), headers={"Content-Type": "application/json"}
        ) as answer,
    ):
        if cut < head_size(recorded):
            assert answer.status == 502
            assert (await answer.json())["error"]["type"] == "server_error"
            return
        assert answer.status == 200
        with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientConnectionError)):
            await answer.read()


@pytest.mark.parametrize("step", [29, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", RECORDED)
async def test_cut_seen_by_aiohttp(name: str, step: int) -> None:
    """`pytest -m long tests/wire/test_cut.py`: every byte."""
    recorded = RECORDED[name]
    async with vending(cutting(recorded, End.CLOSE)) as vendor, proxying(configured(vendor.url)) as proxy:
        for cut in cuts(recorded)[::step]:
            await cut_by_aiohttp(proxy, recorded, cut)


@pytest.mark.parametrize("step", [61, pytest.param(1, marks=pytest.mark.long)])
async def test_cut_seen_by_the_openai_sdk(step: int) -> None:
    """`pytest -m long tests/wire/test_cut.py`: every byte. The SDK reads no further than `[DONE]`."""
    done = STREAM.index(b"[DONE]\n\n") + 8
    async with (
        vending(cutting(STREAM, End.CLOSE)) as vendor,
        proxying(configured(vendor.url)) as proxy,
        openai.AsyncOpenAI(base_url=proxy.url, api_key="k", max_retries=0) as sdk,
    ):
        for cut in range(0, done, step):
            with pytest.raises((openai.APIError, httpx.HTTPError)):
                await read_through(sdk, cut)


async def read_through(sdk: openai.AsyncOpenAI, cut: int) -> None:
    """Read a whole stream as an application does."""
    chunks = await sdk.chat.completions.create(
        model="other", messages=[{"role": "user", "content": "hi"}], stream=True, user=str(cut)
    )
    async for _ in chunks:
        pass
