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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import msgspec

from proxy.contract.envelope import Envelope, MalformedBody, Raw, members_of
from proxy.contract.mode import Mode
from proxy.policy.clauses.clause import BodyClause, Scope
from proxy.policy.verdict import Finding

_ABSENT: Final = Raw(b"null")
MAX_MESSAGES: Final = 16 * 1024
"""Of a conversation that is looked at: a body has room for millions, and each takes a hundred bytes to look at. The
model's context of 256K tokens has 16 for each.
"""
MAX_REPAIRED: Final = 4096
"""Messages that are given their reasoning: it takes eight microseconds each. The context has 64 tokens for each, less
than a call of a tool and what came of it. A conversation that lacks more is refused.
"""


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
        missing = [i for i, turn in enumerate(turns) if _lacks_reasoning(turn)]
        if not missing:
            return None
        told = {i: own for i in missing if (own := bytes(turns[i].reasoning)).startswith(b'"')}
        del turns  # they take several times the bytes of short messages, and so does what follows
        return self._finding(messages, missing, told)

    def _finding(self, messages: Raw, missing: list[int], told: dict[int, bytes]) -> Finding:
        edits, receipt = _repaired(messages, missing, told) if len(missing) <= MAX_REPAIRED else (None, "")
        return Finding(
            self.id,
            f"messages[{missing[0]}].reasoning_content",
            "thinking is enabled but reasoning_content is missing in assistant tool call message at index "
            f"{missing[0]}",
            "nothing",
            "a string, which may be empty",
            f"send back the reasoning_content that came with the tool call at index {missing[0]}, or an empty string",
            edits,
            receipt or f"messages[{missing[0]},..].reasoning_content=?->refused",
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


def _repaired(messages: Raw, missing: list[int], told: dict[int, bytes]) -> tuple[dict[str, bytes | None], str]:
    items, repaired, begin = _items(messages), bytearray(b"["), 0
    for i in missing:
        for item in items[begin:i]:
            repaired += bytes(item) + b","
        repaired += _with_reasoning(items[i], told.get(i, b'""'), i) + b","
        begin = i + 1
    repaired += b",".join(map(bytes, items[begin:]))
    if begin == len(items):
        del repaired[-1:]
    repaired += b"]"
    added = [i for i in missing if i not in told]
    receipts = [_receipt(added, '""')] * bool(added) + [_receipt(list(told), "reasoning")] * bool(told)
    return {"messages": bytes(repaired)}, ";".join(receipts)


def _with_reasoning(item: Raw, own: bytes, i: int) -> bytes:
    members = members_of(item, f"messages[{i}]")
    members["reasoning_content"] = Raw(own)
    return _encode(members)


def _lacks_reasoning(turn: _Turn) -> bool:
    if turn.tool_calls is _ABSENT:
        return False
    # SGLang reads the role in any case (srt/entrypoints/openai/protocol.py).
    if not isinstance(turn.role, str) or turn.role.lower() != "assistant":
        return False
    calls = bytes(turn.tool_calls)
    return calls.startswith(b"[") and bool(calls[1:-1].strip()) and bytes(turn.reasoning_content) == b"null"


def _receipt(indexes: list[int], source: str) -> str:
    named = ",".join(map(str, indexes[:8])) + (",.." if len(indexes) > 8 else "")
    return f"messages[{named}].reasoning_content=+{source}"
