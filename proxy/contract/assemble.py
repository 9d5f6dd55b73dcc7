"""An Answer from the bytes of a body, whichever way they come: JSON or a stream of events, in any split.

Here: what the pieces of a stream add up to. Not here: what one piece looks like (chunk.py), and whether the answer is
any good (signals/). Invariants: any split of the same bytes gives the same Answer; no bytes raise; memory is the
assembled text, at most `limit`, and one event.
"""

from __future__ import annotations

from typing import Final

from proxy.contract.answer import Answer, Flaw
from proxy.contract.chunk import NOT_JSON, Chunk, decode_chunk, read_chunk
from proxy.contract.gather import Gathered
from proxy.contract.sse import Event, EventDecoder
from proxy.contract.template import Template

LIMIT: Final = 16 * 1024 * 1024
"""Bytes of a JSON body, characters of a stream's text: both far above the longest answer a host gives."""

_BLANK: Final = b" \t\r\n\xef\xbb\xbf"
"""What may stand before either: the white space some routers send while they wait, a byte order mark."""
_EVENTS: Final = (b":", b"data:", b"event:", b"id:", b"retry:")
_ENOUGH: Final = max(map(len, _EVENTS))
_CUT: Final = 16 * 1024
"""Bytes of an event whose end has not arrived that wait for it; a longer one is read as it comes."""
_SOON: Final = 128
_SELDOM: Final = 64 * 1024
"""Bytes of a stream that are read event by event before their form is learnt: doubled whenever that was in vain."""
_BLOCK: Final = 64 * 1024
_MOST_LINES: Final = 4096
"""Lines of a block of a stream: each takes a microsecond, and hosts send 40 bytes in one on average. A stream with more
is not read.
"""


