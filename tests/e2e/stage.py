"""A simulated vendor with the proxy before it, both in the test's event loop, for clients of every kind.

Not here: clients and assertions. Invariant: what a client is told to use is the proxy's address; the vendor is looked
at from behind only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, NamedTuple

from openai.types.chat import ChatCompletionFunctionToolParam

from proxy.simulator import Lengths, Lognormal, Options, Pacing, Simulator, parse_faults
from tests.proxying import Proxy, configured, proxying

KEY: Final = "sk-e2e-0123456789abcdef"
QUESTION: Final = "What grows by a quiet river?"
SHORT: Final = Lengths(reasoning=Lognormal(12, 0.2), content=Lognormal(12, 0.2))
SLOW: Final = Pacing(first_token_s=Lognormal(0.05, 0.1), gap_s=Lognormal(0.02, 0.1))
LONG: Final = Lengths(reasoning=Lognormal(2000, 0.1), content=Lognormal(2000, 0.1))
"""With SLOW: an answer of more than half a minute."""
WEATHER: Final[ChatCompletionFunctionToolParam] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather at a place.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
        },
    },
}
DEADLINE_S: Final = 10.0


class Stage(NamedTuple):
    """A vendor, and the proxy whose `url` is a client's base_url."""

    vendor: Simulator
    proxy: Proxy

    @property
    def url(self) -> str:
        return self.proxy.url

    async def released(self) -> None:
        """Wait until the vendor has noticed that nobody listens any more."""
        await until(lambda: self.vendor.abandoned_at, "the vendor is released")

    async def outcomes(self, count: int) -> list[str]:
        """What the proxy made of the first `count` requests, by its log."""
        await until(lambda: len(self.proxy.lines) >= count, f"{count} requests are over")
        return [line["outcome"] for line in self.proxy.lines]


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition."""
    end = asyncio.get_running_loop().time() + DEADLINE_S
    while not condition():
        assert asyncio.get_running_loop().time() < end, f"not within {DEADLINE_S} s: {what}"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def staged(
    *faults: str,
    options: Options = Options(instant=True, lengths=SHORT, tool_rate=0.0),  # noqa: B008  (frozen)
    vendor: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    **settings: Any,  # noqa: ANN401  (any setting of the file)
) -> AsyncIterator[Stage]:
    """A stage; `faults` are the simulator's, `vendor` and `settings` as in the proxy's file. The simulator speaks and
    checks as Moonshot does.
    """
    async with Simulator(replace(options, faults=parse_faults(*faults))) as simulator:
        config = configured(
            simulator.url, vendor={"profile": "moonshot", **(vendor or {})}, environ=environ, **settings
        )
        async with proxying(config) as proxy:
            yield Stage(simulator, proxy)


PACED: Final = Options(lengths=LONG, pacing=SLOW, tool_rate=0.0)
"""A vendor that goes on for long."""
CALLING: Final = Options(instant=True, lengths=SHORT, tool_rate=1.0)
"""A vendor that calls a tool at every user turn, and answers with text once it has the result."""
