"""The simulator as a server: what it records, its control routes, its start and end, and bodies of every kind."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.simulator import FaultSetting, Options, Simulator, parse_faults
from proxy.simulator.faults.parse import UnknownFault
from proxy.simulator.shapes import UnknownShape
from tests.simulator.asking import DEADLINE_S, WEATHER, ask, asker, chat, get


async def until(condition: Any) -> None:  # noqa: ANN401  (any callable)
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  (a condition of another task, polled with a deadline)
            await asyncio.sleep(0.005)


async def test_received_holds_what_came_byte_for_byte() -> None:
    body = b'{ "model":"kimi-k2.6",  "temperature":1.0,\n"messages":[{"role":"user","content":"\\u00fc \xc3\xbc"}]}'
    options = Options(instant=True, clock=lambda: 41.5)
    async with Simulator(options) as vendor, asker(vendor) as client:
        for _ in range(2):
            await client.send(
                "/v1/chat/completions?a=b", body, headers=("X-One: 1", "x-one: 2", "Authorization: Bearer k")
            )
            assert (await client.answer()).status == 200
        port = client.writer.get_extra_info("sockname")[1]
        first, second = vendor.received
    assert (first.method, first.path, first.body, first.at_s) == ("POST", "/v1/chat/completions?a=b", body, 41.5)
    assert [pair for pair in first.headers if pair[0].lower() == "x-one"] == [("X-One", "1"), ("x-one", "2")]
    assert first.header("AUTHORIZATION") == "Bearer k"
    assert first.header("absent") is None
    assert first.peer_port == second.peer_port == port


async def test_content_coding_of_a_request_is_not_undone() -> None:
    async with Simulator(Options(instant=True)) as vendor:
        await ask(vendor, b"\x1f\x8bnot really gzip", "/v1/chat/completions", "Content-Encoding: gzip")
        assert vendor.received[0].body == b"\x1f\x8bnot really gzip"


async def test_received_is_bounded_and_holds_refused_requests() -> None:
    async with Simulator(Options(instant=True, received_size=3, api_key="k")) as vendor:
        for number in range(5):
            assert (await ask(vendor, {"number": number})).status == 401
        assert [json.loads(each.body)["number"] for each in vendor.received] == [2, 3, 4]


async def test_received_over_http() -> None:
    async with Simulator(Options(instant=True)) as vendor:
        for number in range(3):
            await ask(vendor, {"number": number}, "/v1/embeddings")
        last = (await get(vendor, "/simulator/received?last=2")).json["received"]
        everything = (await get(vendor, "/simulator/received")).json["received"]
        nothing = (await get(vendor, "/simulator/received?last=0")).json["received"]
    assert [json.loads(each["body"])["number"] for each in last] == [1, 2]
    assert last[0]["method"] == "POST"
    assert last[0]["path"] == "/v1/embeddings"
    assert ["Host", "test"] in last[0]["headers"]
    assert len(everything) == 3
    assert nothing == []


async def test_faults_are_set_while_it_runs() -> None:
    now = 1000.0
    async with Simulator(Options(instant=True, clock=lambda: now)) as vendor:
        assert (await get(vendor, "/simulator/faults")).json == {"faults": []}
        put = await ask(vendor, {"faults": ["server-error@10s", "set-cookie"]}, "/simulator/faults")
        assert put.json == {"faults": ["server-error=1@10s", "set-cookie=1@0s"]}
        assert (await ask(vendor, chat())).status == 200
        now += 10
        assert (await ask(vendor, chat())).status == 500
        wrong = await ask(vendor, {"faults": ["server-eror"]}, "/simulator/faults")
        assert wrong.status == 400
        assert "did you mean server-error?" in wrong.json["error"]["message"]
        assert len(vendor.faults) == 2, "a refused setting changes nothing"
        assert (await ask(vendor, {"fault": []}, "/simulator/faults")).status == 400
        assert (await ask(vendor, {"faults": []}, "/simulator/faults")).json == {"faults": []}
        assert (await ask(vendor, chat())).status == 200
        assert (await get(vendor, "/simulator/other")).status == 404


async def test_control_routes_are_neither_recorded_nor_faulty() -> None:
    async with Simulator(Options(instant=True, faults=parse_faults("server-error"))) as vendor:
        assert (await get(vendor, "/simulator/faults")).status == 200
        assert len(vendor.received) == 0


@pytest.mark.parametrize("profile", ["moonshot", "vllm"])
async def test_unknown_paths_and_methods(profile: str) -> None:
    async with Simulator(Options(instant=True, profile=profile)) as vendor:
        assert (await get(vendor, "/v1/nothing")).status == 404
        assert (await get(vendor, "/v1/chat/completions")).status == 404
        assert (await get(vendor, "/")).status == 404


async def test_client_that_leaves_is_noticed_in_every_phase() -> None:
    async with Simulator(Options()) as vendor:
        for faults in ((), ("slow-first-token:3600",), ("stalled-stream:0",), ("stalled-stream:5",)):
            vendor.set_faults(parse_faults(*faults))
            before = len(vendor.abandoned_at)
            async with asker(vendor) as client:
                seen = len(vendor.received)
                await client.send("/v1/chat/completions", chat(stream=True))
                await until(lambda: len(vendor.received) > seen)  # noqa: B023  (called at once)
            await until(lambda: len(vendor.abandoned_at) > before)  # noqa: B023
        await until(lambda: vendor.open_connections == 0)


async def test_stop_ends_a_stalled_answer_at_once() -> None:
    async with (
        Simulator(Options(instant=True, faults=parse_faults("stalled-stream"))) as vendor,
        asker(vendor) as client,
    ):
        await client.send("/v1/chat/completions", chat(stream=True))
        await until(lambda: vendor.received)
        async with asyncio.timeout(3):
            await vendor.stop()
        assert not (await client.answer()).whole
    assert len(vendor.abandoned_at) == 0, "the vendor left, not the client"
    assert vendor.open_connections == 0


async def test_port_in_use_is_an_os_error() -> None:
    async with Simulator(Options(instant=True)) as vendor:
        port = int(vendor.url.rpartition(":")[2].removesuffix("/v1"))
        second = Simulator(Options(port=port))
        with pytest.raises(OSError, match="address already in use"):
            await second.start()
        await second.stop()


async def test_ipv6() -> None:
    async with Simulator(Options(instant=True, host="::1")) as vendor:
        assert vendor.url.startswith("http://[::1]:")
        assert (await ask(vendor, chat())).status == 200


def test_unknown_profile_and_fault_are_refused() -> None:
    with pytest.raises(UnknownShape, match="moonshot, vllm"):
        Simulator(Options(profile="openai"))
    with pytest.raises(UnknownFault, match="did you mean"):
        Simulator(Options(faults=(FaultSetting("cutstream"),)))


async def test_tls(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", str(key), "-out", str(certificate)]  # fmt: skip
    await asyncio.to_thread(subprocess.run, made, check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with Simulator(Options(instant=True, tls=server)) as vendor, aiohttp.ClientSession() as session:
        assert vendor.url.startswith("https://")
        async with session.post(f"{vendor.url}/chat/completions", json=chat(), ssl=trusting) as answer:
            assert answer.status == 200
            assert (await answer.json())["object"] == "chat.completion"
        vendor.set_faults(parse_faults("reset-stream:10"))
        with pytest.raises(aiohttp.ClientError):
            async with session.post(f"{vendor.url}/chat/completions", json=chat(), ssl=trusting) as answer:
                await answer.read()


async def test_large_bodies_and_expect_100() -> None:
    async with Simulator(Options(instant=True)) as vendor, asker(vendor) as client:
        text = "x" * (20 * 1024 * 1024)
        await client.send("/v1/chat/completions", chat(text=text, max_tokens=1))
        refused = await client.answer()
        assert refused.status == 400, "five million tokens do not fit"
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{text}"}}
        messages = [{"role": "user", "content": [image, {"type": "text", "text": "what is this?"}]}]
        await client.send("/v1/chat/completions", chat(messages=messages, max_tokens=1))
        answer = await client.answer()
        assert answer.status == 200
        assert answer.json["usage"]["prompt_tokens"] < 2000, "an image counts by itself, not by its bytes"
        await client.send("/v1/chat/completions", chat(), headers=("Expect: 100-continue",))
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await client.answer()).status == 200


async def test_many_streams_at_once_are_not_mixed_up() -> None:
    async with Simulator(Options(instant=True)) as vendor:
        answers = await asyncio.gather(
            *(ask(vendor, chat(text=f"question {number}", stream=True)) for number in range(40))
        )
    assert all(answer.whole and answer.events[-1] == "[DONE]" for answer in answers)
    assert all(len({chunk["id"] for chunk in answer.chunks}) == 1 for answer in answers)
    assert len({answer.chunks[0]["id"] for answer in answers}) == 40


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e300, 1e300) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KNOWN = (
    "model", "messages", "tools", "tool_choice", "temperature", "top_p", "n", "max_tokens", "max_completion_tokens",
    "stream", "stream_options", "stop", "seed", "thinking", "chat_template_kwargs", "response_format",
    "presence_penalty", "parallel_tool_calls",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(KNOWN), JSON, max_size=6), st.sampled_from(["moonshot", "vllm"]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_request_is_an_error_of_the_simulator(members: dict[str, Any], profile: str, anything: bool) -> None:
    async def status() -> int:
        faults = parse_faults("accept-any-parameters") if anything else ()
        async with Simulator(Options(instant=True, profile=profile, faults=faults, tool_rate=1.0)) as vendor:
            return (await ask(vendor, chat(tools=[WEATHER]) | members)).status

    assert asyncio.run(status()) in (200, 400, 404)
