"""Answers as a vendor sends them, lawful or not (tests/cases/wire/answers.yaml): nothing odd is passed on or taken for
complete, and a connection that was odd is not used again.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from proxy.wire import server
from tests.proxying import configured, proxying
from tests.wire.client import Answer, asking, post, wired
from tests.wire.leaks import nothing_left, outcomes
from tests.wire.test_requests import load
from tests.wire.vendor import End, vending, whole


def bytes_of(case: dict[str, Any]) -> bytes:
    """What the vendor of a case sends."""
    text: str = case["send"]
    text = re.sub(r"\{(\d+) fields\}", lambda found: "\r\n".join(f"X-{i}: 1" for i in range(int(found[1]))), text)
    text = re.sub(r"\{(\d+) interim\}", lambda found: "HTTP/1.1 102 Processing\r\n\r\n" * int(found[1]), text)
    return re.sub(r"\{(\d{4,})\}", lambda found: "x" * int(found[1]), text).encode("latin-1")


def seen(answer: Answer) -> int | str:
    """In the words of a case."""
    if answer.status == 502:
        assert answer.error()["code"].startswith("vendor-")
    return "cut" if answer.cut else answer.status


@pytest.mark.parametrize("size", [1 << 20, 9], ids=["whole", "in-pieces"])
@pytest.mark.parametrize("case", load("answers.yaml"))
async def test_answer(case: dict[str, Any], size: int) -> None:
    assert case.keys() <= {"name", "send", "status", "body", "kept"}
    sent = bytes_of(case)
    pieces = [step for start in range(0, len(sent), size) for step in (sent[start : start + size], 0.0)]
    async with vending([*(pieces if len(sent) < 20_000 else [sent]), 0.0, End.CLOSE]) as vendor:
        async with proxying(configured(vendor.url)) as proxy:
            async with nothing_left(proxy), wired(proxy.port) as wire:
                wire.send(post(asking()))
                answer = await wire.answer()
                allowed = case["status"] if isinstance(case["status"], list) else [case["status"]]
                assert seen(answer) in allowed
                if seen(answer) not in ("cut", 502):
                    assert answer.body == case["body"].encode()
                assert b"X-Bad" not in dict(answer.fields)
            assert sum(outcomes(proxy).values()) == 1
            assert [line["event"] for line in proxy.lines] == ["request"]


@pytest.mark.parametrize("case", load("answers.yaml"))
async def test_whether_the_connection_is_used_again(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor stays; only what it sent decides. What would be cut by its end is cut by our own deadline here."""
    sent = bytes_of(case)
    monkeypatch.setattr(server, "SWEEP_S", 0.02)
    config_timeouts = {"timeouts": {"first_byte": "60ms", "idle": "60ms"}}
    async with vending(lambda asked: [sent] if b"again" not in asked.body else [whole(b"{}")]) as vendor:
        async with proxying(configured(vendor.url, vendor=config_timeouts)) as proxy, nothing_left(proxy):
            async with wired(proxy.port) as wire:
                wire.send(post(asking()))
                first = await wire.answer()
            async with wired(proxy.port) as wire:
                wire.send(post(asking("again")))
                assert (await wire.answer()).body == b"{}"
            if isinstance(case["status"], int) and case["status"] != 502 and not first.cut:
                assert first.status == case["status"]
        assert len(vendor.conversations) == (1 if case.get("kept") else 2)
