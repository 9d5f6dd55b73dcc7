"""What clients ask, from real requests to the log, and back out of it by `paramwall policy backtest`."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import orjson
import pytest

from proxy.drift.rows import RequestsRow
from proxy.policy.facts import VOCABULARY, Facts
from proxy.scorer.book import Book
from proxy.scorer.repairs import Outcomes, Repair, repairs_of
from proxy.scorer.requests import fitted
from proxy.simulator import Options, Simulator
from proxy.store import Store
from tests.cli.logged import BEGAN_S, rows, write_log
from tests.cli.running import Ran, run
from tests.shadow.watching import Watched, watching


def body(**members: Any) -> dict[str, Any]:  # noqa: ANN401  (any JSON)
    return {"model": "kimi-k2.6", "messages": [{"role": "user", "content": "Reeds?"}], **members}


@asynccontextmanager
async def logging(folder: Path, **settings: Any) -> AsyncIterator[Watched]:  # noqa: ANN401  (any setting)
    """A proxy with a scorer and a log in `folder`/state, without a reference."""
    async with (
        Simulator(Options(instant=True)) as vendor,
        watching(folder, vendor.url, None, state_dir=str(folder / "state"), **settings) as watched,
    ):
        yield watched


async def ask(
    watched: Watched, *bodies: bytes | dict[str, Any], path: str = "/chat/completions", key: str = ""
) -> list[int]:
    """Post each, one after the other."""
    statuses: list[int] = []
    async with aiohttp.ClientSession() as session:
        for each in bodies:
            data = each if isinstance(each, bytes) else orjson.dumps(each)
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
            async with session.post(f"{watched.proxy.url}{path}", data=data, headers=headers) as response:
                await response.read()
                statuses.append(response.status)
    return statuses


def backtest(folder: Path, *words: str) -> Ran:
    return run("policy", "backtest", *words, "--state-dir", str(folder))


LAWFUL: Final = body(temperature=1.0, top_p=0.95)
ASKED: Final[list[bytes | dict[str, Any]]] = [
    *[LAWFUL] * 5,
    *[body(temperature=0.3, top_p=0.95)] * 3,
    body(temperature="hot"),
    body(temperature=1.0, top_p=0.95, thinking={"type": "disabled"}),
    b'{"model": "kimi-k2.6", "n": 1, "n": 2}',
    body(model="gpt-5"),
]


async def test_the_log_knows_what_was_asked_and_what_another_policy_would_do(tmp_path: Path) -> None:
    async with logging(tmp_path) as watched:
        assert await ask(watched, *ASKED) == [200] * 8 + [400, 200, 400, 404]
    folder = tmp_path / "state"
    with Store.read(folder) as store:
        found = repairs_of(store)
        label = found.outcomes[0].policy
        assert not repairs_of(store, vendor="another").outcomes
        assert not repairs_of(store, after_s=(found.last_s or 0.0) + 1.0).clauses
    assert set(found.outcomes) == {
        Outcomes("sim", label, "repair", "", 0, 0, 1),
        Outcomes("sim", label, "repair", "thinking", 6, 3, 1),
        Outcomes("sim", label, "repair", "instant", 0, 1, 0),
    }
    clause = "temperature-off-contract"
    assert set(found.clauses) == {
        Repair("sim", label, "", "member-repeated", "reject", "", 1),
        Repair("sim", label, "thinking", clause, "rewrite", "temperature", 3),
        Repair("sim", label, "thinking", clause, "reject", "temperature", 1),
        Repair("sim", label, "instant", clause, "rewrite", "temperature", 1),
    }
    same = backtest(folder, "kimi-k2.6", "--json")
    assert (same.code, same.err) == (0, "")
    assert same.json["outcomes"] == {"reject": 2, "rewrite": 4, "pass": 6}
    assert not any(change["differs"] for change in same.json["changes"])
    strict = backtest(folder, "kimi-k2.6", "--enforcement", "strict", "--json")
    assert (strict.code, strict.err) == (1, "")
    assert strict.json["outcomes"] == {"reject": 7, "rewrite": 0, "pass": 5}
    assert strict.json["refused_anew"] == 5
    assert [(each["before"], each["after"], each["requests"], each["values"]) for each in strict.json["changes"]] == [
        ("rewrite", "reject", 4, {"temperature 0.3": 3, "temperature 1.0": 1}),
        ("pass", "reject", 1, {"model another model": 1}),
        ("pass", "pass", 5, {}),
        ("reject", "reject", 2, {}),
    ]
    assert (same.json["uncovered"], strict.json["uncovered"]) == (1, 1)
    other = backtest(folder, "kimi-k3", "--json").json
    assert (other["uncovered"], other["unknown"], other["outcomes"]["pass"]) == (10, {"models": 1}, 10)
    observe = backtest(folder, "kimi-k2.6", "--enforcement", "observe", "--json")
    assert observe.code == 0
    assert observe.json["outcomes"] == {"reject": 1, "rewrite": 0, "pass": 11}, "what nobody can read is always refused"


async def test_a_client_with_a_policy_of_its_own_and_another_call(tmp_path: Path) -> None:
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("app", "ci")}
    clients = {"app": {"key_sha256": digests["app"]}, "ci": {"key_sha256": digests["ci"], "enforcement": "strict"}}
    hot = body(temperature=0.3)
    async with logging(tmp_path, clients=clients, vendor={"credentials": "pass"}) as watched:
        assert await ask(watched, hot, key="app") == [200]
        assert await ask(watched, hot, key="ci") == [400]
        assert await ask(watched, hot, key="nobody") == [401]
        response = {"model": "kimi-k2.6", "input": "Reeds?", "temperature": 0.3}
        await ask(watched, response, path="/responses", key="app")
        await ask(watched, b"", path="/models", key="app")
    with Store.read(tmp_path / "state") as store:
        told = list(store.requests())
    assert {row.enforcement: sum(row.requests.values()) for row in told} == {"repair": 2, "strict": 1}
    facts = [msgspec.json.decode(text, type=Facts) for row in told for text in row.requests]
    assert sorted((each.route, each.outcome) for each in facts) == [
        ("chat", "reject"),
        ("chat", "rewrite"),
        ("responses", "rewrite"),
    ]


HUSH: Final = "zwxqvhush"
"""In every place where a client may write."""


def hostile() -> list[bytes | dict[str, Any]]:
    """Bodies full of text, good and bad, each of which leaves facts."""
    long = HUSH * 60
    tool = {"type": "function", "function": {"name": HUSH, "parameters": {HUSH: HUSH}}}
    return [
        body(user=HUSH, metadata={HUSH: HUSH}, prompt_cache_key=HUSH, stop=[HUSH], seed=7, tools=[tool]),
        body(tool_choice={"type": "function", "function": {"name": HUSH}}, thinking={"type": "disabled", HUSH: HUSH}),
        body(**{HUSH: HUSH, f"{HUSH}-2": {HUSH: HUSH}, HUSH * 40: 1}),
        body(temperature=HUSH, top_p=[HUSH], n={HUSH: HUSH}, service_tier=HUSH, response_format={"type": HUSH}),
        body(temperature=long, top_p=[long], n={HUSH: long}),
        body(extra_body={HUSH: HUSH, "temperature": HUSH, "inner": {HUSH: {HUSH: [HUSH]}}}, logit_bias={HUSH: 1}),
        body(thinking={"type": HUSH}, reasoning_effort=HUSH, chat_template_kwargs={HUSH: HUSH, "thinking": True}),
        body(model=HUSH),
        body(model=f"{HUSH}:thinking"),
        body(model=f"kimi-k2.6:{HUSH}"),
        body(model=[HUSH]),
        body(messages=[{"role": "assistant", "content": HUSH, "tool_calls": [{"id": HUSH}]}], n=3),
        body(**{"TEMPERATURE\u200b": HUSH}),
        f'{{"{HUSH}":1,"{HUSH}":2}}'.encode(),
        f'{{"temperature":{HUSH}}}'.encode(),
        f'{{"top_p":{{"{HUSH}":1,"{HUSH}":2}}}}'.encode(),
        HUSH.encode(),
    ]


async def test_no_text_of_a_request_is_in_the_log(tmp_path: Path) -> None:
    bodies = hostile()
    async with logging(tmp_path) as watched:
        for path in ("/chat/completions", "/completions", "/responses", "/messages"):
            await ask(watched, *bodies, path=path)
        folder = tmp_path / "state"
        beside = b"".join(file.read_bytes() for file in folder.iterdir())
    with Store.read(folder) as store:
        told = repairs_of(store)
    assert sum(each.passed + each.rewritten + each.rejected for each in told.outcomes) == 4 * len(bodies)
    assert not told.unrecorded
    written = beside + b"".join(file.read_bytes() for file in folder.iterdir())
    assert b'"chat","thinking","reject",[["temperature-off-contract","reject","temperature"]' in written, (
        "as it is read"
    )
    assert HUSH.encode() not in written.lower()


# Rows made by hand


def row(at_s: float, *facts: tuple[str, int], **members: Any) -> RequestsRow:  # noqa: ANN401  (its members)
    told = {"vendor": "sim", "policy": "kimi-k2.6@0123abcd", "enforcement": "repair", "profile": "openai-compatible"}
    read = {"models": "00000000", "names": (), "vocabulary": VOCABULARY}
    return RequestsRow(at_s, **{**told, **read, **members}, requests=dict(facts))


def facts(outcome: str = "pass", *counts: tuple[str, str, str], **shape: Any) -> str:  # noqa: ANN401  (any JSON)
    return json.dumps(["chat", "thinking", outcome, counts, {"messages": "kept", **shape}], separators=(",", ":"))


def logged(folder: Path, *told: RequestsRow) -> Path:
    with Store.open(folder) as store:
        store.append(told, Book().state())
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two rows, an hour apart."""
    n = ("n-above-one", "rewrite", "n")
    return logged(
        tmp_path,
        row(BEGAN_S, (facts(temperature=0.8, top_p=0.9), 7), (facts("rewrite", n, n=3), 2), unrecorded=4),
        row(BEGAN_S + 3600.0, (facts(model="+", seed="#"), 5), (facts(stop="[?]"), 1), vendor="other"),
    )


