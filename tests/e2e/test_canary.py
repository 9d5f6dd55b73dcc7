"""Keys of every origin, and everything the proxy says: not one of them may be found there, however encoded."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest

from proxy.simulator import Options, Simulator, parse_faults
from tests.e2e.canaries import (
    CLIENT,
    HELD_BY_ENVIRONMENT,
    HELD_BY_FILE,
    KEYS,
    PASSED,
    UNKNOWN,
    traces,
)
from tests.e2e.serving import chat, serving, write
from tests.supervisor.running import running

DEAF: Final = "http://127.0.0.1:9/v1"


def test_the_detector_finds_what_it_should() -> None:
    for leak in (
        CLIENT,
        quote(HELD_BY_ENVIRONMENT, safe=""),
        base64.b64encode(b"x" + CLIENT.encode()).decode(),
        CLIENT[12:20],
        CLIENT.encode().hex(),
        CLIENT.upper(),
    ):
        assert any(traces(f"before {leak} after", key) for key in KEYS), leak


@pytest.mark.given_keys("key")
async def test_no_key_is_found_in_anything_said(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(HELD_BY_FILE)
    (tmp_path / "key").chmod(0o600)
    digest = hashlib.sha256(CLIENT.encode()).hexdigest()
    said: list[str] = []
    async with (
        Simulator(Options(instant=True, faults=parse_faults("echo-key"))) as echoing,
        Simulator(Options(instant=True)) as honest,
        serving(
            tmp_path,
            [
                {"name": "held", "url": echoing.url, "profile": "moonshot", "api_key_env": "HELD_KEY"},
                {"name": "filed", "url": honest.url, "profile": "moonshot", "api_key_file": str(tmp_path / "key")},
                {"name": "deaf", "url": DEAF, "profile": "moonshot", "api_key_env": "HELD_KEY"},
            ],
            {"HELD_KEY": HELD_BY_ENVIRONMENT},
            clients=[{"name": "app", "key_sha256": digest}],
        ) as supervisor,
    ):
        for path in ("/v1/chat/completions", "/vendors/filed/v1/chat/completions", "/vendors/deaf/v1/chat/completions"):
            for key in (CLIENT, UNKNOWN):
                for body in (chat(), chat(stream=True), chat(temperature="x"), chat(n=[])):
                    headers = {"Authorization": f"Bearer {key}", "X-Note": PASSED, "Cookie": PASSED}
                    async with supervisor.session.post(supervisor.url + path, json=body, headers=headers) as answer:
                        said += [str(answer.headers), await answer.text()]
        async with supervisor.session.post(f"{supervisor.url}/v1/{UNKNOWN}?key={UNKNOWN}") as answer:
            said += [str(answer.headers), await answer.text()]
        assert echoing.received, "the held key was sent to its vendor"
        assert dict(echoing.received[-1].headers)["Authorization"] == f"Bearer {HELD_BY_ENVIRONMENT}"
        assert dict(honest.received[-1].headers)["Authorization"] == f"Bearer {HELD_BY_FILE}"
        for path in ("/metrics", "/status", "/healthz", "/readyz", f"/{UNKNOWN}"):
            said.append((await supervisor.fetch(path))[1])
        said += supervisor.lines
    assert len(said) > 50
    for text in said:
        for key in KEYS:
            assert not traces(text, key)


async def test_a_passed_key_goes_to_the_vendor_and_nowhere_else(tmp_path: Path) -> None:
    async with (
        Simulator(Options(instant=True)) as vendor,
        serving(tmp_path, [{"name": "sim", "url": vendor.url, "profile": "moonshot"}]) as supervisor,
    ):
        headers = {"Authorization": f"Bearer {PASSED}"}
        async with supervisor.session.post(
            f"{supervisor.url}/v1/chat/completions", json=chat(), headers=headers
        ) as answer:
            text = str(answer.headers) + await answer.text()
        assert dict(vendor.received[-1].headers)["Authorization"] == headers["Authorization"]
        await supervisor.hears('"event":"request"')
        for path in ("/metrics", "/status"):
            text += (await supervisor.fetch(path))[1]
        assert not traces(text + "\n".join(supervisor.lines), PASSED)


def hostile(body: bytes = b"{}") -> list[bytes]:
    """Requests that are refused, each with a key in a place where an error could repeat it."""
    key = CLIENT.encode()
    start, end = b"POST /v1/chat/completions HTTP/1.1\r\n", b"\r\n\r\n"
    fields = b"Host: a\r\nContent-Type: application/json\r\nAuthorization: Bearer " + key
    full = start + fields + b"\r\nContent-Length: %d"
    bodies = [
        b'{"temperature":"' + key + b'","n":["' + key + b'"]}',
        b'{"' + key + b'":1,"' + key + b'":2}',
        b'{"thinking":{"type":"' + key + b'"}}',
        b'{"api_key":"' + key + b'"',
        b'{"temperature":' + key + b"}",
        b'{"extra_body":{"' + key + b'":1,"model":"' + key + b'"}}',
        b"\xff" + key,
    ]
    return [
        *(full % len(each) + end + each for each in bodies),
        start + fields + b"\r\nAuthorization: Bearer " + key + b"\r\nContent-Length: 2" + end + body,
        start + fields + b"\r\nX Y: " + key + b"\r\nContent-Length: 2" + end + body,
        start + fields + b"\r\n" + key + b"\r\nContent-Length: 2" + end + body,
        start + fields + b"\r\nX: \xff" + key + b"\r\nContent-Length: 2" + end + body,
        start + fields + b"\r\nContent-Encoding: " + key + b"\r\nContent-Length: 2" + end + body,
        start + fields + b"\r\nTransfer-Encoding: " + key + end,
        start + fields + b"\r\nExpect: " + key + b"\r\nContent-Length: 2" + end + body,
        start + fields + b"\r\nContent-Length: " + key + end,
        start + b"Host: " + key + b"/\r\nContent-Length: 2" + end + body,
        key + b" /v1/models HTTP/1.1\r\nHost: a" + end,
        b"GET /v1/models?key=" + key + b" HTTP/9.9\r\nHost: a" + end,
        b"POST /v1/" + key + b" HTTP/1.1\r\n" + fields + end,
        b"POST /vendors/" + key.lower() + b"/v1/chat/completions HTTP/1.1\r\n" + fields + end,
        start + fields + b"\r\nX-Long: " + key * 400 + end,
    ]


async def answered(url: str, request: bytes) -> str:
    """All that a connection says to one request before either side closes it."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    writer.write_eof()
    try:
        async with asyncio.timeout(15):
            return (await reader.read()).decode("latin-1")
    finally:
        writer.close()


