"""Events that are alike but for one piece of text: what one of them was read as, the next ones are too.

Here: learning such a form from an event that was read, and taking events of that form without reading them. Not here:
what the pieces add up to (gather.py), when a form is sought (assemble.py). Invariant: what is taken is what reading
each event would give: a form is kept only if another text in its place changes nothing but that text, and a text is
taken only as one whole JSON string.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from proxy.contract.chunk import NOT_JSON, Call, Chunk, decode_chunk

MOST_EVENTS: Final = 256
"""Events taken at once, so that one bad text among them costs no more than these."""
_WINDOW: Final = 16 * 1024
"""Bytes looked at together: where forms alternate, each look is for a single event."""
_LONGEST: Final = 4096
"""Bytes of an event beside its text; what is learnt stays small beside what is assembled."""
_FIELD: Final = b"data: "
_END: Final = b"\n\n"
_PROBE: Final = "Qj7VkZ0xWn"
"""A text that no host writes. An event that has it is not learnt from."""
_STRING: Final = rb'[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+'
_text: Final = re.compile(_STRING)
_member: Final[Mapping[str, re.Pattern[bytes]]] = {
    name: re.compile(rb'"%b"[ \t]*+:[ \t]*+"(%b)"' % (name.encode(), _STRING))
    for name in ("content", "reasoning_content", "reasoning", "arguments")
}
_decode_texts: Final = msgspec.json.Decoder(list[str]).decode


class Template:
    """One form of event. `learnt` makes one; `take` takes the events that have it."""

    __slots__ = ("_between", "_chunk", "_head", "_holder", "_member", "_tail")

    def __init__(self, head: bytes, tail: bytes, chunk: Chunk, holder: msgspec.Struct, member: str) -> None:
        self._head = _FIELD + head
        self._tail = tail + _END
        self._between = self._tail + self._head
        self._chunk = chunk
        self._holder = holder
        self._member = member

    @classmethod
    def learnt(cls, data: bytes, chunk: Chunk) -> Template | None:
        """The form of an event with this data, which was read as `chunk`; None where it says anything that must not be
        said again, or its text cannot be found. The chunk is the template's from here on.
        """
        place = _piece(chunk)
        if place is None:
            return None
        holder, member = place
        found = _member[member].search(data)
        if found is None or getattr(holder, member) == _PROBE:
            return None
        head, tail = data[: found.start(1)], data[found.end(1) :]
        # A line end here was one between two lines of data.
        if len(head) + len(tail) > _LONGEST or b"\n" in data or _PROBE.encode() in data:
            return None
        setattr(holder, member, _PROBE)
        try:
            alike = decode_chunk(head + _PROBE.encode() + tail) == chunk
        except NOT_JSON:
            return None
        return cls(head, tail, chunk, holder, member) if alike else None

    def has(self, data: bytes) -> bool:
        """Whether an event with this data has the form on either side of its text."""
        return data.startswith(self._head[len(_FIELD) :]) and data.endswith(self._tail[: -len(_END)])

    def take(self, received: bytes, start: int) -> tuple[Chunk | None, int]:
        """The events of this form from `start` on, where an event begins: their texts as one chunk, and where they end.

        None, and `start`: there is none, or one of them is no JSON. The chunk is good until the next call.
        """
        if not received.startswith(self._head, start):
            return None, start
        taken = self._take_plain(received, start)
        return taken if taken is not None else self._take_any(received, start)

    def _take_plain(self, received: bytes, start: int) -> tuple[Chunk, int] | None:
        """The events whose texts hold no quote: cut apart at their tails, which is several times quicker than at the
        long form between two texts. What has another form is left, or has a quote too many and nothing is taken.
        """
        head, tail = self._head, self._tail
        events = received[start : start + _WINDOW].split(tail)
        events.pop()
        texts = [event.removeprefix(head) for event in events]
        size = sum(map(len, texts))
        if sum(map(len, events)) - size != len(head) * len(texts):
            texts = _headed(events, head)
            size = sum(map(len, texts))
        joined = b'","'.join(texts)
        if not texts or joined.count(b'"') != 2 * (len(texts) - 1):
            return None
        try:
            said = _decode_texts(b'["%b"]' % joined)
        except NOT_JSON:
            return None
        if len(said) != len(texts):  # a backslash before its end made one text of two
            return None
        setattr(self._holder, self._member, "".join(said))
        return self._chunk, start + size + len(texts) * (len(head) + len(tail))

    def _take_any(self, received: bytes, start: int) -> tuple[Chunk | None, int]:
        """The same for any texts, one after the other."""
        # Bound once: this loop is what a long stream costs.
        find, has, between, step = received.find, received.startswith, self._between, len(self._between)
        texts: list[bytes] = []
        begin = start + len(self._head)
        stop = _stop(received, begin)
        for _ in range(MOST_EVENTS):
            if not has(between, stop):
                break
            texts.append(received[begin:stop])
            begin = stop + step
            stop = find(b'"', begin)
            if received[stop - 1] == 0x5C:  # a backslash: this quote may be part of the text
                stop = _stop(received, begin)
        end = begin - len(self._head)
        if has(self._tail, stop):
            texts.append(received[begin:stop])
            end = stop + len(self._tail)
        if not texts:
            return None, start
        try:
            said = _decode_texts(b'["' + b'","'.join(texts) + b'"]')
        except NOT_JSON:
            return None, start
        setattr(self._holder, self._member, "".join(said))
        return self._chunk, end


def _headed(events: list[bytes], head: bytes) -> list[bytes]:
    """The texts of the first events that begin with the head."""
    texts = []
    for event in events:
        if not event.startswith(head):
            break
        texts.append(event[len(head) :])
    return texts


def _stop(received: bytes, begin: int) -> int:
    """Where the string ends that has its first character at `begin`, or what is no string any more stands."""
    found = _text.match(received, begin)
    return begin if found is None else found.end()


def _piece(chunk: Chunk) -> tuple[msgspec.Struct, str] | None:
    """Where a chunk that says one piece of text has it. Whatever else it says must be the same said once or often,
    which log probabilities and a second text are not.
    """
    if chunk.choices is None or len(chunk.choices) != 1:
        return None
    choice = chunk.choices[0]
    delta = choice.delta
    if choice.index or delta is None or (choice.logprobs and choice.logprobs.content) or delta.reasoning_details:
        return None
    said = [name for name in ("content", "reasoning_content", "reasoning") if getattr(delta, name)]
    if delta.tool_calls:
        return None if said else _arguments(delta.tool_calls)
    return (delta, said[0]) if len(said) == 1 else None


def _arguments(calls: list[Call]) -> tuple[msgspec.Struct, str] | None:
    function = calls[0].function
    return (function, "arguments") if len(calls) == 1 and function is not None and function.arguments else None
