"""Which header fields cross, in both directions, and the request fields that are refused.

Not here: building heads (forward.py, relay.py). Invariant: hop-by-hop fields and every field that `Connection` names
are removed first and ours are added after, so no client can name away a field that the proxy sets (RFC 9110 section
7.6.1); a credential the proxy holds replaces the client's, they never travel together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from proxy.wire.problems import Problem, Refused

Fields: TypeAlias = Iterable[tuple[bytes, bytes]]

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
_DROPPED_UP: Final = HOP_BY_HOP | _FRAMING | _IDENTITY
_DROPPED_DOWN: Final = HOP_BY_HOP | frozenset((b"set-cookie", b"set-cookie2", b"content-length", b"alt-svc"))
_PLAIN_CONNECTION: Final = (b"keep-alive", b"close")
_ONE_LINE: Final = re.compile(rb"[^\r\n\x00]*").fullmatch
_HOST: Final = re.compile(rb"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_JSON: Final = re.compile(rb'application/json(?:\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE)


@dataclass(slots=True)
class RequestHead:
    """What one pass over the request's fields found."""

    forwarded: list[bytes]
    host: bytes = b""
    authorization: bytes = b""
    api_key: bytes = b""
    expect: bytes = b""
    content_type: bytes = b""
    content_coding: bytes = b""
    transfer_coding: bytes = b""
    connection: bytes = b""
    via: bytes = b""
    length: bytes = b""

    @property
    def content_length(self) -> int | None:
        """The announced length of the body; the parser has checked that it is a number."""
        return int(self.length) if self.length else None

    @property
    def credential(self) -> bytes:
        """The client's own key, wherever it stands."""
        return self.authorization or self.api_key


def read_fields(fields: Fields, *, keep_credential: bool, judged: bool) -> RequestHead:
    """One pass over the request's fields: refuse what two readers may read differently, collect what goes up.

    `judged`: the body is read by policy. Its vendor is asked for an answer without a content coding, so that a copy of
    the answer can be read; so is one that gets a key of ours, so that an error that shows it can be read.
    """
    head = RequestHead([])
    forwarded = head.forwarded
    rules = _RULES_WHEN_JUDGED if judged else _RULES if keep_credential else _RULES_WITH_KEY
    for name, value in fields:
        lower = name.lower()
        rule = rules.get(lower)
        if not value.isascii():
            _refuse(
                "header-not-ascii", f"the header field {_shown(lower)} has bytes outside ASCII", "send ASCII fields"
            )
        if rule is None:
            if _passes(lower):
                forwarded += (name, b": ", value, b"\r\n")
            continue
        if rule.note is not None:
            rule.note(head, lower, value)
        if rule.forwarded and (keep_credential or not rule.credential):
            forwarded += (name, b": ", value, b"\r\n")
    if head.connection and head.connection.strip().lower() not in _PLAIN_CONNECTION:
        _drop_named(head)
    if rules is not _RULES:
        forwarded.append(b"Accept-Encoding: identity\r\n")
    return head


def _passes(name: bytes) -> bool:
    """Whether a field that no rule names goes up. Ours and a proxy's stay here; an imitated credential is refused."""
    if name.startswith((b"x-paramwall-", b"proxy-")):
        return False
    if b"_" in name and name.replace(b"_", b"-") in CREDENTIALS:
        _refuse("header-name", f"the header field {_shown(name)} imitates a credential", "spell it with a hyphen")
    return True


def _note_once(attribute: str) -> Callable[[RequestHead, bytes, bytes], None]:
    def note(head: RequestHead, name: bytes, value: bytes) -> None:
        if getattr(head, attribute):
            _refuse("header-repeated", f"the header field {_shown(name)} is repeated", "send it once")
        # A space keeps an empty value apart from an absent field.
        setattr(head, attribute, value.strip() or b" ")

    return note


def _note_list(attribute: str) -> Callable[[RequestHead, bytes, bytes], None]:
    def note(head: RequestHead, _name: bytes, value: bytes) -> None:
        before = getattr(head, attribute)
        setattr(head, attribute, before + b"," + value if before else value)

    return note


def _note_host(head: RequestHead, name: bytes, value: bytes) -> None:
    _note_once("host")(head, name, value)
    if not _HOST.fullmatch(value):
        _refuse("host-invalid", "the Host header field is not a host", "send Host as name or name:port")


