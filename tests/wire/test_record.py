"""What is left of a request when it is over: its outcome, its figures, its log line, and what the tap is given."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest

from proxy.contract.mode import Mode
from proxy.wire.pool import Pool
from tests.proxying import Proxy, Recorder, Shown, configured, proxying
from tests.wire.client import get, post, until, wired
from tests.wire.leaks import outcomes, total
from tests.wire.vendor import End, Script, chunked, head, stream, vending, whole

USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 8,
    "total_tokens": 28,
    "prompt_tokens_details": {"cached_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
JSON = orjson.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": USAGE})
KIMI = b'{"model":"kimi-k2.6","messages":[],"temperature":0.3}'
FIRST = '{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}'
TOKEN = '{"choices":[{"index":0,"delta":{"content":"Hello"}}]}'
LAST = (
    '{"choices":[{"index":0,"delta":{},"finish_reason":"length","usage":{"prompt_tokens":20,"completion_tokens":8}}]}'
)


async def one(proxy: Proxy, request: bytes) -> None:
    """One request to its end, however it ends, and its record."""
    before = len(proxy.lines)
    async with wired(proxy.port) as wire:
        wire.send(request)
        await wire.answer()
        await until(lambda: len(proxy.lines) > before)


async def recorded(script: Script, request: bytes | None = None, **settings: Any) -> Proxy:  # noqa: ANN401
    async with vending(script) as vendor, proxying(configured(vendor.url, **settings)) as proxy:
        await one(proxy, request or post(KIMI))
        return proxy


@pytest.mark.parametrize(
    ("script", "outcome", "upstream", "code"),
    [
        ([whole(JSON)], "ok", "ok", "200"),
        ([whole(b"", status=302)], "ok", "ok", "3xx"),
        ([head(204)], "ok", "ok", "2xx"),
        ([whole(b"{}", status=404)], "client_error", "client_error", "404"),
        ([whole(b"{}", status=429)], "client_error", "client_error", "429"),
        ([whole(b"{}", status=418)], "client_error", "client_error", "4xx"),
        ([whole(b"{}", status=500)], "upstream_error", "server_error", "500"),
        ([whole(b"{}", status=599)], "upstream_error", "server_error", "5xx"),
        ([End.CLOSE], "upstream_error", "reset", "none"),
        ([whole(b"{}")[:-1], End.CLOSE], "upstream_error", "truncated", "200"),
    ],
)
async def test_outcomes(script: Script, outcome: str, upstream: str, code: str) -> None:
    proxy = await recorded(script)
    assert outcomes(proxy) == {outcome: 1}
    assert outcomes(proxy, "paramwall_upstream_requests_total") == {upstream: 1}
    upstream_code = "none" if upstream == "reset" else code
    assert proxy.count("paramwall_upstream_requests_total", vendor="sim", outcome=upstream, code=upstream_code) == 1
    assert proxy.lines[0]["outcome"] == outcome


async def test_figures_of_a_json_answer() -> None:
    proxy = await recorded([whole(JSON)])
    tokens = {kind: proxy.count("paramwall_tokens_total", vendor="sim", type=kind) for kind in
              ("input", "output", "cached_input", "reasoning")}  # fmt: skip
    assert tokens == {"input": 20, "output": 8, "cached_input": 5, "reasoning": 3}
    for name in ("request_duration", "overhead", "upstream_duration"):
        assert total(proxy, f"paramwall_{name}_seconds_count") == 1
    assert total(proxy, "paramwall_upstream_time_to_first_token_seconds_count") == 0
    line = proxy.lines[0]
    assert (line["tokens_in"], line["tokens_out"], line["finish_reason"]) == (20, 8, "stop")


async def test_figures_of_a_stream() -> None:
    """Time to the first token does not count the role that comes before it; the worst gap is the longest silence."""
    recording = stream(FIRST, TOKEN, TOKEN, LAST)
    places = [recording.index(TOKEN.encode()), recording.rindex(TOKEN.encode())]
    script: Script = [recording[: places[0]], 0.15, recording[places[0] : places[1]], 0.3, recording[places[1] :]]
    proxy = await recorded(script, post(KIMI.replace(b"}", b',"stream":true}')))
    first = total(proxy, "paramwall_upstream_time_to_first_token_seconds_sum")
    assert 0.14 < first < 0.44  # the next token comes at 0.45
    assert 0.29 < total(proxy, "paramwall_upstream_max_chunk_gap_seconds_sum") < 5
    whole_s = total(proxy, "paramwall_upstream_duration_seconds_sum")
    per_token = total(proxy, "paramwall_upstream_time_per_output_token_seconds_sum")
    assert per_token == pytest.approx((whole_s - first) / 7)
    line = proxy.lines[0]
    assert (line["stream"], line["tokens_out"], line["finish_reason"]) == (True, 8, "length")
    assert line["first_token_ms"] == pytest.approx(first * 1000, abs=0.06)
    assert line["bytes_out"] == len(
        b"".join(b"data: %b\n\n" % e.encode() for e in (FIRST, TOKEN, TOKEN, LAST, "[DONE]"))
    )


async def test_an_answer_without_usage_is_counted_as_such() -> None:
    for script in ([whole(b'{"choices":[]}')], [stream(FIRST, TOKEN)]):
        proxy = await recorded(script)
        assert total(proxy, "paramwall_usage_missing_total") == 1
        assert outcomes(proxy) == {"ok": 1}


async def test_answers_that_are_not_read() -> None:
    """Errors, coded answers, and those of routes that no policy judges."""
    for script, request in (
        ([whole(JSON, status=500)], post(KIMI)),
        ([whole(b"\x1f\x8b", "Content-Encoding: gzip")], post(KIMI)),
        ([whole(JSON)], get()),
    ):
        proxy = await recorded(script, request)
        assert total(proxy, "paramwall_tokens_total") == total(proxy, "paramwall_usage_missing_total") == 0


async def test_the_line_of_a_request() -> None:
    request = post(KIMI, "X-Any: sk-canary-1", path="/v1/chat/completions?key=sk-canary-2")
    proxy = await recorded([whole(JSON)], request)
    line = proxy.lines[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert re.fullmatch(r"pw-[0-9a-f]{8}-00000001", line.pop("id"))
    assert line.pop("duration_ms") >= 0
    assert re.fullmatch(r"kimi-k2\.6@[0-9a-f]{8}", line.pop("policy"))
    assert line == {
        "event": "request",
        "vendor": "sim",
        "route": "chat",
        "outcome": "ok",
        "status": 200,
        "stream": False,
        "bytes_in": len(KIMI),
        "bytes_out": len(JSON),
        "mode": "thinking",
        "actions": "temperature=0.3->1.0;top_p=+0.95",
        "finish_reason": "stop",
        "tokens_in": 20,
        "tokens_out": 8,
    }


async def test_the_line_of_a_refusal() -> None:
    proxy = await recorded([], post(b'{"model":"kimi-k2.6","messages":[],"temperature":"sk-canary-1"}'))
    line = proxy.lines[0]
    assert (line["outcome"], line["status"], line["code"]) == ("rejected", 400, "temperature-off-contract")
    assert "canary" not in repr(proxy.lines) + proxy.exposition()


async def test_a_model_name_cannot_break_a_line() -> None:
    """Names are the client's: control characters, quotes and colours are in none of our lines."""
    for model in ("a\nINJECTED", "\x1b[31mINJECTED", '","x":"INJECTED', "INJECTED" * 1000):
        proxy = await recorded([whole(JSON)], post(orjson.dumps({"model": model, "messages": []})))
        assert "INJECTED" not in repr(proxy.lines) + proxy.exposition()


