"""How many chunks a body comes in, as aiohttp's parser makes them: a body in very many tiny ones is given up.

A chunk costs the parser a microsecond, however small it is, so a mebibyte in chunks of one byte takes as long as forty
ordinary ones. Not here: the parser's other errors (aiohttp_hooks.py), the answer (body.py). Invariant: a body
whose chunks are large enough is never refused, however it is cut into reads; others are, at most a slice late.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aiohttp import EMPTY_PAYLOAD, StreamReader, web

MANY: Final = 4096
LEAST_AVERAGE: Final = 32
"""Bytes of a chunk, on average, once there are more than MANY."""
SLICE: Final = 16 * 1024
"""What came in one read is parsed in slices of so many bytes, since a read is up to 256 KB."""


class TinyChunks(web.RequestPayloadError):
    """A body came in very many chunks of a few bytes each."""


class Chunks:
    """Counts the chunks of each body of one connection; `look` stands before the parser's work on some bytes, `count`
    behind it.
    """

    __slots__ = ("_body", "_count", "_waiting")

    def __init__(self) -> None:
        self._body: StreamReader | None = None
        self._count = self._waiting = 0

    def slices(self, received: bytes) -> Iterator[bytes]:
        """All of it at once, unless it may be chunks."""
        if self._body is None and b"chunked" not in received[:SLICE].lower():
            yield received
        else:
            for start in range(0, len(received), SLICE):
                yield received[start : start + SLICE]

    def look(self) -> bool:
        """Note how many chunks nobody has read yet; False when this body was given up: parse nothing more."""
        body = self._body
        if body is not None:
            if body.exception() is not None:
                return False
            self._waiting = len(body._http_chunk_splits or ())
        return True

    def count(self, body: StreamReader | None) -> None:
        """`body` is the one that arrives, or arrived last."""
        splits = None if body is None or body is EMPTY_PAYLOAD else body._http_chunk_splits
        if body is None or splits is None:
            self._body = None
            return
        if body is not self._body:
            self._body, self._count, self._waiting = body, 0, 0
        self._count += len(splits) - self._waiting
        if self._count > MANY and body.total_bytes < LEAST_AVERAGE * self._count:
            body.set_exception(TinyChunks())

    def forget(self) -> None:
        """Let go of the body; there will be no more."""
        self._body = None
