"""What a real model is asked: a varied set of plain questions, some of which have short answers.

Not here: sampling parameters, which the proxy fills in. Invariant: the same number gives the same request.
"""

from __future__ import annotations

from typing import Any, Final

MAX_TOKENS: Final = (48, 64, 96)
_TOPICS: Final = (
    "rain", "bread", "the Moon", "bees", "a compass", "glass", "chess", "volcanoes", "sleep", "the internet", "gold",
    "trees", "a bicycle", "the heart", "music", "ice", "a library", "salt", "birds", "the sea", "money", "a telescope",
    "coffee", "clocks", "fire",
)  # fmt: skip
_FORMS: Final = (
    "What is {}? Answer in one sentence.",
    "Name one thing that has to do with {}.",
    "Name three words that go with {}.",
    "Is {} older than writing? Answer yes or no.",
    "Write the first line of a poem about {}.",
    "Why do people care about {}? Be brief.",
    "Tell me a short fact about {}.",
    "Ask me a question about {}.",
    "Give a title for a book about {}.",
    "Explain {} to a child in a few words.",
    "Translate '{}' into French.",
    "Say something kind about {}.",
)


_TAILS: Final = ("", " Thank you.", " Please keep it short.")
QUESTIONS: Final = len(_TOPICS) * len(_FORMS) * len(_TAILS)


def prompt(number: int) -> str:
    """The `number`th question, 0 to QUESTIONS - 1; no two are the same."""
    if not 0 <= number < QUESTIONS:
        raise ValueError(f"question {number} was wanted, there are {QUESTIONS}")
    # A stride that has no common factor with the number of pairs mixes forms and topics.
    tail, pair = divmod(number, len(_TOPICS) * len(_FORMS))
    form, topic = divmod(pair * 77 % (len(_TOPICS) * len(_FORMS)), len(_TOPICS))
    return _FORMS[form].format(_TOPICS[topic]) + _TAILS[tail]


def request(number: int) -> dict[str, Any]:
    """A chat request for the `number`th question: thinking is switched off, as the model has no such mode."""
    return {
        "model": "kimi-k2.6",
        "messages": [{"role": "user", "content": prompt(number)}],
        "max_tokens": MAX_TOKENS[number % len(MAX_TOKENS)],
        "thinking": {"type": "disabled"},
    }
