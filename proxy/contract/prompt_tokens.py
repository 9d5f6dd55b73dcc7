"""Prompt tokens: how many a plain text conversation has, as the chat template of Kimi K2.5 and K2.6 writes it.

Here: what the template adds to the texts, and which conversations are counted. Not here: how a text falls into tokens
(tokenizer.py), tools, images, and how an answer is judged. Invariant: a conversation whose prompt is not known for
certain is not counted; the two hosts' habits that are known are both within `accepted`.

The template writes, without any space or newline in between: for each message the token of its role (<|im_system|>,
<|im_user|>, <|im_assistant|>), the role's name as text, <|im_middle|>, for an assistant <think></think>, the content
as it is, <|im_end|>; at the end <|im_assistant|>assistant<|im_middle|><think>, and </think> too when instant. It adds
no system prompt of its own (K2-Thinking's template did) and no [BOS].

Checked: those rules against the K2.5 template in radixark/miles (miles/utils/chat_template_utils/templates/
kimi_k25_fixed.jinja, K2.5's but for preserve_thinking), rendered by jinja2; the special tokens are one each in
MoonshotAI/Kimi-Vendor-Verifier beam/tokenizer/tokenizer_config.json. Assumed: K2.6's template differs by
preserve_thinking alone (thinking-machines-lab/tinker-cookbook renderers/kimi_k26.py), which needs reasoning in the
history to matter; a host counts what its template writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from proxy.contract.mode import Mode

PROMPT_MEMBERS: Final = (
    *("tools", "functions", "response_format", "structured_outputs", "partial", "documents", "conversation"),
    *("chat_template", "add_generation_prompt", "continue_final_message", "add_special_tokens", "input_ids"),
    *("truncate_prompt_tokens", "prompt_embeds", "web_search_options", "plugins", "transforms"),
)
"""Members of a request that make another prompt of its messages, or may (names: policy/known.py). A request that has
one with a value is not to be counted; what the mode switches' objects say beside the mode counts as such a member."""
MAX_OVER: Final = 3
"""Tokens that may be reported beyond the expected (Kimi-Vendor-Verifier tests/prompt_tokens)."""
MAX_BYTES: Final = 300_000
"""Longest conversation counted, as JSON: Kimi's own tokenizer cuts a prompt each 400,000 characters."""
MAX_RUN: Final = 20_000
"""Longest run without a space, or of spaces, that is counted: Kimi's own tokenizer cuts one each 25,000 characters,
the template's marks included."""

_PREFILL: Final = {Mode.THINKING: 1, Mode.INSTANT: 2}
"""<think>, and </think>: where the answer begins for a host that counts them with the completion."""
_FRAME: Final = {"system": 3, "user": 3, "assistant": 5}
"""Special tokens around a message: its role, <|im_middle|>, <|im_end|>; <think></think> in an assistant's."""
_SPECIAL: Final = re.compile(r"<\|\w+\|>|</?think>|\[(?:BOS|EOS|EOT|UNK|PAD)\]")
_RUNS: Final = re.compile(r"\S+|\s+")

_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode


def prompt_tokens(messages_raw: bytes, mode: Mode, count: Callable[[str], int]) -> int | None:
    """The tokens of the prompt that the template makes of `messages_raw` (the request's member as JSON), the opened
    reasoning at its end included; `count` gives the tokens of a text.

    None: not counted. Counted are messages of system, user and assistant with a string as content and nothing else
    (members that are null, false or empty do not matter), up to MAX_BYTES and MAX_RUN. Not so a text that spells a
    special token: one host reads it as that token, another as text; nor reasoning in the history: hosts differ in
    keeping it.
    """
    contents = _contents(messages_raw)
    if not contents:
        return None
    opened = 2 + count("assistant") + _PREFILL[mode]
    return opened + sum(_FRAME[role] + count(role) + count(content) for role, content in contents)


def accepted(tokens: int, mode: Mode) -> range:
    """What usage.prompt_tokens may be where `prompt_tokens` gives `tokens`: from without the opened reasoning to
    MAX_OVER above the whole.

    Kimi-Vendor-Verifier's expectations leave out what opens the reasoning (testdata/prompt_token_cases/README.md, of
    K3), engines count it; that Kimi's own K2.6 endpoint leaves it out as well is an assumption.
    """
    return range(tokens - _PREFILL[mode], tokens + MAX_OVER + 1)


def _contents(messages_raw: bytes) -> list[tuple[str, str]] | None:
    """Role and content of each message; None when there is a message of another kind."""
    if len(messages_raw) > MAX_BYTES:
        return None
    try:
        messages = _decode(messages_raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    contents: list[tuple[str, str]] = []
    for message in messages:
        role, content = message.pop("role", None), message.pop("content", None)
        if not isinstance(role, str) or role not in _FRAME or not isinstance(content, str) or any(message.values()):
            return None
        contents.append((role, content))
    return contents if _plain("/".join(content for _, content in contents)) else None


def _plain(text: str) -> bool:
    if _SPECIAL.search(text):
        return False
    return len(text) <= MAX_RUN or max(len(run) for run in _RUNS.findall(text)) <= MAX_RUN
