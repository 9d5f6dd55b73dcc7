"""Which header fields cross, in both directions, and the request fields that are refused.

Not here: building heads (forward.py, relay.py). Invariant: hop-by-hop fields and every field that `Connection` names
are removed first and ours are added after, so no client can name away a field that the proxy sets (RFC 9110 section
7.6.1); a credential the proxy holds replaces the client's, they never travel together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

import msgspec

from proxy.wire.problems import Problem, Refused

Fields: TypeAlias = Iterable[tuple[bytes, bytes]]
Found: TypeAlias = dict[bytes, bytes]
"""Values by lower-case name, of the fields that somebody looks at."""

HOP_BY_HOP: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization")
    + (b"proxy-authentication-info", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings")
)
_FRAMING: Final = frozenset((b"host", b"content-length", b"expect"))
_IDENTITY: Final = frozenset(
    (b"cookie", b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip")
    + (
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-original-url",
        b"x-rewrite-url",
        b"x-client-ip",
        b"true-client-ip",
    )
)
CREDENTIALS: Final = frozenset((b"authorization", b"x-api-key", b"api-key"))
OPT_OUT: Final = b"x-paramwall-mirror"
"""`off`: the client asks that its request be shown to nobody but the vendor."""
_DROPPED_UP: Final = HOP_BY_HOP | _FRAMING | _IDENTITY
_DROPPED_DOWN: Final = HOP_BY_HOP | frozenset((b"set-cookie", b"set-cookie2", b"content-length", b"alt-svc"))
_PLAIN_CONNECTION: Final = (b"keep-alive", b"close")
_HOST: Final = re.compile(rb"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?").fullmatch
_JSON: Final = re.compile(rb'application/json(?:\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE)


class _Rule(NamedTuple):
    """What happens to one field: the name its value is found under (None: nobody looks at it); whether it passes."""

    key: bytes | None
    passes: bool


_PASSED, _DROPPED = _Rule(None, passes=True), _Rule(None, passes=False)


class _Rules(dict[bytes, _Rule]):
    """Rules by the name as it is spelled. A spelling is learned when it is first met, since peers use the same few."""

    _MOST = 512
    _LONGEST = 64

    def __init__(self, rules: Mapping[bytes, _Rule], *, of_answers: bool = False) -> None:
        super().__init__()
        self._rules = rules
        self._of_answers = of_answers

    def learned(self, name: bytes) -> _Rule:
        """The rule of a spelling that is not here yet."""
        lower = name.lower()
        rule = self._rules.get(lower) or self._unnamed(lower)
        if len(self) < self._MOST and len(name) <= self._LONGEST:
            self[name] = rule
        return rule

    def _unnamed(self, name: bytes) -> _Rule:
        """Fields of our own stay here, and so do a proxy's; an imitated credential is refused."""
        if name.startswith(b"x-paramwall-") or (name.startswith(b"proxy-") and not self._of_answers):
            return _DROPPED
        if not self._of_answers and b"_" in name and name.replace(b"_", b"-") in CREDENTIALS:
            _refuse("header-name", f"the header field {_shown(name)} imitates a credential", "spell it with a hyphen")
        return _PASSED


_REQUEST: Final[Mapping[bytes, _Rule]] = {
    **dict.fromkeys(_DROPPED_UP, _DROPPED),
    b"authorization": _Rule(b"authorization", passes=True),
    b"x-api-key": _Rule(b"api-key", passes=True),
    b"api-key": _Rule(b"api-key", passes=True),
    b"content-type": _Rule(b"content-type", passes=True),
    b"content-encoding": _Rule(b"content-encoding", passes=True),
    b"expect": _Rule(b"expect", passes=False),
    b"content-length": _Rule(b"content-length", passes=False),
    b"host": _Rule(b"host", passes=False),
    b"connection": _Rule(b"connection", passes=False),
    b"transfer-encoding": _Rule(b"transfer-encoding", passes=False),
    b"via": _Rule(b"via", passes=False),
    OPT_OUT: _Rule(OPT_OUT, passes=False),
}
_LISTS: Final = (b"connection", b"transfer-encoding", b"via", OPT_OUT)
"""Fields that may be repeated; together they are one list (RFC 9110 section 5.3)."""
_KEYLESS: Final = {name: _Rule(_REQUEST[name].key, passes=False) for name in CREDENTIALS}
_UNCODED: Final = {b"accept-encoding": _DROPPED}
_JUDGED: Final = {**_UNCODED, b"content-encoding": _Rule(b"content-encoding", passes=False)}
_RULES: Final = _Rules(_REQUEST)
_RULES_WITH_KEY: Final = _Rules({**_REQUEST, **_UNCODED, **_KEYLESS})
_RULES_WHEN_JUDGED: Final = _Rules({**_REQUEST, **_JUDGED})
_RULES_WHEN_JUDGED_WITH_KEY: Final = _Rules({**_REQUEST, **_JUDGED, **_KEYLESS})


class RequestHead(msgspec.Struct):
    """What one pass over the request's fields found; `block` goes to the vendor as it is."""

    found: Found
    block: bytes

    @property
    def content_length(self) -> int | None:
        """The announced length of the body; the parser has checked that it is a number."""
        length = self.found.get(b"content-length")
        return int(length) if length else None

    @property
    def credential(self) -> bytes:
        """The client's own key, wherever it stands."""
        found = self.found
        return found[b"authorization"] if b"authorization" in found else found.get(b"api-key", b"")


