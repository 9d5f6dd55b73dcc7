"""An answer reaches the client as the vendor sent it: status, fields that are meant for it, and every byte of its body.

Only what belongs to one connection alone changes: framing, hop-by-hop fields, and our receipts (RFC 9110 section
7.6.1).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxying import Proxy, configured, proxying
from tests.wire.client import Answer, Wire, asking, get, post, until, wired
from tests.wire.leaks import nothing_left, outcomes, total
from tests.wire.relaying import answered
from tests.wire.vendor import Asked, End, Script, chunked, head, marker_of, stream, vending, whole

TOKEN = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~", min_size=1, max_size=12
)
VALUE = st.binary(max_size=40).map(
    lambda raw: bytes(byte for byte in raw if 0x20 <= byte != 0x7F or byte == 9).strip(b" \t")
)
FIELDS = st.lists(st.tuples(TOKEN.map(lambda name: f"X-V-{name}".encode()), VALUE), max_size=6)
PIECES = st.lists(st.binary(min_size=1, max_size=200), max_size=12)
CUTS = st.lists(st.integers(0, 3000), max_size=30)
FRAMINGS = st.sampled_from(["length", "chunked", "extended", "trailers", "eof"])


def sliced(recorded: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The same bytes in pieces."""
    places = [0, *sorted(cut % (len(recorded) + 1) for cut in cuts), len(recorded)]
    return [recorded[start:end] for start, end in pairwise(places)]


def framed(framing: str, fields: list[tuple[bytes, bytes]], pieces: list[bytes]) -> bytes:
    """An answer with these fields and this body."""
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)
    start = b"HTTP/1.1 200 Anything\r\n" + lines
    match framing:
        case "length":
            body = b"".join(pieces)
            return start + b"Content-Length: %d\r\n\r\n" % len(body) + body
        case "eof":
            return start + b"Content-Type: text/event-stream\r\n\r\n" + b"".join(pieces) + b"data: [DONE]\n\n"
        case "extended":
            body = b"".join(b'%X;name="v;"\r\n%b\r\n' % (len(piece), piece) for piece in pieces)
            return start + b"transfer-encoding: Chunked\r\n\r\n" + body + b"000\r\n\r\n"
    last = b"0\r\nX-Trailer: 1\r\nAuthorization: Bearer x\r\n\r\n" if framing == "trailers" else b"0\r\n\r\n"
    return start + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(*pieces, last=last)


def check_any_answer(
    framing: str, fields: list[tuple[bytes, bytes]], pieces: list[bytes], cuts: list[int], http_1_0: bool
) -> None:
    recorded = framed(framing, fields, pieces)
    answer = asyncio.run(answered(sliced(recorded, cuts), http_1_0=http_1_0))
    assert not answer.cut
    assert answer.status == 200
    assert answer.body == b"".join(pieces) + (b"data: [DONE]\n\n" if framing == "eof" else b"")
    assert answer.fields[: len(fields)] == fields
    ours = {name.lower() for name, _ in answer.fields[len(fields) :]}
    assert ours <= {b"content-type", b"content-length", b"transfer-encoding", b"connection"}
    assert (b"transfer-encoding" in ours) is (framing != "length" and not http_1_0)


@settings(max_examples=300, deadline=None)
@given(FRAMINGS, FIELDS, PIECES, CUTS, st.booleans())
def test_any_answer_in_any_slices(
    framing: str, fields: list[tuple[bytes, bytes]], pieces: list[bytes], cuts: list[int], http_1_0: bool
) -> None:
    check_any_answer(framing, fields, pieces, cuts, http_1_0)


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(max_examples=10_000, deadline=None)
@given(FRAMINGS, FIELDS, PIECES, CUTS, st.booleans())
def test_ten_thousand_answers_in_any_slices(
    framing: str, fields: list[tuple[bytes, bytes]], pieces: list[bytes], cuts: list[int], http_1_0: bool
) -> None:
    """`pytest -m long tests/wire/test_transparent.py`."""
    check_any_answer(framing, fields, pieces, cuts, http_1_0)


