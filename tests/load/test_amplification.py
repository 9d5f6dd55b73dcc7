"""The worst bodies known, judged in this process: what they cost is bounded on any machine.

Memory is counted by tracemalloc, and work by the steps that take a Python call each; times are the command's alone.
"""

from __future__ import annotations

import time
import tracemalloc

import pytest

from proxy.config.values import Config
from proxy.contract import envelope
from proxy.contract.answer import Flaw
from proxy.contract.asking import read_tools
from proxy.contract.assemble import Assembler
from proxy.contract.chunk import read_chunk
from proxy.policy.clauses.reasoning_history import MAX_MESSAGES, MAX_REPAIRED
from proxy.policy.decide import MAX_JUDGED_ITEMS
from proxy.policy.verdict import Route
from proxy.scorer.answers import KnownTools
from proxy.wire.judge import judge
from proxy.wire.problems import Refused
from tests.load.amplification import BAR, catalogue
from tests.load.amplification_inputs import BODIES, SMALL, SMALL_BODIES, chat
from tests.load.amplification_search import search
from tests.proxying import configured

_SIZE = 256 * 1024
_ALL = [*((name, _SIZE) for name in BODIES), *((name, SMALL) for name in SMALL_BODIES)]


@pytest.fixture(scope="module")
def config() -> Config:
    return configured("http://127.0.0.1:1/v1")


def verdict(config: Config, body: bytes) -> str:
    try:
        judge(config.vendors[0].plan, Route.CHAT, body)
    except Refused as refusal:
        return refusal.problem.code
    return ""


