"""How many tokens a prompt has, by a simple rule that is always the same.

Here: the estimate that usage.prompt_tokens and the estimate endpoint both give. Not here: completion tokens, which are
counted as they are drawn. Invariant: equal messages and tools give equal counts, on every profile and in every process,
so that a constant difference between two hosts means a changed prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

BYTES_PER_TOKEN: Final = 4
PER_MESSAGE: Final = 4
"""Role and turn markers of the K2 template (`<|im_user|>`, role, `<|im_middle|>`, `<|im_end|>`)."""
GENERATION_PROMPT: Final = 3
"""What the template adds to make the assistant speak (`<|im_assistant|>`, role, `<|im_middle|>`)."""
PER_IMAGE: Final = 1024


def count_text(text: str) -> int:
    """Tokens of a text: its UTF-8 bytes divided by four, rounded up."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def count_prompt(messages: Sequence[Any], tools: Sequence[Any], *, keep_reasoning: bool) -> int:
    """Tokens of a whole prompt: messages, tool declarations and the generation prompt.

    Tool declarations are counted with sorted keys, as K2's tokenizer renders them, so key order does not matter.
    Reasoning of earlier turns counts when it is kept, or when it belongs to the turn in progress (after the last user
    message), as the chat template blanks the rest.
    """
    last_user = max((i for i, message in enumerate(messages) if _role(message) == "user"), default=-1)
    total = GENERATION_PROMPT
    for index, message in enumerate(messages):
        total += count_message(message, with_reasoning=keep_reasoning or index > last_user)
    if tools:
        total += PER_MESSAGE + count_text(orjson.dumps(tools, option=orjson.OPT_SORT_KEYS).decode())
    return total


def count_message(message: Any, *, with_reasoning: bool) -> int:  # noqa: ANN401  (JSON as it came)
    """Tokens of one message with its markers; anything that is no message counts as its markers alone."""
    if not isinstance(message, Mapping):
        return PER_MESSAGE
    total = PER_MESSAGE + _count_content(message.get("content"))
    if with_reasoning:
        total += _count_content(message.get("reasoning_content") or message.get("reasoning"))
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        total += PER_MESSAGE + _count_call(call)
    return total


def _count_content(content: Any) -> int:  # noqa: ANN401
    if isinstance(content, str):
        return count_text(content)
    if not isinstance(content, list):
        return 0
    total = 0
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind in ("image_url", "video_url"):
            total += PER_IMAGE
        elif kind == "text" and isinstance(part.get("text"), str):
            total += count_text(part["text"])
    return total


def _count_call(call: Any) -> int:  # noqa: ANN401
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        return 0
    return sum(
        count_text(value) for value in (function.get("name"), function.get("arguments")) if isinstance(value, str)
    )


def _role(message: Any) -> Any:  # noqa: ANN401
    return message.get("role") if isinstance(message, Mapping) else None
