"""The traffic in which a defect is to show: requests of every kind that a client of Kimi sends.

Not here: who answers (systems.py). Invariants: a number and nothing else decides a request, so every run asks the same;
no two requests are alike, since a repeated one is not mirrored; all of them are lawful.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from random import Random
from typing import Any, Final

_PLACES: Final = ("river", "harbour", "market", "library", "valley", "forest", "station", "bridge", "island", "garden")
_PERSONAS: Final = (
    "You are a careful assistant of a travel agency.",
    "Answer in plain words and keep to what was asked.",
    "You help the staff of a small harbour with their letters and their plans for the day.",
)
_TOOLS: Final[tuple[dict[str, Any], ...]] = tuple(
    {"type": "function", "function": {"name": name, "description": does, "parameters": parameters}}
    for name, does, parameters in (
        (
            "search",
            "Search the archive.",
            {
                "type": "object",
                "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}},
                "required": ["query"],
            },
        ),
        (
            "get_weather",
            "The weather at a place.",
            {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city", "days"],
            },
        ),
        (
            "send_letter",
            "Send a letter.",
            {
                "type": "object",
                "properties": {"to": {"type": "string"}, "text": {"type": "string"}, "urgent": {"type": "boolean"}},
                "required": ["to", "text"],
            },
        ),
        (
            "book_ferry",
            "Book a ferry.",
            {
                "type": "object",
                "properties": {"from": {"type": "string"}, "seats": {"type": "integer"}},
                "required": ["from"],
            },
        ),
    )
)
_SCHEMA: Final = {
    "type": "json_schema",
    "json_schema": {
        "name": "place",
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "size": {"type": "integer"}, "open": {"type": "boolean"}},
            "required": ["name", "size", "open"],
        },
    },
}


KINDS: Final[Mapping[str, int]] = {"tools": 40, "history": 20, "schema": 8, "json": 7, "plain": 25, "required": 0}
MODES: Final[Mapping[str, int]] = {"thinking": 55, "instant": 45}


def request(number: int, fit: Collection[str] = ()) -> dict[str, Any]:
    """The body of request `number`: half of them streams, a little more than half thinking, three in five with tools,
    one in seven in JSON, one in five with a history of calls whose content is null. `fit` names the kinds or the mode
    that it must be of; without a kind it may be of any, and so for the mode.
    Only asked for by name: "required", a call that the request demands, which thinking mode does not know.
    """
    dice = Random(f"defects/{number}")
    thinking = _one_of(MODES, fit, dice) == "thinking"
    kind = _one_of(KINDS, fit, dice)
    body: dict[str, Any] = {"model": "kimi-k2.6", "messages": _messages(number, kind, dice)}
    if kind in ("tools", "history", "required"):
        body["tools"] = list(_TOOLS)
    if kind == "required":
        body["tool_choice"] = "required"
    elif kind != "plain":
        body["response_format"] = _SCHEMA if kind == "schema" else {"type": "json_object"}
    if not thinking:
        body["thinking"] = {"type": "disabled"}
    if dice.random() < 0.5:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    limit = dice.choices((None, 2000, 60), (70, 22, 8))[0]
    return body if limit is None else body | {"max_tokens": limit}


def _one_of(shares: Mapping[str, int], fit: Collection[str], dice: Random) -> str:
    among = [name for name in shares if name in fit] or [name for name, share in shares.items() if share]
    return dice.choices(among, [shares[name] or 1 for name in among])[0]


def _messages(number: int, kind: str, dice: Random) -> list[dict[str, Any]]:
    place, other = dice.sample(_PLACES, 2)
    asked = f"What is to be said of the {place} by the {other}, and of its visitors in year {1000 + number}?"
    if kind in ("schema", "json"):
        asked += " Answer in JSON."
    system = [{"role": "system", "content": dice.choice(_PERSONAS)}] if dice.random() < 0.5 else []
    history = _history(place, dice) if kind == "history" else []
    return [*system, *history, {"role": "user", "content": asked}]


def _history(place: str, dice: Random) -> list[dict[str, Any]]:
    """A turn with a call and its result, as K2.6 wants it back: reasoning kept, content null, the id as it came."""
    tool = dice.choice(_TOOLS)["function"]["name"]
    call = {"id": f"functions.{tool}:0", "type": "function", "function": {"name": tool, "arguments": "{}"}}
    return [
        {"role": "user", "content": f"Look up the {place}."},
        {"role": "assistant", "content": None, "reasoning_content": f"The {place} it is.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": f"The {place} is open."},
        {"role": "assistant", "content": f"The {place} is open today.", "reasoning_content": "Nothing more to do."},
    ]
