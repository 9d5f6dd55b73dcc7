"""The strict reading of a request stream by RFC 9112, and nothing but it.

Not here: repair, limits, meaning. Where the RFC lets a server choose, the choice is the narrow one and is written down
at its place. Invariant: it stops at the first byte that is wrong and reads nothing behind it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# More than one space between the words of a first line may be taken for one (section 3).
_FIRST: Final = re.compile(rb"(?P<method>" + _TOKEN + rb") +(?P<target>[!-~]+) +HTTP/1\.(?P<minor>[01])").fullmatch
_FIELD: Final = re.compile(
    rb"(?P<name>" + _TOKEN + rb"):[ \t]*(?P<value>(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?)[ \t]*"
).fullmatch
_QUOTED: Final = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_CHUNK: Final = re.compile(
    rb"(?P<size>[0-9A-Fa-f]+)(?:[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*"
).fullmatch
_EMPTY: Final = re.compile(rb"[\r\n]").match
_DIGITS: Final = re.compile(rb"[0-9]+").fullmatch


class Wrong(Exception):
    """The stream is malformed here."""


class Unfinished(Exception):
    """The stream ends within a request."""


@dataclass(frozen=True, slots=True)
class Framed:
    """One request that the client legitimately framed; an origin that saw it shows the same. `target` has no query,
    since the proxy passes it on some routes only.
    """

    method: str
    target: str
    marker: str
    length: int
    digest: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Every request of a stream in order, and how the stream ends: whole, closed (a request said `Connection: close`,
    or was HTTP/1.0), wrong, unfinished.
    """

    requests: tuple[Framed, ...]
    end: str


def digest(body: bytes) -> str:
    """What stands for a body."""
    return hashlib.sha256(body).hexdigest()[:16]


def read(data: bytes) -> Reading:
    """Read a stream to its end, or to what is wrong."""
    requests: list[Framed] = []
    scanner = _Scanner(data)
    while True:
        scanner.skip_empty_lines()
        if scanner.at_end():
            return Reading(tuple(requests), "whole")
        try:
            framed, last = _request(scanner)
        except Wrong:
            return Reading(tuple(requests), "wrong")
        except Unfinished:
            return Reading(tuple(requests), "unfinished")
        requests.append(framed)
        if last:
            return Reading(tuple(requests), "closed")


class _Scanner:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def at_end(self) -> bool:
        return self.place == len(self.data)

    def skip_empty_lines(self) -> None:
        """A server may ignore empty lines before a request (section 2.2). Bare CR and LF count as such: none of these
        bytes goes anywhere, and no request begins elsewhere for them.
        """
        while found := _EMPTY(self.data, self.place):
            self.place = found.end()

    def line(self) -> bytes:
        """Up to CRLF. A bare LF, which a server may take for an end of line, is wrong here, as a bare CR is."""
        end = self.data.find(b"\r\n", self.place)
        line = self.data[self.place :] if end < 0 else self.data[self.place : end]
        if b"\n" in line or b"\r" in line[: None if end >= 0 else -1]:
            raise Wrong
        if end < 0:
            raise Unfinished
        self.place = end + 2
        return line

    def take(self, size: int) -> bytes:
        if self.place + size > len(self.data):
            raise Unfinished
        self.place += size
        return self.data[self.place - size : self.place]


def _request(scanner: _Scanner) -> tuple[Framed, bool]:
    first = _FIRST(scanner.line())
    if first is None:
        raise Wrong
    fields = _fields(scanner)
    old = first["minor"] == b"0"
    body = _body(scanner, fields, old=old)
    if not old and len(fields.get(b"host", ())) != 1:
        raise Wrong
    options = {one.strip().lower() for value in fields.get(b"connection", ()) for one in value.split(b",")}
    target = first["target"].decode().partition("?")[0]
    marker = b",".join(fields.get(b"x-marker", ())).decode("latin-1")
    framed = Framed(first["method"].decode(), target, marker, len(body), digest(body))
    return framed, old or b"close" in options


def _fields(scanner: _Scanner) -> dict[bytes, list[bytes]]:
    fields: dict[bytes, list[bytes]] = {}
    while line := scanner.line():
        field = _FIELD(line)
        if field is None:
            raise Wrong
        fields.setdefault(field["name"].lower(), []).append(field["value"])
    return fields


def _body(scanner: _Scanner, fields: dict[bytes, list[bytes]], *, old: bool) -> bytes:
    codings, lengths = fields.get(b"transfer-encoding"), fields.get(b"content-length")
    if codings is not None:
        # A length beside a coding may be an attack (section 6.3); a coding other than chunked alone has no reader here.
        if lengths is not None or old or len(codings) != 1 or codings[0].lower() != b"chunked":
            raise Wrong
        return _chunks(scanner)
    if lengths is None:
        return b""
    # Equal lengths may be taken for one (section 6.3); here they are refused.
    if len(lengths) != 1 or not _DIGITS(lengths[0]):
        raise Wrong
    return scanner.take(int(lengths[0]))


def _chunks(scanner: _Scanner) -> bytes:
    parts: list[bytes] = []
    while True:
        line = _CHUNK(scanner.line())
        if line is None:
            raise Wrong
        size = int(line["size"], 16)
        if size == 0:
            _fields(scanner)
            return b"".join(parts)
        parts.append(scanner.take(size))
        if scanner.line():
            raise Wrong
