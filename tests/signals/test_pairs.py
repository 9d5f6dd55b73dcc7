"""What each signal of a pair or a triple says, and what exchanging the answers does to it."""

from __future__ import annotations

from dataclasses import replace
from math import log, log1p
from typing import Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.contract.answer import Answer, Flaw, ToolCall, Usage
from proxy.contract.asked import Asked
from proxy.contract.mode import Mode
from proxy.signals import SELF_TESTS, SIGNALS
from proxy.signals.features import read
from proxy.signals.read import Value, read_pair, read_rates, read_triple
from proxy.signals.signal import Kind
from tests.signals.answers import ASKED, CALLED, CALM, INSTANT, PLAIN, SAID, TOOLS, call, called, flawed, said, usage

NEITHER, VENDOR, REFERENCE, BOTH = range(4)
SHORT: Final = said(content="At nine.")
BAD_CALL: Final = called(call(arguments="{"))
TWO_CALLS: Final = called(call(), call("read_file", "{}", 1))
JSON: Final = replace(PLAIN, format_kind="json_object", format_accepts=lambda value: isinstance(value, dict))
OBJECT: Final = said(content='{"ferry": 9}')
UNENDED: Final = said(finish_reason=None)

# signal: (vendor's, reference's, request, value); None: it does not apply
CASES: Final[dict[str, list[tuple[Answer, Answer, Asked, object]]]] = {
    "prompt-token-offset": [
        (SAID, SAID, ASKED, ["thinking+tools", 0]),
        (usage(prompt=43), SAID, PLAIN, ["thinking", 3]),
        (SAID, usage(prompt=43), INSTANT, ["instant+tools", -3]),
        (SAID, SAID, replace(JSON, images=True, reasoning_history=True), ["thinking+json_object+images+reasoning", 0]),
        (UNENDED, SAID, PLAIN, ["thinking", 0]),
        (usage(prompt=0), SAID, ASKED, None),
        (SAID, usage(prompt=None), ASKED, None),
        (said(usage=None), SAID, ASKED, None),
    ],
    "tool-arguments-pair": [
        (CALLED, CALLED, ASKED, NEITHER),
        (BAD_CALL, CALLED, ASKED, VENDOR),
        (SAID, BAD_CALL, ASKED, REFERENCE),
        (BAD_CALL, BAD_CALL, ASKED, BOTH),
        (BAD_CALL, SAID, PLAIN, None),
        (BAD_CALL, UNENDED, ASKED, None),
    ],
    "json-format-pair": [
        (OBJECT, OBJECT, JSON, NEITHER),
        (SAID, OBJECT, JSON, VENDOR),
        (OBJECT, SAID, JSON, REFERENCE),
        (SAID, SAID, JSON, BOTH),
        (SAID, said(finish_reason="length"), JSON, None),
        (SAID, SAID, ASKED, None),
    ],
    "tool-trigger": [
        (SAID, SAID, ASKED, NEITHER),
        (CALLED, SAID, ASKED, VENDOR),
        (SAID, called(finish_reason="stop"), ASKED, REFERENCE),
        (said(finish_reason="tool_calls"), CALLED, ASKED, BOTH),
        (CALLED, UNENDED, ASKED, None),
        (SAID, SAID, PLAIN, None),
    ],
    "calls-count": [
        (SAID, SAID, ASKED, 0.0),
        (TWO_CALLS, CALLED, ASKED, 1.0),
        (SAID, TWO_CALLS, ASKED, -1.0),
        (TWO_CALLS, UNENDED, ASKED, None),
        (SAID, SAID, PLAIN, None),
    ],
    "tool-choice-1": [
        (TWO_CALLS, CALLED, ASKED, BOTH),
        (CALLED, SAID, ASKED, VENDOR),
        (SAID, CALLED, ASKED, REFERENCE),
        (called(call("run")), SAID, ASKED, NEITHER),
        (CALLED, CALLED, PLAIN, None),
    ],
    "tool-choice-2": [
        (TWO_CALLS, CALLED, ASKED, VENDOR),
        (CALLED, CALLED, replace(ASKED, tools={"search": TOOLS["search"]}), None),
    ],
    "text-beside-calls": [
        (CALLED, CALLED, ASKED, NEITHER),
        (called(content="I look."), CALLED, ASKED, VENDOR),
        (CALLED, called(content="I look."), ASKED, REFERENCE),
        (SAID, CALLED, ASKED, None),
    ],
    "empty-answer-pair": [
        (SAID, SAID, ASKED, NEITHER),
        (said(content=None), SAID, ASKED, VENDOR),
        (CALLED, said(content="\n"), ASKED, REFERENCE),
        (UNENDED, said(content=""), ASKED, None),
    ],
    "degenerate-pair": [
        (SAID, SAID, ASKED, NEITHER),
        (said(content="!" * 99), SAID, ASKED, VENDOR),
        (SAID, said(reasoning="!" * 99), ASKED, REFERENCE),
        (said(content="!" * 99), UNENDED, ASKED, None),
    ],
    "finish-length": [
        (said(finish_reason="length"), SAID, ASKED, VENDOR),
        (SAID, said(finish_reason="length"), ASKED, REFERENCE),
        (SAID, UNENDED, ASKED, None),
    ],
    "finish-stop": [(CALLED, SAID, ASKED, REFERENCE), (SAID, SAID, ASKED, BOTH), (UNENDED, SAID, ASKED, None)],
    "finish-other": [
        (said(finish_reason="content_filter"), SAID, ASKED, VENDOR),
        (CALLED, SAID, ASKED, NEITHER),
        (UNENDED, SAID, ASKED, None),
    ],
    "reasoning-present": [
        (SAID, SAID, ASKED, BOTH),
        (said(reasoning=""), SAID, ASKED, REFERENCE),
        (SAID, CALM, INSTANT, VENDOR),
        (SAID, UNENDED, ASKED, None),
    ],
    "reasoning-length": [
        (said(reasoning="a" * 9), said(reasoning=None), ASKED, [log(10), 0.0]),
        (CALM, CALM, INSTANT, None),
        (UNENDED, SAID, ASKED, None),
    ],
    "reasoning-length-tail": [
        (said(reasoning="a" * 100), said(reasoning="a" * 99), ASKED, 0.0),
        (said(reasoning="a" * 200), said(reasoning="a" * 99), ASKED, 1.0),
        (said(reasoning=None), said(reasoning="a" * 99), ASKED, -1.0),
        (CALM, CALM, INSTANT, None),
    ],
    "content-length": [
        (SHORT, said(content="a" * 99), ASKED, [log(9), log(100)]),
        (CALLED, SAID, ASKED, None),
        (SAID, UNENDED, ASKED, None),
    ],
    "content-length-tail": [
        (SHORT, said(content="a" * 99), ASKED, -1.0),
        (said(content="a" * 99), SHORT, ASKED, 1.0),
        (SAID, SAID, ASKED, 0.0),
        (CALLED, SHORT, ASKED, None),
    ],
    "tokens-per-character": [
        (
            said(content="a" * 60, reasoning="b" * 40, usage=Usage(completion=25)),
            called(ToolCall("x", "search", '"4567"'), reasoning=None, usage=Usage(completion=3)),
            ASKED,
            [log1p(250), log1p(250)],
        ),
        (said(usage=None), SAID, ASKED, None),
        (usage(completion=0), SAID, ASKED, None),
        (said(content=None, reasoning=None), SAID, ASKED, None),
    ],
    "script-mismatch": [
        (SAID, SAID, ASKED, NEITHER),
        (said(content="河流花园窗户"), SAID, ASKED, VENDOR),
        (CALLED, said(content="Паром уходит"), ASKED, REFERENCE),
        (said(content="a river called 河" * 9000), SAID, ASKED, VENDOR),
        (said(content="the river is long and wide, 河"), SAID, ASKED, NEITHER),
        (said(content="河流花园窗户"), SAID, replace(ASKED, scripts=frozenset({"han", "latin"})), NEITHER),
        (said(content="河流"), SAID, replace(ASKED, scripts=None), None),
        (said(content="河流"), UNENDED, ASKED, None),
    ],
    "refusal": [
        (SAID, SAID, ASKED, NEITHER),
        *(
            (said(content=text), SAID, ASKED, VENDOR)
            for text in (
                "I'm sorry, but I can't help with that.",
                "I\u2019m very sorry, I cannot do this.",
                "Sorry, I am unable to help with that request.",
                "**I cannot assist with this request.**",
                "Unfortunately, I'm not able to provide this.",
                "I must decline to answer.",
                "很抱歉\uff0c我无法回答这个问题。",
                "对不起\uff0c但我不能这样做。",
                "我无法提供这些信息。",
                "Lo siento, pero no puedo ayudar.",
                "Je suis désolé, mais je ne peux pas.",
                "Es tut mir leid, aber ich kann das nicht.",
                "Desculpe, mas não posso.",
                "Mi dispiace, non posso.",
                "Извините, но я не могу помочь.",
                "申し訳ありませんが、お手伝いできません。",
                "죄송합니다. 도와드릴 수 없습니다.",
            )
        ),
        *(
            (said(content=text), SAID, ASKED, NEITHER)
            for text in (
                None,
                "I can't wait to see it!",
                "I'm sorry for the delay. Here it is.",
                "Sorry about that, fixed.",
                "You asked me to say: I'm sorry, but I can't help with that.",
                "我无法想象没有河流。",
            )
        ),
        (said(content="I cannot help."), UNENDED, ASKED, None),
    ],
    "mean-logprob": [
        (said(logprobs=(-1.0, -3.0)), said(logprobs=(0.0,)), ASKED, [log(3), 0.0]),
        (said(logprobs=(1e-9,)), said(logprobs=(-1.0,)), ASKED, [0.0, log(2)]),
        (said(logprobs=(float("nan"),)), said(logprobs=(0.0,)), ASKED, None),
        (said(logprobs=(-1.0,)), SAID, ASKED, None),
    ],
}
KINDS: Final = {signal.name: signal.kind for signal in (*SIGNALS, *SELF_TESTS)}
_RANKS: Final = {f"tool-choice-{rank}" for rank in range(3, 9)}
"""As the first two, for tools further down."""


