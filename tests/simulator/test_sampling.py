"""The text answers to temperature and top_p, and its lengths are lognormal; draws are seeded."""

from __future__ import annotations

import math
import statistics
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.simulator import Options, Simulator, parse_faults
from proxy.simulator.options import Lengths, Lognormal, Pacing
from proxy.simulator.pace import INSTANT, Pace
from proxy.simulator.sampler import Sampling, draw_words, prompt_key, sharpen
from proxy.simulator.words import FOLLOWS, START, WORDS
from tests.simulator.asking import WEATHER, ask, chat, instant_chat

KEY = prompt_key(b"a prompt")


def texts(sampling: Sampling, count: int = 40, key: int = KEY) -> list[str]:
    return ["".join(draw_words(key, 50, sampling, Random(seed))) for seed in range(count)]


def entropy(sampling: Sampling) -> float:
    """Bits of a word, over 60 texts."""
    words = " ".join(texts(sampling, 60)).split()
    return -sum(words.count(word) / len(words) * math.log2(words.count(word) / len(words)) for word in set(words))


def test_every_class_leads_on_and_can_be_reached() -> None:
    reached, front = {START}, [START]
    while front:
        following = FOLLOWS[front.pop()]
        assert math.isclose(sum(following.values()), 1.0)
        front += following.keys() - reached
        reached |= following.keys()
    assert reached == FOLLOWS.keys() == WORDS.keys()


@pytest.mark.parametrize("sampling", [Sampling(0.0, 1.0), Sampling(1.0, 0.0), Sampling(-3.0, 1.0)])
def test_no_temperature_or_no_nucleus_repeats(sampling: Sampling) -> None:
    assert len(set(texts(sampling))) == 1


def test_another_prompt_gives_another_greedy_text() -> None:
    assert len({texts(Sampling(0.0, 1.0), 1, prompt_key(str(i).encode()))[0] for i in range(20)}) == 20


def test_temperature_one_varies() -> None:
    assert len(set(texts(Sampling(1.0, 0.95)))) == 40


def test_diversity_grows_with_temperature() -> None:
    bits = [entropy(Sampling(temperature, 1.0)) for temperature in (0.0, 0.3, 0.6, 1.0, 2.0)]
    assert bits == sorted(bits)
    assert bits[-1] > 1.5 * bits[0]
    assert bits[3] > bits[2] + 0.3, "1.0 and 0.6 are told apart"


def test_diversity_grows_with_top_p() -> None:
    bits = [entropy(Sampling(1.0, top_p)) for top_p in (0.05, 0.3, 0.7, 0.95, 1.0)]
    assert bits == sorted(bits)
    assert bits[3] > bits[0] + 1
    assert bits[4] > bits[3] + 0.02, "0.95 and 1.0 are told apart"


def test_nucleus_holds_only_the_most_likely_words() -> None:
    """Of the first word: what top_p 0.5 draws is what the full distribution draws most, and about half of its mass."""
    full = [draw_words(KEY, 1, Sampling(1.0, 1.0), Random(seed))[0] for seed in range(4000)]
    kept = {draw_words(KEY, 1, Sampling(1.0, 0.5), Random(seed))[0] for seed in range(1000)}
    mass = sum(word in kept for word in full) / len(full)
    assert 0.5 <= mass + 0.03 < 0.85
    assert min(full.count(word) for word in kept) >= max(full.count(word) for word in set(full) - kept) * 0.7


def test_frequencies_follow_the_softmax() -> None:
    """At temperature T the ratio of two words' frequencies is their ratio at 1, to the power 1 / T."""

    def ratio(temperature: float) -> float:
        drawn = [draw_words(KEY, 1, Sampling(temperature, 1.0), Random(seed))[0] for seed in range(20000)]
        return drawn.count(first) / drawn.count(second)

    drawn = [draw_words(KEY, 1, Sampling(1.0, 1.0), Random(seed))[0] for seed in range(20000)]
    *_, second, _, first = sorted(set(drawn), key=drawn.count)
    assert math.isclose(math.log(ratio(2.0)), math.log(ratio(1.0)) / 2.0, abs_tol=0.15)


@given(st.integers(0, 2**64 - 1), st.floats(-1, 10), st.floats(-1, 2), st.integers(0, 60), st.integers())
def test_any_parameters_give_that_many_pieces(
    key: int, temperature: float, top_p: float, count: int, seed: int
) -> None:
    drawn = draw_words(key, count, Sampling(temperature, top_p), Random(seed))
    assert len(drawn) == count
    assert drawn == draw_words(key, count, Sampling(temperature, top_p), Random(seed))


@given(st.floats(0, 1), st.floats(0, 10))
def test_sharpen_keeps_the_side(probability: float, temperature: float) -> None:
    sharp = sharpen(probability, temperature)
    assert 0 <= sharp <= 1
    assert (sharp - 0.5) * (probability - 0.5) >= 0


def test_sharpen_is_the_identity_at_one() -> None:
    assert math.isclose(sharpen(0.3, 1.0), 0.3)
    assert sharpen(0.3, 0.5) < 0.3 < sharpen(0.3, 2.0)


async def contents(options: Options, count: int, text: str, **members: object) -> list[str]:
    async with Simulator(options) as vendor:
        return [(await ask(vendor, instant_chat(text=text, **members))).message["content"] for _ in range(count)]


async def test_over_http_temperature_zero_repeats_and_one_varies() -> None:
    options = Options(instant=True, faults=parse_faults("accept-any-parameters"))
    assert len(set(await contents(options, 6, "q", temperature=0))) == 1
    assert len(set(await contents(options, 6, "q", temperature=1))) == 6