def random_stream(draw: random.Random) -> tuple[bytes, bytes]:
    """(what the vendor sends, the body in it)."""
    events = [
        '{"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}' % ("x" * draw.randrange(120))
        for _ in range(draw.randrange(1, 12))
    ]
    events.append(
        '{"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":3,"completion_tokens":2}}]}'
    )
    body = b"".join(b"data: %b\n\n" % event.encode() for event in (*events, "[DONE]"))
    if draw.random() < 0.7:
        return stream(*events), body
    pieces = sliced(body, [draw.randrange(len(body)) for _ in range(6)])
    return head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked") + chunked(
        *filter(None, pieces)
    ), body


async def streams(count: int, at_once: int) -> None:
    """Streams whose bytes arrive in random slices, over kept connections on both sides."""
    recordings: dict[bytes, tuple[bytes, bytes]] = {}

    def answer(asked: Asked) -> Script:
        draw = random.Random(marker_of(asked))
        sent = recordings[marker_of(asked)][0]
        for piece in sliced(sent, [draw.randrange(len(sent)) for _ in range(draw.randrange(12))]):
            yield piece
            yield 0.0

    async def one_client(proxy: Proxy, start: int) -> None:
        async with wired(proxy.port) as wire:
            for number in range(start, count, at_once):
                key = b"%d" % number
                recordings[key] = random_stream(random.Random(number))
                wire.send(post(asking(str(number), stream=True)))
                answer = await wire.answer()
                assert not answer.cut
                assert answer.body == recordings.pop(key)[1]

    async with vending(answer) as vendor, proxying(configured(vendor.url)) as proxy:
        async with nothing_left(proxy):
            await asyncio.gather(*(one_client(proxy, start) for start in range(at_once)))
        assert outcomes(proxy) == {"ok": count}
        assert total(proxy, "paramwall_tokens_total", type="input") == 3 * count
        assert total(proxy, "paramwall_usage_missing_total") == 0
        assert len(vendor.conversations) <= at_once


async def test_streams_in_random_slices() -> None:
    await streams(300, 10)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_ten_thousand_streams_in_random_slices() -> None:
    """`pytest -m long tests/wire/test_transparent.py`: 10,000 streams over sockets, no byte changed."""
    await streams(10_000, 20)


# One answer each


async def exchange(script: Script, request: bytes | None = None) -> tuple[Answer, Asked, Wire]:
    """One request and its answer; then the connection must still serve another, or be ended if it says so."""
    async with vending(script) as vendor, proxying(configured(vendor.url)) as proxy, wired(proxy.port) as wire:
        wire.send(request or post(asking()))
        answer = await wire.answer()
        if answer.value("connection") == b"close":
            assert await wire.end() == "eof"
        else:
            wire.send(post(asking()))
            assert (await wire.answer()).status == answer.status
        await until(lambda: proxy.plane.in_flight() == 0)
        return answer, vendor.asked[0], wire


@pytest.mark.parametrize("status", [200, 201, 202, 301, 307, 400, 401, 404, 418, 429, 451, 500, 503, 529, 599])
async def test_statuses_pass(status: int) -> None:
    answer, _, _ = await exchange([whole(b'{"error":"of the vendor"}', status=status)])
    assert (answer.status, answer.body) == (status, b'{"error":"of the vendor"}')
    assert answer.value("x-paramwall-error-source") == (b"vendor" if status >= 400 else None)


async def test_redirects_are_not_followed() -> None:
    answer, asked, _ = await exchange([whole(b"", "Location: http://127.0.0.1:1/v1/chat/completions", status=307)])
    assert answer.value("location") == b"http://127.0.0.1:1/v1/chat/completions"
    assert len(asked.conversation.vendor.asked) == 2


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_content(status: int) -> None:
    answer, _, _ = await exchange([head(status, "X-Kept: 1")])
    assert (answer.status, answer.body, answer.value("x-kept")) == (status, b"", b"1")
    assert answer.value("transfer-encoding") is None


@pytest.mark.parametrize(
    "script",
    [
        [whole(b"")],
        [head(200, "Transfer-Encoding: chunked") + b"0\r\n\r\n"],
        [head(200, "Transfer-Encoding: chunked"), 0.01, b"0\r\n\r\n"],
    ],
)
async def test_empty_bodies(script: Script) -> None:
    answer, _, _ = await exchange(script)
    assert (answer.status, answer.body, answer.cut) == (200, b"", "")