async def test_no_key_is_found_when_it_stands_in_a_wrong_place(tmp_path: Path) -> None:
    async with (
        Simulator(Options(instant=True)) as vendor,
        serving(
            tmp_path, [{"name": "sim", "url": vendor.url, "profile": "moonshot"}], log={"format": "console"}
        ) as supervisor,
    ):
        requests = hostile()
        said = [await answered(supervisor.url, request) for request in requests]
        statuses = [text[9:12] for text in said]
        assert all(status.startswith(("4", "5")) for status in statuses), statuses
        assert "500" not in statuses
        await supervisor.hears("route-unknown")
        said += [(await supervisor.fetch(path))[1] for path in ("/metrics", "/status")]
        said += supervisor.lines
    assert not [(text, found) for text in said for found in traces(text, CLIENT)]
    assert not vendor.received


async def test_a_passed_key_that_its_vendor_repeats_goes_back_to_its_owner_only(tmp_path: Path) -> None:
    async with (
        Simulator(Options(instant=True, faults=parse_faults("echo-key"))) as vendor,
        serving(tmp_path, [{"name": "sim", "url": vendor.url, "profile": "moonshot"}]) as supervisor,
    ):
        headers = {"Authorization": f"Bearer {PASSED}"}
        url = f"{supervisor.url}/v1/chat/completions"
        async with supervisor.session.post(url, json=chat(), headers=headers) as answer:
            assert answer.status == 401
            assert PASSED in await answer.text(), "an answer is not touched"
        await supervisor.hears('"event":"request"')
        said = [(await supervisor.fetch(path))[1] for path in ("/metrics", "/status")]
        said += supervisor.lines
    assert not [found for text in said for found in traces(text, PASSED)]


@pytest.mark.given_keys("paramwall.yaml")
@pytest.mark.parametrize("setting", ["api_key", "api_key_env", "api_key_file", "url"])
async def test_no_key_is_found_when_the_operator_writes_it_into_the_file(tmp_path: Path, setting: str) -> None:
    value = f"https://user:{PASSED}@api.example.com/v1" if setting == "url" else PASSED
    write(
        tmp_path, vendors=[{"name": "sim", "url": "https://api.example.com/v1", "profile": "moonshot", setting: value}]
    )
    async with running("-P", "-m", "proxy", "serve", cwd=tmp_path, ready=False) as supervisor:
        assert await supervisor.ends() == 2
    assert supervisor.said("hint: ")
    assert not traces("\n".join(supervisor.lines), PASSED)
