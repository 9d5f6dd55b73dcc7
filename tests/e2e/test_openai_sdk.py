"""The official OpenAI SDK for Python, synchronous, through the proxy."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar, cast

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from proxy.simulator import Options
from tests.e2e.stage import CALLING, KEY, PACED, QUESTION, SHORT, WEATHER, Stage, staged

T = TypeVar("T")
ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
MODEL = "kimi-k2.6"


async def using(stage: Stage, work: Callable[[OpenAI], T], *, max_retries: int = 0, key: str = KEY) -> T:
    """Do the work with a client of its own, in a thread: the SDK waits, the vendor must not."""

    def run() -> T:
        with OpenAI(base_url=stage.url, api_key=key, max_retries=max_retries, timeout=30.0) as client:
            return work(client)

    return await asyncio.to_thread(run)


async def failing(stage: Stage, kind: type[openai.APIStatusError], max_retries: int = 0) -> openai.APIStatusError:
    """The error that a plain question raises."""

    def work(client: OpenAI) -> openai.APIStatusError:
        with pytest.raises(kind) as raised:
            client.chat.completions.create(model=MODEL, messages=ASKED)
        return raised.value

    return await using(stage, work, max_retries=max_retries)


def sent(stage: Stage, at: int = -1) -> dict[str, Any]:
    """A body as the vendor received it."""
    found: dict[str, Any] = json.loads(stage.vendor.received[at].body)
    return found


async def test_chat_with_the_defaults_of_an_application() -> None:
    async with staged() as stage:
        answer = await using(
            stage,
            lambda client: client.chat.completions.create(
                model=MODEL, messages=ASKED, temperature=0.7, top_p=1, presence_penalty=0.1, max_tokens=200
            ),
        )
        assert answer.choices[0].message.content
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage is not None
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
        body = sent(stage)
        assert (body["temperature"], body["top_p"], body["presence_penalty"]) == (1.0, 0.95, 0)
        assert body["max_tokens"] == 200
        assert stage.vendor.received[-1].header("authorization") == f"Bearer {KEY}"


async def test_reasoning_comes_with_the_answer_and_instant_mode_has_none() -> None:
    def work(client: OpenAI) -> tuple[Any, Any]:
        thinking = client.chat.completions.create(model=MODEL, messages=ASKED)
        instant = client.chat.completions.create(
            model=MODEL, messages=ASKED, extra_body={"chat_template_kwargs": {"thinking": False}}
        )
        return thinking.choices[0].message, instant.choices[0].message

    async with staged() as stage:
        thinking, instant = await using(stage, work)
        assert thinking.reasoning_content
        assert not getattr(instant, "reasoning_content", None)
        assert sent(stage)["thinking"] == {"type": "disabled"}
        assert sent(stage)["temperature"] == 0.6
        assert "chat_template_kwargs" not in sent(stage)


async def test_stream_gives_the_same_text_as_the_vendor_sent() -> None:
    def work(client: OpenAI) -> list[ChatCompletionChunk]:
        with client.chat.completions.create(model=MODEL, messages=ASKED, stream=True) as stream:
            return list(stream)

    async with staged() as stage:
        chunks = await using(stage, work)
        deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
        assert len(deltas) > 10
        assert "".join(delta.content or "" for delta in deltas)
        assert any(getattr(delta, "reasoning_content", None) for delta in deltas)
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
        assert len({chunk.id for chunk in chunks}) == 1
        assert await stage.outcomes(1) == ["ok"]


async def test_include_usage() -> None:
    def work(client: OpenAI) -> list[ChatCompletionChunk]:
        stream = client.chat.completions.create(
            model=MODEL, messages=ASKED, stream=True, stream_options={"include_usage": True}
        )
        with stream:
            return list(stream)

    async with staged() as stage:
        chunks = await using(stage, work)
        assert not chunks[-1].choices
        usage = chunks[-1].usage
        assert usage is not None
        assert usage.completion_tokens > 0
        assert sent(stage)["stream_options"] == {"include_usage": True}
        counted = stage.proxy.count("paramwall_tokens_total", vendor="sim", type="output")
        assert counted == usage.completion_tokens


def conversation(client: OpenAI, *, drop_reasoning: bool) -> tuple[Any, Any]:
    """Ask, let a tool be called, give its result, and be answered."""
    messages = list(ASKED)
    first = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    said = first.choices[0].message
    turn: dict[str, Any] = said.model_dump(exclude_none=True)
    if drop_reasoning:
        del turn["reasoning_content"]
    results: list[Any] = [
        {"role": "tool", "tool_call_id": call.id, "content": "rain, 12 degrees"} for call in said.tool_calls or ()
    ]
    messages += [cast("ChatCompletionMessageParam", turn), *results]
    second = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    return first.choices[0], second.choices[0]


@pytest.mark.parametrize("drop_reasoning", [False, True])
async def test_tools_called_and_answered(drop_reasoning: bool) -> None:
    """Most applications drop reasoning_content from the history, which Moonshot refuses; the proxy supplies it."""
    async with staged(options=CALLING) as stage:
        first, second = await using(stage, lambda client: conversation(client, drop_reasoning=drop_reasoning))
        assert first.finish_reason == "tool_calls"
        for call in first.message.tool_calls:
            assert call.function.name == "get_weather"
            assert set(json.loads(call.function.arguments)) >= {"city", "days"}
        assert second.finish_reason == "stop"
        assert second.message.content
        assert sent(stage, 0)["tools"] == [WEATHER]
        reasoning = sent(stage)["messages"][1]["reasoning_content"]
        assert reasoning == ("" if drop_reasoning else first.message.reasoning_content)


async def test_streamed_tool_calls() -> None:
    def work(client: OpenAI) -> list[ChatCompletionChunk]:
        stream = client.chat.completions.create(model=MODEL, messages=ASKED, tools=[WEATHER], stream=True)
        with stream:
            return list(stream)

    async with staged(options=CALLING) as stage:
        chunks = await using(stage, work)
        pieces = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ()]
        arguments: dict[int, str] = {}
        for piece in pieces:
            text = piece.function.arguments if piece.function else None
            arguments[piece.index] = arguments.get(piece.index, "") + (text or "")
        assert arguments
        assert all("city" in json.loads(text) for text in arguments.values())


async def test_abort_in_the_middle_releases_the_vendor() -> None:
    def work(client: OpenAI) -> int:
        with client.chat.completions.create(model=MODEL, messages=ASKED, stream=True) as stream:
            for count, _ in enumerate(stream, 1):
                if count == 4:
                    return count
        return 0

    async with staged(options=PACED) as stage:
        assert await using(stage, work) == 4
        await stage.released()
        assert await stage.outcomes(1) == ["client_gone"]


async def test_a_timeout_of_the_client_releases_the_vendor() -> None:
    def work(client: OpenAI) -> None:
        with pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model=MODEL, messages=ASKED, timeout=0.3)

    async with staged(options=PACED) as stage:
        await using(stage, work)
        await stage.released()


async def test_a_request_that_cannot_be_repaired() -> None:
    def work(client: OpenAI) -> openai.BadRequestError:
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(model=MODEL, messages=ASKED, extra_body={"temperature": "0.3"})
        return raised.value

    async with staged() as stage:
        error = await using(stage, work)
        assert (error.param, error.code, error.type) == (
            "temperature",
            "temperature-off-contract",
            "invalid_request_error",
        )
        assert "only 1 is allowed for this model" in error.message
        assert "hint: " in error.message
        assert error.response.headers["x-paramwall-error-source"] == "proxy"
        assert not stage.vendor.received


async def test_strict_refuses_in_the_official_wording() -> None:
    def work(client: OpenAI) -> openai.BadRequestError:
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(
                model=MODEL, messages=ASKED, temperature=0.3, extra_body={"thinking": {"type": "disabled"}}
            )
        return raised.value

    async with staged("accept-any-parameters", enforcement="strict") as stage:
        error = await using(stage, work)
        assert error.message.find("invalid temperature: only 0.6 is allowed for this model") >= 0
        assert not stage.vendor.received


async def test_a_vendors_own_refusal_passes_unchanged() -> None:
    def work(client: OpenAI) -> openai.BadRequestError:
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": ""}])
        return raised.value

    async with staged() as stage:
        error = await using(stage, work)
        assert error.body == {
            "message": "Invalid request: message at position 0 must not be empty",
            "type": "invalid_request_error",
        }
        assert error.response.headers["x-paramwall-error-source"] == "vendor"


async def test_a_wrong_key_is_the_vendors_to_refuse() -> None:
    async with staged(options=Options(instant=True, api_key="sk-another")) as stage:
        error = await failing(stage, openai.AuthenticationError)
        assert error.type == "incorrect_api_key_error"
        assert error.response.headers["x-paramwall-error-source"] == "vendor"


async def test_a_wrong_key_of_the_proxys_own_clients() -> None:
    digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    async with staged(
        options=Options(instant=True, api_key="sk-held"),
        vendor={"api_key_env": "HELD"},
        environ={"HELD": "sk-held"},
        clients={"app": {"key_sha256": digest}},
    ) as stage:
        error = await failing(stage, openai.AuthenticationError)
        assert error.code
        assert error.response.headers["x-paramwall-error-source"] == "proxy"
        assert not stage.vendor.received
        answer = await using(
            stage, lambda client: client.chat.completions.create(model=MODEL, messages=ASKED), key="test"
        )
        assert answer.choices


async def test_an_unknown_model() -> None:
    def work(client: OpenAI) -> openai.NotFoundError:
        with pytest.raises(openai.NotFoundError) as raised:
            client.chat.completions.create(model="kimi-unknown", messages=ASKED, temperature=0.3)
        return raised.value

    async with staged() as stage:
        error = await using(stage, work)
        assert "kimi-unknown" in error.message
        assert sent(stage)["temperature"] == 0.3, "a model that the policy does not cover is passed as it came"


async def test_models_are_listed() -> None:
    async with staged() as stage:
        names = await using(stage, lambda client: [model.id for model in client.models.list()])
        assert names == [MODEL]


async def test_429_is_obeyed_and_counted() -> None:
    async with staged("rate-limited:1") as stage:
        error = await failing(stage, openai.RateLimitError, max_retries=1)
        assert error.response.headers["retry-after"] == "1"
        assert error.type == "rate_limit_reached_error"
        assert error.response.headers["x-ratelimit-limit"] == "60"
        first, second = stage.vendor.received
        assert second.at_s - first.at_s >= 0.9, "the SDK waited as Retry-After says"
        counted = {"vendor": "sim", "outcome": "client_error", "code": "429"}
        assert stage.proxy.count("paramwall_upstream_requests_total", **counted) == 2


async def test_our_own_refusal_for_lack_of_room_is_retried() -> None:
    async with staged(limits={"in_flight": 1}, options=PACED) as stage:

        def work(client: OpenAI) -> openai.APIStatusError:
            with client.chat.completions.create(model=MODEL, messages=ASKED, stream=True) as stream:
                next(iter(stream))
                with pytest.raises(openai.APIStatusError) as raised:
                    client.chat.completions.create(model=MODEL, messages=ASKED)
                return raised.value

        error = await using(stage, work)
        assert error.status_code == 503
        assert 0 < int(error.response.headers["retry-after"]) <= 120
        assert len(stage.vendor.received) == 1


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"limits": {"in_flight": 1}}, 503),
        ({"vendor": {"max_in_flight": 1}}, 503),
        ({"clients": {"app": {"key_sha256": sha256(KEY.encode()).hexdigest(), "max_in_flight": 1}}}, 429),
    ],
    ids=["proxy", "vendor", "client"],
)
async def test_the_sdk_repeats_what_had_no_room_and_an_open_stream_goes_on(
    settings: dict[str, Any], status: int
) -> None:
    """Two further attempts, each after a second, as often as the SDK does by default; the stream is not shed for it."""
    at_vendor = {"credentials": "pass", **settings.get("vendor", {})}
    async with staged(options=PACED, **(settings | {"vendor": at_vendor})) as stage:

        def work(client: OpenAI) -> tuple[openai.APIStatusError, float, int]:
            with client.with_options(max_retries=0).chat.completions.create(
                model=MODEL, messages=ASKED, stream=True
            ) as stream:
                next(iter(stream))
                began = time.monotonic()
                with pytest.raises(openai.APIStatusError) as raised:
                    client.chat.completions.create(model=MODEL, messages=ASKED)
                took = time.monotonic() - began
                return raised.value, took, len([next(iter(stream)) for _ in range(3)])

        error, took_s, after = await using(stage, work, max_retries=2)
        assert error.status_code == status
        assert (error.response.headers["retry-after"], error.response.headers["x-should-retry"]) == ("1", "true")
        assert took_s >= 1.8
        assert after == 3
        assert await stage.outcomes(4) == ["shed", "shed", "shed", "client_gone"]
        assert len(stage.vendor.received) == 1


@pytest.mark.parametrize(("fault", "status"), [("server-error", 500), ("service-unavailable", 503)])
async def test_5xx_of_the_vendor_passes_and_is_retried_by_the_client_alone(fault: str, status: int) -> None:
    async with staged(fault) as stage:
        error = await failing(stage, openai.InternalServerError, max_retries=1)
        assert error.status_code == status
        assert error.response.headers["x-paramwall-error-source"] == "vendor"
        assert len(stage.vendor.received) == 2


@pytest.mark.parametrize("fault", ["cut-before-headers", "garbage-response"])
async def test_a_vendor_that_breaks_off_before_its_answer(fault: str) -> None:
    async with staged(fault) as stage:
        error = await failing(stage, openai.InternalServerError)
        assert error.status_code == 502
        assert str(error.code).startswith("vendor-")
        assert error.type == "server_error"
        assert error.response.headers["x-paramwall-error-source"] == "proxy"


async def test_a_vendor_that_is_not_there() -> None:
    async with staged() as stage:
        await stage.vendor.stop()
        error = await failing(stage, openai.InternalServerError)
        assert (error.status_code, error.code) == (502, "vendor-unreachable")


@pytest.mark.parametrize("fault", ["cut-stream:700", "reset-stream:700"])
async def test_a_truncated_stream_raises(fault: str) -> None:
    def work(client: OpenAI) -> int:
        seen: list[ChatCompletionChunk] = []
        with (
            client.chat.completions.create(model=MODEL, messages=ASKED, stream=True) as stream,
            pytest.raises((httpx.RemoteProtocolError, httpx.ReadError, openai.APIConnectionError)),
        ):
            seen.extend(stream)
        return len(seen)

    async with staged(fault) as stage:
        await using(stage, work)
        assert (
            stage.proxy.count("paramwall_upstream_requests_total", vendor="sim", outcome="truncated", code="200") == 1
        )


@pytest.mark.parametrize("fault", ["cut-stream:200", "reset-stream:200"])
async def test_a_truncated_answer_raises(fault: str) -> None:
    def work(client: OpenAI) -> None:
        with pytest.raises((openai.APIConnectionError, httpx.HTTPError)):
            client.chat.completions.create(model=MODEL, messages=ASKED)

    async with staged(fault) as stage:
        await using(stage, work)
        assert await stage.outcomes(1) == ["upstream_error"]
        counted = {"vendor": "sim", "outcome": "truncated", "code": "200"}
        assert stage.proxy.count("paramwall_upstream_requests_total", **counted) == 1


async def test_receipts_through_with_raw_response() -> None:
    async with staged() as stage:
        raw = await using(
            stage,
            lambda client: client.chat.completions.with_raw_response.create(
                model=MODEL, messages=ASKED, temperature=0.3
            ),
        )
        assert raw.headers["x-paramwall-request-id"] == stage.proxy.lines[0]["id"]
        assert raw.headers["x-paramwall-policy"].startswith("kimi-k2.6@")
        assert raw.headers["x-paramwall-actions"] == "temperature=0.3->1.0;top_p=+0.95"
        assert raw.parse().choices[0].message.content


async def test_one_connection_serves_many_requests() -> None:
    def work(client: OpenAI) -> int:
        return sum(
            bool(client.chat.completions.create(model=MODEL, messages=ASKED).choices[0].message.content)
            for _ in range(20)
        )

    async with staged(options=Options(instant=True, lengths=SHORT, tool_rate=0.0)) as stage:
        assert await using(stage, work) == 20
        assert len({received.peer_port for received in stage.vendor.received}) == 1
