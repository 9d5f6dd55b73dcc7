"""reasoning-history: earlier tool calls come with the reasoning that led to them.

```yaml
- id: reasoning-missing-in-history
  kind: reasoning-history
  source: ...
```

While thinking, an assistant message with tool calls must carry `reasoning_content`; an empty string will do. repair:
the message's `reasoning` (the engines' spelling) is copied when it is a string, else an empty string is added; no
other message changes by a byte. strict: refused in the official wording, `thinking is enabled but reasoning_content is
missing in assistant tool call message at index N`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import msgspec

from proxy.contract.envelope import Envelope, MalformedBody, Name, Raw, members_of
from proxy.contract.mode import Mode
from proxy.policy.clauses.clause import BodyClause, Scope
from proxy.policy.verdict import Finding

_ABSENT: Final = Raw(b"null")
MAX_MESSAGES: Final = 16_384
"""Of a conversation that is looked at: a body has room for millions, and each takes a hundred bytes to look at. The
model's context of 256K tokens has 16 for each.
"""
MAX_REPAIRED: Final = 4_096
"""Messages that are given their reasoning: it takes a microsecond each. The context has 64 tokens for each, less than a
call of a tool and what came of it. A conversation that lacks more is refused.
"""
MAX_NULL: Final = 768
"""Of these, messages that say null for it: they are read and written anew, in two microseconds each."""
_AT_ONCE: Final = 64
"""Messages that are read and written together: their members take ten times the bytes of small ones."""
_SMALL: Final = 16_000
"""Bytes of messages that are read together: names cannot be so many that a dict of them would be a burden."""


class _Turn(msgspec.Struct, gc=False):
    """What one message says about itself; the rest is skipped, not built."""

    role: Any = None
    tool_calls: Raw = _ABSENT
    reasoning_content: Raw = _ABSENT
    reasoning: Raw = _ABSENT


class _Counted(_Turn):
    """A turn; the reading of them ends where there are too many."""

    seen: ClassVar[int] = 0

    def __post_init__(self) -> None:
        _Counted.seen += 1
        if _Counted.seen > MAX_MESSAGES:
            raise _TooMany


class _TooMany(Exception):
    """No ValueError: msgspec would take that for its own."""


# One pass over the bytes costs no more than searching them for a name would, and no escape can hide from it.
_turns: Final = msgspec.json.Decoder(list[_Turn]).decode
_counted_turns: Final = msgspec.json.Decoder(list[_Counted]).decode
_items: Final = msgspec.json.Decoder(list[Raw]).decode
_objects: Final = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_pairs: Final = msgspec.json.Decoder(list[dict[Name, Raw]], dec_hook=lambda _type, text: Name(text)).decode
_calls_begin: Final = re.compile(rb"\[\s*[^\]\s]").match
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningHistory(BodyClause):
    """Thinking needs the reasoning of earlier tool calls."""

    kind: Literal["reasoning-history"] = "reasoning-history"

    @property
    def governed(self) -> tuple[str, ...]:
        """The conversation."""
        return ("messages",)

    @property
    def remedies(self) -> tuple[str, ...]:
        """The reasoning is added."""
        return ("rewrite",)

    def judge_body(self, envelope: Envelope, scope: Scope) -> Finding | None:
        """One finding for all messages that lack it, repaired by adding it to each."""
        messages = envelope.members.get("messages")
        if messages is None or scope.mode is not Mode.THINKING:
            return None
        text, start, end = envelope.span("messages")
        # The name tool_calls needs one of these two bytes; looking for a byte costs a tenth of reading the messages.
        if text.find(b"_", start, end) < 0 and text.find(b"\\", start, end) < 0:
            return None
        try:
            turns = _few_turns(messages) if text.count(b"{", start, end) > MAX_MESSAGES else _turns(messages)
        except msgspec.ValidationError:
            return None  # not a list of objects: nothing any vendor reads as a conversation
        missing = [i for i, turn in enumerate(turns) if turn.tool_calls is not _ABSENT and _lacks_reasoning(turn)]
        if not missing:
            return None
        null = frozenset(i for i in missing if turns[i].reasoning_content is not _ABSENT)
        told = {i: bytes(turns[i].reasoning) for i in missing if _is_string(turns[i].reasoning)}
        del turns  # they take several times the bytes of short messages, and so does what follows
        return self._finding(messages, missing, null, told)

    def _finding(self, messages: Raw, missing: list[int], null: frozenset[int], told: dict[int, bytes]) -> Finding:
        few = len(missing) <= MAX_REPAIRED and len(null) <= MAX_NULL
        return Finding(
            self.id,
            f"messages[{missing[0]}].reasoning_content",
            "thinking is enabled but reasoning_content is missing in assistant tool call message at index "
            f"{missing[0]}",
            "nothing",
            "a string, which may be empty",
            f"send back the reasoning_content that came with the tool call at index {missing[0]}, or an empty string",
            {"messages": _repaired(messages, missing, null, told)} if few else None,
            _receipts(missing, told) if few else f"messages[{missing[0]},..].reasoning_content=?->refused",
        )


def _few_turns(messages: Raw) -> Sequence[_Turn]:
    _Counted.seen = 0
    try:
        return _counted_turns(messages)
    except _TooMany:
        raise MalformedBody(
            "value-too-large",
            f"messages has more than {MAX_MESSAGES} items",
            f"send at most {MAX_MESSAGES}",
            "messages",
        ) from None


def _repaired(messages: Raw, missing: list[int], null: frozenset[int], told: dict[int, bytes]) -> bytes:
    items, repaired = _items(messages), bytearray()
    for begin in range(0, len(items), _AT_ONCE):
        some: list[Any] = items[begin : begin + _AT_ONCE]
        lacking = missing[bisect_left(missing, begin) : bisect_left(missing, begin + _AT_ONCE)]
        emptied = [i for i in lacking if i in null]
        members = dict(zip(emptied, _read([some[i - begin] for i in emptied], emptied), strict=True))
        for i in lacking:
            own = told.get(i, b'""')
            if i in members:
                some[i - begin] = _encode(members[i] | {"reasoning_content": Raw(own)})
            else:  # a name that is added leaves all others as they are written
                some[i - begin] = b'%b,"reasoning_content":%b}' % (bytes(some[i - begin])[:-1], own)
        repaired += b"," + b",".join(some)
    repaired[:1] = b"["
    repaired += b"]"
    return bytes(repaired)


def _read(messages: list[Raw], indexes: list[int]) -> list[dict[str, Raw]]:
    """`members_of` for each, but read together: in a tenth of the time for small ones."""
    text = b"[" + b",".join(messages) + b"]"
    if len(text) > _SMALL:
        return [members_of(message, f"messages[{i}]") for message, i in zip(messages, indexes, strict=True)]
    read = _objects(text)
    # What is written as it was read had no name twice: a dict would have dropped one.
    if _encode(read) == text:
        return read
    compact = msgspec.json.format(text, indent=-1)
    if len(compact) == len(text) or _encode(_objects(compact)) != compact:
        for message, i, members, pairs in zip(messages, indexes, read, _pairs(text), strict=True):
            if len(members) != len(pairs):
                members_of(message, f"messages[{i}]")  # says which name is repeated
    return read


def _lacks_reasoning(turn: _Turn) -> bool:
    # SGLang reads the role in any case (srt/entrypoints/openai/protocol.py).
    if not isinstance(turn.role, str) or turn.role.lower() != "assistant":
        return False
    told = turn.reasoning_content
    return (told is _ABSENT or bytes(told) == b"null") and _calls_begin(turn.tool_calls) is not None


def _is_string(value: Raw) -> bool:
    return value is not _ABSENT and bytes(value).startswith(b'"')


def _receipts(missing: list[int], told: Mapping[int, bytes]) -> str:
    added = [i for i in missing if i not in told]
    return ";".join([_receipt(added, '""')] * bool(added) + [_receipt(list(told), "reasoning")] * bool(told))


def _receipt(indexes: list[int], source: str) -> str:
    named = ",".join(map(str, indexes[:8])) + (",.." if len(indexes) > 8 else "")
    return f"messages[{named}].reasoning_content=+{source}"
