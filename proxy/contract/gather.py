"""The pieces of an answer, added up.

Not here: bytes (assemble.py), the shape of a piece (chunk.py). Invariant: what is kept is bounded by `limit` characters
in all, whatever comes; what is beyond is dropped and the answer marked for it.
"""

from __future__ import annotations

from typing import Final

from proxy.contract.answer import Answer, Flaw, ToolCall, Usage
from proxy.contract.chunk import Call, Choice, Chunk, Counts, Details, Function, Logprobs, Said

LOGPROBS: Final = 16
"""Tokens whose log probabilities are kept."""
LONGEST_NAME: Final = 1024
"""Characters that are kept of an id, a model's name or a finish reason; none that means anything is as long."""
MAX_CHOICES: Final = 1024
"""Choices that are told apart."""
_CALL_COST: Final = 512
"""What a tool call counts for beside its text, so that a stream of empty calls is bounded too."""
MAX_CALLS: Final = 1024
"""Tool calls of one answer; an empty one takes six times the bytes it comes in."""
_PIECES: Final = 256
"""Pieces that are joined at once."""
_NO_FUNCTION: Final = Function()
_NO_COUNTS: Final = Counts()
_NO_DETAILS: Final = Details()


class _Text:
    """A text that grows. Pieces are joined as they come: one of a few letters takes ten times their memory."""

    __slots__ = ("_blocks", "_pieces")

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._pieces: list[str] = []

    def write(self, piece: str) -> None:
        pieces = self._pieces
        pieces.append(piece)
        if len(pieces) == _PIECES:
            self._blocks.append("".join(pieces))
            pieces.clear()

    def whole(self) -> str:
        return "".join((*self._blocks, *self._pieces))


class _Pending:
    """A tool call that may not be whole yet."""

    __slots__ = ("arguments", "id", "name")

    def __init__(self, id: str | None, name: str | None) -> None:  # noqa: A002
        self.id = id
        self.name = name
        self.arguments = _Text()


