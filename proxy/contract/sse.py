"""Incremental decoder of server-sent events: bytes in, events out (WHATWG HTML, section 9.2.6).

Not here: what an event of a chat completion means (answer.py). Invariant: any split of the same bytes gives the same
events with the same offsets; a stream that ends within an event gives no event for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
"""An event larger than this is dropped; a whole tool call in one chunk stays far below."""


@dataclass(frozen=True, slots=True)
class Event:
    """One dispatched event. `end` is the offset just past its blank line, in bytes from the start of the stream."""

    data: bytes
    end: int
    name: bytes = b""
    id: bytes = b""


class EventDecoder:
    """Feed it what arrives; it returns the events that became whole. `offset` is where the first byte fed stands."""

    __slots__ = ("_data", "_first", "_id", "_line", "_name", "_offset", "_pending_cr", "_size")

    def __init__(self, offset: int = 0) -> None:
        self._offset = offset
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._name = b""
        self._id = b""
        self._first = offset == 0
        self._pending_cr = False

    def feed(self, received: bytes) -> list[Event]:
        """The events completed by `received`."""
        events: list[Event] = []
        position = 0
        if self._pending_cr and received:
            self._pending_cr = False
            if received[:1] == b"\n":
                position = 1
                self._offset += 1
        while position < len(received):
            end = _line_end(received, position)
            if end < 0:
                self._keep(received[position:])
                self._offset += len(received) - position
                break
            self._keep(received[position:end])
            step = 1
            if received[end] == 0x0D:
                if end + 1 == len(received):
                    self._pending_cr = True
                elif received[end + 1] == 0x0A:
                    step = 2
            self._offset += end + step - position
            position = end + step
            event = self._take_line()
            if event is not None:
                events.append(event)
        return events

    def _keep(self, piece: bytes) -> None:
        if len(self._line) + len(piece) <= MAX_EVENT_BYTES:
            self._line += piece

    def _take_line(self) -> Event | None:
        line = bytes(self._line)
        self._line.clear()
        if self._first:
            self._first = False
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._size += len(value)
            if self._size <= MAX_EVENT_BYTES:
                self._data.append(value)
        elif field == b"event":
            self._name = value
        elif field == b"id" and b"\x00" not in value:
            self._id = value
        return None

    def _dispatch(self) -> Event | None:
        data, name, too_large = self._data, self._name, self._size > MAX_EVENT_BYTES
        self._data, self._name, self._size = [], b"", 0
        if not data or too_large:
            return None
        return Event(b"\n".join(data), self._offset, name, self._id)


def _line_end(received: bytes, start: int) -> int:
    """Where the next CR or LF stands, or -1."""
    lf = received.find(b"\n", start)
    cr = received.find(b"\r", start, lf if lf >= 0 else len(received))
    return cr if cr >= 0 else lf
