"""Answer: what a vendor said, whole: content, reasoning, tool calls, finish reason, usage, id, model.

Here: the values. Not here: assembling them (assemble.py), judging them (signals/). Invariant: an Answer is what the
bytes say and nothing is made up: what is absent is None, and what could not be read is named in `flaws`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Flaw(StrEnum):
    """What is wrong with the form of an answer. Each stands on its own; an answer may have several."""

    EMPTY = "empty"
    """No byte of body."""
    UNREADABLE = "unreadable"
    """The JSON body, or at least one event's data, is not JSON."""
    NOT_AN_ANSWER = "not-an-answer"
    """JSON, but without choices."""
    ERROR_INSIDE = "error-inside"
    """An error object within status 200, or within the stream."""
    WRONG_TYPES = "wrong-types"
    """A member has another type than the contract says."""
    OVERSIZED = "oversized"
    """More than is kept was sent; the rest was not read."""
    NO_DONE = "no-done"
    """A stream without `[DONE]`."""
    CUT = "cut"
    """The connection ended before the answer did."""
    INDEX_MISSING = "index-missing"
    """A tool call's delta without an index (it is then told apart by its id)."""


class Usage(msgspec.Struct, frozen=True):
    """Token counts as the vendor states them; None: not stated. `cached` is part of `prompt`, `reasoning` part of
    `completion`. `places` names where usage stood: "top", "choice" or both.
    """

    prompt: int | None = None
    completion: int | None = None
    total: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    places: tuple[str, ...] = ()


class ToolCall(msgspec.Struct, frozen=True):
    """One tool call; `arguments` is text as it came, JSON or not (an object that came as one is its JSON text)."""

    id: str | None
    name: str | None
    arguments: str


class Answer(msgspec.Struct, frozen=True):
    """The first choice of one answer. `content` and `reasoning` None: absent or null; "": said to be empty.

    `finish_reason` is the vendor's own word. `logprobs` are those of the first 16 tokens, where there are any.
    `choices` counts the choices seen.
    """

    content: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    id: str | None = None
    model: str | None = None
    logprobs: tuple[float, ...] = ()
    choices: int = 0
    stream: bool = False
    flaws: frozenset[Flaw] = frozenset()

    @property
    def finished(self) -> bool:
        """Whether it came to its end: all of it arrived and it says why it stopped."""
        return Flaw.CUT not in self.flaws and self.finish_reason is not None
