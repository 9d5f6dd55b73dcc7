"""Leaked markers: what the chat template writes between the texts, arriving as text.

K2's tool markers and think tags are ordinary tokens, so a parser that misses them lets them through (tokenizer_config
of the Kimi-Vendor-Verifier). Not here: what the parser lost with them (calls_finish.py, tool_arguments.py). Invariant:
a text that quotes a marker looks the same; the tolerance stands for that.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.contract.asked import Asked
from proxy.signals.features import Read
from proxy.signals.signal import CONTRACT_TOLERANCE, Group, Rate

_MARKER: Final = re.compile(
    r"<\|(?:tool_call|im_|media_)"
    r"|<\|[a-z_]*\Z"  # a marker cut by the end of the text
    r"|(?:section|call|argument)_(?:begin|end)\|>|call_end\|>"
    r"|\[[BE]OS\]"
)
_BARE_ID: Final = re.compile(r"functions\.([\w-]+):\d")
_THINK_TAGS: Final = ("<think>", "</think>")


def _leaked(read: Read) -> bool | None:
    if not read.whole:
        return None
    texts = (read.content or "", read.reasoning or "")
    return any(_marked(text) or _names_a_call(text, read.asked) for text in texts) or any(
        _marked(call.arguments) for call in read.tool_calls
    )


def _marked(text: str) -> bool:
    return ("|" in text or "OS]" in text) and _MARKER.search(text) is not None


def _names_a_call(text: str, asked: Asked) -> bool:
    """The id of a call, bare: only of a declared tool, since functions.py:12 is a place in a file."""
    return "functions." in text and any(found[1] in asked.tools for found in _BARE_ID.finditer(text))


def _think_tags(read: Read) -> bool | None:
    if not read.whole:
        return None
    return read.content is not None and any(tag in read.content for tag in _THINK_TAGS)


LEAKED_MARKERS = Rate(
    name="leaked-markers",
    violated=_leaked,
    unit="share of answers",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="whole or half tool, turn and media markers in content, reasoning or arguments, bare call ids",
    source="Kimi-K2#89, hermes-agent#24534, llxprt#750, vllm#34955, #36763, #36969",
)
THINK_TAGS = Rate(
    name="think-tags",
    violated=_think_tags,
    unit="share of answers",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="reasoning in the content, stray <think> and </think>",
    source="privatemode#7",
)
