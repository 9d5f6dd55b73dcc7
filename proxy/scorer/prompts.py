"""Prompts: our own count of a mirrored request's prompt tokens, where the model's ranks are at hand.

Here: loading the ranks, and which requests are counted. Not here: the counting (contract/prompt_tokens.py), and how an
answer is judged by it (signals/prompt_token_count.py). Invariants: without ranks nothing is counted; counting one
request takes the event loop some ten milliseconds at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from proxy.contract.mode import SWITCH_MEMBERS, SWITCHES, Mode
from proxy.contract.prompt_tokens import PROMPT_MEMBERS, accepted, prompt_tokens
from proxy.contract.tokenizer import Tokenizer

POLICIES: Final = ("kimi-k2.5", "kimi-k2.6")
"""Policies that stand for a model whose template is known; one of the operator's own may be for any model."""
MAX_COUNTED: Final = 16 * 1024
"""Longest messages counted, in bytes of JSON."""

_INNER: Final = {member: {path[-1] for path in SWITCHES if path[0] == member} for member in SWITCH_MEMBERS}


class Prompts:
    """The counter. `say` and `warn` write a line where people read."""

    def __init__(self, say: Callable[[str], None], warn: Callable[[str], None]) -> None:
        self._say = say
        self._warn = warn
        self._count: Callable[[str], int] | None = None
        self._loading: asyncio.Task[None] | None = None

    def use(self, path: str | None) -> None:
        """Count by the ranks file at `path` as soon as it is loaded, which takes a thread up to a second; None: count
        nothing. Needs a running loop.
        """
        if self._loading is not None:
            self._loading.cancel()
        self._count = None
        self._loading = None if path is None else asyncio.create_task(self._load(path))

    async def close(self) -> None:
        """Give up loading."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])

    def accepted(self, members: Mapping[str, bytes], policy: str, mode: str) -> range | None:
        """What usage.prompt_tokens may be for the request with these members; None: not counted."""
        messages = members.get("messages", b"")
        if self._count is None or policy not in POLICIES or len(messages) > MAX_COUNTED or not _plain(members):
            return None
        tokens = prompt_tokens(messages, Mode(mode), self._count)
        return None if tokens is None else accepted(tokens, Mode(mode))

    async def _load(self, path: str) -> None:
        try:
            self._count = await asyncio.to_thread(_counter, path)
        except OSError as error:
            remedy = "make it readable and send SIGHUP, or take the setting out"
            self._warn(f"signals.tokenizer_file: {path}: {error.strerror}; prompt tokens are not counted; {remedy}")
        except ValueError as error:
            self._warn(f"signals.tokenizer_file: {path}: {error}; prompt tokens are not counted")
        else:
            self._say(f"prompt tokens are counted by {path}")


def _counter(path: str) -> Callable[[str], int]:
    count = Tokenizer.from_ranks(Path(path).read_bytes()).count
    count("")  # what it builds on first use, it builds here
    return count


def _plain(members: Mapping[str, bytes]) -> bool:
    """Whether nothing but the messages and the mode makes the prompt."""
    if any(members.get(name, b"null") != b"null" for name in PROMPT_MEMBERS):
        return False
    return all(_INNER[name].issuperset(_said(members[name])) for name in SWITCH_MEMBERS & members.keys())


def _said(raw: bytes) -> list[str]:
    """The names in a switch's object that have a value."""
    value: Any = msgspec.json.decode(raw)
    return [name for name, inner in value.items() if inner is not None] if isinstance(value, dict) else []
