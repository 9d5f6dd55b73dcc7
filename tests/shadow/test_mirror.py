"""The mirror end to end over real sockets: what is selected, what the reference sees, and that the books balance."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from proxy.simulator import Options, Simulator
from tests.exposed import value
from tests.shadow.watching import Watched, watching
from tests.wire.client import until

KEY = "sk-canary-of-the-client-0123456789"
REFERENCE_KEY = "sk-canary-of-the-reference-0123456"


def body(number: int = 0, **members: Any) -> dict[str, Any]:  # noqa: ANN401  (any JSON)
    said = [{"role": "user", "content": f"{number}: what grows by a quiet river?"}]
    return {"model": "kimi-k2.6", "messages": said, **members}


async def ask(watched: Watched, *bodies: dict[str, Any], headers: dict[str, str] | None = None) -> list[int]:
    sent = {"Authorization": f"Bearer {KEY}", **(headers or {})}
    async with aiohttp.ClientSession() as session:

        async def one(members: dict[str, Any]) -> int:
            url = f"{watched.proxy.url}/chat/completions"
            async with session.post(url, json=members, headers=sent) as response:
                await response.read()
                return response.status

        return list(await asyncio.gather(*(one(members) for members in bodies)))


def simulated(seed: int, **options: Any) -> Simulator:  # noqa: ANN401  (its options)
    return Simulator(Options(seed=seed, instant=True, **options))


async def test_a_pair_is_scored_and_the_client_sees_nothing_of_it(tmp_path: Path) -> None:
    async with simulated(1, profile="vllm") as vendor, simulated(2) as reference:
        async with watching(tmp_path, vendor.url, reference.url, vendor={"profile": "vllm"}) as watched:
            assert await ask(watched, *(body(i, stream=i % 2 == 0) for i in range(20))) == [200] * 20
            await until(lambda: watched.fates().get(("scored", "")) == 20)
            assert watched.balanced()
            await until(lambda: [key["pairs"] for key in watched.status()["drift"]] == [20])
        assert len(vendor.received) == 20


async def test_the_reference_gets_its_own_key_name_and_spelling_and_nothing_of_the_client(tmp_path: Path) -> None:
    async with simulated(1, profile="vllm", model="moonshotai/Kimi-K2.6") as vendor, simulated(2) as reference:
        watch = watching(
            tmp_path,
            vendor.url,
            reference.url,
            vendor={"profile": "vllm"},
            reference={"profile": "moonshot", "model": "kimi-k2.6", "api_key_env": "REF_KEY"},
            mirror={"second_answer": "0%"},
            environ={"REF_KEY": REFERENCE_KEY},
        )
        async with watch as watched:
            off: dict[str, Any] = {"chat_template_kwargs": {"thinking": False}, "user": "alice", "temperature": 0.6}
            await ask(watched, body(model="moonshotai/Kimi-K2.6", **off))
            await until(lambda: watched.fates().get(("scored", "")) == 1)
        (seen,) = reference.received
        sent = orjson.loads(seen.body)
        assert sent == {
            "model": "kimi-k2.6",
            "messages": body()["messages"],
            "temperature": 0.6,
            "top_p": 0.95,
            "thinking": {"type": "disabled"},
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        assert seen.header("Authorization") == f"Bearer {REFERENCE_KEY}"
        assert (seen.header("User-Agent") or "").startswith("paramwall-mirror/")
        assert KEY not in str(seen)
        assert "alice" not in str(seen)


@pytest.mark.parametrize(
    ("settings", "headers", "members", "fate"),
    [
        ({}, {"x-paramwall-mirror": "off"}, {}, ("excluded", "header_opt_out")),
        ({"mirror": {"allow_opt_out": "false"}}, {"x-paramwall-mirror": "off"}, {}, ("scored", "")),
        ({"vendor": {"mirror": "false"}}, {}, {}, ("excluded", "vendor_opt_out")),
        ({"mirror": {"max_body": "1KiB"}}, {}, {"metadata": {"a": "b" * 2000}}, ("excluded", "too_large")),
        ({"mirror": {"requests_per_minute": 1}}, {}, {}, ("excluded", "budget_requests_per_minute")),
        ({"mirror": {"tokens_per_day": 2000}}, {}, {}, ("excluded", "budget_tokens_per_day")),
        ({"enforcement": "observe"}, {}, {"temperature": 0.2}, ("excluded", "would_be_refused")),
    ],
)
async def test_what_is_not_mirrored_is_counted_by_its_reason(
    tmp_path: Path, settings: dict[str, Any], headers: dict[str, str], members: dict[str, Any], fate: tuple[str, str]
) -> None:
    async with simulated(1, profile="vllm") as vendor, simulated(2) as reference:
        async with watching(tmp_path, vendor.url, reference.url, **settings) as watched:
            await ask(watched, body(0, **members), body(1, **members), headers=headers)
            await until(lambda: watched.balanced() and watched.fates().get(fate))


async def test_a_repeated_request_is_one_pair_a_day(tmp_path: Path) -> None:
    async with simulated(1) as vendor, simulated(2) as reference:
        async with watching(tmp_path, vendor.url, reference.url) as watched:
            await ask(watched, *(body() for _ in range(5)))
            await until(watched.balanced)
            assert watched.fates() == {("selected", ""): 5, ("scored", ""): 1, ("excluded", "repeat"): 4}


async def test_a_conversation_is_mirrored_as_a_whole(tmp_path: Path) -> None:
    async with simulated(1) as vendor, simulated(2) as reference:
        async with watching(tmp_path, vendor.url, reference.url, mirror={"fraction": "50%"}) as watched:
            turns = [
                [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"Question {number}"}]
                + [{"role": role, "content": f"{turn}"} for turn in range(turns) for role in ("assistant", "user")]
                for number in range(24)
                for turns in range(3)
            ]
            await ask(watched, *({"model": "kimi-k2.6", "messages": each} for each in turns))
            await until(watched.balanced)
            seen = {orjson.dumps(orjson.loads(each.body)["messages"]) for each in reference.received}
        chosen = [orjson.dumps(each) in seen for each in turns]
        by_conversation = [set(chosen[i : i + 3]) for i in range(0, len(chosen), 3)]
        assert all(len(each) == 1 for each in by_conversation)
        assert {True} in by_conversation
        assert {False} in by_conversation


@pytest.mark.parametrize("room", ["16MiB", "1KiB"])
async def test_while_no_scorer_listens_clients_are_served_and_what_has_no_room_is_counted(
    tmp_path: Path, room: str
) -> None:
    """The socket outlives the scorer, so frames wait there for the next one as long as there is room."""
    async with simulated(1) as vendor, simulated(2) as reference:
        async with watching(tmp_path, vendor.url, reference.url, scorer=False, signals={"outbox": room}) as watched:
            assert await ask(watched, *(body(i) for i in range(5))) == [200] * 5
            await until(lambda: len(watched.proxy.lines) == 5)
            dropped = value(watched.registry, "paramwall_answers_dropped_total", vendor="sim", reason="outbox_full")
            assert dropped == (5 if room == "1KiB" else 0)
            assert watched.fates() == {}


async def test_without_a_reference_answers_are_checked_all_the_same(tmp_path: Path) -> None:
    async with simulated(1) as vendor:
        async with watching(tmp_path, vendor.url, None) as watched:
            await ask(watched, *(body(i) for i in range(60)))
            await until(lambda: watched.status()["drift"] and watched.status()["drift"][0]["answers"] == 60)
            (key,) = watched.status()["drift"]
            assert (key["pairs"], key["state"]) == (0, "ok")
            assert (
                watched.count("paramwall_signal_checked_total", vendor="sim", mode="thinking", signal="leaked-markers")
                == 60
            )