@pytest.mark.parametrize(
    ("name", "vendor", "reference", "asked", "value"),
    [(name, *case) for name, cases in CASES.items() for case in cases],
)
def test_pair(name: str, vendor: Answer, reference: Answer, asked: Asked, value: object) -> None:
    found = read_pair(vendor, reference, asked).get(name)
    assert found == (pytest.approx(value) if found and KINDS[name] is Kind.SIZE else value)


def test_every_signal_of_a_pair_is_seen_to_apply_and_not_to() -> None:
    kinds = {Kind.SWAP, Kind.SIZE, Kind.SIGN, Kind.OFFSET}
    assert set(CASES) == {signal.name for signal in SIGNALS if signal.kind in kinds} - _RANKS
    for name, cases in CASES.items():
        values = [value for *_, value in cases]
        assert None in values, name
        assert len({str(value) for value in values}) >= 2, name


def test_the_eighth_tool_has_a_series_and_the_ninth_has_none() -> None:
    tools = {f"tool{number}": TOOLS["search"] for number in range(1, 10)}
    answer = called(*(call(name, at=at) for at, name in enumerate(tools)))
    values = read_pair(answer, SAID, replace(ASKED, tools=tools))
    assert [name for name in values if name.startswith("tool-choice")] == [f"tool-choice-{at}" for at in range(1, 9)]
    assert all(values[f"tool-choice-{at}"] == VENDOR for at in range(1, 9))


