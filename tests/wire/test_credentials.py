"""Credentials stay where they belong: a client's goes to the vendor or nowhere, ours to the vendor alone.

Every text that leaves the proxy is searched for every key: answers, log lines, metrics, what the tap is given and the
configuration as it shows itself. A key counts as found in whole or by any eight characters of its random part.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import Any

import pytest

from tests.proxying import Proxy, configured, proxying
from tests.wire.client import Answer, asking, get, post, wired
from tests.wire.leaks import label_values, nothing_left, outcomes
from tests.wire.vendor import Asked, End, Script, Vendor, chunked, head, vending, whole

HELD = "sk-held-qzvkxwjyhgpb"
CLIENT = "sk-client-nrtlmdcfsuoe"
OTHER = "sk-other-bwzqkfjxvyph"

HELD_KEY: dict[str, Any] = {"vendor": {"api_key_env": "VENDOR_KEY"}, "environ": {"VENDOR_KEY": HELD}}
CLIENT_KEYS: dict[str, Any] = {"clients": [{"name": "app", "key_sha256": hashlib.sha256(CLIENT.encode()).hexdigest()}]}
BOTH: dict[str, Any] = {**HELD_KEY, **CLIENT_KEYS}


def shown(text: bytes) -> list[str]:
    """The keys that are seen in a text, in whole or in part, plainly or in base64."""
    found = []
    for key in (HELD, CLIENT, OTHER):
        secret = key.rpartition("-")[2]
        windows = [secret[start : start + 8] for start in range(len(secret) - 7)]
        coded = [base64.b64encode(key[start:].encode())[:12].decode() for start in range(3)]
        found += [key for window in (*windows, *coded) if window.encode() in text]
    return found


def check_traces(proxy: Proxy) -> None:
    """No key in anything the proxy keeps or says to its operator."""
    traces = [proxy.lines, label_values(proxy), proxy.shown, proxy.plane._pipeline.plane.config]
    assert not shown(repr(traces).encode())


def written(answer: Answer) -> bytes:
    """All a client got."""
    return b"\n".join((answer.line, *(b"%b: %b" % field for field in answer.fields), answer.body))


async def ask(script: Script, *fields: str, request: bytes | None = None, **settings: Any) -> tuple[Answer, Vendor]:  # noqa: ANN401
    """One request; the proxy's own traces are searched in passing."""
    async with vending(script) as vendor, proxying(configured(vendor.url, **settings)) as proxy:
        async with nothing_left(proxy), wired(proxy.port) as wire:
            wire.send(request or post(asking(), *fields))
            answer = await wire.answer()
        check_traces(proxy)
        assert sum(outcomes(proxy).values()) == 1
        return answer, vendor


OK = [whole(b"{}")]


async def test_a_clients_credential_passes() -> None:
    for field in (f"Authorization: Bearer {CLIENT}", f"X-Api-Key: {CLIENT}", f"api-key: {CLIENT}"):
        name, _, value = field.partition(": ")
        answer, vendor = await ask(OK, field)
        assert answer.status == 200
        assert vendor.asked[0].values(name) == [value.encode()]


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [f"Authorization: Bearer {CLIENT}"],
        [f"X-Api-Key: {CLIENT}"],
        [f"api-key: {CLIENT}"],
        [f"Authorization: Bearer {CLIENT}", "Connection: authorization"],
        [f"Authorization: Bearer {CLIENT}", "Connection: close, Authorization, x-api-key"],
    ],
)
async def test_a_held_key_takes_the_place_of_the_clients(fields: list[str]) -> None:
    answer, vendor = await ask(OK, *fields, **HELD_KEY)
    assert answer.status == 200
    asked = vendor.asked[0]
    assert asked.values("authorization") == [f"Bearer {HELD}".encode()]
    assert asked.values("x-api-key") == asked.values("api-key") == []
    assert CLIENT.encode() not in bytes(asked.conversation.received)