async def test_lines_for_eyes() -> None:
    """`log.format: console`: words, one line a request."""
    written: list[bytes] = []
    async with vending([whole(JSON)]) as vendor, proxying(configured(vendor.url, log={"format": "console"})) as proxy:
        proxy.plane._write_log = written.append
        async with wired(proxy.port) as wire:
            wire.send(post(KIMI))
            await wire.answer()
            await until(lambda: written)
    text = written[0].decode()
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert 'vendor="sim" route="chat" outcome="ok" status=200' in text


# The tap


async def test_the_tap_is_told_of_the_request_and_of_the_whole_exchange() -> None:
    proxy = await recorded([whole(JSON)])
    (shown,) = proxy.shown
    exchange = shown.exchange
    assert orjson.loads(shown.body) == {"model": "kimi-k2.6", "messages": [], "temperature": 1.0, "top_p": 0.95}
    assert (exchange.answer, exchange.answer_bytes, shown.parts) == (JSON, len(JSON), [])
    assert (shown.vendor, shown.mode, shown.opted_out) == ("sim", Mode.THINKING, False)
    assert (exchange.outcome, exchange.upstream, exchange.status) == ("ok", "ok", 200)
    assert exchange.content_type == "application/json"
    assert shown.request_id == proxy.lines[0]["id"]
    timings = exchange.timings
    assert timings.sent_s is not None
    assert timings.first_byte_s is not None
    assert 0 < timings.sent_s <= timings.first_byte_s <= timings.end_s


