"""A request and sound answers to it, from which the cases are made by changing one thing.

Not here: the cases. Invariant: a sound answer breaks no contract.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec

from proxy.contract.answer import Answer, Flaw, ToolCall, Usage
from proxy.contract.asked import Asked, Tool
from proxy.contract.mode import Mode


def searchable(arguments: object) -> bool:
    return isinstance(arguments, dict) and isinstance(arguments.get("query"), str)


def anything(_arguments: object) -> bool:
    return True


def nothing(_arguments: object) -> bool:
    return False


def unjudged(_arguments: object) -> None:
    return None


TOOLS: Final = {
    "search": Tool("search", searchable),
    "read_file": Tool("read_file", anything),
    "unknowable": Tool("unknowable", unjudged),
}
ASKED: Final = Asked(
    Mode.THINKING,
    model="kimi-k2.6",
    models=frozenset({"kimi-k2.6", "moonshotai/Kimi-K2.6"}),
    stream=True,
    tools=TOOLS,
    max_tokens=1000,
    scripts=frozenset({"latin"}),
)
PLAIN: Final = replace(ASKED, tools={})
INSTANT: Final = replace(ASKED, mode=Mode.INSTANT)
CALL: Final = ToolCall("functions.search:0", "search", '{"query": "ferry"}')
USAGE: Final = Usage(prompt=40, completion=25, total=65, cached=10, reasoning=12, places=("choice",))
SAID: Final = Answer(
    content="The ferry leaves at nine and comes back before dark.",
    reasoning="They ask about the ferry. Its times are known.",
    finish_reason="stop",
    usage=USAGE,
    id="chatcmpl-1",
    model="kimi-k2.6",
    choices=1,
    stream=True,
)
CALLED: Final = msgspec.structs.replace(SAID, content=None, tool_calls=(CALL,), finish_reason="tool_calls")
CALM: Final = msgspec.structs.replace(SAID, reasoning=None, usage=Usage(prompt=40, completion=13, total=53))
"""Said without thinking."""


def said(**changes: object) -> Answer:
    return msgspec.structs.replace(SAID, **changes)


def called(*calls: ToolCall, **changes: object) -> Answer:
    return msgspec.structs.replace(CALLED, tool_calls=calls or CALLED.tool_calls, **changes)


def call(name: str | None = "search", arguments: str = '{"query": "ferry"}', at: int = 0) -> ToolCall:
    return ToolCall(f"functions.{name}:{at}", name, arguments)


def usage(**changes: object) -> Answer:
    return said(usage=msgspec.structs.replace(USAGE, **changes))


def flawed(*flaws: Flaw, **changes: object) -> Answer:
    return said(flaws=frozenset(flaws), **changes)
