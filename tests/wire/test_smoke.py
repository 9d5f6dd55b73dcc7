"""The shortest way through: one request, one stream, one refusal."""

from __future__ import annotations

import aiohttp

from proxy.simulator import Simulator
from proxy.simulator.options import Options
from tests.proxying import configured, proxying


async def test_chat_stream_and_refusal() -> None:
    async with (
        Simulator(Options(instant=True)) as vendor,
        proxying(configured(vendor.url)) as proxy,
        aiohttp.ClientSession() as session,
    ):
        body = {"model": "kimi-k2.6", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.3}
        async with session.post(f"{proxy.url}/chat/completions", json=body) as answer:
            assert answer.status == 200
            assert answer.headers["x-paramwall-actions"] == "temperature=0.3->1.0;top_p=+0.95"
            assert (await answer.json())["object"] == "chat.completion"
        async with session.post(f"{proxy.url}/chat/completions", json={**body, "stream": True}) as answer:
            assert (await answer.read()).rstrip().endswith(b"data: [DONE]")
        async with session.post(f"{proxy.url}/chat/completions", json={**body, "temperature": "0.3"}) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]["param"] == "temperature"
    assert proxy.count("paramwall_tokens_total", vendor="sim", type="output") > 0
    assert [line["outcome"] for line in proxy.lines] == ["ok", "ok", "rejected"]