async def test_the_tap_is_given_what_was_cut_too() -> None:
    proxy = await recorded([whole(JSON)[:-5], End.CLOSE])
    exchange = proxy.shown[0].exchange
    assert (exchange.outcome, exchange.upstream, exchange.answer) == ("upstream_error", "truncated", JSON[:-5])


@pytest.mark.parametrize("script", [[End.CLOSE], [whole(b"{}", status=401)]])
async def test_the_tap_is_given_no_error_body(script: Script) -> None:
    """A vendor's refusal may show the client's key."""
    proxy = await recorded(script)
    assert [(shown.exchange.answer, shown.parts) for shown in proxy.shown] == [(b"", [])]


async def test_a_long_answer_is_given_in_parts_as_it_comes() -> None:
    events = [TOKEN] * 2000
    proxy = await recorded([stream(*events, LAST)])
    (shown,) = proxy.shown
    assert shown.exchange.answer_bytes == len(shown.whole) > 100_000
    assert shown.whole == b"".join(b"data: %b\n\n" % event.encode() for event in (*events, LAST, "[DONE]"))
    assert len(shown.exchange.answer) < 40_000
    assert shown.parts
    assert proxy.count("paramwall_tokens_total", vendor="sim", type="output") == 8


@pytest.mark.parametrize("failing", ["admit", "finish"])
async def test_a_tap_that_fails_is_counted_and_felt_by_nobody(failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(Recorder if failing == "admit" else Shown, failing, broken)
    async with vending([whole(JSON)]) as vendor, proxying(configured(vendor.url)) as proxy:
        async with wired(proxy.port) as wire:
            for _ in range(3):
                wire.send(post(KIMI))
                assert (await wire.answer()).body == JSON
            await until(lambda: len(proxy.lines) == 3)
        assert total(proxy, "paramwall_tap_failures_total") == 3
        assert outcomes(proxy) == {"ok": 3}


async def test_an_answer_that_cannot_be_read_is_passed_on() -> None:
    """Whatever a vendor writes into its body, reading the copy never delays or changes it."""
    for body in (b"[" * 200_000, b'{"usage":[]}', b"\xff" * 1000, b'data: {"choices":' * 1000, b"\n" * 300_000):
        for kind in ("application/json", "text/event-stream"):
            answer = head(200, f"Content-Type: {kind}", "Transfer-Encoding: chunked") + chunked(body)
            async with vending([answer]) as vendor, proxying(configured(vendor.url)) as proxy:
                async with wired(proxy.port) as wire:
                    wire.send(post(KIMI))
                    assert (await wire.answer()).body == body
                    await until(lambda: proxy.lines)
                assert outcomes(proxy) == {"ok": 1}


# Our own defects


async def test_a_defect_before_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """500 in our shape; where it happened is logged, its text, which may hold a client's bytes, is not."""

    def broken(_: Pool) -> None:
        raise RuntimeError("sk-canary-1")

    async with vending([whole(JSON)]) as vendor, proxying(configured(vendor.url)) as proxy:
        async with wired(proxy.port) as wire:
            with monkeypatch.context() as patched:
                patched.setattr(Pool, "take", broken)
                wire.send(post(KIMI))
                answer = await wire.answer()
            assert (answer.status, answer.error()["code"]) == (500, "internal-error")
            wire.send(post(KIMI))
            assert (await wire.answer()).status == 200
            await until(lambda: len(proxy.lines) == 3)
        fault = proxy.lines[0]
        assert (fault["event"], fault["error"]) == ("fault", "RuntimeError")
        assert any(place.startswith("test_record.py:") for place in fault["at"])
        assert "canary" not in repr(proxy.lines) + answer.body.decode()
        assert proxy.plane.in_flight() == 0


async def test_a_defect_after_the_answer_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written behind an answer: what came next on the connection would be taken for the next one."""

    def broken(*_: object) -> None:
        raise RuntimeError

    async with vending([whole(JSON)]) as vendor, proxying(configured(vendor.url)) as proxy:
        monkeypatch.setattr(Pool, "give_back", broken)
        async with wired(proxy.port) as wire:
            wire.send(post(KIMI))
            assert (await wire.answer()).body == JSON
            assert await wire.end() in ("eof", "reset")
        assert proxy.lines[0]["event"] == "fault"
        assert proxy.plane.in_flight() == 0