class Assembler:
    """Feed it the body of one answer (identity coding); `answer` says what it was.

    Events are known by `content_type`, or where it lies by the first bytes. Of a stream, empty pieces of content and
    reasoning say nothing, since every host opens with one: there both are None or have text. Where a piece names its
    reasoning twice it counts once. Only choice 0 is assembled; of usage and finish reason the last one said counts.
    """

    __slots__ = (
        "_body", "_cut", "_declared", "_events", "_fed", "_flaws", "_gathered", "_head", "_is_json", "_limit", "_lines",
        "_over", "_pause", "_returns", "_size", "_template", "_unlearnt",
    )  # fmt: skip

    def __init__(self, content_type: str, limit: int = LIMIT) -> None:
        self._declared = content_type.partition(";")[0].strip().lower() == "text/event-stream"
        self._limit = limit
        self._fed = False
        self._head = b""
        self._is_json: bool | None = None
        self._body = bytearray()
        self._events = EventDecoder()
        self._gathered = Gathered(limit)
        self._flaws = self._gathered.flaws
        self._over = False
        self._cut = b""
        self._template: Template | None = None
        self._unlearnt = 0
        self._pause = _SOON
        self._size = self._lines = self._returns = 0

    def feed(self, received: bytes) -> None:
        """The next bytes of the body, as many as there are."""
        if self._is_json is None:
            self._open(received, ending=False)
        elif self._is_json:
            self._keep(received)
        elif self._has_many_lines(received):  # also behind the end: no split may change what is told
            self._give_up()
        elif not self._over:
            self._take(received)

    def answer(self, *, complete: bool) -> Answer:
        """What was said. `complete` False: the connection broke before the body's end."""
        if self._is_json is None:
            self._open(b"", ending=True)
        if not self._fed:
            flaw = {Flaw.EMPTY} if complete else {Flaw.EMPTY, Flaw.CUT}
            return Answer(stream=self._declared, flaws=frozenset(flaw))
        if self._is_json:
            self._read_json()
        elif complete and not self._over:
            # The blank line after the last event is often forgotten.
            self.feed(b"\n\n")
        return self._gathered.answer(self._ending(complete=complete), stream=not self._is_json)

    def _ending(self, *, complete: bool) -> frozenset[Flaw]:
        flaws = set(self._flaws)
        if not complete:
            flaws.add(Flaw.CUT)
        if not self._is_json:
            if not self._over:
                flaws.add(Flaw.NO_DONE)
            if self._events.dropped:
                flaws.add(Flaw.OVERSIZED)
        # What did not arrive, or could not be read, may have held the choices.
        if not self._gathered.choices and flaws.isdisjoint((Flaw.CUT, Flaw.UNREADABLE, Flaw.OVERSIZED)):
            flaws.add(Flaw.NOT_AN_ANSWER)
        return frozenset(flaws)

    def _open(self, received: bytes, *, ending: bool) -> None:
        """Tell JSON from events, as soon as the first bytes do."""
        self._fed = self._fed or bool(received)
        self._head = (self._head + received).lstrip(_BLANK)
        head = self._head
        if head.startswith((b"{", b"[")):
            self._is_json = True
        elif head.startswith(_EVENTS):
            self._is_json = False
        elif ending or len(head) >= _ENOUGH:
            self._is_json = not self._declared
        else:
            return
        self._head = b""
        self.feed(head)

    def _keep(self, received: bytes) -> None:
        if Flaw.OVERSIZED in self._flaws:
            return
        if len(self._body) + len(received) > self._limit:
            self._flaws.add(Flaw.OVERSIZED)
            self._body.clear()
        else:
            self._body += received

    def _read_json(self) -> None:
        if Flaw.OVERSIZED in self._flaws:
            return
        if self._body.count(b"{") > _MOST_LINES + len(self._body) // 16:  # an object takes 80 bytes, and three to send
            self._flaws.add(Flaw.OVERSIZED)
            return
        chunk, flaw = read_chunk(self._body)
        self._body.clear()
        if flaw is not None:
            self._flaws.add(flaw)
        if chunk is not None:
            self._gathered.add(chunk)

    def _has_many_lines(self, received: bytes) -> bool:
        """Whether a block of the stream, wherever it was split, has more lines than any host's."""
        start = 0
        while start < len(received):
            if self._size % _BLOCK == 0:
                self._lines = self._returns = 0
            end = min(start + _BLOCK - self._size % _BLOCK, len(received))
            self._lines += received.count(b"\n", start, end)
            self._returns += received.count(b"\r", start, end)
            self._size += end - start
            start = end
            if max(self._lines, self._returns) > _MOST_LINES:
                return True
        return False

    def _give_up(self) -> None:
        self._gathered = Gathered(self._limit)
        self._flaws = self._gathered.flaws
        self._flaws.add(Flaw.OVERSIZED)
        self._over = True

    def _take(self, received: bytes) -> None:
        """Take events by the form of one before them, and read those that have another."""
        received = self._whole(received)
        place = self._take_alike(received, 0)
        while place < len(received) and not self._over:
            end = received.find(b"\n\n", place + self._unlearnt) + 2
            if end < 2:
                end = len(received)
            self._read(self._events.feed(received[place:end]), end - place)
            place = self._take_alike(received, end)

    def _whole(self, received: bytes) -> bytes:
        """The events that are whole by now, if any; the beginning of one more waits, so that it is taken like them."""
        if self._cut:
            received, self._cut = self._cut + received, b""
        end = received.rfind(b"\n\n") + 2
        # With a CR in it, what is behind may be more than a beginning.
        if end < 2 or len(received) - end > _CUT or received.find(b"\r", end) >= 0:
            return received
        self._cut = received[end:]
        return received[:end]

    def _take_alike(self, received: bytes, place: int) -> int:
        """Where the events end that have the form of the one learnt from."""
        if self._template is None or self._over or not self._events.stands_before(received):
            return place
        start = place
        while place < len(received):
            chunk, end = self._template.take(received, place)
            if chunk is None:
                break
            self._gathered.add(chunk)
            self._unlearnt, self._pause = 0, _SOON
            place = end
        self._events.skip(place - start)
        return place

    def _read(self, events: list[Event], size: int) -> None:
        """Read the events of `size` bytes; the last one may be learnt from."""
        chunk: Chunk | None = None
        for event in events:
            try:
                chunk = decode_chunk(event.data)
            except NOT_JSON:
                chunk = None
                self._take_odd(event)
                if self._over:
                    break
            else:
                self._gathered.add(chunk)
            if event.name == b"error":
                self._flaws.add(Flaw.ERROR_INSIDE)
        self._unlearnt -= min(size, self._unlearnt)
        if events and not self._unlearnt:
            self._learn(events[-1].data, chunk)

    def _learn(self, data: bytes, chunk: Chunk | None) -> None:
        """Learn from an event, and not soon again unless that proves of use."""
        if chunk is not None and (self._template is None or not self._template.has(data)):
            self._template = Template.learnt(data, chunk) or self._template
        self._unlearnt, self._pause = self._pause, min(2 * self._pause, _SELDOM)

    def _take_odd(self, event: Event) -> None:
        """An event that is no chunk as it should be: the end, or a flaw."""
        if event.data.strip() == b"[DONE]":
            self._over = True
            return
        chunk, flaw = read_chunk(event.data)
        if flaw is not None:
            self._flaws.add(flaw)
        if chunk is not None:
            self._gathered.add(chunk)