# Exchange

TEXTS: Final = st.none() | st.sampled_from(("", " ", "At nine.", "!" * 60, "河流花园", '{"a": 1}')) | st.text()
CALLS: Final = st.lists(
    st.builds(
        ToolCall,
        id=st.none() | st.sampled_from(("functions.search:0", "functions.read_file:1", "x")),
        name=st.none() | st.sampled_from(("search", "read_file", "other")),
        arguments=st.sampled_from(("", "{}", '{"query": "a"}', "[" * 2000)) | st.text(),
    ),
    max_size=3,
).map(tuple)
COUNTS: Final = st.none() | st.integers(-2, 5) | st.integers()
ANSWERS: Final = st.builds(
    Answer,
    content=TEXTS,
    reasoning=TEXTS,
    tool_calls=CALLS,
    finish_reason=st.none() | st.sampled_from(("stop", "length", "tool_calls", "abort")),
    usage=st.none() | st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS),
    model=st.none() | st.text(),
    logprobs=st.lists(st.floats(), max_size=3).map(tuple),
    stream=st.booleans(),
    flaws=st.frozensets(st.sampled_from(Flaw), max_size=1),
)
REQUESTS: Final = st.builds(
    replace,
    st.sampled_from((ASKED, PLAIN, JSON)),
    mode=st.sampled_from(Mode),
    scripts=st.none() | st.just(frozenset({"latin"})),
    max_tokens=st.none() | st.integers(0, 10**9),
)


