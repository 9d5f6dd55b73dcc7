"""One call to an endpoint over real sockets: every way it can end."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest

from proxy.contract.answer import Flaw
from proxy.endpoint import endpoint as subject
from proxy.endpoint.reply import REASONS, Reply
from tests.endpoint.calling import BODY, Turned, endpoint_to
from tests.wire.vendor import End, Step, chunked, head, stream, vending, whole

OK = b'{"choices":[{"message":{"content":"OK"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3}}'
DELTA = '{"choices":[{"delta":{"content":"OK"}}]}'
LAST = '{"choices":[{"delta":{},"finish_reason":"stop"}]}'
SSE = head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked")
EVENT = f"data: {DELTA}\n\n".encode()
NEVER = 3600.0


def said(**message: Any) -> dict[str, Any]:  # noqa: ANN401  (any JSON)
    """An answer's body."""
    return {"id": "a", "model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}


def delta(content: str) -> dict[str, Any]:
    """An event of a stream."""
    return {"choices": [{"delta": {"content": content}}]}


class Case(NamedTuple):
    script: Iterable[Step]
    reason: str
    status: int
    content: str | None = None
    cut: bool = False


CASES = {
    "json": Case((whole(OK),), "", 200, "OK"),
    "stream": Case((stream(DELTA, LAST),), "", 200, "OK"),
    "a stream without its end mark is whole": Case((stream(DELTA, LAST, end=""),), "", 200, "OK"),
    "empty body": Case((whole(b""),), "", 200),
    "not json": Case((whole(b"<html>"),), "", 200),
    "error within 200": Case((whole(b'{"error":{"message":"no"}}'),), "", 200),
    "a client error": Case((whole(b'{"error":{}}', status=400),), "refused", 400),
    "a redirect is not followed": Case((whole(b"", "Location: http://127.0.0.1:1/", status=307),), "refused", 307),
    "too many requests": Case((whole(b"slow", "Retry-After: 7", status=429),), "rate_limited", 429),
    "a server error": Case((whole(b"oh", status=503),), "server_error", 503),
    "a refusal that never ends": Case((head(500, "Content-Length: 9"), b"oh", NEVER), "server_error", 500),
    "closed at once": Case((End.CLOSE,), "unreachable", 0),
    "not http": Case((b"garbage\r\n\r\n", End.CLOSE), "unreachable", 0),
    "nothing comes": Case((NEVER,), "timeout", 0),
    "cut inside": Case((SSE, chunked(EVENT, last=b""), End.CLOSE), "cut", 200, "OK", cut=True),
    "reset inside": Case((SSE, chunked(EVENT, last=b""), 0.05, End.RESET), "cut", 200, "OK", cut=True),
    "silent inside": Case((SSE, chunked(EVENT, last=b""), NEVER), "timeout", 200),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_call_ends_in_one_reply(name: str) -> None:
    case = CASES[name]
    async with vending(case.script) as vendor, endpoint_to(vendor, Turned(), wait_s=0.3) as endpoint:
        reply = await endpoint.call(BODY)
    assert (reply.reason, reply.status) == (case.reason, case.status)
    assert reply.reason in ("", *REASONS)
    answer = reply.answer
    assert (answer is not None) == (case.reason in ("", "cut"))
    if answer is not None:
        assert (answer.content, Flaw.CUT in answer.flaws) == (case.content, case.cut)
        assert (reply.whole is None) == case.cut


async def test_what_a_refusal_says_is_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MAX_ERROR_BYTES", 8)
    async with (
        vending((whole(b"0123456789", "Retry-After: 7", status=429),)) as vendor,
        endpoint_to(vendor, Turned()) as endpoint,
    ):
        reply = await endpoint.call(BODY)
    assert (reply.error, reply.retry_after_s) == (b"01234567", 7.0)


async def test_a_key_that_a_refusal_repeats_is_struck_out() -> None:
    async with (
        vending((whole(b'{"error":"no such key: sk-own"}', status=401),)) as vendor,
        endpoint_to(vendor, Turned(), "sk-own") as endpoint,
    ):
        assert (await endpoint.call(BODY)).error == b'{"error":"no such key: ***"}'


async def test_no_part_of_a_key_across_the_bound_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MAX_ERROR_BYTES", 8)
    refusal: list[Step] = [head(401, "Content-Length: 20"), b"01234sk-", 0.05, b"own567890123"]
    async with vending(refusal) as vendor, endpoint_to(vendor, Turned(), "sk-own") as endpoint:
        assert (await endpoint.call(BODY)).error == b"01234***"


OWN = "sk-own-0123456789/+="
ECHOES: dict[str, Iterable[Step]] = {
    "json": (whole(json.dumps(said(content=f"key: {OWN}", reasoning_content=OWN)).encode()),),
    "escaped": (whole(json.dumps(said(content=OWN)).replace("/", "\\/").encode()),),
    "tool call": (
        whole(json.dumps(said(tool_calls=[{"id": OWN, "function": {"name": OWN, "arguments": OWN}}])).encode()),
    ),
    "members": (whole(json.dumps({**said(content="OK"), "id": OWN, "model": OWN}).encode()),),
    "one event": (stream(json.dumps(delta(OWN)), LAST),),
    "two events": (stream(json.dumps(delta(OWN[:9])), json.dumps(delta(OWN[9:])), LAST),),
}


@pytest.mark.parametrize("name", ECHOES)
async def test_a_key_that_an_answer_repeats_is_struck_out(name: str) -> None:
    async with vending(ECHOES[name]) as vendor, endpoint_to(vendor, Turned(), OWN) as endpoint:
        reply = await endpoint.call(BODY)
    assert reply.answer is not None
    assert "***" in repr(reply)
    assert OWN[7:] not in repr(reply)


async def test_a_word_for_a_key_is_left_in_an_answer() -> None:
    async with vending((whole(OK),)) as vendor, endpoint_to(vendor, Turned(), "OK") as endpoint:
        reply = await endpoint.call(BODY)
    assert reply.answer is not None
    assert reply.answer.content == "OK"


async def test_an_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MAX_ANSWER_BYTES", 1000)
    async with (
        vending((SSE, *[chunked(EVENT, last=b"")] * 50, NEVER)) as vendor,
        endpoint_to(vendor, Turned()) as endpoint,
    ):
        assert (await endpoint.call(BODY)).reason == "oversized"


async def test_a_client_that_leaves_ends_its_connection_and_keeps_what_came() -> None:
    async with vending((SSE, *[chunked(EVENT, last=b"")] * 3, NEVER)) as vendor:
        async with endpoint_to(vendor, Turned()) as endpoint:
            reply = await endpoint.call(BODY, stop_after_bytes=len(EVENT))
            assert reply.reason == "cut"
            assert reply.answer is not None
            assert (reply.answer.content or "").startswith("OK")
            await vendor.conversations[0].closed.wait()


async def test_only_its_own_key_goes_there_and_it_says_who_asks() -> None:
    async with (
        vending((whole(OK, "Set-Cookie: a=b"),)) as vendor,
        endpoint_to(vendor, Turned(), "sk-own") as endpoint,
    ):
        await endpoint.call(BODY)
        await endpoint.call(BODY)
    for asked in vendor.asked:
        assert asked.values("Authorization") == [b"Bearer sk-own"]
        assert asked.values("User-Agent") == [b"paramwall-test/0"]
        assert asked.values("Cookie") == []
    assert vendor.asked[0].line == b"POST /v1/chat/completions HTTP/1.1"
    assert [asked.body for asked in vendor.asked] == [BODY, BODY]


async def test_an_idle_connection_that_was_closed_is_tried_once_more() -> None:
    async with vending(lambda asked: (End.CLOSE,) if asked.earlier else (whole(OK),)) as vendor:
        async with endpoint_to(vendor, Turned()) as endpoint:
            assert [(await endpoint.call(BODY)).reason for _ in range(2)] == ["", ""]
    assert len(vendor.asked) == 3


async def test_a_new_connection_that_is_closed_is_not() -> None:
    async with vending((End.CLOSE,)) as vendor, endpoint_to(vendor, Turned()) as endpoint:
        assert (await endpoint.call(BODY)).reason == "unreachable"
    assert len(vendor.asked) == 1


async def test_nobody_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        async with endpoint_to(url, Turned()) as endpoint:
            assert await endpoint.call(BODY) == Reply(reason="unreachable", end_s=0.0)


async def test_times_are_counted_from_the_request() -> None:
    turned = Turned()
    role = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'

    def script() -> Iterable[Step]:
        turned.now += 1.0
        yield SSE
        yield chunked(role, last=b"")
        yield 0.05
        turned.now += 2.0
        yield chunked(EVENT, last=b"")
        yield 0.05
        turned.now += 4.0
        yield chunked(f"data: {LAST}\n\n".encode(), b"data: [DONE]\n\n")

    async with vending(lambda _asked: script()) as vendor, endpoint_to(vendor, turned) as endpoint:
        reply = await endpoint.call(BODY)
    assert (reply.first_byte_s, reply.first_token_s, reply.end_s) == (1.0, 3.0, 7.0)