class _Rule(NamedTuple):
    """What happens to one request field."""

    note: Callable[[RequestHead, bytes, bytes], None] | None
    forwarded: bool = False
    credential: bool = False


_RULES: Final[Mapping[bytes, _Rule]] = {
    **dict.fromkeys(_DROPPED_UP, _Rule(None)),
    b"authorization": _Rule(_note_once("authorization"), forwarded=True, credential=True),
    b"x-api-key": _Rule(_note_once("api_key"), forwarded=True, credential=True),
    b"api-key": _Rule(_note_once("api_key"), forwarded=True, credential=True),
    b"content-type": _Rule(_note_once("content_type"), forwarded=True),
    b"content-encoding": _Rule(_note_once("content_coding"), forwarded=True),
    b"expect": _Rule(_note_once("expect")),
    b"content-length": _Rule(_note_once("length")),
    b"host": _Rule(_note_host),
    b"connection": _Rule(_note_list("connection")),
    b"transfer-encoding": _Rule(_note_list("transfer_coding")),
    b"via": _Rule(_note_list("via")),
}
_RULES_WITH_KEY: Final[Mapping[bytes, _Rule]] = {**_RULES, b"accept-encoding": _Rule(None)}
_RULES_WHEN_JUDGED: Final[Mapping[bytes, _Rule]] = {
    **_RULES_WITH_KEY,
    b"content-encoding": _Rule(_note_once("content_coding")),
}


def _drop_named(head: RequestHead) -> None:
    """Remove the fields that Connection names; a credential cannot be named away."""
    named = {part.strip().lower() for part in head.connection.split(b",")} - CREDENTIALS
    fields = head.forwarded
    kept = [fields[i : i + 4] for i in range(0, len(fields), 4) if fields[i].lower() not in named]
    fields[:] = [piece for field in kept for piece in field]


def transfer_coding_problem(head: RequestHead, *, http_1_0: bool) -> Problem | None:
    """What aiohttp lets through: a transfer coding on HTTP/1.0, or one besides chunked (RFC 9112 section 6.1)."""
    if http_1_0:
        return Problem(400, "transfer-coding", "HTTP/1.0 has no Transfer-Encoding", "send Content-Length")
    if head.transfer_coding.strip().lower() != b"chunked":
        return Problem(
            501, "transfer-coding", "only Transfer-Encoding: chunked is understood", "send the body as it is"
        )
    return None


def is_json(content_type: bytes) -> bool:
    """Whether a content type is application/json in UTF-8."""
    return content_type == b"application/json" or _JSON.fullmatch(content_type) is not None


@dataclass(slots=True)
class AnswerHead:
    """What one pass over a vendor's fields found; `lines` go to the client, ready to join."""

    lines: list[bytes]
    length: bytes | None = None
    transfer_coding: bytes = b""
    content_type: bytes = b""
    content_coding: bytes = b""


def read_answer_fields(fields: Fields) -> AnswerHead:
    """One pass over the vendor's fields. Raises ValueError on a field that cannot be forwarded as a line."""
    head = AnswerHead([])
    lines, connection = head.lines, b""
    for name, value in fields:
        lower = name.lower()
        if lower in _DROPPED_DOWN:
            if lower == b"content-length":
                head.length = value.strip()
            elif lower == b"transfer-encoding":
                head.transfer_coding += value.strip().lower()
            elif lower == b"connection":
                connection += b"," + value.strip().lower()
            continue
        if lower == b"content-type":
            head.content_type = value
        elif lower == b"content-encoding":
            head.content_coding = value.strip().lower()
        elif lower.startswith(b"x-paramwall-"):
            continue
        if not _ONE_LINE(value):
            raise ValueError("folded or broken header field")
        lines += (name, b": ", value, b"\r\n")
    if connection and connection[1:] not in _PLAIN_CONNECTION:
        named = {part.strip() for part in connection.split(b",")}
        kept = [lines[i : i + 4] for i in range(0, len(lines), 4) if lines[i].lower() not in named]
        head.lines = [piece for line in kept for piece in line]
    return head


def _shown(name: bytes) -> str:
    return name.decode("ascii", "replace") if re.fullmatch(rb"[a-z0-9_-]{1,40}", name) else "?"


def _refuse(code: str, seen: str, hint: str) -> None:
    raise Refused(Problem(400, code, seen, hint))
