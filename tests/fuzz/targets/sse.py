"""Fuzz target: the decoder of server-sent events, against a decoder that has no state.

Invariants: any split gives the same events; they are those of a plain reading of WHATWG HTML section 9.2.6; what comes
after cannot change an event that was given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from unittest.mock import patch

from proxy.contract import sse
from proxy.contract.sse import Event, EventDecoder
from tests.fuzz.target import Target, splits

_LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n)")
_SMALL = 48


def check(data: bytes) -> None:
    whole, *others = (_decoded(pieces) for pieces in splits(data))
    assert all(other == whole for other in others), "a split changes the events"
    events, _ = whole
    assert [(event.data, event.name, event.id) for event in events] == list(_read(data)), "not what the standard says"
    assert all(event.end <= len(data) and data[event.end - 1 : event.end] in (b"\r", b"\n") for event in events)
    longer, _ = _decoded([data, b"\n\ndata: {}\r\xff\n\n"])
    assert longer[: len(events)] == events, "what comes after changes what was given"
    with patch.object(sse, "MAX_EVENT_BYTES", _SMALL):
        bounded, *rest = (_decoded(pieces) for pieces in splits(data))
        assert all(other == bounded for other in rest), "a split changes which events are too large"
        assert all(len(event.data) <= _SMALL for event in bounded[0])


def _decoded(pieces: Iterable[bytes]) -> tuple[list[Event], int]:
    decoder = EventDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)], decoder.dropped


def _read(text: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    data: list[bytes] = []
    name = identity = b""
    for line, _ in _LINE.findall(text.removeprefix(b"\xef\xbb\xbf")):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data:
                yield b"\n".join(data), name, identity
            data, name = [], b""
        elif field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
        elif field == b"id" and b"\0" not in value:
            identity = value


TARGET = Target(
    "sse", check, (b"data: ", b"data:", b"event: ", b"id:", b": ", b"\n\n", b"\r\r", b"\r\n\r\n", b"[DONE]")
)
