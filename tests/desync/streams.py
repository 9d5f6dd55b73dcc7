"""Request streams of smuggling shapes, made from a seed and a number.

Not here: what is right about a stream (reference.py). Invariant: the same seed, number and prefix give the same bytes;
every request of a stream carries a marker of its own, and one that stands inside another's body says `smuggled`.
"""

from __future__ import annotations

import itertools
import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import orjson
import yaml

SHAPES: Final = Path(__file__).with_name("shapes.yaml")
SMUGGLED: Final = b"smuggled"


@cache
def shapes() -> dict[str, tuple[str, ...]]:
    """Every kind of shape, as declared."""
    loaded: dict[str, list[str]] = yaml.safe_load(SHAPES.read_text(encoding="utf-8"))
    return {kind: tuple(texts) for kind, texts in loaded.items()}


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream. `data` is sent in the pieces that end at `cuts`."""

    number: int
    data: bytes
    cuts: tuple[int, ...]

    def pieces(self) -> list[bytes]:
        """The segments as they are sent."""
        places = (0, *self.cuts, len(self.data))
        return [self.data[a:b] for a, b in itertools.pairwise(places) if b > a]


class _Maker:
    """Draws one stream. `prefix` stands before every path."""

    def __init__(self, draw: random.Random, number: int, prefix: str) -> None:
        self.draw = draw
        self.number = number
        self.prefix = prefix
        self.made = 0

    def shape(self, kind: str) -> str:
        return self.draw.choice(shapes()[kind])

    def chance(self, share: float) -> bool:
        return self.draw.random() < share

    def marker(self) -> str:
        self.made += 1
        return f"s{self.number}.{self.made}"

    def head(self, first: str, marker: str, lines: list[str]) -> bytes:
        return "\r\n".join((first, "Host: proxy.test", f"X-Marker: {marker}", *lines, "", "")).encode("latin-1")

    def clean(self) -> bytes:
        """A request that is right in every way."""
        marker, kind = self.marker(), self.draw.randrange(4)
        if kind == 0:
            return self.head(f"GET {self.prefix}/v1/models HTTP/1.1", marker, [])
        body = orjson.dumps({"model": "other", "messages": [{"role": "user", "content": "hi"}], "user": marker})
        lines = ["Content-Type: application/json"]
        first = f"POST {self.prefix}/v1/chat/completions HTTP/1.1"
        if kind == 1:
            lines.append("Transfer-Encoding: chunked")
            return self.head(first, marker, lines) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        return self.head(first, marker, [*lines, f"Content-Length: {len(body)}"]) + body

    def inner(self) -> bytes:
        """A whole request, or the beginning of one, for another's body."""
        head = self.head(f"GET {self.prefix}/v1/models/smuggled HTTP/1.1", f"smuggled.{self.number}", [])
        kind = self.draw.randrange(6)
        if kind == 0:
            return head[: -2 - self.draw.randrange(3)] + b"X-Rest: "
        if kind == 1:
            return head.replace(b"GET", b"POST", 1)[:-2] + b"Content-Length: 400\r\n\r\n"
        return head

    def payload(self) -> bytes:
        kind = self.draw.randrange(6)
        if kind == 0:
            return b"x" * self.draw.choice([0, 1, 10, 300])
        if kind == 1:
            return b"0\r\n\r\n" + self.inner()
        if kind == 2:
            return b"\r\n\r\n" + self.inner()
        if kind == 3:
            inner = self.inner()
            return b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner)
        return self.inner()

    def spelled(self, kind: str, size: int) -> str:
        return self.shape(kind).format(n=size, more=size + 1, less=max(0, size - 1))

    def chunks(self, payload: bytes, oddness: float) -> bytes:
        """`payload` in chunks; each part of the coding is odd with this chance."""
        made, place = b"", 0
        while place < len(payload):
            piece = payload[place : place + self.draw.choice([1, 7, 60, 1000])]
            place += len(piece)
            line = self.spelled("chunk_size", len(piece)) if self.chance(oddness) else f"{len(piece):x}\r\n"
            end = self.shape("chunk_end") if self.chance(oddness / 3) else "\r\n"
            made += line.encode("latin-1") + piece + end.encode("latin-1")
            oddness *= 0.7
        last = self.shape("last_chunk") if self.chance(oddness) else "0\r\n\r\n"
        return made + last.encode("latin-1")

    def framed(self, payload: bytes) -> tuple[list[str], bytes]:
        """Framing lines and what stands for a body."""
        kind = self.draw.randrange(8)
        if kind == 0:  # a body that says its length, in any way
            return [self.spelled("content_length", len(payload))], payload
        if kind in (1, 2):  # chunks, spelled in any way
            return ["Transfer-Encoding: chunked"], self.chunks(payload, 0.4)
        if kind == 3:  # a coding line, spelled in any way
            return [self.shape("transfer_encoding")], self.chunks(payload, 0.05)
        if kind == 4:  # right in every way
            return [f"Content-Length: {len(payload)}"], payload
        if kind == 5:  # neither is announced
            return [], payload
        # Both: whoever goes by the one ends elsewhere than who goes by the other.
        body = self.chunks(payload, 0.05) if self.chance(0.5) else b"0\r\n\r\n" + self.inner()
        size = len(body) if self.chance(0.6) else self.draw.choice([0, 3, 4, 5, 6, max(0, len(body) - 5)])
        length = f"Content-Length: {size}" if self.chance(0.8) else self.spelled("content_length", size)
        lines = [length, self.shape("transfer_encoding")]
        self.draw.shuffle(lines)
        return lines, body

    def odd(self) -> bytes:
        """A request with one to three oddities."""
        marker = self.marker()
        lines, body = self.framed(self.payload())
        method, path = self.draw.choice([("POST", "/v1/files"), ("POST", "/v1/files"), ("GET", "/v1/models")])
        target = f"{self.prefix}{path}"
        first = f"{method} {target} HTTP/1.1"
        if self.chance(0.12):
            first = self.shape("first_line").format(m=method, t=target)
        for _ in range(self.draw.choice([0, 0, 0, 1, 1, 2])):
            lines.insert(self.draw.randrange(len(lines) + 1), self.shape("extra"))
        head = self.head(first, marker, lines)
        if self.chance(0.08):
            head = self.line_end_replaced(head)
        if self.chance(0.1):
            head = self.byte_changed(head)
        return head + body

    def line_end_replaced(self, head: bytes) -> bytes:
        ends = [found.start() for found in re.finditer(b"\r\n", head)]
        place = self.draw.choice(ends)
        return head[:place] + self.shape("line_end").encode("latin-1") + head[place + 2 :]

    def byte_changed(self, head: bytes) -> bytes:
        marked = range(head.find(b"X-Marker"), head.find(b"\r\n", head.find(b"X-Marker")) + 1)
        place = self.draw.choice([place for place in range(len(head)) if place not in marked])
        kept = self.draw.choice([0, 1])
        byte = b"" if self.chance(0.2) else self.shape("bytes").encode("latin-1")
        return head[:place] + byte + head[place + kept :]

    def made_up(self) -> bytes:
        parts = [self.clean() for _ in range(self.draw.choice([0, 0, 1, 2]))]
        parts += [self.odd() for _ in range(self.draw.choice([1, 1, 1, 2]))]
        parts += [self.clean() for _ in range(self.draw.choice([1, 1, 2]))]
        return b"".join(parts)


def stream(seed: int, number: int, prefix: str = "") -> Stream:
    """Stream `number` of `seed`; `prefix` stands before every path of it, also of what is smuggled."""
    draw = random.Random(f"{seed} {number}")
    data = _Maker(draw, number, prefix).made_up()
    cuts = draw.choice([0, 0, 0, 1, 3])
    return Stream(number, data, tuple(sorted(draw.randrange(1, len(data)) for _ in range(cuts))))