@pytest.mark.parametrize(
    "interim",
    [
        head(100, reason="Continue"),
        head(103, "Link: </x>; rel=preload"),
        head(102) + head(103) + head(100),
    ],
)
@pytest.mark.parametrize("apart", [False, True])
async def test_interim_answers_are_swallowed(interim: bytes, apart: bool) -> None:
    """RFC 9110 section 15.2 lets a proxy send them on; none of the clients of these APIs reads them."""
    final = whole(b"{}", "X-Final: 1")
    answer, _, _ = await exchange([interim, 0.005, final] if apart else [interim + final])
    assert (answer.status, answer.body, answer.interim) == (200, b"{}", [])
    assert answer.value("x-final") == b"1"
    assert answer.value("link") is None


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("framing", ["length", "chunked", "eof"])
async def test_both_versions_of_http(version: str, framing: str) -> None:
    recorded = framed(framing, [], [b"data: one\n\n", b"data: two\n\n"])
    script: Script = [recorded, End.CLOSE] if framing == "eof" else [recorded]
    answer, asked, _ = await exchange(script, post(asking(), version=version))
    assert answer.body.startswith(b"data: one\n\ndata: two\n\n")
    assert not answer.cut
    assert (answer.value("connection") == b"close") is (version == "1.0")
    assert (answer.value("transfer-encoding") is None) is (version == "1.0" or framing == "length")
    assert asked.line == b"POST /v1/chat/completions HTTP/1.1"


async def test_fields_keep_order_and_spelling_and_only_hop_by_hop_ones_go() -> None:
    fields = [
        "X-RateLimit-Remaining-Tokens: 12", "x-request-id: abc", "X-Twice: 1", "X-Between: b", "X-Twice: 2",
        "Retry-After: 7", "X-Weird!#$%&'*+.^_`|~: ok", "X-Latin: caf\xe9 \xff", "X-Empty:", "X-Tab: a\tb",
        "Server: nginx", "Date: Sun, 22 Nov 2026 00:00:00 GMT", "Content-Encoding: identity", "Vary: Accept",
        "OpenAI-Processing-Ms: 3",
    ]  # fmt: skip
    dropped = [
        "Set-Cookie: a=b", "set-cookie: c=d", "Set-Cookie2: e", "Keep-Alive: timeout=5", "Proxy-Connection: close",
        "Proxy-Authenticate: Basic", "Proxy-Authentication-Info: x", "TE: trailers", "Trailer: X-T", "Upgrade: h2c",
        "Alt-Svc: h3=\":443\"", "X-Named: 1", "x-other-named: 2", "Connection: keep-alive, X-Named",
        "Connection: X-Other-Named", "X-Paramwall-Actions: forged", "x-paramwall-request-id: forged",
        "X-PARAMWALL-ANYTHING: forged",
    ]  # fmt: skip
    mixed = [line for pair in zip(fields, dropped[: len(fields)], strict=False) for line in pair] + dropped[
        len(fields) :
    ]
    answer, _, _ = await exchange([whole(b"{}", *mixed)])
    kept = [(b"Content-Type", b"application/json")]
    for line in fields:
        name, _, value = line.partition(":")
        kept.append((name.encode("latin-1"), value.strip(" ").encode("latin-1")))
    assert answer.fields[: len(kept)] == kept
    ours = [name for name, _ in answer.fields[len(kept) :]]
    assert ours == [b"x-paramwall-request-id", b"x-paramwall-policy", b"Content-Length"]
    assert b"forged" not in b"".join(value for _, value in answer.fields)


