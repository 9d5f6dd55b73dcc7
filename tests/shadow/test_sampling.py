"""What a conversation is known by, and which are chosen."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.contract.envelope import Envelope
from proxy.shadow.sampling import chosen, conversation_of

SYSTEM = {"role": "system", "content": 'Say "user" and {"role": "user"} as you like. ' * 100}
TURNS: list[dict[str, Any]] = [
    {"content": "Sure: {", "role": "assistant", "tool_calls": [{"id": "functions.a:0"}]},
    {"role": "tool", "content": "[]", "tool_call_id": "functions.a:0"},
    {"role": "user", "content": "And then?"},
    {"content": "Then this.", "role": "assistant"},
]
FIRST: list[dict[str, Any]] = [
    {"role": "user", "content": "What grows by a river?"},
    {"content": "What grows by a river?", "role": "user"},
    {"content": 'A brace { and a "role": "user" } in [ the text', "role": "user"},
    {"role": "user", "content": [{"type": "text", "text": "What"}, {"type": "image_url", "image_url": {"url": "x"}}]},
    {"name": "user", "role": "user", "content": '\\" user \\'},
    {"role": "user", "content": "It ends in a backslash \\"},
    {"role": "user", "content": 'It holds "} and \\"} and is followed', "x": 1},
]


def known_by(messages: list[dict[str, Any]], compact: bool, **members: Any) -> bytes:  # noqa: ANN401  (any JSON)
    separators = (",", ":") if compact else (", ", ": ")
    body = json.dumps({"model": "kimi-k2.6", "messages": messages, **members}, separators=separators).encode()
    return conversation_of(Envelope.parse(body), "pw-1")


@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("system", [[], [SYSTEM]])
@pytest.mark.parametrize("first", FIRST)
def test_every_turn_of_a_conversation_is_known_by_the_same(
    first: dict[str, Any], system: list[dict[str, Any]], compact: bool
) -> None:
    begun = [*system, first]
    keys = {known_by([*begun, *TURNS[:turns]], compact) for turns in range(len(TURNS) + 1)}
    assert len(keys) == 1
    assert keys != {b"pw-1"}


def test_conversations_that_begin_otherwise_are_others() -> None:
    assert len({known_by([SYSTEM, first], compact=True) for first in FIRST}) == len(FIRST)


@pytest.mark.parametrize(
    "messages", [[], [SYSTEM], [{"role": "assistant", "content": '"user"'}], [{"role": "users", "content": "a"}]]
)
def test_without_a_user_a_request_is_a_conversation_of_its_own(messages: list[dict[str, Any]]) -> None:
    assert known_by(messages, compact=True) == b"pw-1"


def test_the_clients_own_key_of_a_conversation_comes_first() -> None:
    assert known_by(FIRST[:1], compact=True, prompt_cache_key="session-7") == b'"session-7"'


@given(st.binary(max_size=40), st.floats(0, 1), st.floats(0, 1))
def test_what_is_chosen_at_a_rate_is_chosen_at_every_higher_one(key: bytes, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert not chosen(b"salt", key, low) or chosen(b"salt", key, high)


def test_a_share_is_what_is_chosen() -> None:
    count = sum(chosen(b"salt", str(number).encode(), 0.1) for number in range(20_000))
    assert 1800 < count < 2200


QUOTES = '"' * 400_000


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": QUOTES}, {"role": "user", "content": [{"type": "text", "text": "Hm"}]}],
        [{"role": "user", "content": QUOTES}],
        [{"role": "user", "content": QUOTES + "\\"}],
    ],
)
def test_a_text_full_of_escaped_quotes_takes_no_longer_than_another(messages: list[dict[str, Any]]) -> None:
    """It runs in a worker, where all clients wait for it; anything quadratic takes minutes."""
    started = time.process_time()
    known_by(messages, compact=True)
    assert time.process_time() - started < 1.0
