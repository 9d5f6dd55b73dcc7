"""The work every proxy gets: request bodies and how they are asked.

Not here: measuring. Invariant: every body breaks the decoding contract (`temperature` 0.3, `top_p` absent), so that our
proxy edits each request it relays, while the others only forward it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

_TOOLS: Final = [
    {
        "type": "function",
        "function": {
            "name": f"tool_{number}",
            "description": "does a thing " * 20,
            "parameters": {
                "type": "object",
                "properties": {
                    "path": {"type": "string", "description": "the path " * 8},
                    "n": {"type": "integer"},
                },
                "required": ["path"],
            },
        },
    }
    for number in range(12)
]
_SYSTEM: Final = {"role": "system", "content": "You are an agent. " * 100}
_TURNS: Final = [
    {"role": "user" if number % 2 == 0 else "assistant", "content": "lorem ipsum dolor sit amet " * 30}
    for number in range(20)
]
_BODIES: Final[dict[str, dict[str, Any]]] = {
    "small": {"messages": [{"role": "user", "content": "hello there " * 30}]},
    "agent": {"messages": [_SYSTEM, *_TURNS], "tools": _TOOLS},
    "long": {"messages": [_SYSTEM, *_TURNS] * 25, "tools": _TOOLS},
}
_IMAGE_BASE64_BYTES: Final = 20_000_000


@dataclass(frozen=True, slots=True)
class Streaming:
    """How the mock vendor streams: its `--chunks`, `--gap` and `--block`."""

    chunks: int = 200
    gap_s: float = 0.0
    block: int = 1


@dataclass(frozen=True, slots=True)
class Workload:
    """One row of the CPU table. `cycle_s`: the time after which the work repeats; the measured window is a whole number
    of cycles.
    """

    name: str
    title: str
    body: str
    stream: bool
    connections: int
    vendor: Streaming
    cycle_s: float = 1.0


AT_ONCE: Final = Streaming()
PACED: Final = Streaming(gap_s=0.02)

WORKLOADS: Final = (
    Workload("small", "small JSON", "small", stream=False, connections=32, vendor=AT_ONCE),
    Workload("agent", "25 KB agent JSON", "agent", stream=False, connections=32, vendor=AT_ONCE),
    Workload("long", "475 KB long JSON", "long", stream=False, connections=16, vendor=AT_ONCE),
    Workload("stream", "200-chunk stream, saturated", "small", stream=True, connections=32, vendor=AT_ONCE),
    Workload("swarm", "300 streams at 50 chunks/s", "agent", stream=True, connections=300, vendor=PACED, cycle_s=4.0),
)
"""In the order of the published table; workloads with the same vendor stand together and share one start."""


def body(name: str, *, stream: bool) -> bytes:
    """The named body as compact JSON."""
    members = {"model": "kimi-k2.6", **_BODIES[name], "temperature": 0.3, "stream": stream}
    return json.dumps(members, separators=(",", ":")).encode()


def image_body() -> bytes:
    """A streaming request with one inline image of 20 MB."""
    url = "data:image/png;base64," + "A" * _IMAGE_BASE64_BYTES
    parts = [{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    members = {
        "model": "kimi-k2.6",
        "messages": [{"role": "user", "content": parts}],
        "temperature": 0.3,
        "stream": True,
    }
    return json.dumps(members, separators=(",", ":")).encode()