async def test_fields_towards_the_vendor() -> None:
    """Order, spelling and repetition stay; the connection's own, the client's whereabouts and cookies do not cross."""
    kept = [
        "User-Agent: OpenAI/Python", "X-Stainless-Lang: python", "accept: */*", "X-Twice: 1", "OpenAI-Organization: o",
        "X-Twice: 2", "Idempotency-Key: k", "traceparent: 00-ab-cd-01", "Authorization: Bearer sk-client",
    ]  # fmt: skip
    dropped = [
        "Keep-Alive: 5", "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic x", "Proxy-Anything: x",
        "TE: trailers", "Trailer: X-T", "HTTP2-Settings: AAA", "Cookie: a=b", "Forwarded: for=1.2.3.4",
        "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: evil.test", "X-Real-IP: 1.2.3.4", "Via: 1.1 other",
        "X-Original-URL: /evil", "X-Named: 1", "Connection: keep-alive, x-named", "X-Paramwall-Actions: forged",
        "Accept-Encoding: gzip",
    ]  # fmt: skip
    mixed = [line for pair in zip(kept, dropped[: len(kept)], strict=True) for line in pair] + dropped[len(kept) :]
    answer, asked, _ = await exchange([whole(b"{}")], post(asking(), *mixed))
    assert answer.status == 200
    port = asked.conversation.vendor.port
    names = [name for name, _ in asked.fields]
    assert names[:2] == [b"Host", b"Via"]
    assert asked.values("host") == [b"127.0.0.1:%d" % port]
    assert len(asked.values("via")) == 1
    assert asked.values("via")[0].startswith(b"1.1 paramwall-")
    expected = [(b"Content-Type", b"application/json")] + [
        (name.encode(), value.encode()) for name, _, value in (line.partition(": ") for line in kept)
    ]
    assert list(asked.fields[2:-2]) == expected
    assert asked.fields[-2:] == (
        (b"Accept-Encoding", b"identity"),
        (b"Content-Length", b"%d" % len(asking())),
    )
    assert asked.body == asking()


@pytest.mark.parametrize("named", ["authorization", "x-api-key", "api-key", "Content-Length", "Host", "Via"])
async def test_connection_cannot_name_away_what_matters(named: str) -> None:
    request = post(asking(), "Authorization: Bearer sk-client", "X-Api-Key: sk-other", f"Connection: {named}, close")
    _, asked, _ = await exchange([whole(b"{}")], request)
    assert asked.values("authorization") == [b"Bearer sk-client"]
    assert asked.values("x-api-key") == [b"sk-other"]
    assert asked.values("content-length") == [b"%d" % len(asking())]
    assert len(asked.values("host")) == len(asked.values("via")) == 1


async def test_trailers_vanish_both_ways() -> None:
    request = post(
        b"%x\r\n%b\r\n0\r\nAuthorization: Bearer forged\r\nX-T: 1\r\n\r\n" % (len(asking()), asking()),
        "Transfer-Encoding: chunked",
        length=False,
    )
    script = [head(200, "Transfer-Encoding: chunked") + chunked(b"{}", last=b"0\r\nX-T: 1\r\nSet-Cookie: a=b\r\n\r\n")]
    answer, asked, _ = await exchange(script, request)
    assert (answer.body, answer.value("x-t"), answer.value("set-cookie")) == (b"{}", None, None)
    assert asked.body == asking()
    assert asked.values("authorization") == asked.values("x-t") == asked.values("transfer-encoding") == []


async def test_paths_and_queries_towards_the_vendor() -> None:
    """A query crosses only where the body is passed as it came."""
    cases = {
        get("/v1/models?limit=2&after=a%2Fb"): b"GET /v1/models?limit=2&after=a%2Fb HTTP/1.1",
        get("/v1/models/moonshotai/Kimi-K2.6"): b"GET /v1/models/moonshotai/Kimi-K2.6 HTTP/1.1",
        post(asking(), path="/v1/chat/completions?api_key=x"): b"POST /v1/chat/completions HTTP/1.1",
        post(asking(), path="/vendors/sim/v1/completions"): b"POST /v1/completions HTTP/1.1",
        b"DELETE /v1/files/file-1 HTTP/1.1\r\nHost: x\r\n\r\n": b"DELETE /v1/files/file-1 HTTP/1.1",
    }
    for request, line in cases.items():
        _, asked, _ = await exchange([whole(b"{}")], request)
        assert asked.line == line


async def test_a_body_without_policy_passes_byte_by_byte() -> None:
    body = bytes(range(256)) * 40
    request = post(body, path="/v1/files").replace(b"application/json", b"multipart/form-data; boundary=x")
    _, asked, _ = await exchange([whole(b"{}")], request)
    assert asked.body == body
    assert asked.values("content-type") == [b"multipart/form-data; boundary=x"]


async def test_pipelined_requests_are_answered_in_order() -> None:
    def answer(asked: Asked) -> Script:
        yield 0.01 if marker_of(asked) == b"0" else 0.0
        yield whole(marker_of(asked))

    async with vending(answer) as vendor, proxying(configured(vendor.url)) as proxy, nothing_left(proxy):
        async with wired(proxy.port) as wire:
            wire.send(*(post(asking(str(number))) for number in range(100)))
            for number in range(100):
                assert (await wire.answer()).body == b"%d" % number
