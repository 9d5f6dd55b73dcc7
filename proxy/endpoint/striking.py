"""Our key, struck out of whatever an endpoint says, before anybody keeps or shows it.

Not here: keys that are known by their form alone (scorer/redaction.py). Invariant: text without the key is unchanged.
"""

from __future__ import annotations

from typing import Final

from msgspec import structs

from proxy.contract.answer import Answer, ToolCall

STRUCK: Final = "***"
SHORTEST: Final = 12
"""Characters. Engines of one's own are often given a word as their key ("none", "EMPTY"), which an answer may say."""


def struck_from_refusal(text: bytes, key: str) -> bytes:
    """A refusal's body; "" for no key."""
    return text.replace(key.encode(), STRUCK.encode()) if key else text


def struck_from_answer(answer: Answer, key: str) -> Answer:
    """Every text of an answer, put together from its pieces; a key shorter than SHORTEST is left."""
    if len(key) < SHORTEST or not _holds(answer, key):
        return answer

    def struck(text: str | None) -> str | None:
        return None if text is None else text.replace(key, STRUCK)

    return structs.replace(
        answer,
        content=struck(answer.content),
        reasoning=struck(answer.reasoning),
        tool_calls=tuple(
            ToolCall(struck(call.id), struck(call.name), call.arguments.replace(key, STRUCK))
            for call in answer.tool_calls
        ),
        finish_reason=struck(answer.finish_reason),
        id=struck(answer.id),
        model=struck(answer.model),
    )


def _holds(answer: Answer, key: str) -> bool:
    calls = (text for call in answer.tool_calls for text in (call.id, call.name, call.arguments))
    texts = (answer.content, answer.reasoning, answer.finish_reason, answer.id, answer.model, *calls)
    return any(text is not None and key in text for text in texts)