NEW: Final = """
version: 1
name: strict-kimi
models: ["kimi-k2.6"]
mode: {default: thinking}
clauses:
  - {id: temperature-high, member: temperature, kind: range, minimum: 0, maximum: 0.5, source: x}
  - {id: seed-set, member: seed, kind: forbidden, source: x}
  - {id: stop-known, member: stop, kind: forbidden, neutral: [["a"]], source: x}
"""


def test_a_policy_of_ones_own(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    file.write_text(NEW)
    ran = backtest(folder, str(file))
    assert ran.code == 1
    words = [line.split() for line in ran.out.splitlines()]
    assert ["pass", "reject", "7", "temperature-high", "-", "temperature", "0.8"] in words
    assert ["rewrite", "pass", "2", "-", "n-above-one", "n", "3"] in words
    assert ["n-above-one", "n", "rewrite", "2", "0", "3"] in words
    for said in (
        "15 requests from 2023-11-14 22:13:20Z to 2023-11-14 23:13:20Z\n",
        "in force: kimi-k2.6@0123abcd (repair) at other, 6 requests\n",
        "in force: kimi-k2.6@0123abcd (repair) at sim, 13 requests\n",
        "(repair): 2 pass, 0 rewritten, 7 rejected, 6 not known\n",
        "not known: 5 requests: the policy in force covers other models",
        "not known: 1 request: stop-known needs what was not kept\n",
        "unrecorded: 4 requests of which nothing is known\n",
        "7 requests that got through would be refused\n",
    ):
        assert said in ran.out
    one = backtest(folder, str(file), "--vendor", "other", "--json")
    assert (one.code, one.json["requests"], one.json["unknown"]) == (0, 6, {"models": 5, "stop-known": 1})
    for since in ("2023-11-14T23:00", "2023-11-14T23:30+00:30", "2023-11-14T23:13:20Z"):
        assert backtest(folder, str(file), "--since", since, "--json").json["requests"] == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["kimi-k2.7"], "no policy"),
        (["./none.yaml"], "cannot be read"),
        (["kimi-k2.6", "--profile", "vlm"], "did you mean vllm?"),
        (["kimi-k2.6", "--enforcement", "observ"], "did you mean observe?"),
        (["kimi-k2.6", "--since", "yesterday"], "--since: yesterday is no time"),
        (["kimi-k2.6", "--since", "5m"], "leave --since or --vendor out"),
        (["kimi-k2.6", "--vendor", "nobody"], "leave --since or --vendor out"),
    ],
)
def test_what_cannot_be_used(words: list[str], said: str, folder: Path) -> None:
    ran = backtest(folder, *words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "hint: " in ran.err


def test_a_log_without_requests(tmp_path: Path) -> None:
    assert "add the proxy's --state-dir" in run("policy", "backtest", "kimi-k2.6").err
    assert "does not exist" in backtest(tmp_path, "kimi-k2.6").err
    write_log(tmp_path, 10)
    ran = backtest(tmp_path, "kimi-k2.6")
    assert (ran.code, ran.out) == (2, "")
    assert "older logs have none" in ran.err


def test_the_drift_state_is_the_same_with_and_without_them() -> None:
    with_them, without = Book(), Book()
    for number, each in enumerate(rows()):
        without.fold(each)
        with_them.fold(each)
        if number % 3 == 0:
            assert with_them.fold(row(each.at_s + 30.0, (facts(n=number), number))) == ()
    assert {**with_them.state(), "last_at_s": 0.0} == {**without.state(), "last_at_s": 0.0}


async def test_a_replay_of_a_log_with_them_gives_the_same_bits(tmp_path: Path) -> None:
    async with logging(tmp_path) as watched:
        await ask(watched, LAWFUL, body(n=2))
    ran = run("status", "--state-dir", str(tmp_path / "state"), "--replay", "--json")
    assert ran.json["replay"] == {"same": True, "differences": []}
    assert [each["answers"] for each in ran.json["drift"]] == [2]


# Rows that would be too long


def test_the_member_with_the_most_numbers_gives_way_first() -> None:
    told = Counter({facts(temperature=t / 10, max_tokens=m): 1 for t in range(3) for m in range(100)})
    fit = fitted(told, 10, 10**6)
    assert fit == {facts(temperature=t / 10, max_tokens="#"): 100 for t in range(3)}
    assert fitted(told, 300, 10**6) == told


def test_what_is_rare_is_left_out_where_nothing_else_helps() -> None:
    told = Counter({facts(service_tier="flex", stop=name): n for n, name in enumerate("abcdefgh", 1)})
    assert sorted(fitted(told, 3, 10**6).values()) == [6, 7, 8]
    size = len(next(iter(told)))
    assert sorted(fitted(told, 8, 2 * size).values()) == [7, 8]