async def test_greedy_text_is_the_same_on_every_seed_and_host() -> None:
    """Simulators share their weights: only the dice differ."""
    found = set()
    for profile, seed in (("vllm", 1), ("vllm", 2), ("moonshot", 3)):
        options = Options(instant=True, profile=profile, seed=seed, faults=parse_faults("accept-any-parameters"))
        found |= set(await contents(options, 1, "q", temperature=0))
    assert len(found) == 1


async def test_equal_seeds_give_equal_answers() -> None:
    def options(seed: int) -> Options:
        return Options(instant=True, seed=seed, wall=lambda: 1_776_000_000.0)

    answers = []
    for seed in (7, 7, 8):
        async with Simulator(options(seed)) as vendor:
            bodies = (chat(), chat(stream=True), chat(tools=[WEATHER]), instant_chat(text="more"))
            answers.append([(await ask(vendor, body)).body for body in bodies])
    assert answers[0] == answers[1]
    assert all(one != other for one, other in zip(answers[0], answers[2], strict=True))


async def test_the_engine_honours_seed_and_the_official_api_does_not() -> None:
    async def pair(profile: str) -> list[str]:
        return await contents(Options(instant=True, profile=profile), 2, "q", seed=11)

    engine, official = await pair("vllm"), await pair("moonshot")
    assert engine[0] == engine[1]
    assert official[0] != official[1]


async def test_lengths_are_lognormal() -> None:
    lengths = Lengths(content=Lognormal(60, 0.5))
    async with Simulator(Options(instant=True, lengths=lengths)) as vendor:
        answers = [await ask(vendor, instant_chat(text=f"question {number}")) for number in range(300)]
    logs = [math.log(answer.json["usage"]["completion_tokens"]) for answer in answers]
    assert abs(statistics.mean(logs) - math.log(61)) < 0.12
    assert abs(statistics.stdev(logs) - 0.5) < 0.08


async def test_two_honest_hosts_agree_on_tool_calls_as_two_runs_of_the_official_api_do() -> None:
    """K2-Vendor-Verifier, README.md: the API against itself reaches an F1 of 0.76 to 0.84."""
    triggers: list[list[bool]] = []
    for seed in (1, 2):
        async with Simulator(
            Options(instant=True, seed=seed, lengths=Lengths(Lognormal(4, 0), Lognormal(4, 0)))
        ) as vendor:
            answers = [await ask(vendor, chat(text=f"task {number}", tools=[WEATHER])) for number in range(400)]
        triggers.append([answer.json["choices"][0]["finish_reason"] == "tool_calls" for answer in answers])
    both = sum(one and other for one, other in zip(*triggers, strict=True))
    assert 0.73 < 2 * both / (sum(triggers[0]) + sum(triggers[1])) < 0.87
    assert 0.4 < sum(triggers[0]) / 400 < 0.6


def test_pace_is_lognormal_and_scaled_by_speed() -> None:
    pacing = Pacing(first_token_s=Lognormal(0.5, 0.3), per_thousand_prompt_tokens_s=0.1, gap_s=Lognormal(0.02, 0.4))
    draw = Random(1)
    firsts = [Pace(pacing).first_token_s(1000, draw) - 0.1 for _ in range(2000)]
    gaps = [Pace(pacing, speed=4.0).gap_s(draw) for _ in range(2000)]
    assert math.isclose(statistics.median(firsts), 0.5, rel_tol=0.05)
    assert math.isclose(statistics.stdev(map(math.log, firsts)), 0.3, rel_tol=0.1)
    assert math.isclose(statistics.median(gaps), 0.005, rel_tol=0.05)
    assert (INSTANT.first_token_s(10**6, draw), INSTANT.gap_s(draw)) == (0.0, 0.0)


async def test_waits_are_what_the_pace_says() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    still = Pacing(Lognormal(0.5, 0.0), 0.0, Lognormal(0.01, 0.0))
    async with Simulator(Options(pacing=still, speed=2.0, sleep=sleep)) as vendor:
        streamed = await ask(vendor, instant_chat(stream=True, max_tokens=5))
        assert waits == [0.25] + [0.005] * (len(streamed.chunks) - 1)
        waits.clear()
        await ask(vendor, instant_chat(max_tokens=5))
    assert waits == [pytest.approx(0.25 + 5 * 0.005)]


@pytest.mark.parametrize("tool_rate", [None, 0.0])
async def test_a_model_that_is_told_which_tool_to_call_calls_it(tool_rate: float | None) -> None:
    """In so many words, and once; a name that is not declared says nothing."""
    clock = {"type": "function", "function": {"name": "read_clock", "parameters": {"type": "object"}}}
    async with Simulator(Options(instant=True, seed=6, tool_rate=tool_rate)) as vendor:
        for _ in range(10):
            body = chat(messages=[{"role": "user", "content": "Call the tool read_clock now."}], tools=[WEATHER, clock])
            message = (await ask(vendor, body)).message
            assert [call["function"]["name"] for call in message["tool_calls"]] == ["read_clock"]
        none = [
            "tool_calls" in (await ask(vendor, chat(messages=[said], tools=[WEATHER], **more))).message
            for said, more in (
                ({"role": "user", "content": "Call the tool read_clock now."}, {"tool_choice": "none"}),
                ({"role": "user", "content": "Call the tool get_weather now."}, {"tool_choice": "none"}),
            )
        ]
    assert none == [False, False]