def exchanged(value: Value) -> object:
    if isinstance(value, float):
        return -value
    if isinstance(value, int):
        return {VENDOR: REFERENCE, REFERENCE: VENDOR}.get(value, value)
    bucket, offset = value
    return [bucket, -offset] if isinstance(bucket, str) and isinstance(offset, int) else [float(offset), float(bucket)]


@settings(max_examples=40)
@given(ANSWERS, ANSWERS, REQUESTS)
def test_exchanging_a_pair_exchanges_its_values(vendor: Answer, reference: Answer, asked: Asked) -> None:
    values = read_pair(vendor, reference, asked)
    assert {name: exchanged(value) for name, value in values.items()} == read_pair(reference, vendor, asked)


@settings(max_examples=40)
@given(ANSWERS, ANSWERS, REQUESTS, st.sampled_from((Flaw.CUT, Flaw.OVERSIZED)))
def test_a_pair_with_a_part_of_an_answer_says_nothing(one: Answer, other: Answer, asked: Asked, flaw: Flaw) -> None:
    part = msgspec.structs.replace(one, flaws=one.flaws | {flaw})
    assert read_pair(part, other, asked) == read_pair(other, part, asked) == {}
    assert read_triple(part, SAID, SAID, asked).keys() <= {signal.name for signal in SELF_TESTS}


@settings(max_examples=40)
@given(ANSWERS, ANSWERS, ANSWERS, REQUESTS)
def test_values_are_what_the_log_holds(vendor: Answer, reference: Answer, second: Answer, asked: Asked) -> None:
    assert {KINDS[name] for name in read_rates(vendor, asked)} <= {Kind.RATE}
    for name, value in (read_pair(vendor, reference, asked) | read_triple(vendor, reference, second, asked)).items():
        match KINDS[name]:
            case Kind.SWAP:
                assert type(value) is int
                assert 0 <= value <= 3
            case Kind.SIGN | Kind.TRIPLE:
                assert type(value) is float
                assert -1 <= value <= 1
            case Kind.SIZE:
                assert isinstance(value, list)
                assert all(type(one) is float and one >= 0 for one in value)
            case Kind.OFFSET:
                assert isinstance(value, list)
                assert [type(one) for one in value] == [str, int]
            case other:
                pytest.fail(f"{name} is a {other}")


