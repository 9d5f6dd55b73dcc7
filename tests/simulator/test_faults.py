"""Every fault, seen on a real socket: what an honest vendor does, and what the faulty one does in its place."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from proxy.simulator import Options, Simulator, parse_faults
from proxy.simulator.faults import FAULTS
from proxy.simulator.faults.answer import HALF_MARKERS, REFUSALS
from proxy.simulator.faults.calls import FOREIGN_TOOL
from proxy.simulator.faults.defects import Defect
from proxy.simulator.faults.reported import FOREIGN_MODEL
from proxy.simulator.faults.transport import GARBAGE, UNASKED_TEXT
from proxy.simulator.options import Lengths, Lognormal
from tests.simulator.asking import DEADLINE_S, WEATHER, RawAnswer, ask, asker, chat, instant_chat

Seen = Callable[[Simulator], Awaitable[bool]]
"""Whether the defect shows on this vendor. Each is false on an honest one."""

TOOLS: Final[dict[str, Any]] = {"tools": [WEATHER]}
HISTORY: Final = [
    {"role": "system", "content": "Be kind to everyone who asks."},
    {"role": "user", "content": "the weather"},
    {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [
        {"id": "functions.get_weather:0", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}},
    ]},
    {"role": "tool", "tool_call_id": "functions.get_weather:0", "content": "rain"},
]  # fmt: skip
PROMPT_OF_HISTORY: Final = 108
"""The estimate for HISTORY and WEATHER, counted by the rule of docs/simulator.md."""
EVENT: Final = re.compile(rb"data: .*\n\n")


def seen_in(body: dict[str, Any], shows: Callable[[RawAnswer], bool], *headers: str) -> Seen:
    """One question, and a look at its answer."""

    async def seen(vendor: Simulator) -> bool:
        return shows(await ask(vendor, body, "/v1/chat/completions", *headers))

    return seen


def finish(answer: RawAnswer) -> str | None:
    reason: str | None = answer.json["choices"][0]["finish_reason"]
    return reason


def calls(answer: RawAnswer) -> list[Any]:
    found: list[Any] = answer.message.get("tool_calls", [])
    return found


def arguments_of(answer: RawAnswer) -> list[Any]:
    """Parsed tool arguments; None for those that are not JSON."""
    parsed = []
    for call in calls(answer):
        try:
            parsed.append(json.loads(call["function"]["arguments"]))
        except json.JSONDecodeError:
            parsed.append(None)
    return parsed


def error_type(answer: RawAnswer) -> str | None:
    kind: str | None = answer.json["error"]["type"] if answer.status >= 400 else None
    return kind


def is_429(kind: str, retry_after: str | None) -> Callable[[RawAnswer], bool]:
    return lambda answer: (
        answer.status == 429 and error_type(answer) == kind and answer.headers.get("retry-after") == retry_after
    )


async def contents(vendor: Simulator, count: int, **members: Any) -> list[str]:  # noqa: ANN401  (any JSON)
    answers = [await ask(vendor, instant_chat(**members)) for _ in range(count)]
    return [answer.message["content"] for answer in answers]


async def varies_at_zero(vendor: Simulator) -> bool:
    vendor.set_faults((*vendor.faults, *parse_faults("accept-any-parameters")))
    return len(set(await contents(vendor, 3, temperature=0.0))) > 1


async def default_is_colder(vendor: Simulator) -> bool:
    words = " ".join(await contents(vendor, 12)).split()
    return len(set(words)) / len(words) < 0.19


async def prompt_tokens(vendor: Simulator, messages: list[Any]) -> int:
    answer = await ask(vendor, chat(messages=messages, **TOOLS))
    count: int = answer.json["usage"]["prompt_tokens"]
    return count


def prompt_is_off_by(shows: Callable[[int], bool]) -> Seen:
    async def seen(vendor: Simulator) -> bool:
        return shows(await prompt_tokens(vendor, HISTORY) - PROMPT_OF_HISTORY)

    return seen


async def fewer_tool_calls(vendor: Simulator) -> bool:
    answers = [await ask(vendor, chat(text=f"question {number}", **TOOLS)) for number in range(30)]
    return sum(bool(calls(answer)) for answer in answers) < 15


async def lengths_of(vendor: Simulator) -> tuple[int, int]:
    """Tokens of reasoning and of content, where the honest lengths are 150 and 80 without any spread."""
    even = Lengths(Lognormal(150, 0), Lognormal(80, 0))
    async with Simulator(Options(instant=True, lengths=even, faults=vendor.faults)) as host:
        message = (await ask(host, chat())).message
    return tokens_in(message["reasoning_content"]), tokens_in(message["content"].removesuffix("."))


async def is_shorter(vendor: Simulator) -> bool:
    return await lengths_of(vendor) == (120, 64)


async def reasons_longer(vendor: Simulator) -> bool:
    return await lengths_of(vendor) == (225, 80)


async def called(vendor: Simulator, tool_rate: float) -> int:
    """How many of 400 questions are answered by a tool call, when the honest chance is `tool_rate`."""
    brief = Lengths(Lognormal(4, 0), Lognormal(4, 0))
    options = Options(instant=True, seed=4, tool_rate=tool_rate, lengths=brief, faults=vendor.faults)
    async with Simulator(options) as host:
        answers = [await ask(host, instant_chat(text=f"question {number}", **TOOLS)) for number in range(400)]
    return sum(bool(calls(answer)) for answer in answers)


async def calls_fewer(vendor: Simulator) -> bool:
    return await called(vendor, 0.05) == 0


async def calls_more(vendor: Simulator) -> bool:
    return await called(vendor, 0.95) == 400


async def never_two_calls(vendor: Simulator) -> bool:
    answers = [await ask(vendor, chat(text=f"question {number}", **TOOLS)) for number in range(30)]
    return not any(len(calls(answer)) > 1 for answer in answers)


async def avoids_the_favourite(vendor: Simulator) -> bool:
    """Of three tools a prompt has one that is called most; the fault never leaves the choice as it was."""
    names = ("one", "two", "three")
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    body = chat(tools=tools, parallel_tool_calls=False)
    answers = [await ask(vendor, body) for _ in range(30)]
    return max(Counter(calls(answer)[0]["function"]["name"] for answer in answers).values()) < 20


async def speaks_as_another_model(vendor: Simulator) -> bool:
    vendor.set_faults((*vendor.faults, *parse_faults("accept-any-parameters")))
    async with Simulator(Options(instant=True, faults=parse_faults("accept-any-parameters"))) as honest:
        return await contents(vendor, 1, temperature=0.0) != await contents(honest, 1, temperature=0.0)


async def waits_between_tokens(vendor: Simulator) -> bool:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with Simulator(Options(instant=True, faults=vendor.faults, sleep=sleep)) as slow:
        events = (await ask(slow, chat(stream=True))).events
        streamed = waits == [0.1] * (len(events) - 1)
        waits.clear()
        await ask(slow, chat())
    return streamed and waits == [0.1]


async def broken_off(vendor: Simulator, *, reset: bool) -> bool:
    async with asker(vendor) as client:
        await client.send("/v1/chat/completions", chat(stream=True))
        answer = await client.answer()
        if answer.whole:
            return False
        try:
            rest = await client.reader.read(1)
        except ConnectionResetError:
            return reset
        return not reset and rest == b""


async def ends_before_the_status_line(vendor: Simulator) -> bool:
    try:
        await ask(vendor, chat())
    except (asyncio.IncompleteReadError, ConnectionError):
        return True
    return False


async def is_garbage(vendor: Simulator) -> bool:
    async with asker(vendor) as client, asyncio.timeout(DEADLINE_S):
        await client.send("/v1/chat/completions", chat(), headers=("Connection: close",))
        return await client.reader.read() == GARBAGE


async def comes_unasked(vendor: Simulator) -> bool:
    async with asker(vendor) as client:
        await client.send("/v1/chat/completions", chat(stream=True))
        first = await client.answer()
        assert first.whole
        if not vendor.faults:
            return client.reader.at_eof()
        second = await client.answer()
        return bool(second.message["content"] == UNASKED_TEXT)


async def stalls_after_three_events(vendor: Simulator) -> bool:
    async with asker(vendor) as client:
        await client.send("/v1/chat/completions", chat(stream=True))
        events = b""
        async with asyncio.timeout(DEADLINE_S):
            while len(EVENT.findall(events)) < 3:
                events += await client.reader.read(65536)
        try:
            # What an honest vendor has to send after these comes at once.
            while not events.endswith(b"\r\n0\r\n\r\n"):
                events += await asyncio.wait_for(client.reader.read(65536), 0.2)
        except TimeoutError:
            return len(EVENT.findall(events)) == 3 and vendor.open_connections == 1
        return False


async def first_token_is_late(vendor: Simulator) -> bool:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with Simulator(Options(instant=True, faults=vendor.faults, sleep=sleep)) as slow:
        assert (await ask(slow, chat(stream=True))).events[-1] == "[DONE]"
    return waits == [20.0]


def stream(shows: Callable[[RawAnswer], bool], **members: Any) -> Seen:  # noqa: ANN401  (any JSON)
    return seen_in(chat(stream=True, stream_options={"include_usage": True}, **members), shows)


def has_finish(answer: RawAnswer) -> bool:
    return any(choice["finish_reason"] for chunk in answer.chunks for choice in chunk["choices"])


SEEN: Final[dict[str, Seen]] = {
    "accept-any-parameters": seen_in(chat(temperature=0.5, top_p=0.1, n="x"), lambda answer: answer.status == 200),
    "ignore-sampling": varies_at_zero,
    "wrong-defaults": default_is_colder,
    "thinking-not-disabled": seen_in(instant_chat(), lambda answer: "reasoning_content" in answer.message),
    "injected-system-prompt": prompt_is_off_by(lambda more: 30 <= more <= 50),
    "dropped-system-prompt": prompt_is_off_by(lambda more: more == -12),
    "spaced-chat-template": prompt_is_off_by(lambda more: more == 7),
    "null-content-as-text": prompt_is_off_by(lambda more: more == 1),
    "missing-generation-prompt": fewer_tool_calls,
    "silent-output-cap": seen_in(
        chat(max_tokens=4000), lambda answer: finish(answer) == "length" and usage(answer)["completion_tokens"] == 64
    ),
    "json-format-broken": seen_in(
        instant_chat(response_format={"type": "json_object"}), lambda answer: answer.message["content"][0] != "{"
    ),
    "shorter-answers": is_shorter,
    "longer-reasoning": reasons_longer,
    "fewer-tool-calls": calls_fewer,
    "more-tool-calls": calls_more,
    "scrambled-decisions": seen_in(chat(**TOOLS), lambda answer: not calls(answer) and finish(answer) == "stop"),
    "wrong-tool": avoids_the_favourite,
    "swapped-model": speaks_as_another_model,
    "redirect": seen_in(chat(), lambda answer: answer.status == 307 and answer.headers["location"] != ""),
    "echo-key": seen_in(
        chat(),
        lambda answer: answer.status == 401 and "Bearer sk-canary" in answer.json["error"]["message"],
        "Authorization: Bearer sk-canary",
    ),
    "rate-limited": seen_in(chat(), is_429("rate_limit_reached_error", "1")),
    "overloaded": seen_in(chat(), is_429("engine_overloaded_error", "1")),
    "quota-used-up": seen_in(chat(), is_429("exceeded_current_quota_error", None)),
    "server-error": seen_in(chat(), lambda answer: (answer.status, error_type(answer)) == (500, "server_error")),
    "service-unavailable": seen_in(
        chat(), lambda answer: (answer.status, error_type(answer)) == (503, "server_unavailable")
    ),
    "refuse-reasoning-history": seen_in(
        chat(messages=HISTORY), lambda answer: answer.status == 400 and "Extra inputs" in answer.text
    ),
    "structured-output-crash": seen_in(
        chat(response_format={"type": "json_object"}), lambda answer: answer.status == 500
    ),
    "missing-reasoning": seen_in(chat(), lambda answer: "reasoning_content" not in answer.message),
    "reasoning-in-content": seen_in(
        chat(), lambda answer: "</think>" in answer.message["content"] and "reasoning_content" not in answer.message
    ),
    "answer-in-reasoning": seen_in(
        chat(),
        lambda answer: (
            (answer.message["content"], finish(answer)) == ("", "stop")
            and answer.message["reasoning_content"].endswith(".")
        ),
    ),
    "empty-answer": seen_in(chat(), lambda answer: not answer.message["content"] and finish(answer) == "stop"),
    "budget-in-reasoning": seen_in(
        chat(), lambda answer: answer.message["content"] is None and finish(answer) == "length"
    ),
    "short-answers": seen_in(
        instant_chat(), lambda answer: usage(answer)["completion_tokens"] == 8 and finish(answer) == "stop"
    ),
    "gibberish": seen_in(instant_chat(), lambda answer: not answer.message["content"].isascii()),
    "wrong-language": seen_in(instant_chat(), lambda answer: answer.message["content"].endswith("。")),
    "refusals": seen_in(chat(**TOOLS), lambda answer: answer.message["content"] in REFUSALS and not calls(answer)),
    "repetition": seen_in(instant_chat(), lambda answer: max_repeats(answer.message["content"]) >= 50),
    "exclamation-marks": seen_in(instant_chat(), lambda answer: answer.message["content"] == "!" * 400),
    "leaked-markers": seen_in(instant_chat(), lambda answer: "<|" in answer.message["content"]),
    "half-markers": seen_in(
        instant_chat(), lambda answer: any(marker in answer.message["content"] for marker in HALF_MARKERS)
    ),
    "broken-tool-arguments": seen_in(chat(**TOOLS), lambda answer: None in arguments_of(answer)),
    "off-schema-arguments": seen_in(
        chat(**TOOLS), lambda answer: any(isinstance(each, list) for each in arguments_of(answer))
    ),
    "foreign-tool": seen_in(
        chat(**TOOLS),
        lambda answer: [call["function"]["name"] for call in calls(answer)] == [FOREIGN_TOOL] * len(calls(answer)),
    ),
    "wrong-tool-ids": seen_in(
        chat(**TOOLS), lambda answer: not re.fullmatch(r"functions\.[\w-]+:\d+", calls(answer)[0]["id"])
    ),
    "repeated-tool-ids": seen_in(
        chat(messages=[*HISTORY, {"role": "user", "content": "again"}], **TOOLS),
        lambda answer: calls(answer)[0]["id"] == "functions.get_weather:0",
    ),
    "single-tool-call": never_two_calls,
    "finish-mismatch": seen_in(chat(**TOOLS), lambda answer: bool(calls(answer)) and finish(answer) == "stop"),
    "missing-tool-calls": seen_in(chat(**TOOLS), lambda answer: not calls(answer) and finish(answer) == "tool_calls"),
    "withheld-tool-call": seen_in(chat(**TOOLS), lambda answer: not calls(answer) and finish(answer) == "length"),
    "unknown-finish-reason": seen_in(chat(), lambda answer: finish(answer) in ("unexpected_state", "abort", "error")),
    "missing-finish-reason": stream(lambda answer: not has_finish(answer)),
    "wrong-usage": seen_in(chat(), lambda answer: usage(answer)["total_tokens"] < usage(answer)["completion_tokens"]),
    "inflated-completion-tokens": seen_in(
        instant_chat(), lambda answer: usage(answer)["completion_tokens"] > 1.1 * tokens_in(answer.message["content"])
    ),
    "zero-usage": seen_in(chat(), lambda answer: usage(answer)["total_tokens"] == 0),
    "missing-usage": stream(lambda answer: '"usage":{' not in answer.text),
    "misplaced-cached-tokens": seen_in(chat(), lambda answer: "prompt_tokens_details" in usage(answer)),
    "wrong-model-echo": seen_in(chat(), lambda answer: answer.json["model"] == FOREIGN_MODEL),
    "no-done": stream(lambda answer: answer.events[-1] != "[DONE]"),
    "error-in-stream": stream(lambda answer: "error" in answer.events[-1]),
    "error-in-200": seen_in(chat(), lambda answer: answer.status == 200 and "error" in answer.json),
    "empty-body": seen_in(chat(), lambda answer: answer.status == 200 and answer.body == b""),
    "slow-first-token": first_token_is_late,
    "slow-tokens": waits_between_tokens,
    "stalled-stream": stalls_after_three_events,
    "set-cookie": seen_in(chat(), lambda answer: answer.headers.get("set-cookie", "").startswith("session=")),
    "gzip-answer": stream(lambda answer: answer.headers.get("content-encoding") == "gzip" and has_finish(answer)),
    "unsolicited-bytes": comes_unasked,
    "cut-stream": lambda vendor: broken_off(vendor, reset=False),
    "reset-stream": lambda vendor: broken_off(vendor, reset=True),
    "cut-before-headers": ends_before_the_status_line,
    "garbage-response": is_garbage,
}


def usage(answer: RawAnswer) -> dict[str, Any]:
    counts: dict[str, Any] = answer.json["usage"]
    return counts


def tokens_in(text: str) -> int:
    """The tokens of a content: its words and punctuation marks."""
    return len(re.findall(r"\w+|[^\w\s]", text))


def max_repeats(text: str) -> int:
    """How often the commonest run of four words comes."""
    words = text.split()
    return max(Counter(zip(*(words[at:] for at in range(4)), strict=False)).values(), default=0)


def test_every_fault_is_shown() -> None:
    assert list(SEEN.keys() ^ {fault.name for fault in FAULTS}) == []


@pytest.mark.parametrize("name", [fault.name for fault in FAULTS])
async def test_fault_shows_and_an_honest_vendor_does_not_show_it(name: str) -> None:
    async with Simulator(Options(instant=True, tool_rate=1.0, seed=2)) as vendor:
        assert not await SEEN[name](vendor), "the honest vendor shows the defect"
        vendor.set_faults(parse_faults(name))
        assert await SEEN[name](vendor)


def test_names_are_unique_and_kebab_case() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)


def test_every_known_defect_has_a_fault() -> None:
    assert {fault.defect for fault in FAULTS} == set(Defect)


@pytest.mark.parametrize("name", [fault.name for fault in FAULTS])
async def test_faults_survive_every_kind_of_request(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """No fault may turn into an error of the simulator itself."""
    bodies = [chat(), chat(stream=True), instant_chat(stream=True, **TOOLS), chat(temperature=0.3), b"no JSON"]
    async with Simulator(Options(instant=True, tool_rate=1.0, profile="vllm")) as vendor:
        vendor.set_faults(parse_faults(name))
        for body in bodies:
            async with asker(vendor) as client:
                await client.send("/v1/chat/completions", body)
                if name in (
                    "cut-before-headers",
                    "garbage-response",
                    "stalled-stream",
                    "slow-first-token",
                    "slow-tokens",
                ):
                    continue
                answer = await client.answer()
                assert answer.status != 500 or name == "server-error"
    assert caplog.records == []


@pytest.mark.parametrize("at", [0, 1, 5, 6, 100])
async def test_cut_stream_at_a_given_byte(at: int) -> None:
    async with Simulator(Options(instant=True, faults=parse_faults(f"cut-stream:{at}"))) as vendor:
        answer = await ask(vendor, chat(stream=True))
    assert answer.status == 200
    assert not answer.whole
    assert len(answer.body) == at


async def test_cut_stream_beyond_the_body_leaves_only_the_terminator_out() -> None:
    async with Simulator(Options(instant=True, faults=parse_faults("cut-stream:10000000"))) as vendor:
        answer = await ask(vendor, chat(stream=True))
    assert not answer.whole
    assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_cut_json_announces_more_than_it_sends() -> None:
    async with Simulator(Options(instant=True, faults=parse_faults("cut-stream:20"))) as vendor:
        answer = await ask(vendor, chat())
    assert not answer.whole
    assert len(answer.body) == 20 < int(answer.headers["content-length"])


async def test_share_and_start() -> None:
    now = 100.0
    options = Options(instant=True, faults=parse_faults("server-error=0.5@60s"), clock=lambda: now)
    async with Simulator(options) as vendor:
        early = [(await ask(vendor, instant_chat(max_tokens=2))).status for _ in range(20)]
        now += 60.0
        late = [(await ask(vendor, instant_chat(max_tokens=2))).status for _ in range(40)]
    assert set(early) == {200}
    assert 8 <= late.count(500) <= 32


async def test_faults_strike_side_routes_too() -> None:
    async with Simulator(Options(instant=True, faults=parse_faults("rate-limited:7"))) as vendor:
        answer = await ask(vendor, {"input": "x"}, "/v1/embeddings")
    assert answer.status == 429
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["x-ratelimit-remaining"] == "0"


async def test_unsolicited_answer_waits_for_the_next_request_on_that_connection() -> None:
    async with Simulator(Options(instant=True, faults=parse_faults("unsolicited-bytes"))) as vendor, asker(vendor) as c:
        await c.send("/v1/chat/completions", chat())
        assert (await c.answer()).message["content"] != UNASKED_TEXT
        await c.send("/v1/chat/completions", chat())
        assert (await c.answer()).message["content"] == UNASKED_TEXT, "a careless client takes it for its own"
        assert len({each.peer_port for each in vendor.received}) == 1


async def test_gzip_keeps_each_event_readable_at_once() -> None:
    options = Options(instant=True, faults=parse_faults("gzip-answer", "stalled-stream:2"))
    async with Simulator(options) as vendor, asker(vendor) as client:
        await client.send("/v1/chat/completions", chat(stream=True))
        await client.reader.readuntil(b"\r\n\r\n")
        plain, decoder = b"", zlib.decompressobj(wbits=31)
        async with asyncio.timeout(DEADLINE_S):
            while plain.count(b"\n\n") < 2:
                size = int(await client.reader.readuntil(b"\r\n"), 16)
                plain += decoder.decompress((await client.reader.readexactly(size + 2))[:-2])
    assert plain.startswith(b"data: {")


async def test_faults_reach_the_engine_shape() -> None:
    async with Simulator(Options(instant=True, profile="vllm", faults=parse_faults("overloaded"))) as vendor:
        error = (await ask(vendor, chat())).json["error"]
    assert error["code"] == 429


async def test_unsolicited_answer_may_come_later() -> None:
    options = Options(instant=True, faults=parse_faults("unsolicited-bytes:0.05"))
    async with Simulator(options) as vendor, asker(vendor) as client:
        await client.send("/v1/chat/completions", chat())
        assert (await client.answer()).status == 200
        assert (await client.answer()).message["content"] == UNASKED_TEXT


async def test_redirect_leads_to_a_given_port() -> None:
    async with Simulator(Options(instant=True, faults=parse_faults("redirect:8123"))) as vendor:
        answer = await ask(vendor, chat())
    assert answer.headers["location"] == "http://127.0.0.1:8123/v1/chat/completions"