def read_fields(fields: Fields, *, keep_credential: bool, judged: bool) -> RequestHead:
    """One pass over the request's fields: refuse what two readers may read differently, collect what goes up.

    `judged`: the body is read by policy. Its vendor is asked for an answer without a content coding, so that a copy of
    the answer can be read; so is one that gets a key of ours, so that an error that shows it can be read.
    """
    found: Found = {}
    lines: list[bytes] = []
    if judged:
        rules = _RULES_WHEN_JUDGED if keep_credential else _RULES_WHEN_JUDGED_WITH_KEY
    else:
        rules = _RULES if keep_credential else _RULES_WITH_KEY
    for name, value in fields:
        key, passes = rules.get(name) or rules.learned(name)
        if key is not None:
            found[key] = value.strip() if key not in found else _again(found, key, value)
        if passes:
            lines += (name, b": ", value, b"\r\n")
    host = found.get(b"host")
    if host is not None and not _HOST(host):
        _refuse("host-invalid", "the Host header field is not a host", "send Host as name or name:port")
    connection = found.get(b"connection")
    if connection is not None and connection.lower() not in _PLAIN_CONNECTION:
        lines = _without_named(lines, connection.lower(), CREDENTIALS)
    if rules is not _RULES:
        lines.append(b"Accept-Encoding: identity\r\n")
    block = b"".join(lines)
    if not block.isascii():
        names = (_shown(lines[i].lower()) for i in range(0, len(lines), 4) if not b"".join(lines[i : i + 3]).isascii())
        _refuse("header-not-ascii", f"the header field {next(names)} has bytes outside ASCII", "send ASCII fields")
    return RequestHead(found, block)


def _again(found: Found, key: bytes, value: bytes) -> bytes:
    if key not in _LISTS:
        _refuse("header-repeated", f"the header field {_shown(key)} is repeated", "send it once")
    return found[key] + b"," + value


def _without_named(lines: list[bytes], connection: bytes, spared: frozenset[bytes]) -> list[bytes]:
    """Remove the fields that Connection names; a credential cannot be named away."""
    named = {part.strip() for part in connection.split(b",")} - spared
    kept = (lines[i : i + 4] for i in range(0, len(lines), 4) if lines[i].lower() not in named)
    return [piece for line in kept for piece in line]


def transfer_coding_problem(head: RequestHead, *, http_1_0: bool, chunked: bool) -> Problem | None:
    """What aiohttp lets through: a transfer coding on HTTP/1.0, or one besides chunked (RFC 9112 section 6.1).

    `chunked` is whether its parser took the body for chunks. It does not where a tab stands behind the word, and with
    an `Upgrade` beside that it finds no body at all.
    """
    if http_1_0:
        return Problem(400, "transfer-coding", "HTTP/1.0 has no Transfer-Encoding", "send Content-Length")
    if head.found[b"transfer-encoding"].lower() != b"chunked":
        return Problem(
            501, "transfer-coding", "only Transfer-Encoding: chunked is understood", "send the body as it is"
        )
    if not chunked:
        return Problem(
            400, "transfer-coding", "white space behind Transfer-Encoding: chunked", "send the word and nothing else"
        )
    return None


def is_json(content_type: bytes) -> bool:
    """Whether a content type is application/json in UTF-8."""
    return content_type == b"application/json" or _JSON.fullmatch(content_type) is not None


_ANSWER_RULES: Final = _Rules(
    {
        **dict.fromkeys(_DROPPED_DOWN, _DROPPED),
        b"content-length": _Rule(b"content-length", passes=False),
        b"transfer-encoding": _Rule(b"transfer-encoding", passes=False),
        b"connection": _Rule(b"connection", passes=False),
        b"content-type": _Rule(b"content-type", passes=True),
        b"content-encoding": _Rule(b"content-encoding", passes=True),
    },
    of_answers=True,
)


class AnswerHead(msgspec.Struct):
    """What one pass over a vendor's fields found; `block` goes to the client as it is."""

    found: Found
    block: bytes


def read_answer_fields(fields: Fields) -> AnswerHead:
    """One pass over the vendor's fields. Raises ValueError on a field that cannot be forwarded as a line."""
    found: Found = {}
    lines: list[bytes] = []
    for name, value in fields:
        key, passes = _ANSWER_RULES.get(name) or _ANSWER_RULES.learned(name)
        if key is not None:
            found[key] = value if key not in found else found[key] + b"," + value
        if passes:
            lines += (name, b": ", value, b"\r\n")
    connection = found.get(b"connection")
    if connection is not None and connection.lower() not in _PLAIN_CONNECTION:
        lines = _without_named(lines, connection.lower(), frozenset())
    block, count = b"".join(lines), len(lines) // 4
    if block.count(b"\n") != count or block.count(b"\r") != count or 0 in block:
        raise ValueError("folded or broken header field")
    return AnswerHead(found, block)


def _shown(name: bytes) -> str:
    return name.decode("ascii", "replace") if re.fullmatch(rb"[a-z0-9_-]{1,40}", name) else "?"


def _refuse(code: str, seen: str, hint: str) -> None:
    raise Refused(Problem(400, code, seen, hint))