async def test_known_clients_are_let_in_and_their_key_goes_no_further() -> None:
    for field in (f"Authorization: Bearer {CLIENT}", f"authorization: bearer {CLIENT}", f"X-Api-Key: {CLIENT}"):
        answer, vendor = await ask(OK, field, **BOTH)
        assert answer.status == 200
        assert vendor.asked[0].values("authorization") == [f"Bearer {HELD}".encode()]
        assert CLIENT.encode() not in bytes(vendor.conversations[0].received)


@pytest.mark.parametrize(
    "field",
    [
        "X-Nothing: 1", "Authorization:", "Authorization: Bearer", f"Authorization: Bearer {OTHER}",
        f"Authorization: Basic {CLIENT}", f"Authorization: Bearer {CLIENT}x", f"Authorization: Bearer {CLIENT[:-1]}",
        f"Authorization: Bearer {CLIENT} {CLIENT}", f"Authorization: Bearer {HELD}", f"X-Api-Key: {OTHER}",
        f"Cookie: key={CLIENT}", f"Proxy-Authorization: Bearer {CLIENT}",
    ],
)  # fmt: skip
async def test_others_are_refused_alike(field: str) -> None:
    answer, vendor = await ask(OK, field, **BOTH)
    assert answer.status == 401
    error = answer.error()
    assert (error["code"], error["type"]) == ("client-key-unknown", "invalid_authentication_error")
    assert "hint: send `Authorization: Bearer KEY`" in error["message"]
    assert answer.value("www-authenticate") == b"Bearer"
    assert answer.value("content-length") == b"%d" % len(answer.body)
    assert not shown(written(answer))
    assert not vendor.conversations


# A vendor that shows our key

ECHO = (
    b'{"error":{"message":"Incorrect API key provided: %b. You can find yours at ...","type":"auth"}}' % HELD.encode()
)
FIELDS = ("Content-Type: application/json", f"X-Seen: {HELD}", f"WWW-Authenticate: Bearer key={HELD}, realm=x")


def in_pieces(answer: bytes, size: int) -> Iterable[Any]:
    for start in range(0, len(answer), size):
        yield answer[start : start + size]
        yield 0.0


def echoing(framing: str, status: int) -> bytes:
    if framing == "chunked":
        middle = ECHO.index(HELD.encode()) + 7
        return head(status, *FIELDS, "Transfer-Encoding: chunked") + chunked(ECHO[:middle], ECHO[middle:])
    length = [f"Content-Length: {len(ECHO)}"] if framing == "length" else []
    return head(status, *FIELDS, *length) + ECHO


