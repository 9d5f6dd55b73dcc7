"""The official OpenAI SDK for Python, asynchronous, through the proxy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.e2e.stage import CALLING, KEY, PACED, QUESTION, WEATHER, Stage, staged, until

ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
MODEL = "kimi-k2.6"


@asynccontextmanager
async def client_of(stage: Stage) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=stage.url, api_key=KEY, max_retries=0, timeout=30.0) as client:
        yield client


async def test_chat_and_receipts() -> None:
    async with staged() as stage, client_of(stage) as client:
        raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=ASKED, temperature=0.2)
        assert raw.headers["x-paramwall-actions"] == "temperature=0.2->1.0;top_p=+0.95"
        assert raw.parse().choices[0].message.content
        assert json.loads(stage.vendor.received[-1].body)["temperature"] == 1.0


async def test_many_streams_at_once() -> None:
    async def ask(client: AsyncOpenAI) -> str:
        stream = await client.chat.completions.create(model=MODEL, messages=ASKED, stream=True)
        async with stream:
            finish = [chunk.choices[0].finish_reason async for chunk in stream if chunk.choices]
        return finish[-1] or ""

    async with staged() as stage, client_of(stage) as client:
        assert await asyncio.gather(*(ask(client) for _ in range(25))) == ["stop"] * 25


async def test_the_event_helper_of_the_sdk() -> None:
    """chat.completions.stream assembles the answer itself and checks what it assembles."""
    async with staged() as stage, client_of(stage) as client:
        async with client.chat.completions.stream(model=MODEL, messages=ASKED) as stream:
            kinds = {event.type async for event in stream}
        final = await stream.get_final_completion()
        assert {"chunk", "content.delta", "content.done"} <= kinds
        assert final.choices[0].message.content


async def test_tools() -> None:
    async with staged(options=CALLING) as stage, client_of(stage) as client:
        answer = await client.chat.completions.create(model=MODEL, messages=ASKED, tools=[WEATHER])
        assert answer.choices[0].finish_reason == "tool_calls"
        assert answer.choices[0].message.tool_calls


async def test_abort_in_the_middle_releases_the_vendor() -> None:
    async with staged(options=PACED) as stage, client_of(stage) as client:
        stream = await client.chat.completions.create(model=MODEL, messages=ASKED, stream=True)
        async with stream:
            await anext(aiter(stream))
        await stage.released()


async def test_a_cancelled_task_releases_the_vendor() -> None:
    """No header of the answer has come yet."""
    async with staged("slow-first-token:60", options=PACED) as stage, client_of(stage) as client:
        asking = asyncio.create_task(client.chat.completions.create(model=MODEL, messages=ASKED, stream=True))
        await until(lambda: stage.vendor.received, "the request has reached the vendor")
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await stage.released()


async def test_errors_keep_their_class_and_parts() -> None:
    async with staged() as stage, client_of(stage) as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(model=MODEL, messages=ASKED, extra_body={"n": "2"})
        assert (refused.value.param, refused.value.code) == ("n", "n-above-one")
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="kimi-unknown", messages=ASKED)
    async with staged("server-error") as stage, client_of(stage) as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model=MODEL, messages=ASKED)


async def test_a_truncated_stream_raises() -> None:
    async with staged("cut-stream:900") as stage, client_of(stage) as client:
        stream = await client.chat.completions.create(model=MODEL, messages=ASKED, stream=True)
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError, openai.APIConnectionError)):
            async for _ in stream:
                pass
        await stream.close()
