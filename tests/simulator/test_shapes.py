"""The two shapes of answers, as the official OpenAI client reads them and as they are on the wire."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema_rs
import pytest
from openai import AsyncOpenAI, NotFoundError

from proxy.simulator import Options, Simulator, parse_faults
from tests.simulator.asking import WEATHER, ask, chat, instant_chat

BOTH = pytest.mark.parametrize("profile", ["moonshot", "vllm"])
REASONING = {"moonshot": "reasoning_content", "vllm": "reasoning"}
OFF: dict[str, Any] = {"thinking": {"type": "disabled"}, "chat_template_kwargs": {"thinking": False}}


def client_of(vendor: Simulator) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=vendor.url, api_key="any", max_retries=0)


@BOTH
async def test_client_reads_a_chat(profile: str) -> None:
    async with Simulator(Options(instant=True, profile=profile)) as vendor, client_of(vendor) as client:
        answer = await client.chat.completions.create(**chat())
    message = answer.choices[0].message
    assert answer.id.startswith("chatcmpl-")
    assert answer.object == "chat.completion"
    assert answer.model == "kimi-k2.6"
    assert message.role == "assistant"
    assert message.content
    assert getattr(message, REASONING[profile])
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.prompt_tokens > 0


@BOTH
async def test_client_reads_a_stream(profile: str) -> None:
    async with Simulator(Options(instant=True, profile=profile)) as vendor, client_of(vendor) as client:
        stream = await client.chat.completions.create(**chat(), stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in stream]
    kinds = [
        name
        for chunk in chunks
        for choice in chunk.choices
        for name in ("role", REASONING[profile], "content")
        if getattr(choice.delta, name, None)
    ]
    assert kinds == sorted(kinds, key=["role", REASONING[profile], "content"].index), "reasoning precedes content"
    assert set(kinds) == {"role", REASONING[profile], "content"}
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "stop"
    last = chunks[-1]
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == len(kinds) - 1
    assert len({chunk.id for chunk in chunks}) == 1


@BOTH
async def test_client_reads_tool_calls(profile: str) -> None:
    async with Simulator(Options(instant=True, profile=profile, tool_rate=1.0)) as vendor, client_of(vendor) as client:
        answer = await client.chat.completions.create(**chat(tools=[WEATHER]))
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert getattr(choice.message, REASONING[profile])
    assert choice.message.tool_calls
    for number, call in enumerate(choice.message.tool_calls):
        assert call.type == "function"
        assert call.id == f"functions.get_weather:{number}"
        assert jsonschema_rs.is_valid(WEATHER["function"]["parameters"], json.loads(call.function.arguments))


@BOTH
async def test_streamed_tool_calls_come_in_pieces_after_the_reasoning(profile: str) -> None:
    options = Options(instant=True, profile=profile, tool_rate=1.0, seed=5)
    async with Simulator(options) as vendor:
        answer = await ask(vendor, chat(tools=[WEATHER], stream=True))
    deltas = [choice["delta"] for chunk in answer.chunks for choice in chunk["choices"]]
    calls: dict[int, dict[str, str]] = {}
    for delta in deltas:
        for piece in delta.get("tool_calls", []):
            if "id" in piece:
                assert piece["index"] == len(calls)
                assert piece["type"] == "function"
                calls[piece["index"]] = {"id": piece["id"], "name": piece["function"]["name"], "arguments": ""}
            calls[piece["index"]]["arguments"] += piece["function"]["arguments"]
    assert calls
    for number, call in calls.items():
        assert call["id"] == f"functions.get_weather:{number}"
        assert "city" in json.loads(call["arguments"])
    kinds = [next(iter(delta), "end") for delta in deltas]
    assert kinds.index("tool_calls") > max(i for i, kind in enumerate(kinds) if kind == REASONING[profile])
    assert [choice["finish_reason"] for chunk in answer.chunks for choice in chunk["choices"]][-1] == "tool_calls"
    assert answer.events[-1] == "[DONE]"


async def test_official_usage_is_in_the_finish_chunk_also_when_not_asked() -> None:
    async with Simulator(Options(instant=True)) as vendor:
        answer = await ask(vendor, chat(stream=True))
    usages = [choice["usage"] for chunk in answer.chunks for choice in chunk["choices"] if "usage" in choice]
    assert len(usages) == 1
    assert usages[0].keys() == {"prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens"}
    assert not any("usage" in chunk for chunk in answer.chunks)
    assert answer.chunks[-1]["choices"][0]["finish_reason"] == "stop"


async def test_official_usage_comes_twice_when_asked() -> None:
    async with Simulator(Options(instant=True)) as vendor:
        answer = await ask(vendor, chat(stream=True, stream_options={"include_usage": True}))
    *others, last = answer.chunks
    assert last["choices"] == []
    assert last["usage"] == others[-1]["choices"][0]["usage"]
    assert all(chunk["usage"] is None for chunk in others)


async def test_engine_usage_comes_only_in_a_last_chunk_when_asked() -> None:
    async with Simulator(Options(instant=True, profile="vllm")) as vendor:
        silent = await ask(vendor, chat(stream=True))
        asked = await ask(vendor, chat(stream=True, stream_options={"include_usage": True}))
    assert "usage" not in silent.text
    assert [chunk["choices"] for chunk in asked.chunks if "usage" in chunk] == [[]]
    assert asked.chunks[-1]["usage"]["prompt_tokens_details"].keys() == {"cached_tokens"}


@pytest.mark.parametrize(
    ("profile", "members", "thinks"),
    [
        ("moonshot", {}, True),
        ("moonshot", {"thinking": {"type": "disabled"}}, False),
        ("moonshot", {"chat_template_kwargs": {"thinking": False}}, True),
        ("vllm", {}, True),
        ("vllm", {"thinking": {"type": "disabled"}}, True),
        ("vllm", {"chat_template_kwargs": {"thinking": False}}, False),
        ("vllm", {"chat_template_kwargs": {"enable_thinking": False}}, True),
    ],
)
async def test_each_host_reads_its_own_switch(profile: str, members: dict[str, Any], thinks: bool) -> None:
    async with Simulator(Options(instant=True, profile=profile)) as vendor:
        answer = await ask(vendor, chat(**members))
    assert (REASONING[profile] in answer.message) is thinks


@BOTH
async def test_max_tokens_cuts_with_length(profile: str) -> None:
    async with Simulator(Options(instant=True, profile=profile)) as vendor:
        short = await ask(vendor, instant_chat(max_tokens=7))
        thinking = await ask(vendor, chat(max_completion_tokens=5, max_tokens=500))
    assert short.json["choices"][0]["finish_reason"] == "length"
    assert short.json["usage"]["completion_tokens"] == 7
    assert thinking.message["content"] is None, "the budget went into the reasoning"
    assert thinking.json["usage"]["completion_tokens"] == 5


async def test_ids_count_on_over_the_conversation() -> None:
    earlier = [
        {"id": "functions.get_weather:0", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}},
        {"id": "functions.get_weather:1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}},
    ]
    messages = [
        {"role": "user", "content": "the weather in two cities"},
        {"role": "assistant", "reasoning_content": "", "tool_calls": earlier},
        *({"role": "tool", "tool_call_id": call["id"], "content": "rain"} for call in earlier),
        {"role": "user", "content": "and in a third"},
    ]
    async with Simulator(Options(instant=True, tool_rate=1.0)) as vendor:
        answer = await ask(vendor, chat(messages=messages, tools=[WEATHER]))
    assert answer.message["tool_calls"][0]["id"] == "functions.get_weather:2"


@pytest.mark.parametrize("choice", ["none", "required", {"type": "function", "function": {"name": "get_weather"}}])
async def test_tool_choice_is_obeyed(choice: object) -> None:
    async with Simulator(Options(instant=True, tool_rate=1.0 if choice == "none" else 0.0)) as vendor:
        answer = await ask(vendor, instant_chat(tools=[WEATHER], tool_choice=choice))
    assert bool(answer.message.get("tool_calls")) is (choice != "none")


async def test_a_turn_after_a_tool_result_is_text_at_a_fixed_rate() -> None:
    call = {"id": "functions.get_weather:0", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "the weather"},
        {"role": "assistant", "reasoning_content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "rain"},
    ]
    async with Simulator(Options(instant=True, tool_rate=1.0)) as vendor:
        assert (await ask(vendor, chat(messages=messages, tools=[WEATHER]))).message["content"]


async def test_structured_answers_fit_their_schema() -> None:
    schema = WEATHER["function"]["parameters"]
    wanted = {"type": "json_schema", "json_schema": {"name": "weather", "schema": schema}}
    async with Simulator(Options(instant=True)) as vendor:
        exact = await ask(vendor, chat(response_format=wanted))
        free = await ask(vendor, chat(response_format={"type": "json_object"}))
    assert jsonschema_rs.is_valid(schema, json.loads(exact.message["content"]))
    assert isinstance(json.loads(free.message["content"]), dict)


async def test_stop_strings_end_the_content() -> None:
    async with Simulator(Options(instant=True)) as vendor:
        whole = await ask(vendor, instant_chat(temperature=0.6, stop="no such text"))
    # Equal seeds and equal order give equal answers: a second vendor repeats the first one's dice.
    stop = whole.message["content"].split()[3]
    async with Simulator(Options(instant=True)) as vendor:
        cut = await ask(vendor, instant_chat(temperature=0.6, stop=[stop]))
    assert whole.message["content"].startswith(cut.message["content"])
    assert stop not in cut.message["content"]
    assert cut.json["choices"][0]["finish_reason"] == "stop"


@BOTH
async def test_n_gives_that_many_choices_where_it_is_accepted(profile: str) -> None:
    options = Options(instant=True, profile=profile, faults=parse_faults("accept-any-parameters"))
    async with Simulator(options) as vendor:
        answer = await ask(vendor, chat(n=3))
        stream = await ask(vendor, chat(n=2, stream=True))
    assert [choice["index"] for choice in answer.json["choices"]] == [0, 1, 2]
    assert len({choice["message"]["content"] for choice in answer.json["choices"]}) == 3
    assert {choice["index"] for chunk in stream.chunks for choice in chunk["choices"]} == {0, 1}


async def test_cached_tokens_grow_with_the_conversation() -> None:
    first = [{"role": "user", "content": "a long beginning " * 20}]
    then = [*first, {"role": "assistant", "content": "indeed"}, {"role": "user", "content": "go on"}]
    async with Simulator(Options(instant=True)) as vendor:
        fresh = (await ask(vendor, chat(messages=first))).json["usage"]
        again = (await ask(vendor, chat(messages=then))).json["usage"]
    assert fresh["cached_tokens"] == 0
    assert 0 < again["cached_tokens"] <= fresh["prompt_tokens"]
    assert again["cached_tokens"] % 16 == 0


async def test_prompt_tokens_equal_the_estimate_on_both_hosts() -> None:
    body = chat(tools=[WEATHER], messages=[{"role": "system", "content": "Be kind. ü"}, *chat()["messages"]])
    counts = []
    for profile in ("moonshot", "vllm"):
        async with Simulator(Options(instant=True, profile=profile)) as vendor:
            counts.append((await ask(vendor, body)).json["usage"]["prompt_tokens"])
            counts.append((await ask(vendor, body, "/v1/tokenizers/estimate-token-count")).json["data"]["total_tokens"])
    assert len(set(counts)) == 1


async def test_client_reads_models_and_errors() -> None:
    async with Simulator(Options(instant=True, model="kimi-x")) as vendor, client_of(vendor) as client:
        assert [model.id async for model in client.models.list()] == ["kimi-x"]
        with pytest.raises(NotFoundError, match="Not found the model"):
            await client.chat.completions.create(**chat())


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/completions", "text_completion"),
        ("/v1/responses", "response"),
        ("/v1/embeddings", "list"),
        ("/v1/files", "file"),
        ("/v1/batches", "batch"),
    ],
)
async def test_side_routes(path: str, kind: str) -> None:
    async with Simulator(Options(instant=True)) as vendor:
        answer = await ask(vendor, {"model": "kimi-k2.6", "prompt": "hello", "input": ["hello"]}, path)
        broken = await ask(vendor, b"\x00binary", path)
    assert answer.status == 200
    assert answer.json["object"] == kind
    assert broken.status == (200 if path in ("/v1/files", "/v1/batches") else 400)


async def test_client_reads_side_routes() -> None:
    async with Simulator(Options(instant=True)) as vendor, client_of(vendor) as client:
        assert (await client.completions.create(model="kimi-k2.6", prompt="hello")).choices[0].text
        assert (await client.responses.create(model="kimi-k2.6", input="hello")).output_text
        embedding = await client.embeddings.create(model="kimi-k2.6", input="hello", encoding_format="float")
        assert len(embedding.data[0].embedding) == 8
        uploaded = await client.files.create(file=("a.txt", b"x" * 1000), purpose="batch")
        assert uploaded.bytes >= 1000
        message = await ask(vendor, chat(), "/v1/messages")
    assert message.json["type"] == "message"
    assert re.fullmatch(r"msg_[0-9a-f]{24}", message.json["id"])