@pytest.mark.parametrize("status", [400, 401, 403, 500])
@pytest.mark.parametrize("framing", ["length", "chunked", "eof"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("size", [7, 100_000])
async def test_a_held_key_in_an_error_is_taken_out(framing: str, status: int, version: str, size: int) -> None:
    script = [*in_pieces(echoing(framing, status), size), *([End.CLOSE] if framing == "eof" else [])]
    answer, _ = await ask(script, request=post(asking(), version=version), **HELD_KEY)
    assert (answer.status, answer.cut) == (status, "")
    assert not shown(written(answer))
    assert answer.body == ECHO.replace(HELD.encode(), b"***")
    assert answer.value("content-length") == b"%d" % len(answer.body)
    assert answer.value("x-seen") == b"***"
    assert answer.value("x-paramwall-error-source") == b"vendor"


async def test_a_held_key_in_the_head_of_a_good_answer_is_taken_out() -> None:
    answer, _ = await ask([whole(b"{}", f"X-Seen: a{HELD}b")], **HELD_KEY)
    assert (answer.status, answer.value("x-seen")) == (200, b"a***b")


async def test_a_connection_is_kept_after_an_error_that_was_looked_into() -> None:
    async with vending([echoing("length", 401)]) as vendor:
        async with (
            proxying(configured(vendor.url, **HELD_KEY)) as proxy,
            nothing_left(proxy),
            wired(proxy.port) as wire,
        ):
            for _ in range(3):
                wire.send(post(asking()))
                assert (await wire.answer()).status == 401
            assert len(vendor.conversations) == 1


@pytest.mark.parametrize("cut", [1, 30, 60, len(ECHO) - 1])
async def test_an_error_that_breaks_off_is_ours(cut: int) -> None:
    """Nothing of it has reached the client, so it gets an answer that says what happened."""
    start = len(echoing("length", 401)) - len(ECHO)
    answer, _ = await ask([echoing("length", 401)[: start + cut], End.CLOSE], **HELD_KEY)
    assert (answer.status, answer.error()["code"]) == (502, "vendor-truncated")
    assert not shown(written(answer))


async def test_an_error_too_large_to_look_into_is_ours() -> None:
    answer, _ = await ask([whole(b"x" * 300_000, status=401)], **HELD_KEY)
    assert answer.status == 502


async def test_an_error_with_a_content_coding_is_ours() -> None:
    """The key could stand in it unseen. The vendor was asked for none, whatever the client accepts."""
    for request in (post(asking()), get("/v1/models", "Accept-Encoding: gzip")):
        answer, vendor = await ask([whole(ECHO, "Content-Encoding: gzip", status=401)], request=request, **HELD_KEY)
        assert answer.status == 502
        assert vendor.asked[0].values("accept-encoding") == [b"identity"]


async def test_a_clients_own_key_may_come_back_to_it() -> None:
    """Without a held key the answer is the vendor's, byte by byte, and only the client sees it."""
    echo = b'{"error":"Incorrect API key: %b"}' % CLIENT.encode()
    answer, _ = await ask([whole(echo, status=401)], f"Authorization: Bearer {CLIENT}")
    assert answer.body == echo


async def test_an_unreachable_vendor_tells_no_key() -> None:
    config = configured("http://127.0.0.1:1/v1", **BOTH)
    async with proxying(config) as proxy, wired(proxy.port) as wire:
        wire.send(post(asking(), f"Authorization: Bearer {CLIENT}"))
        answer = await wire.answer()
        assert answer.status == 502
        assert not shown(written(answer))
        check_traces(proxy)


async def test_each_vendor_gets_its_own_key() -> None:
    """Two vendors, two held keys: a path decides between them, and nothing else does."""
    async with vending(OK) as first, vending(OK) as second:
        config = configured(
            first.url,
            vendor={"api_key_env": "ONE"},
            environ={"ONE": HELD, "TWO": OTHER},
            more={"two": {"url": second.url, "profile": "openai-compatible", "api_key_env": "TWO"}},
        )
        async with proxying(config) as proxy, wired(proxy.port) as wire:
            for path in (
                "/v1/chat/completions",
                "/vendors/two/v1/chat/completions",
                "/vendors/sim/v1/chat/completions",
            ):
                wire.send(post(asking(), f"Authorization: Bearer {CLIENT}", "X-Vendor: two", path=path))
                assert (await wire.answer()).status == 200
            check_traces(proxy)
        assert [asked.values("authorization") for asked in first.asked] == [[f"Bearer {HELD}".encode()]] * 2
        assert [asked.values("authorization") for asked in second.asked] == [[f"Bearer {OTHER}".encode()]]


async def test_cookies_of_one_client_never_reach_another() -> None:
    def answer(asked: Asked) -> Script:
        return [whole(b"{}", f"Set-Cookie: session={CLIENT}; Path=/")]

    async with vending(answer) as vendor, proxying(configured(vendor.url)) as proxy:
        for _ in range(3):
            async with wired(proxy.port) as wire:
                wire.send(post(asking()))
                assert (await wire.answer()).value("set-cookie") is None
        assert not any(asked.values("cookie") for asked in vendor.asked)
