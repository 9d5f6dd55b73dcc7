"""The copy of an answer that is read after the client has it: its head and its tail, with the times of the first reads.

Not here: what is read from it (contract/reading.py). Invariants: what one answer holds in memory is bounded, however
long the answer is; forwarding never depends on it; where somebody takes what is kept no longer (`spill`), every byte
is either handed there once or still in `rest()`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

WHOLE_JSON: Final = 256 * 1024
"""A JSON answer up to this size is kept whole, since its usage may stand anywhere in it."""
HEAD_BYTES: Final = 4 * 1024
TAIL_BYTES: Final = 8 * 1024
"""The first events hold the first token; the last hold finish reason and usage, in about 1 KiB."""
MAX_MARKS: Final = 32
"""Reads whose arrival is noted: enough to see past role deltas and comment lines to the first token."""


class Capture(msgspec.Struct):
    """Collects one answer. `limit` is how many bytes are kept whole before only head and tail remain, `marks` are
    (bytes before this read, when it came) for the first reads. `spill` takes what is not kept whole.
    """

    limit: int = HEAD_BYTES + 2 * TAIL_BYTES
    size: int = 0
    marks: list[tuple[int, float]] = []
    _parts: list[bytes] = []
    _kept: int = 0
    _head: bytes = b""
    spill: Callable[[bytes], None] | None = None
    _spilled: int = 0

    def add(self, body: bytes, now: float) -> None:
        """One read's worth of body."""
        marks, size = self.marks, len(body)
        if len(marks) < MAX_MARKS:
            marks.append((self.size, now))
        self._parts.append(body)
        self.size += size
        self._kept += size
        if self._kept > self.limit:
            self._shorten()

    def _shorten(self) -> None:
        joined = b"".join(self._parts)
        if not self._head:
            self._head = joined[:HEAD_BYTES]
        if self.spill is not None:
            self.spill(joined[self._spilled - self.size :])
            self._spilled = self.size
        self._parts = [joined[-TAIL_BYTES:]]
        self._kept = TAIL_BYTES
        self.limit = HEAD_BYTES + 2 * TAIL_BYTES

    def parts(self) -> tuple[bytes, bytes]:
        """(head, tail); the head is empty while the answer is whole in the tail."""
        return self._head, b"".join(self._parts)

    def rest(self) -> bytes:
        """What was not spilled."""
        joined = b"".join(self._parts)
        return joined if not self._spilled else joined[len(joined) - (self.size - self._spilled) :]

    def ends_like_an_answer(self, content_type: bytes) -> bool:
        """Whether a body without a length of its own was seen to its end: `[DONE]`, or the end of a JSON text."""
        tail = self.parts()[1].rstrip()
        if content_type.startswith(b"text/event-stream"):
            return tail.endswith((b"data: [DONE]", b"data:[DONE]"))
        return not self._head and tail.endswith((b"}", b"]")) and _is_json(tail)

    def arrival(self, offset: int) -> float | None:
        """When the byte at `offset` of the body arrived; None beyond the noted reads."""
        return _arrival(self.marks, offset, self.size)


def _arrival(marks: Sequence[tuple[int, float]], offset: int, size: int) -> float | None:
    if offset >= size:
        return None
    found: float | None = None
    for start, when in marks:
        if start > offset:
            return found
        found = when
    return found if len(marks) < MAX_MARKS else None


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
