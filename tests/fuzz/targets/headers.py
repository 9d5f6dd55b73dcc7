"""Fuzz target: the header fields of requests and answers on their way through.

Invariants: a request's fields are refused with a declared 400 or become lines; no line is hop-by-hop, of our own, says
who the client is, or holds a credential that is not the client's to send; a vendor's fields are forwarded as lines or
not at all. The lists are those of RFC 9110 section 7.6.1 and of the published behaviour, written out once more.
"""

from __future__ import annotations

import re

from proxy.wire.headers import CREDENTIALS, read_answer_fields, read_fields
from proxy.wire.problems import Refused
from tests.fuzz.target import Target

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NO_VALUE = re.compile(rb"[\x00\r\n]")
_HOP = {
    *(b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings"),
    *(b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"proxy-authentication-info"),
}
_NEVER_UP = {
    *(*_HOP, b"host", b"content-length", b"expect", b"cookie", b"forwarded", b"via", b"x-real-ip", b"true-client-ip"),
    *(b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port", b"x-client-ip"),
}
_NEVER_DOWN = {*_HOP, b"content-length", b"set-cookie", b"set-cookie2", b"alt-svc"}
_ONCE = (b"authorization", b"x-api-key", b"api-key", b"content-type", b"content-encoding")
_CODES = {"header-name", "host-invalid", "header-repeated", "header-not-ascii"}
_OWN_LINE = b"Accept-Encoding: identity"


def check(data: bytes) -> None:
    raw = [line.partition(b":")[::2] for line in data.split(b"\n")]
    fields = [(name, value.strip(b" \t")) for name, value in raw if _TOKEN.fullmatch(name)]
    asked = [(name, value) for name, value in fields if not _NO_VALUE.search(value)]
    for keep in (True, False):
        for judged in (True, False):
            _check_request(asked, keep=keep, judged=judged)
    _check_answer(fields)


def _check_request(fields: list[tuple[bytes, bytes]], *, keep: bool, judged: bool) -> None:
    try:
        head = read_fields(fields, keep_credential=keep, judged=judged)
    except Refused as refusal:
        assert refusal.problem.status == 400
        assert refusal.problem.code in _CODES
        assert b"canary" not in refusal.problem.body(), "repeats what the client sent"
        return
    lines = _lines(head.block)
    sent = {b"%b: %b" % field for field in fields} | ({_OWN_LINE} if judged or not keep else set())
    names = [line.partition(b":")[0].lower() for line in lines]
    assert sent.issuperset(lines), "a line that nobody sent"
    assert not _NEVER_UP.intersection(names)
    assert not any(name.startswith((b"x-paramwall-", b"proxy-")) for name in names)
    assert head.block.isascii()
    assert not _connection_named(fields).difference(CREDENTIALS, (b"accept-encoding",)).intersection(names)
    credentials = [name for name in names if name.replace(b"_", b"-") in CREDENTIALS]
    assert CREDENTIALS.issuperset(credentials), "an imitated credential"
    assert keep or not credentials, "the client's credential beside the proxy's"
    assert all(names.count(name) <= 1 for name in _ONCE)
    if judged or not keep:
        assert [line for line in lines if line.lower().startswith(b"accept-encoding:")] == [_OWN_LINE]


def _check_answer(fields: list[tuple[bytes, bytes]]) -> None:
    try:
        head = read_answer_fields(fields)
    except ValueError:
        return
    lines = _lines(head.block)
    assert {b"%b: %b" % field for field in fields}.issuperset(lines)
    names = {line.partition(b":")[0].lower() for line in lines}
    assert not names & (_NEVER_DOWN | _connection_named(fields))
    assert not any(name.startswith(b"x-paramwall-") for name in names)


def _lines(block: bytes) -> list[bytes]:
    assert not block or block.endswith(b"\r\n")
    lines = block.split(b"\r\n")[:-1]
    assert all(re.fullmatch(rb"[^:\r\n\x00]+: [^\r\n\x00]*", line) for line in lines), "what is no line"
    return lines


def _connection_named(fields: list[tuple[bytes, bytes]]) -> set[bytes]:
    """Field names in Connection; `close` is an option, no field."""
    values = b",".join(value for name, value in fields if name.lower() == b"connection")
    return {part.strip(b" \t").lower() for part in values.split(b",")} - {b"", b"close"}


WORDS = (
    *(b"Connection: ", b"Authorization: Bearer canary", b"authorization: x", b"X-Api-Key: canary", b"api_key: canary"),
    *(b"Transfer-Encoding: chunked", b"TE: trailers", b"Upgrade: h2c", b"Keep-Alive: timeout=5", b"Host: canary:80"),
    *(b"close", b"keep-alive", b", ", b"\n", b"x-paramwall-mirror: off", b"Proxy-Authorization: canary", b"Via: 1.1 a"),
    *(b"Set-Cookie: a=b", b"Accept-Encoding: gzip", b"Content-Type: application/json", b"X-Forwarded-For: 1.2.3.4"),
    *(
        b"X-Authorization: canary",
        b"Connection: authorization, x-a, \t accept-encoding",
        b"x-a: canary\xff",
        b"_",
        b"-",
    ),
)
TARGET = Target("headers", check, WORDS)