@pytest.mark.parametrize(("name", "size"), _ALL, ids=[name for name, _ in _ALL])
def test_no_body_takes_eight_times_its_memory(config: Config, name: str, size: int) -> None:
    body = {**BODIES, **SMALL_BODIES}[name](size)
    verdict(config, body)
    tracemalloc.start()
    try:
        verdict(config, body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= BAR * max(len(body), 64 * 1024)  # bodies are judged one at a time


@pytest.mark.parametrize("name", list(SMALL_BODIES))
def test_strict_reading_stays_within_its_bound(config: Config, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each number and each object of a judged value is a Python call."""
    calls = 0
    read = envelope._container

    def counted(text: str) -> object:
        nonlocal calls
        calls += text.count(",") + text.count("{") + text.count("[")
        return read(text)

    monkeypatch.setattr(envelope, "_container", counted)
    verdict(config, SMALL_BODIES[name](SMALL))
    assert calls <= 4 * MAX_JUDGED_ITEMS


def _numbers(count: int) -> bytes:
    return b"[" + b",".join([b"0"] * count) + b"]"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (b',"logit_bias":' + _numbers(10_000), ""),
        (b',"logit_bias":' + _numbers(100) + b',"bad_words":' + _numbers(100), ""),
        (b',"tool_choice":' + _numbers(MAX_JUDGED_ITEMS), "tool-choice-forced"),
        (b',"tool_choice":' + _numbers(MAX_JUDGED_ITEMS + 1), "value-too-large"),
        (b',"thinking":{"a":' + _numbers(MAX_JUDGED_ITEMS) + b"}", "value-too-large"),
        (b',"temperature":' + _numbers(10_000), "value-too-large"),
        (b',"k":0' * 2000, "member-repeated"),
        (b',"k":0' * 4000, "body-too-wide"),
        (b"".join(b',"k%d":0' % i for i in range(2000)), "body-too-wide"),
        (b',"metadata":' + b"[" + b",".join([b"0"] * 2000) + b"]", ""),
    ],
)
def test_what_is_too_much_is_refused_and_what_clients_send_is_not(config: Config, more: bytes, code: str) -> None:
    assert verdict(config, chat(more)) == code


@pytest.mark.parametrize("reasoning", [b"", b',"reasoning":"r"'])
def test_a_conversation_that_lacks_more_reasoning_than_is_repaired_is_refused(config: Config, reasoning: bytes) -> None:
    turn = b'{"role":"assistant","tool_calls":[{}]%b}' % reasoning
    assert verdict(config, chat(messages=b"[" + b",".join([turn] * MAX_REPAIRED) + b"]")) == ""
    code = verdict(config, chat(messages=b"[" + b",".join([turn] * (MAX_REPAIRED + 1)) + b"]"))
    assert code == "reasoning-missing-in-history"


@pytest.mark.parametrize(("count", "code"), [(MAX_MESSAGES - 1, ""), (MAX_MESSAGES, "value-too-large")])
def test_a_conversation_of_more_messages_than_any_context_holds_is_refused(
    config: Config, count: int, code: str
) -> None:
    lacking = b'[{"role":"assistant","tool_calls":[{}]},'
    assert verdict(config, chat(messages=lacking + b",".join([b"{}"] * count) + b"]")) == code


def test_repair_of_a_long_history_takes_no_step_for_every_pair_of_its_messages(config: Config) -> None:
    """Ten times the messages take ten times the processor time, not a hundred times."""

    def spent(count: int) -> float:
        turn = b'{"role":"assistant","tool_calls":[{}],"reasoning":"r"}'
        body = chat(messages=b"[" + b",".join([turn] * count) + b"]")
        before = time.process_time()
        verdict(config, body)
        return time.process_time() - before

    assert min(spent(4000) for _ in range(3)) < 40 * min(spent(400) for _ in range(5))


@pytest.mark.parametrize(("count", "read"), [(128, True), (129, False)])
def test_a_list_that_is_dropped_is_read_while_it_may_be_neutral(config: Config, count: int, read: bool) -> None:
    """What is read strictly must hold no number that is no double's."""
    body = chat(b',"logit_bias":[' + b"0," * (count - 1) + b"1e999]")
    assert verdict(config, body) == ("number-out-of-range" if read else "")
    if not read:
        sent = judge(config.vendors[0].plan, Route.CHAT, body).body
        assert b"logit_bias" not in sent


_EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
_PINGS = b":\n" * 4096


@pytest.mark.parametrize(
    ("kind", "received", "read"),
    [
        ("text/event-stream", _EVENT + _PINGS[:-8], True),
        ("text/event-stream", _EVENT + _PINGS, False),
        ("text/event-stream", _EVENT + b"data: [DONE]\n\n" + _PINGS, False),
        ("text/event-stream", _PINGS[:-8] + b":" * 65_536 + b"\n" + _EVENT, True),
        ("application/json", b'{"choices":[{"message":{"content":"a"}},' + b"{}," * 4000 + b"{}]}", True),
        ("application/json", b'{"choices":[{"message":{"content":"a"}},' + b"{}," * 6000 + b"{}]}", False),
    ],
)
def test_an_answer_of_too_many_pieces_is_not_read_however_it_is_split(kind: str, received: bytes, read: bool) -> None:
    for step in (1, 1000, len(received)):
        assembler = Assembler(kind)
        for start in range(0, len(received), step):
            assembler.feed(received[start : start + step])
        answer = assembler.answer(complete=True)
        assert (Flaw.OVERSIZED in answer.flaws, answer.content) == (not read, "a" if read else None)


@pytest.mark.parametrize(("count", "salvaged"), [(1000, True), (70_000, False)])
def test_an_answer_of_wrong_types_is_looked_through_only_so_far(count: int, salvaged: bool) -> None:
    chunk, flaw = read_chunk(b'{"id":"a","choices":[' + b"0," * count + b"0]}")
    assert flaw is Flaw.WRONG_TYPES
    assert (chunk is not None) is salvaged
    assert read_chunk(b'{"id":"a","choices":[' + b"0," * count + b"0]") == (None, Flaw.UNREADABLE)


def test_what_the_scorer_remembers_of_tools_is_bounded_in_bytes() -> None:
    known = KnownTools()
    made: list[int] = []
    for number in (*range(40), 39, 0):
        tools = b'[{"function":{"name":"%06d"}}]' % number + b" " * (1 << 20)
        asked = known.asked({"tools": tools}, "thinking", frozenset(), whole=False)
        made.append(id(asked.tools))
        assert list(asked.tools) == [f"{number:06d}"]
    assert sum(map(len, known._tools)) <= 1 << 23
    assert made[-2] == made[-3]


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b'[{"function":{"name":"a"}},0]', ["a"]),
        (b'[{"function":{"name":"a"}},{"function":0},{"function":{"name":"b"}}]', ["a", "b"]),
        (b'[{"function":{"name":"a"}}' + b",0" * 40_000 + b"]", []),
        (b'[{"function":{"name":"a"}}' + b",{}" * 4500 + b"]", ["a"]),
        (b'[{"function":{"name":"a"}}' + b",{}" * 6000 + b"]", []),
    ],
)
def test_tools_are_looked_through_only_so_far(raw: bytes, named: list[str]) -> None:
    assert list(read_tools(raw)) == named


def test_a_search_finds_nothing_that_takes_eight_times_its_memory(config: Config) -> None:
    worst, tried = search(config.vendors[0].plan, 2, 1, lambda one: one.memory)
    assert tried > 0
    assert worst.memory <= BAR, worst


def test_every_input_is_about_as_long_as_asked_and_has_its_measure() -> None:
    for worst, like in catalogue(64 * 1024):
        assert 0.2 < worst.size / (64 * 1024) < 24, worst.name
        assert len(like.sent) == len(worst.sent)
