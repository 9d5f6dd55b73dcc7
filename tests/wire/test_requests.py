"""Requests as bytes: what is refused, how, and what becomes of the connection (tests/cases/wire/requests.yaml).

A refused request gets exactly one answer in OpenAI's shape, shows nothing of what the client sent, leaves one log line
and is never heard of by the vendor.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from tests.proxying import Proxy, configured, proxying
from tests.wire.client import Answer, Wire, asking, post, wired
from tests.wire.leaks import label_values, nothing_left, total
from tests.wire.vendor import Vendor, vending, whole

CASES = Path(__file__).parent.parent / "cases/wire"
CANARY = "sk-CANARY-7d1f9e"
BODY = '{"model":"other","messages":[]}'
KNOWN_KEYS = {
    "name", "raw", "line", "host", "type", "fields", "length", "body", "status", "code", "after", "bodiless",
}  # fmt: skip


def load(file: str) -> list[Any]:
    """The cases of a file, with their names as ids."""
    cases = yaml.safe_load((CASES / file).read_text())
    assert len({case["name"] for case in cases}) == len(cases), f"{file} names a case twice"
    return [pytest.param(case, id=case["name"]) for case in cases]


def bytes_of(case: dict[str, Any], pseudonym: str) -> bytes:
    """The request of a case."""
    if "raw" in case:
        return str(case["raw"]).encode("latin-1")
    body = case.get("body", BODY)
    lines = [case.get("line", "POST /v1/chat/completions HTTP/1.1"), case.get("host", "Host: proxy.test")]
    lines.append(case.get("type", "Content-Type: application/json"))
    lines += [f"X-Canary: {CANARY}", *case.get("fields", [])]
    lines.append(f"Content-Length: {case.get('length', len(body))}" if case.get("length", 0) is not None else None)
    text = "\r\n".join((*(line for line in lines if line is not None), "", "")) + body
    text = text.replace("{pseudonym}", pseudonym)
    text = re.sub(r"\{(\d+) fields\}", lambda found: "\r\n".join(f"X-{i}: 1" for i in range(int(found[1]))), text)
    return re.sub(r"\{(\d{4})\}", lambda found: "x" * int(found[1]), text).encode("latin-1")


def check_refusal(answer: Answer, case: dict[str, Any]) -> None:
    statuses, codes = case["status"], case["code"]
    if case.get("bodiless"):
        return
    error = answer.error()
    assert error["code"] in (codes if isinstance(codes, list) else [codes])
    assert "hint: " in error["message"]
    if answer.status == 405:
        assert answer.value("allow")
    assert answer.status in (statuses if isinstance(statuses, list) else [statuses])


async def check_after(wire: Wire, answer: Answer, case: dict[str, Any], *, whole: bool) -> None:
    """The connection serves another request, or ends without another byte. It always ends when a body was not
    awaited.
    """
    says_close = answer.value("connection") == b"close"
    after = case.get("after", "closed" if answer.status >= 400 else "open")
    if after == "closed" or (after == "open" and whole):
        assert says_close is (after == "closed")
    if says_close:
        await wire.end()
        return
    wire.send(post(asking("after")))
    assert (await wire.answer()).status == 200


async def check_vendor(vendor: Vendor, answer: Answer) -> None:
    asked = [one for one in vendor.asked if b'"after"' not in one.body]
    assert len(asked) == (1 if answer.status == 200 else 0)
    for one in asked:
        lines = b"\r\n".join(b"%b: %b" % field for field in one.fields)
        assert b"evil" not in lines + one.line
        assert b"expect" not in lines.lower()


@pytest.mark.parametrize("size", [1 << 20, 11], ids=["whole", "in-pieces"])
@pytest.mark.parametrize("case", load("requests.yaml"))
async def test_request(case: dict[str, Any], size: int) -> None:
    assert case.keys() <= KNOWN_KEYS
    async with vending([whole(b"{}")]) as vendor, proxying(configured(vendor.url)) as proxy:
        pseudonym = proxy.plane._pipeline.plane.pseudonym.decode()
        async with nothing_left(proxy), wired(proxy.port) as wire:
            request = bytes_of(case, pseudonym)
            for start in range(0, len(request), size):
                wire.send(request[start : start + size])
                await asyncio.sleep(0)
            answer = await (wire.head_only() if case.get("bodiless") else wire.answer())
            if answer.status != 200:
                check_refusal(answer, case)
            else:
                assert case["status"] == 200
            await check_after(wire, answer, case, whole=size > len(request))
        await check_vendor(vendor, answer)
        check_traces(proxy, answer)


def check_traces(proxy: Proxy, answer: Answer) -> None:
    """One outcome and one log line for each request, and the client's bytes in neither, nor in the answer."""
    assert total(proxy, "paramwall_requests_total") == len(proxy.lines)
    assert proxy.lines[0]["status"] == answer.status
    assert {line["event"] for line in proxy.lines} == {"request"}
    written = answer.body + b"".join(value for _, value in answer.fields) + orjson.dumps(proxy.lines)
    assert b"CANARY" not in written + repr(label_values(proxy)).encode()
    assert b"Traceback" not in written