@settings(max_examples=40)
@given(ANSWERS, ANSWERS, ANSWERS, REQUESTS)
def test_a_read_may_stand_for_its_answer(vendor: Answer, reference: Answer, second: Answer, asked: Asked) -> None:
    one, other, third = (read(answer, asked) for answer in (vendor, reference, second))
    for _ in range(2):
        assert read_rates(one, asked) == read_rates(vendor, asked)
        assert read_pair(one, other, asked) == read_pair(vendor, reference, asked)
        assert read_triple(one, other, third, asked) == read_triple(vendor, reference, second, asked)
    assert read(one, INSTANT).asked is INSTANT
    assert {name: getattr(one, name) for name in Answer.__struct_fields__} == msgspec.structs.asdict(vendor)


# Triples


@pytest.mark.parametrize(
    ("name", "vendor", "reference", "second", "h"),
    [
        ("tool-trigger-agreement", SAID, CALLED, CALLED, 1.0),
        ("tool-trigger-agreement", SAID, CALLED, SAID, -0.5),
        ("tool-trigger-agreement", SAID, SAID, UNENDED, None),
        ("tool-set-agreement", TWO_CALLS, CALLED, CALLED, 0.5),
        ("tool-set-agreement", SAID, SAID, SAID, 0.0),
        ("tool-set-agreement", CALLED, SAID, SAID, 1.0),
        ("tool-set-agreement", UNENDED, SAID, SAID, None),
        ("reasoning-prefix-agreement", said(reasoning="abcd" * 16), *2 * (said(reasoning="ab"),), 62 / 64),
        ("content-prefix-agreement", said(content="a" * 80), said(content="a" * 64), said(content="a" * 32), -1 / 4),
        ("content-prefix-agreement", said(content=None), said(content=""), SAID, 0 - (1 + 0) / 2),
        ("reasoning-agreement", said(reasoning="xyzw"), said(reasoning="abcd"), said(reasoning="abcd"), 1.0),
        ("content-agreement", said(content="abcd"), said(content="abcx"), said(content="abc"), 1 / 12),
        ("content-agreement", SAID, UNENDED, SAID, None),
        ("content-agreement", CALLED, SAID, SAID, None),
        ("content-prefix-agreement", SAID, CALLED, CALLED, None),
    ],
)  # fmt: skip
def test_triple(name: str, vendor: Answer, reference: Answer, second: Answer, h: float | None) -> None:
    assert read_triple(vendor, reference, second, ASKED).get(name) == (None if h is None else pytest.approx(h))


def test_every_triple_is_read() -> None:
    triples = {signal.name for signal in SIGNALS if signal.kind is Kind.TRIPLE}
    assert read_triple(SAID, SAID, SAID, ASKED).keys() == triples | {signal.name for signal in SELF_TESTS}
    reasoned = {name for name in triples if name.startswith("reasoning")}
    assert len(reasoned) == 2
    assert not reasoned & read_triple(SAID, SAID, SAID, INSTANT).keys()


@settings(max_examples=40)
@given(ANSWERS, ANSWERS, ANSWERS, REQUESTS)
def test_the_two_reference_answers_weigh_alike(vendor: Answer, one: Answer, other: Answer, asked: Asked) -> None:
    triples = {signal.name for signal in SIGNALS if signal.kind is Kind.TRIPLE}
    first, last = read_triple(vendor, one, other, asked), read_triple(vendor, other, one, asked)
    assert {name: first[name] for name in triples & first.keys()} == {
        name: last[name] for name in triples & last.keys()
    }


def test_the_self_tests_put_the_second_reference_answer_in_the_vendors_place() -> None:
    values = read_triple(SAID, SAID, CALLED, ASKED)
    assert values["reference-tool-trigger"] == VENDOR
    assert values["reference-reasoning-length"] == read_pair(CALLED, SAID, ASKED)["reasoning-length"]
    assert "reference-content-length" not in values
    assert "reference-content-length" in read_triple(flawed(Flaw.CUT), SAID, SHORT, ASKED)