class Gathered:
    """Choice 0 of one answer, as far as it came. `add` takes a whole answer, or one event after another."""

    __slots__ = (
        "_by_id", "_by_index", "_calls", "_content", "_finish", "_id", "_in_choice", "_indexes", "_logprobs", "_model",
        "_named", "_on_top", "_reasoning", "_room", "flaws",
    )  # fmt: skip

    def __init__(self, limit: int) -> None:
        self.flaws: set[Flaw] = set()
        self._room = limit
        self._id: str | None = None
        self._model: str | None = None
        self._content: _Text | None = None
        self._reasoning: _Text | None = None
        self._named = False
        self._calls: list[_Pending] = []
        self._by_index: dict[int, _Pending] = {}
        self._by_id: dict[str, _Pending] = {}
        self._finish: str | None = None
        self._on_top: Counts | None = None
        self._in_choice: Counts | None = None
        self._logprobs: list[float] = []
        self._indexes: set[int] = set()

    @property
    def choices(self) -> int:
        """How many choices came, at most MAX_CHOICES."""
        return len(self._indexes)

    def add(self, chunk: Chunk) -> None:
        """What one event says, or the whole answer."""
        if not self._id and chunk.id:
            self._id = chunk.id[:LONGEST_NAME]
        if not self._model and chunk.model:
            self._model = chunk.model[:LONGEST_NAME]
        if chunk.usage is not None:
            self._on_top = _latest(chunk.usage, self._on_top)
        if chunk.error or chunk.object == "error":
            self.flaws.add(Flaw.ERROR_INSIDE)
        for position, choice in enumerate(chunk.choices or ()):
            index = position if choice.index is None else choice.index
            if index not in self._indexes and len(self._indexes) < MAX_CHOICES:
                self._indexes.add(index)
            if index == 0:
                self._add_choice(choice)

    def answer(self, flaws: frozenset[Flaw], *, stream: bool) -> Answer:
        """All of it, with the flaws that were found elsewhere."""
        return Answer(
            content=None if self._content is None else self._content.whole(),
            reasoning=None if self._reasoning is None else self._reasoning.whole(),
            tool_calls=tuple(ToolCall(call.id, call.name, call.arguments.whole()) for call in self._calls),
            finish_reason=self._finish,
            usage=_usage(self._on_top, self._in_choice),
            id=self._id,
            model=self._model,
            logprobs=tuple(self._logprobs),
            choices=self.choices,
            stream=stream,
            flaws=flaws,
        )

    def _add_choice(self, choice: Choice) -> None:
        delta = choice.delta
        if delta is not None:
            if delta.content:
                self._content = self._kept(self._content, delta.content)
            if delta.reasoning_content or delta.reasoning or delta.reasoning_details:
                reasoning = self._reasoning_in(delta)
                if reasoning:
                    self._reasoning = self._kept(self._reasoning, reasoning)
            if delta.tool_calls:
                for call in delta.tool_calls:
                    self._add_piece(call)
        elif choice.message is not None:
            self._add_message(choice.message)
        if choice.finish_reason:
            self._finish = choice.finish_reason[:LONGEST_NAME]
        if choice.usage is not None:
            self._in_choice = _latest(choice.usage, self._in_choice)
        if choice.logprobs is not None:
            self._add_logprobs(choice.logprobs)

    def _add_message(self, message: Said) -> None:
        reasoning = self._reasoning_in(message)
        if message.content is not None:
            self._content = self._kept(self._content, message.content)
        if reasoning is not None:
            self._reasoning = self._kept(self._reasoning, reasoning)
        for call in message.tool_calls or ():
            self._start(call)

    def _reasoning_in(self, said: Said) -> str | None:
        """Of reasoning under several names the first; details count where no plain text ever came, since at the end of
        a stream they may repeat all of it.
        """
        plain = said.reasoning_content or said.reasoning
        if plain:
            self._named = True
            return plain
        if said.reasoning_details and not self._named:
            return "".join(part.text or "" for part in said.reasoning_details)
        return plain if said.reasoning_content is None else said.reasoning_content

    def _kept(self, text: _Text | None, piece: str) -> _Text:
        """The text with as much of the piece as there is room for."""
        if text is None:
            text = _Text()
        left = self._room - len(piece)
        if left < 0:
            self.flaws.add(Flaw.OVERSIZED)
            piece = piece[: self._room]
            left = 0
        self._room = left
        text.write(piece)
        return text

    def _add_piece(self, piece: Call) -> None:
        """A delta belongs to the call at its index unless it brings another id; without index, to the call of its id,
        or to the last one.
        """
        if piece.index is not None:
            call = self._by_index.get(piece.index)
            if call is not None and piece.id and call.id and piece.id != call.id:
                call = None
        else:
            self.flaws.add(Flaw.INDEX_MISSING)
            call = self._by_id.get(piece.id) if piece.id else next(reversed(self._calls), None)
        if call is None:
            self._start(piece)
            return
        function = piece.function or _NO_FUNCTION
        if piece.id and not call.id and self._pays(len(piece.id)):
            call.id = piece.id
            self._by_id[piece.id] = call
        if function.name and not call.name and self._pays(len(function.name)):
            call.name = function.name
        if function.arguments:
            self._kept(call.arguments, function.arguments)

    def _start(self, piece: Call) -> None:
        function = piece.function or _NO_FUNCTION
        if len(self._calls) == MAX_CALLS:
            self.flaws.add(Flaw.OVERSIZED)
            return
        if not self._pays(_CALL_COST + len(piece.id or "") + len(function.name or "")):
            return
        call = _Pending(piece.id or None, function.name or None)
        self._calls.append(call)
        if piece.index is not None:
            self._by_index[piece.index] = call
        if piece.id:
            self._by_id[piece.id] = call
        if function.arguments:
            self._kept(call.arguments, function.arguments)

    def _pays(self, cost: int) -> bool:
        """Whether there is room for what cannot be cut; where there is not, nothing more is kept."""
        if cost > self._room:
            self.flaws.add(Flaw.OVERSIZED)
            self._room = 0
            return False
        self._room -= cost
        return True

    def _add_logprobs(self, logprobs: Logprobs) -> None:
        for token in (logprobs.content or ())[: LOGPROBS - len(self._logprobs)]:
            if token.logprob is not None:
                self._logprobs.append(token.logprob)


def _latest(counts: Counts, before: Counts | None) -> Counts | None:
    """The new counts, unless they state nothing."""
    return before if counts == _NO_COUNTS else counts


def _usage(on_top: Counts | None, in_choice: Counts | None) -> Usage | None:
    """Each count from the top, or else from the choice."""
    places = tuple(place for place, found in (("top", on_top), ("choice", in_choice)) if found is not None)
    if not places:
        return None
    first, second = _counted(on_top or _NO_COUNTS), _counted(in_choice or _NO_COUNTS)
    prompt, completion, total, cached, reasoning = map(_first_stated, first, second)
    return Usage(prompt, completion, total, cached, reasoning, places)


def _counted(counts: Counts) -> tuple[int | None, ...]:
    into = counts.prompt_tokens_details or _NO_DETAILS
    out = counts.completion_tokens_details or _NO_DETAILS
    return (
        counts.prompt_tokens,
        counts.completion_tokens,
        counts.total_tokens,
        _stated(counts.cached_tokens, into.cached_tokens),
        _stated(counts.reasoning_tokens, out.reasoning_tokens),
    )


def _first_stated(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


def _stated(one: int | None, other: int | None) -> int | None:
    """Of a count said in two places the one that says more: a host that knows both may leave one at 0."""
    return one if other is None or one else other
