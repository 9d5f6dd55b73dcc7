"""Mixed traffic as the scorer gets it: recorded answers of two honest simulators, and the frames of a worker.

Here: the kinds of requests, their recording, frames for any number of pairs. Not here: feeding a scorer
(shadow_throughput.py). Invariants: no two requests are alike, since a repeated one is no pair; both hosts draw
their answers independently, as two of one model do, and are the vendor in turn, so that a recording that is used again
and again is no evidence against either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

import aiohttp
import msgspec

from bench.workloads import body
from proxy.contract.exchange import ASKED_MEMBERS, Admitted, Content, Exchange, Finished, Frame, Hello, Timings, encode
from proxy.simulator import Lengths, Lognormal, Options, Simulator

TOOLS_KEY: Final = 1
_MARKED: Final = re.compile(rb"case (\d{4}) number (\d{10})")
_UNIQUE: Final = b"number 0000000000"
_LENGTHS: Final = Lengths(Lognormal(180, 0.5), Lognormal(160, 0.5))
"""Tokens; an answer is then about 2 KB of text."""
_CONTRACT: Final[dict[str, dict[str, Any]]] = {
    "thinking": {"temperature": 1.0, "top_p": 0.95},
    "instant": {"temperature": 0.6, "top_p": 0.95, "thinking": {"type": "disabled"}},
}
_STREAM: Final = "text/event-stream"
TIMINGS: Final = Timings(0.001, 0.4, 0.42, 6.0, 0.05)


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer as it came."""

    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Case:
    """One question, and what two hosts answered: as it was asked, and the same streamed, as the reference is asked.
    `again` is a second streamed answer.
    """

    mode: str
    body: bytes
    asked: tuple[Answered, Answered]
    streamed: tuple[Answered, Answered]
    again: Answered


def bodies(count: int) -> list[tuple[str, bytes]]:
    """(mode, body) of `count` requests: streamed and whole, thinking and instant, every other one with tools."""
    agent = json.loads(body("agent", stream=False))
    made = []
    for number in range(count):
        mode = "instant" if number % 8 >= 6 else "thinking"
        question = f"case {number:04d} {_UNIQUE.decode()}: what should be done about item {number * 7919 % 1000}?"
        members: dict[str, Any] = {"model": "kimi-k2.6", "messages": [{"role": "user", "content": question}]}
        if number % 2:
            members |= {"messages": [*agent["messages"][:1], *members["messages"]], "tools": agent["tools"]}
        members |= {"stream": number % 4 < 2, "max_tokens": 4096, **_CONTRACT[mode]}
        made.append((mode, json.dumps(members, separators=(",", ":")).encode()))
    return made


async def recorded(count: int) -> list[Case]:
    """Ask simulators: two of the same seed say the same to the same requests, streamed or not."""
    hosts = [Simulator(Options(seed=seed, instant=True, lengths=_LENGTHS)) for seed in (1, 2, 1, 2, 3)]
    cases = []
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        for host in hosts:
            await stack.enter_async_context(host)
        for mode, asked in bodies(count):
            streamed = json.dumps({**json.loads(asked), "stream": True}).encode()
            one, two = [await _ask(session, host.url, asked) for host in hosts[:2]]
            first, second, again = [await _ask(session, host.url, streamed) for host in hosts[2:]]
            cases.append(Case(mode, asked, (one, two), (first, second), again))
    return cases


async def _ask(session: aiohttp.ClientSession, url: str, asked: bytes) -> Answered:
    headers = {"Content-Type": "application/json"}
    async with session.post(f"{url}/chat/completions", data=asked, headers=headers) as response:
        data = await response.read()
        if response.status != 200:
            raise RuntimeError(f"the simulator answered {response.status}: {data[:200].decode(errors='replace')}")
        return Answered(response.headers["Content-Type"], data)


def reference_answer(cases: Sequence[Case], asked: bytes, *, again: bool) -> Answered:
    """What the host that is not the vendor this time answers; `again`: when it is asked a second time."""
    found = _MARKED.search(asked)
    assert found is not None
    case, number = cases[int(found[1])], int(found[2])
    return case.again if again else case.streamed[1 - _host(cases, number)]


def _host(cases: Sequence[Case], number: int) -> int:
    """Which host is the vendor of the `number`-th exchange: they change after every round through all cases."""
    return number // len(cases) % 2


def greeting(cases: Sequence[Case], pid: int, version: int) -> bytes:
    """What a worker says first: itself, and the tools of all requests."""
    tools = next(_members(case.body)["tools"] for case in cases if b'"tools":' in case.body)
    return bytes(encode(Hello(version, pid)) + encode(Content(TOOLS_KEY, tools)))


def frames(cases: Sequence[Case], number: int, vendor: str, policy: str) -> bytes:
    """The two frames of the `number`-th mirrored and checked exchange."""
    case = cases[number % len(cases)]
    request_id, members = f"{number:032x}", _members(case.body)
    asked = {name: members[name] for name in ASKED_MEMBERS if name in members}
    answer = case.asked[_host(cases, number)]
    exchange = Exchange("ok", "ok", 200, answer.data, len(answer.data), answer.content_type, "", TIMINGS)
    unique = case.body.replace(_UNIQUE, b"number %010d" % number, 1)
    contents = {"tools": TOOLS_KEY} if "tools" in members else {}
    pair: tuple[Frame, Frame] = (
        Admitted(request_id, vendor, policy, case.mode, unique),
        Finished(
            id=request_id,
            vendor=vendor,
            policy=policy,
            mode=case.mode,
            mirrored=True,
            checked=True,
            whole=True,
            keep=True,
            asked=asked,
            contents=contents,
            exchange=exchange,
        ),
    )
    return b"".join(encode(frame) for frame in pair)


def _members(asked: bytes) -> Mapping[str, bytes]:
    return {name: bytes(raw) for name, raw in msgspec.json.decode(asked, type=dict[str, msgspec.Raw]).items()}


def described(cases: Sequence[Case]) -> str:
    """What the traffic is, in one line."""
    answers = [each for case in cases for each in case.asked]
    whole = [len(each.data) for each in answers if not each.content_type.startswith(_STREAM)]
    sse = [each.data for case in cases for each in case.streamed]
    events = fmean(each.count(b"data:") for each in sse)
    tools = sum(b'"tools":' in case.body for case in cases)
    calls = sum(b'"tool_calls"' in each.data for each in answers)
    return (
        f"{len(cases)} questions recorded of two hosts: {tools} with tools; of {len(answers)} answers {calls} with "
        f"calls and {len(answers) - len(whole)} streamed; a mean answer has {fmean(whole) / 1000:.1f} KB as JSON, "
        f"{fmean(len(each) for each in sse) / 1000:.0f} KB in {events:.0f} events as a stream"
    )
