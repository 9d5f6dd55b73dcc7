"""Read: one answer, what was asked, and what several signals need of the two, each computed once and only if needed.

Not here: the signals themselves. Invariants: a Read is its Answer, unchanged, and all the rest follows from the answer
and the request alone; nothing here raises, whatever the answer holds.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import orjson

from proxy.contract.answer import Answer, Flaw
from proxy.contract.asked import Asked
from proxy.signals.repetition import degenerate

PARTIAL: Final = frozenset({Flaw.CUT, Flaw.OVERSIZED})
"""Not all of the answer is there to be judged; whose fault that is, its exchange's outcome says."""
MALFORMED: Final = frozenset({Flaw.EMPTY, Flaw.UNREADABLE, Flaw.NOT_AN_ANSWER, Flaw.WRONG_TYPES})
"""What is missing from such an answer may be in the part that could not be read."""


class Unreadable:
    """What stands for tool arguments that are not JSON."""


UNREADABLE: Final = Unreadable()


class Read(Answer, frozen=True, dict=True, kw_only=True):
    """An answer as the signals see it."""

    asked: Asked

    @cached_property
    def whole(self) -> bool:
        """All of it arrived and was kept."""
        return not self.flaws or PARTIAL.isdisjoint(self.flaws)

    @cached_property
    def ended(self) -> bool:
        """Whole, and it says why it stopped: what content signals ask of both sides of a pair."""
        return self.finish_reason is not None and self.whole

    @cached_property
    def proper(self) -> bool:
        """Whole and an answer in form: what is absent from it was not said, rather than lost."""
        return not self.flaws or (
            self.whole and Flaw.ERROR_INSIDE not in self.flaws and MALFORMED.isdisjoint(self.flaws)
        )

    @cached_property
    def blank(self) -> bool:
        """No content but white space."""
        return not self.content or self.content.isspace()

    @cached_property
    def characters(self) -> int:
        """Of all that was generated and shown: content, reasoning, names and arguments of tool calls."""
        calls = sum(len(call.name or "") + len(call.arguments) for call in self.tool_calls)
        return len(self.content or "") + len(self.reasoning or "") + calls

    @cached_property
    def arguments(self) -> tuple[object, ...]:
        """The arguments of each tool call as values; UNREADABLE for those that are not JSON."""
        return tuple(_parsed(call.arguments) for call in self.tool_calls)

    @cached_property
    def arguments_bad(self) -> bool:
        """Some call's arguments are not JSON, or its tool's declared schema does not accept them."""
        for call, value in zip(self.tool_calls, self.arguments, strict=True):
            if value is UNREADABLE:
                return True
            tool = self.asked.tools.get(call.name or "")
            if tool is not None and tool.judge(value) is False:
                return True
        return False

    @cached_property
    def tools_called(self) -> frozenset[str]:
        """Names of the tools it calls."""
        return frozenset(call.name for call in self.tool_calls if call.name)

    @cached_property
    def ranks_called(self) -> frozenset[int]:
        """Places, from 1, of the called tools among the declared ones; a name itself would be the request's text."""
        if not self.tool_calls:
            return frozenset()
        return frozenset(rank for rank, name in enumerate(self.asked.tools, 1) if name in self.tools_called)

    @cached_property
    def format_bad(self) -> bool | None:
        """Whether the content is other than `response_format` wants; None where that does not matter: any text will do,
        tools are called instead, or the limit cut it.
        """
        if self.asked.format_accepts is None or self.tool_calls or self.finish_reason != "stop" or not self.whole:
            return None
        value = _parsed(self.content or "")
        return value is UNREADABLE or not self.asked.format_accepts(value)

    @cached_property
    def degenerate(self) -> bool:
        """The content or the reasoning loops or runs on one character."""
        return degenerate(self.content or "") or degenerate(self.reasoning or "")

    @cached_property
    def content_grams(self) -> frozenset[tuple[str, str, str]]:
        """The runs of three characters in the opening of the content."""
        return _grams(self.content or "")

    @cached_property
    def reasoning_grams(self) -> frozenset[tuple[str, str, str]]:
        """The runs of three characters in the opening of the reasoning."""
        return _grams(self.reasoning or "")


_FIELDS: Final = Answer.__struct_fields__
GRAM_CHARACTERS: Final = 256
"""How much of the text its grams are taken from: a longer opening tells no more about who wrote it, and costs more."""


def read(answer: Answer, asked: Asked) -> Read:
    """The answer with what was asked. Give the same Read wherever one answer is read more than once."""
    if isinstance(answer, Read) and answer.asked is asked:
        return answer
    return Read(*[getattr(answer, name) for name in _FIELDS], asked=asked)


def _parsed(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return UNREADABLE


def _grams(text: str) -> frozenset[tuple[str, str, str]]:
    opening = text[:GRAM_CHARACTERS]
    return frozenset(zip(opening, opening[1:], opening[2:], strict=False))
