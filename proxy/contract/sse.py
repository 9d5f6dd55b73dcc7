"""Incremental decoder of server-sent events: bytes in, events out (WHATWG HTML, section 9.2.6).

Not here: what an event of a chat completion means (chunk.py). Invariant: any split of the same bytes gives the same
events with the same offsets; a stream that ends within an event gives no event for it.
"""

from __future__ import annotations

from typing import Final

import msgspec

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
"""An event larger than this is dropped; a whole tool call in one chunk stays far below."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One dispatched event. `end` is the offset just past the CR or LF that ends its blank line (a CR may be the last
    byte there is), in bytes from the start of the stream.
    """

    data: bytes
    end: int
    name: bytes = b""
    id: bytes = b""


class EventDecoder:
    """Feed it what arrives; it returns the events that became whole. `offset` is where the first byte fed stands;
    `dropped` counts the events that were too large.
    """

    __slots__ = ("_after_cr", "_data", "_first", "_id", "_line", "_name", "_offset", "_size", "_too_long", "dropped")

    def __init__(self, offset: int = 0) -> None:
        self.dropped = 0
        self._offset = offset
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._name = b""
        self._id = b""
        self._first = offset == 0
        self._after_cr = False
        self._too_long = False

    def feed(self, received: bytes) -> list[Event]:
        """The events completed by `received`."""
        events: list[Event] = []
        position = 0
        plain = b"\r" not in received
        while position < len(received):
            if plain and not (self._line or self._size or self._name or self._after_cr or self._too_long):
                position = self._take_plain(received, position, events)
                if position == len(received):
                    break
            if self._after_cr:
                self._after_cr = False
                if received[position] == 0x0A:
                    self._offset += 1
                    position += 1
                    continue
            end = _line_end(received, position)
            if end < 0:
                self._keep(received[position:])
                self._offset += len(received) - position
                break
            self._keep(received[position:end])
            self._after_cr = received[end] == 0x0D
            self._offset += end + 1 - position
            position = end + 1
            event = self._take_line()
            if event is not None:
                events.append(event)
        return events

    def stands_before(self, received: bytes) -> bool:
        """Whether `received` begins with a new event, and can hold none that is too large."""
        between = not (self._line or self._size or self._name or self._after_cr or self._too_long or self._first)
        return between and len(received) <= MAX_EVENT_BYTES

    def skip(self, size: int) -> None:
        """Whole events of `size` bytes, each but one line of data and its blank line, were taken elsewhere."""
        self._offset += size

    def _take_plain(self, received: bytes, position: int, events: list[Event]) -> int:
        """Take as many events as there are of the form nearly all have, one line of data, in a quarter of the time;
        return where they end.
        """
        start = position
        while received.startswith(b"data: ", position):
            end = received.find(b"\n", position)
            if end < 0 or not received.startswith(b"\n", end + 1) or end - position > MAX_EVENT_BYTES:
                break
            self._first = False
            events.append(Event(received[position + 6 : end], self._offset + end + 2 - start, b"", self._id))
            position = end + 2
        self._offset += position - start
        return position

    def _keep(self, piece: bytes) -> None:
        if self._too_long or len(self._line) + len(piece) > MAX_EVENT_BYTES:
            self._too_long = True
            self._line.clear()
        else:
            self._line += piece

    def _take_line(self) -> Event | None:
        if self._too_long:
            self._too_long = False
            self._size = MAX_EVENT_BYTES + 2
            return None
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
            self._size += len(value) + 1
            if self._size <= MAX_EVENT_BYTES + 1:
                self._data.append(value)
        elif field == b"event":
            self._name = value
        elif field == b"id" and b"\x00" not in value:
            self._id = value
        return None

    def _dispatch(self) -> Event | None:
        data, name, too_large = self._data, self._name, self._size > MAX_EVENT_BYTES + 1
        self._data, self._name, self._size = [], b"", 0
        self.dropped += too_large
        if not data or too_large:
            return None
        return Event(b"\n".join(data), self._offset, name, self._id)


def _line_end(received: bytes, start: int) -> int:
    """Where the next CR or LF stands, or -1."""
    lf = received.find(b"\n", start)
    cr = received.find(b"\r", start, lf if lf >= 0 else len(received))
    return cr if cr >= 0 else lf
