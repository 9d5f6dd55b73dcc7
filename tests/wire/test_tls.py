"""TLS on both sides, and the way to a vendor through an HTTP proxy that configuration names."""

from __future__ import annotations

import asyncio
import base64
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.proxying import Proxy, configured, proxying
from tests.wire.vendor import vending, whole

OK = whole(b'{"choices":[]}')
BODY = {"model": "kimi-k2.6", "messages": []}


def make(folder: Path, name: str, subject: str) -> tuple[Path, Path]:
    """A self-signed certificate for `subject` (an openssl subjectAltName) and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={subject}"]
    subprocess.run([*command, "-out", str(certificate), "-keyout", str(key)], check=True, capture_output=True)
    return certificate, key


def server_side(pair: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context


async def ask(proxy: Proxy, url: str = "", tls: ssl.SSLContext | None = None) -> tuple[int, str]:
    """Status and text of one request."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url or proxy.url}/chat/completions", json=BODY, ssl=tls or True) as answer,
    ):
        return answer.status, await answer.text()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make(tmp_path_factory.mktemp("good"), "good", "IP:127.0.0.1,DNS:localhost")


@pytest.fixture(scope="module")
def misnamed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make(tmp_path_factory.mktemp("misnamed"), "misnamed", "DNS:elsewhere.example")


async def test_a_verified_vendor_is_kept_open(good: tuple[Path, Path]) -> None:
    async with (
        vending([OK], tls=server_side(good)) as vendor,
        proxying(configured(vendor.url, vendor={"ca_file": str(good[0])})) as proxy,
    ):
        assert [await ask(proxy) for _ in range(3)] == [(200, '{"choices":[]}')] * 3
        assert len(vendor.conversations) == 1


async def test_a_certificate_nobody_vouches_for(good: tuple[Path, Path]) -> None:
    async with vending([OK], tls=server_side(good)) as vendor, proxying(configured(vendor.url)) as proxy:
        status, text = await ask(proxy)
        assert (status, "certificate of 127.0.0.1 is not valid" in text) == (502, True)
        assert not vendor.asked


async def test_a_certificate_of_somebody_else(misnamed: tuple[Path, Path]) -> None:
    async with (
        vending([OK], tls=server_side(misnamed)) as vendor,
        proxying(configured(vendor.url, vendor={"ca_file": str(misnamed[0])})) as proxy,
    ):
        status, text = await ask(proxy)
        assert (status, "certificate of 127.0.0.1 is not valid" in text) == (502, True)
        assert not vendor.asked


async def test_tls_towards_clients(good: tuple[Path, Path]) -> None:
    settings = {"tls": {"certificate": str(good[0]), "key": str(good[1])}}
    trusting = ssl.create_default_context(cafile=str(good[0]))
    async with vending([OK]) as vendor, proxying(configured(vendor.url, **settings)) as proxy:
        assert await ask(proxy, f"https://127.0.0.1:{proxy.port}/v1", trusting) == (200, '{"choices":[]}')


@asynccontextmanager
async def tunnelling(status: int = 200) -> AsyncIterator[tuple[int, list[bytes]]]:
    """An HTTP proxy that knows CONNECT; its port and the heads it was sent."""
    heads: list[bytes] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        writer.write(b"HTTP/1.1 %d X\r\n\r\n" % status)
        if status != 200:
            writer.close()
            return
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heads
    finally:
        server.close()


async def test_through_a_tunnel_with_a_password(good: tuple[Path, Path]) -> None:
    async with vending([OK], tls=server_side(good)) as vendor, tunnelling() as (port, heads):
        said = {"tunnel": "${WAY}", "ca_file": str(good[0])}
        environ = {"WAY": f"http://me:s%20cret@127.0.0.1:{port}"}
        async with proxying(configured(vendor.url, vendor=said, environ=environ)) as proxy:
            assert (await ask(proxy))[0] == 200
    assert heads[0].startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % vendor.port)
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"me:s cret") in heads[0]


async def test_a_tunnel_that_is_refused() -> None:
    async with vending([OK]) as vendor, tunnelling(407) as (port, _):
        async with proxying(configured(vendor.url, vendor={"tunnel": f"http://127.0.0.1:{port}"})) as proxy:
            status, text = await ask(proxy)
        assert (status, "refused the tunnel" in text) == (502, True)
        assert not vendor.asked


async def test_the_environment_alone_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with tunnelling() as (port, heads), vending([OK]) as vendor:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        async with proxying(configured(vendor.url)) as proxy:
            assert (await ask(proxy))[0] == 200
    assert not heads
