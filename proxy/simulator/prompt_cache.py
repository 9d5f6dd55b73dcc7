"""The host's prompt cache, as far as usage shows it.

Here: which beginnings of prompts were seen lately. Invariant: bounded; what it says depends on the requests seen and
their order alone.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import orjson

from proxy.simulator.request import ChatRequest
from proxy.simulator.sampler import prompt_key
from proxy.simulator.tokens import count_prompt

BLOCK: Final = 16
"""Cached tokens come in blocks of so many (vLLM's default block size)."""
SIZE: Final = 4096


class PromptCache:
    """Remembers the SIZE latest beginnings: tools and messages up to each message."""

    def __init__(self) -> None:
        self._seen: OrderedDict[int, None] = OrderedDict()

    def look(self, request: ChatRequest) -> int:
        """How many tokens of this prompt were in the cache; remembers the prompt."""
        running = prompt_key(orjson.dumps(request.tools))
        longest = 0
        for index, message in enumerate(request.messages):
            running = prompt_key(running.to_bytes(8) + orjson.dumps(message))
            if running in self._seen:
                longest = index + 1
            self._seen[running] = None
            self._seen.move_to_end(running)
        while len(self._seen) > SIZE:
            self._seen.popitem(last=False)
        if not longest:
            return 0
        whole = count_prompt(request.messages[:longest], request.tools, keep_reasoning=request.keep_reasoning)
        return whole // BLOCK * BLOCK
