"""What a simulator is told at its start, and what it tells about the requests it received.

Here: frozen values only. Not here: what a fault does (faults/). Invariant: time, waiting and the seed are all in
Options, so two simulators with equal Options that receive the same requests in the same order answer the same bytes.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Lognormal:
    """A lognormal distribution by its median and the standard deviation of its logarithm."""

    median: float
    sigma: float


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long answers are, in tokens, before max_tokens cuts them. The median varies by prompt with half of sigma's
    variance, and by draw with the other half.
    """

    reasoning: Lognormal = Lognormal(150, 0.7)
    content: Lognormal = Lognormal(80, 0.6)


@dataclass(frozen=True, slots=True)
class Pacing:
    """How long an honest host takes, in seconds, at speed 1: the first token, what a thousand prompt tokens add to it,
    and the gap between two tokens (the defaults are 0.4 s and 60 tokens a second).
    """

    first_token_s: Lognormal = Lognormal(0.4, 0.35)
    per_thousand_prompt_tokens_s: float = 0.05
    gap_s: Lognormal = Lognormal(1 / 60, 0.4)


@dataclass(frozen=True, slots=True)
class FaultSetting:
    """One fault switched on: for a share of the requests (0..1), from `start_s` seconds after it was set, with the
    fault's own number (None: its default). faults/parse.py makes one from NAME[:NUMBER][=SHARE][@START].
    """

    name: str
    share: float = 1.0
    start_s: float = 0.0
    number: float | None = None

    def __str__(self) -> str:
        number = "" if self.number is None else f":{self.number:g}"
        return f"{self.name}{number}={self.share:g}@{self.start_s:g}s"


@dataclass(frozen=True, slots=True)
class Options:
    """How to build a Simulator.

    `port` 0 picks a free one. `profile` is moonshot (official shape, checks parameters) or vllm (engine shape, accepts
    them). `speed` divides every wait; `instant` removes the honest waits (a fault that waits still waits). `api_key`
    None: any key or none is accepted. `received_size` is how many requests are remembered. `tool_rate` None: each
    prompt has its own chance of a tool call, as real traffic does; a number (0..1) is that chance for every user turn,
    and the turn after a tool result is then always text. `clock` and `sleep` are in seconds, `wall` gives Unix time.
    """

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 0
    profile: str = "moonshot"
    model: str = "kimi-k2.6"
    faults: tuple[FaultSetting, ...] = ()
    speed: float = 1.0
    instant: bool = False
    api_key: str | None = field(default=None, repr=False)
    received_size: int = 1000
    tool_rate: float | None = None
    lengths: Lengths = Lengths()
    pacing: Pacing = Pacing()
    tls: ssl.SSLContext | None = None
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came: `headers` in order and spelling, `body` the raw bytes (no content coding undone),
    `peer_port` the client's port (equal ports mean a reused connection), `at_s` the passed clock when the body was
    whole.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    peer_port: int
    at_s: float

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case; None if absent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)
