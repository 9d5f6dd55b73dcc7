"""LangChain's ChatOpenAI through the proxy: an agent framework that knows nothing of Kimi."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from tests.e2e.stage import CALLING, KEY, PACED, QUESTION, Stage, staged


@tool
def get_weather(city: str, days: int) -> str:
    """The weather at a place."""
    return f"rain in {city} for {days} days"


def model_of(stage: Stage, **members: Any) -> ChatOpenAI:  # noqa: ANN401  (ChatOpenAI's own)
    """What an application writes, with the temperature it likes."""
    settings = {"temperature": 0.7, "max_retries": 0, **members}
    return ChatOpenAI(model="kimi-k2.6", base_url=stage.url, api_key=SecretStr(KEY), **settings)


async def test_invoke() -> None:
    async with staged() as stage:
        answer = await model_of(stage).ainvoke(QUESTION)
        assert answer.text
        assert answer.usage_metadata is not None
        assert answer.response_metadata["finish_reason"] == "stop"
        assert '"temperature":1.0' in stage.vendor.received[-1].body.decode()


async def test_stream() -> None:
    async with staged() as stage:
        pieces = [chunk async for chunk in model_of(stage, top_p=0.5).astream(QUESTION)]
        assert len(pieces) > 5
        assert "".join(piece.text for piece in pieces)


async def test_tools_and_their_result() -> None:
    """LangChain drops reasoning_content from the history; the vendor checks for it."""
    async with staged(options=CALLING) as stage:
        model = model_of(stage).bind_tools([get_weather])
        asked: list[Any] = [HumanMessage(QUESTION)]
        called = await model.ainvoke(asked)
        assert called.tool_calls
        results = [
            ToolMessage(get_weather.invoke({"city": "Ulm", "days": 2}), tool_call_id=call["id"])
            for call in called.tool_calls
        ]
        answer = await model.ainvoke([*asked, called, *results])
        assert answer.text
        assert not answer.tool_calls


async def test_instant_mode() -> None:
    async with staged() as stage:
        model = model_of(stage, extra_body={"thinking": {"type": "disabled"}})
        assert (await model.ainvoke(QUESTION)).text
        assert '"temperature":0.6' in stage.vendor.received[-1].body.decode()


async def test_a_refusal() -> None:
    async with staged(enforcement="strict") as stage:
        with pytest.raises(openai.BadRequestError) as raised:
            await model_of(stage).ainvoke(QUESTION)
        assert raised.value.code == "temperature-off-contract"
        assert not stage.vendor.received


async def test_a_broken_vendor() -> None:
    async with staged("server-error") as stage:
        with pytest.raises(openai.InternalServerError):
            await model_of(stage).ainvoke(QUESTION)


async def test_a_stream_left_early() -> None:
    async with staged(options=PACED) as stage:
        stream = model_of(stage).astream(QUESTION)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator, typed as an iterator
        await stage.released()
